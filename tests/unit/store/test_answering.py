"""In: a database that is locked, or gave up. Out: one error that says to try again, and nothing kept by half; other errors as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from adapter.errors import StateUnavailableError
from adapter.store import Store
from adapter.store.answering import gave_up

SITE, TRIAL = "icm", "nct04954820"


@contextmanager
def locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another program writes, and takes its time."""
    monkeypatch.setattr("adapter.store.state._BUSY_MILLISECONDS", 20)
    with closing(sqlite3.connect(folder / "state.sqlite")) as other:
        other.execute("begin immediate")
        yield
        other.rollback()


def test_opening_and_writing_where_another_program_writes_is_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path):
        pass
    with locked(tmp_path, monkeypatch), pytest.raises(StateUnavailableError, match="database is locked"):
        Store.open(tmp_path)
    with Store.open(tmp_path) as store:
        with locked(tmp_path, monkeypatch), pytest.raises(StateUnavailableError, match="database is locked"):
            store.add_candidate(SITE, "Patient/1", trial=TRIAL, by="anna")
        assert store.added_candidates(SITE) == set()
        store.add_candidate(SITE, "Patient/1", trial=TRIAL, by="anna")
        assert store.added_candidates(SITE) == {"Patient/1"}


def psycopg_error(name: str, state: str | None) -> Exception:
    made: Exception = type(name, (Exception,), {"__module__": "psycopg.errors", "sqlstate": state})("a row, quoted")
    return made


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg_error("AdminShutdown", "57P01"), "AdminShutdown"),
        (psycopg_error("QueryCanceled", "57014"), "QueryCanceled"),
        (psycopg_error("SerializationFailure", "40001"), "SerializationFailure"),
        (psycopg_error("TooManyConnections", "53300"), "TooManyConnections"),
        (psycopg_error("LockNotAvailable", "55P03"), "LockNotAvailable"),
        (psycopg_error("ReadOnlySqlTransaction", "25006"), "ReadOnlySqlTransaction"),
        (psycopg_error("OperationalError", None), "OperationalError"),
        (psycopg_error("UniqueViolation", "23505"), None),
        (psycopg_error("UndefinedTable", "42P01"), None),
        (psycopg_error("DataError", None), None),
        (sqlite3.IntegrityError("a row"), None),
    ],
)
def test_what_trying_again_mends_is_told_by_its_class_only(error: Exception, told: str | None) -> None:
    assert gave_up(error) == told
