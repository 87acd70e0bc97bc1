"""Promises of the state database: migrated, shared, refused when it is not ours."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.ddl.sqlite import SQLiteImpl
from alembic.migration import MigrationContext
from sqlalchemy import text

from adapter.errors import ConfigurationError
from adapter.store import Store
from adapter.store.models import Base
from tests.unit.store.making import fill, live, patient


def test_migrations_make_the_tables_of_the_models(store: Store) -> None:
    with store._state.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def test_state_is_there_after_closing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("1")])
        store.set_bookmark("icm", "Patient", "2025-01-01T00:00:00Z")
    with Store.open(tmp_path / "var") as store:
        assert store.bookmark("icm", "Patient") == "2025-01-01T00:00:00Z"
        assert store.bookmark("icm", "Observation") is None
        assert list(store.lake.patients("icm")) == ["Patient/1"]


def test_migration_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SQLiteImpl.create_table
    made: list[str] = []

    def create_table(self: SQLiteImpl, table: Any, **options: Any) -> None:
        made.append(table.name)
        if len(made) == 5:
            raise KeyboardInterrupt
        real(self, table, **options)

    monkeypatch.setattr(SQLiteImpl, "create_table", create_table)
    with pytest.raises(KeyboardInterrupt):
        Store.open(tmp_path / "var")
    monkeypatch.undo()

    with Store.open(tmp_path / "var") as store:
        assert store.lake.sites() == []


def test_what_a_killed_process_spilled_is_removed(tmp_path: Path) -> None:
    left, used = tmp_path / "var/tmp/4194304-ab", tmp_path / f"var/tmp/{os.getpid()}-ab"
    for folder in (left, used):
        folder.mkdir(parents=True)
        (folder / "spilled.tmp").write_bytes(b"x")
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("1")])
        assert not left.exists()
        assert used.exists()
        assert len(list((tmp_path / "var/tmp").iterdir())) == 2
    assert list((tmp_path / "var/tmp").iterdir()) == [used]


def test_store_path_may_hold_signs_that_mean_something_to_others(tmp_path: Path) -> None:
    with Store.open(tmp_path / "[a]*" / "type=x%20?" / "var") as store:
        fill(store, [patient("1"), patient("2")])

        assert live(store).keys() == {"Patient/1", "Patient/2"}
        assert store.lake.stats()["sites"]["icm"] == {"Patient": {"live": 2, "versions": 2}}


def test_state_can_be_read_while_another_writes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as writing, Store.open(tmp_path / "var") as reading:
        fill(writing, [patient("1")])
        with writing._state.session() as session:
            session.execute(text("delete from bookmark"))
            assert list(reading.lake.patients("icm")) == ["Patient/1"]


def test_state_of_a_later_release_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "var").close()
    connection = sqlite3.connect(tmp_path / "var" / "state.sqlite")
    connection.execute("update alembic_version set version_num = '9999'")
    connection.commit()
    connection.close()

    with pytest.raises(ConfigurationError, match=r"store\.database: was written by a later release"):
        Store.open(tmp_path / "var")


@pytest.mark.parametrize("name", ["Hôpital n° 1", "what?now", "50%20", "a#b", "[1]*", "site=x", "a\nb"])
def test_state_lies_in_the_folder_whatever_its_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "var"
    with Store.open(folder) as store:
        store.set_bookmark("icm", "Patient", "2025-06-01T10:00:00Z")

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (folder / "state.sqlite").stat().st_size > 0
    with Store.open(folder) as again:
        assert again.bookmark("icm", "Patient") == "2025-06-01T10:00:00Z"


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://user:secret@host/x", "sqlite:////nowhere/at/all/state.sqlite", "nosuchbase://x"]
)
def test_state_that_cannot_be_opened_is_a_setting_to_mend(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Store.open(tmp_path / "var", url)

    assert raised.value.setting == "store.database"
    assert "secret" not in str(raised.value)


def test_store_path_that_is_a_file_is_a_setting_to_mend(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")

    with pytest.raises(ConfigurationError, match=r"store\.path"):
        Store.open(tmp_path / "var")
