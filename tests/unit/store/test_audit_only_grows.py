"""In: whoever may write the state. Out: an audit trail to which lines are added, and of which none is changed or taken away."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapter.store import Store

CHANGES = [
    "update audit set actor = 'somebody else'",
    "update audit set detail = '' where number = 1",
    "delete from audit",
    "delete from audit where number = 1",
    "insert or replace into audit select number, at, 'x', action, subject, detail from audit",
]


@pytest.mark.parametrize("change", CHANGES)
def test_audit_trail_cannot_be_changed_by_the_service_s_own_connection(store: Store, change: str) -> None:
    store.audit("anna", "view-patient", subject="icm/Patient/1")
    with pytest.raises(DBAPIError, match="the audit trail only grows"), store._state.session() as session:
        session.execute(text(change))

    assert [line.actor for line in store.audit_trail()] == ["anna"]


@pytest.mark.parametrize("change", CHANGES)
def test_audit_trail_cannot_be_changed_by_a_program_beside_it(store: Store, change: str) -> None:
    store.audit("anna", "view-patient", subject="icm/Patient/1")
    other = sqlite3.connect(store.folder / "state.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="the audit trail only grows"):
        other.execute(change)
    other.close()

    assert [line.actor for line in store.audit_trail()] == ["anna"]


def test_audit_trail_goes_on_after_a_refused_change(store: Store) -> None:
    store.audit("anna", "find", subject="icm")
    with pytest.raises(DBAPIError), store._state.session() as session:
        session.execute(text("delete from audit"))
    store.audit("anna", "add", subject="icm/Patient/1")

    assert [line.action for line in store.audit_trail()] == ["find", "add"]
