"""In: PostgreSQL as the state. Out: the same promises of backup and restore as on SQLite; a backup goes into either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from adapter.errors import UsageError
from adapter.store import Store, check_backup, restore
from adapter.store.models import Base
from tests.support.cli import reluth
from tests.support.postgres import new_database, running_postgres
from tests.unit.store.making import fill, live, observation, patient


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    with new_database(server) as url:
        yield url


def told(store: Store) -> object:
    return (
        live(store),
        store.lake.stats(),
        store.decision_history("t"),
        [vars(run) for run in store.runs()],
        store.entities.all("icm", "labs"),
    )


def filled(store: Store) -> object:
    fill(store, [patient("p"), observation("o", "p")])
    store.decide("icm", "Patient/p", trial="t", state="contacted", reason="to-contact", by="anna", note="Zoé, 2 %")
    store.audit("anna", "view-patient", subject="icm/Patient/p")
    return told(store)


@pytest.fixture
def backup(server: str, tmp_path: Path) -> tuple[Path, object]:
    """A backup of a store whose state is in PostgreSQL, and what that store tells."""
    with new_database(server) as url, Store.open(tmp_path / "var", url) as store:
        before = filled(store)
        done = store.back_up(tmp_path / "backups")
        assert (done.manifest.problems, check_backup(done.folder)) == ([], (done.manifest, []))
    return done.folder, before


@pytest.mark.parametrize("goes_to", ["postgresql", "sqlite"])
def test_state_of_postgresql_goes_into_either(
    backup: tuple[Path, object], database: str, tmp_path: Path, goes_to: str
) -> None:
    folder, before = backup
    url = database if goes_to == "postgresql" else None
    restore(folder, tmp_path / "again", by="it", database=url)

    with Store.open(tmp_path / "again", url) as opened:
        assert told(opened) == before
        assert [line.action for line in opened.audit_trail()] == ["view-patient", "restore"]
        # Numbers are counted on from those that are there.
        fill(opened, [patient("new")])
        opened.audit("anna", "find", subject="icm")
        assert opened.decide("icm", "Patient/p", trial="t", state="screening", reason="other", by="anna").version == 2
        assert sorted(live(opened)) == ["Patient/new", "Patient/p"]
    assert (tmp_path / "again" / "state.sqlite").exists() is (url is None)


def test_run_that_commits_while_the_state_is_read_is_left_out_whole(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path / "var", database) as store:
        before = filled(store)
        read: list[str] = []

        def meanwhile(table: Any) -> Any:
            read.append(table.name)
            if len(read) == 2:
                fill(store, [patient("later")])
            return select(table)

        monkeypatch.setattr("adapter.store.state_copy.select", meanwhile)
        done = store.back_up(tmp_path / "backups")
        monkeypatch.undo()
        assert sorted(live(store)) == ["Patient/later", "Patient/p"]
    restore(done.folder, tmp_path / "again", by="it")

    assert read.index("run") > 1
    with Store.open(tmp_path / "again") as opened:
        assert told(opened) == before


def test_state_of_sqlite_goes_into_postgresql(store: Store, database: str, tmp_path: Path) -> None:
    before = filled(store)
    restore(store.back_up(tmp_path / "backups").folder, tmp_path / "again", by="it", database=database)

    with Store.open(tmp_path / "again", database) as opened:
        assert told(opened) == before


def test_commands_take_the_database_of_the_settings(backup: tuple[Path, object], database: str, tmp_path: Path) -> None:
    (tmp_path / "database").write_text(database)
    (tmp_path / "adapter.toml").write_text('[store]\npath = "again"\ndatabase_file = "database"\n')
    config = ("--config", tmp_path / "adapter.toml")
    codes = [
        reluth(*config, *asked).code
        for asked in (("restore", backup[0]), ("store", "check"), ("backup", tmp_path / "b"))
    ]
    again = reluth(*config, "--store", tmp_path / "third", "restore", backup[0])

    assert codes == [0, 0, 0]
    assert not (tmp_path / "again" / "state.sqlite").exists()
    assert (again.code, "holds a state already" in again.err) == (2, True)


def test_database_that_holds_a_state_is_not_written_to(
    backup: tuple[Path, object], database: str, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "other", database) as other:
        fill(other, [patient("other")])
        before = told(other)
        with pytest.raises(UsageError, match="holds a state already"):
            restore(backup[0], tmp_path / "again", by="it", database=database)

        assert told(other) == before
    assert not (tmp_path / "again").exists()


def test_restore_that_breaks_off_leaves_the_database_empty(
    backup: tuple[Path, object], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter.store.state_copy._count_on", broken)
    with pytest.raises(KeyboardInterrupt):
        restore(backup[0], tmp_path / "again", by="it", database=database)
    engine = create_engine(database)
    with engine.connect() as connection:
        rows = {
            table.name: connection.scalar(text(f"select count(*) from {table}"))
            for table in Base.metadata.tables.values()
        }
    engine.dispose()

    assert set(rows.values()) == {0}
    assert not (tmp_path / "again").exists()
