"""In: a state under way. Out: a copy of it as SQLite that is of one moment; and of such a copy a state that another machine can go on with.

Whichever database the state is kept in, its copy is SQLite: a backup needs no other program, and can be put back into either.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, literal, select, update

from adapter.errors import DamagedError
from adapter.store.account_models import SessionRow, SignInFlowRow
from adapter.store.models import AuditRow, Base, RunRow, SiteLockRow
from adapter.store.provider_models import ProviderJobRow, ProviderTokenRow
from adapter.store.state import State, now

__all__ = ["STATE", "Listed", "copy_rows", "is_empty", "list_files", "settle", "snapshot"]

#: The state in a backup: SQLite, whichever database it is kept in.
STATE = "state.sqlite"
_ROWS = 1000


class Listed(NamedTuple):
    """What a state says of the store's files.

    Attributes:
        revision: of its tables.
        sites: with something in the lake.
        files: by path in the store's folder the SHA-256, None where an earlier release did not note it.
    """

    revision: str
    sites: list[str]
    files: dict[str, str | None]


def snapshot(state: State, folder: Path) -> Path:
    """Copy a state into a folder, as it is at one moment, in place of a copy that is there; who writes meanwhile is not held up.

    Returns:
        the copy, a SQLite file.

    Raises:
        DamagedError: SQLite finds its file damaged.
    """
    into = folder / STATE
    into.unlink(missing_ok=True)
    os.close(os.open(into, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if state.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(into)) as copy, state.engine.connect() as source:
            driver = source.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            # In one step: by several it begins again after each commit of somebody else.
            driver.backup(copy, pages=-1)
    else:
        with closing(State(folder)) as kept:
            copy_rows(state.engine, kept.engine)
    with closing(sqlite3.connect(into)) as copy:
        # One file, and none beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        try:
            found = [line for (line,) in copy.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            found = [f"cannot be read ({type(error).__name__})"]
    if found != ["ok"]:
        raise DamagedError("the store's state", found)
    return into


def list_files(copy: Path) -> Listed:
    """The files that a copy of a state names."""
    with closing(sqlite3.connect(copy)) as connection:
        files: dict[str, str | None] = {}
        sites = set()
        for site, type_, name, raw, index in connection.execute(
            "select site, type, name, raw_sha256, index_sha256 from segment"
        ):
            sites.add(site)
            files[f"lake/{site}/{type_}/{name}.parquet"] = raw
            files[f"index/{site}/{type_}/{name}.parquet"] = index
        # The key is the hash of the bytes.
        for site, key in connection.execute("select site, key from quarantine where has_bytes"):
            files[f"quarantine/{site}/{key}"] = key
        ((revision,),) = connection.execute("select version_num from alembic_version")
    return Listed(revision, sorted(sites), files)


def is_empty(engine: Engine) -> bool:
    """Whether no table holds a row."""
    with engine.connect() as connection:
        return all(
            connection.scalar(select(literal(1)).select_from(table).limit(1)) is None
            for table in Base.metadata.sorted_tables
        )


def copy_rows(source: Engine, target: Engine) -> None:
    """All rows of one state into the empty tables of another, of one moment, in one transaction."""
    # All tables are known: whoever imports a module of this room has imported the room.
    options = {"isolation_level": "REPEATABLE READ"} if source.dialect.name == "postgresql" else {}
    with (
        source.connect().execution_options(stream_results=True, **options) as given,
        target.begin() as taken,
    ):
        for table in Base.metadata.sorted_tables:
            for rows in given.execute(select(table)).mappings().partitions(_ROWS):
                taken.execute(insert(table), [dict(row) for row in rows])
        if target.dialect.name == "postgresql":
            _count_on(taken)


def _count_on(connection: Connection) -> None:
    """Numbers that PostgreSQL gives begin after those that were copied."""
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            highest = select(func.max(column)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))


def settle(state: State, *, by: str, detail: str) -> None:
    """End in a copy what was under way where it was made, as after a kill, and whoever had a way in; with its line in the audit trail.

    Locks name processes of another machine, which nobody could take over. Sessions and tokens are not given back: what ended
    them since then is not known here.
    """
    with state.session() as session:
        for rows in (SiteLockRow, SessionRow, SignInFlowRow, ProviderTokenRow):
            session.execute(delete(rows))
        session.execute(update(RunRow).where(RunRow.state == "open").values(state="failed", ended_at=now()))
        # Their files are not in a backup: those under way are made anew, the others are asked for again.
        jobs = update(ProviderJobRow)
        session.execute(
            jobs.where(ProviderJobRow.state == "running").values(state="accepted", owner="", progress="waiting")
        )
        session.execute(jobs.where(ProviderJobRow.state == "complete").values(state="expired", files="[]"))
        session.add(AuditRow(at=now(), actor=by, action="restore", subject="store", detail=detail))
