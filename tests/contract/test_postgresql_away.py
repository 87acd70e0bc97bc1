"""In: a PostgreSQL server that is away, starting, or not as the settings say. Out: 75 with its place, or 2; the password in neither."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from adapter.errors import ConfigurationError, StateUnavailableError
from adapter.store import Store
from tests.support.cli import reluth
from tests.support.postgres import running_postgres

PASSWORD = "geheim-und-lang"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as found:
        yield found


#: Answers each greeting with an error of an SQLSTATE, in words that nobody knows; says on which port.
REFUSING = """
import socket, struct, sys
fields = b"SFATAL\\0VFATAL\\0C" + sys.argv[1].encode() + b"\\0Mdie Datenbank mag nicht\\0\\0"
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    with peer:
        # Requests for encryption come first: "N" declines them.
        while (asked := peer.recv(4096)) and asked[4:8] in (struct.pack(">I", 80877103), struct.pack(">I", 80877104)):
            peer.sendall(b"N")
        if asked:
            peer.sendall(b"E" + struct.pack(">I", len(fields) + 4) + fields)
"""


@contextmanager
def refusing(state: str) -> Iterator[int]:
    """A server that refuses everybody; a process of its own, for libpq's ping lets no other thread work. Yields its port."""
    with subprocess.Popen([sys.executable, "-c", REFUSING, state], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def url_at(port: int, host: str = "127.0.0.1") -> str:
    return f"postgresql+psycopg://reluth:{PASSWORD}@{host}:{port}/state"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def test_server_that_is_away_is_to_be_tried_again(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(StateUnavailableError, match=rf"nothing answers at 127\.0\.0\.1:{port}\)") as raised:
        Store.open(tmp_path / "var", url_at(port))

    assert raised.value.exit_code == 75
    assert PASSWORD not in str(raised.value)


def test_server_that_is_starting_is_to_be_tried_again(tmp_path: Path) -> None:
    with (
        refusing("57P03") as port,
        pytest.raises(StateUnavailableError, match=rf"the server at 127\.0\.0\.1:{port} is starting") as raised,
    ):
        Store.open(tmp_path / "var", url_at(port))

    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("state", ["53300", "53200"])
def test_server_that_takes_no_connection_now_is_to_be_tried_again(tmp_path: Path, state: str) -> None:
    with (
        refusing(state) as port,
        pytest.raises(
            StateUnavailableError, match=rf"the server at 127\.0\.0\.1:{port} takes no connection now, {state}"
        ),
    ):
        Store.open(tmp_path / "var", url_at(port))


def test_real_server_whose_connections_are_all_in_use_is_to_be_tried_again(tmp_path: Path, server: str) -> None:
    url = make_url(server)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create role crowded login password '{PASSWORD}' connection limit 0"))
    engine.dispose()
    crowded = url.set(username="crowded", password=PASSWORD).render_as_string(hide_password=False)
    with pytest.raises(StateUnavailableError, match=r"takes no connection now, 53300\)") as raised:
        Store.open(tmp_path / "var", crowded)

    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("state", ["28P01", "3D000", "28000"])
def test_server_that_refuses_us_is_a_setting_to_mend(tmp_path: Path, state: str) -> None:
    with (
        refusing(state) as port,
        pytest.raises(ConfigurationError, match=r"store\.database: cannot be opened") as raised,
    ):
        Store.open(tmp_path / "var", url_at(port))

    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"password": PASSWORD}, {"database": "nowhere"}, {"username": "nobody"}])
def test_real_server_that_refuses_us_is_a_setting_to_mend(tmp_path: Path, server: str, wrong: dict[str, str]) -> None:
    url = make_url(server)
    url = url.set(
        username=wrong.get("username", url.username),
        password=wrong.get("password", url.password),
        database=wrong.get("database", url.database),
    )
    with pytest.raises(ConfigurationError, match=r"store\.database: cannot be opened"):
        Store.open(tmp_path / "var", url.render_as_string(hide_password=False))


def test_name_that_does_not_exist_is_a_setting_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(ConfigurationError, match=r"store\.database: cannot be opened"):
        Store.open(tmp_path / "var", url_at(5432, "nosuch.invalid"))


def test_names_that_cannot_be_looked_up_now_are_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", later)
    with pytest.raises(StateUnavailableError, match=r"the name db\.invalid cannot be looked up now"):
        Store.open(tmp_path / "var", url_at(5432, "db.invalid"))


@pytest.mark.parametrize("verb", [["store", "stats"], ["serve"], ["sync"]])
def test_commands_end_with_75_and_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str]) -> None:
    port = free_port()
    (tmp_path / "var").mkdir()
    (tmp_path / "adapter.toml").write_text('[sites.icm]\nsite_code = "05"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELUTH_STORE__DATABASE", url_at(port))
    ran = reluth(*verb)

    assert ran.code == 75
    assert f"nothing answers at 127.0.0.1:{port}" in ran.err + ran.out
    assert PASSWORD not in ran.err + ran.out
