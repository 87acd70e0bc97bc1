"""In: PostgreSQL's own programs. Out: a private server on loopback for one session of tests, and an empty database for each test.

No socket in the file system, no trust in anybody but a random password, nothing left when it ends. As root it runs as another
user, for PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

__all__ = ["MISSING", "new_database", "postgres_programs", "running_postgres"]

MISSING = "there is no PostgreSQL on this machine (Debian: apt-get install postgresql)"
_NOBODY = "nobody"
_START_SECONDS = 60


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, None where there is none."""
    found = [Path(path).resolve().parent for path in (shutil.which("pg_ctl"),) if path]
    # Debian keeps them off the PATH, a folder a release.
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def running_postgres() -> Iterator[str]:
    """A server, as a SQLAlchemy url of its database ``postgres``; without the programs the test is skipped, in CI it fails."""
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="reluth-postgres-"))
    try:
        yield from _served(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _served(programs: Path, folder: Path) -> Iterator[str]:
    data, password = folder / "data", secrets.token_urlsafe(24)
    kept = folder / "password"
    kept.write_text(password)
    if os.geteuid() == 0:
        for path in (folder, kept):
            shutil.chown(path, _NOBODY)
    _run(
        [
            *(programs / "initdb", "-D", data, "-U", "reluth", "-A", "scram-sha-256", f"--pwfile={kept}"),
            # Not the C locale: what is ordered by bytes must be so whatever the hospital's server sorts by.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=fr-FR", "--no-sync"),
        ]
    )
    port = _free_port()
    options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off -c max_connections=40 -c shared_buffers=64MB -c log_min_messages=fatal"
    _run(
        [programs / "pg_ctl", "-D", data, "-w", "-t", str(_START_SECONDS), "-l", folder / "log", "-o", options, "start"]
    )
    try:
        yield f"postgresql+psycopg://reluth:{password}@127.0.0.1:{port}/postgres"
    finally:
        _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """An empty database of a running server, dropped at the end; its url."""
    name = f"test_{secrets.token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"create database {name}"))
        yield server.removesuffix("postgres") + name
        with engine.connect() as connection:
            connection.execute(text(f"drop database {name} with (force)"))
    finally:
        engine.dispose()


def _run(command: list[str | Path]) -> None:
    ordered = ["setpriv", f"--reuid={_NOBODY}", "--clear-groups", *command] if os.geteuid() == 0 else command
    done = subprocess.run(
        [str(part) for part in ordered],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        timeout=_START_SECONDS * 2,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{Path(command[0]).name}: {done.stderr.decode(errors='replace')[-500:]}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
