"""In: PostgreSQL as the state. Out: the same promises of accounts and of the audit trail as on SQLite, where the databases differ."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapter.accounts import Role, SigningIn
from adapter.accounts.lockout import ATTEMPTS
from adapter.store import SignInFlow, Store
from tests.support.people import PASSWORD, add_person, quick
from tests.support.postgres import new_database, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
def store(server: str, tmp_path: Path) -> Iterator[Store]:
    with new_database(server) as url, Store.open(tmp_path / "var", url) as opened:
        yield opened


@pytest.mark.parametrize(
    "change",
    [
        "update audit set actor = 'somebody else'",
        "delete from audit",
        "truncate audit",
        "insert into audit select * from audit on conflict (number) do update set actor = 'x'",
    ],
)
def test_audit_trail_cannot_be_changed(store: Store, change: str) -> None:
    store.audit("anna", "view-patient", subject="icm/Patient/1")
    with pytest.raises(DBAPIError, match="the audit trail only grows"), store._state.session() as session:
        session.execute(text(change))
    store.audit("anna", "find", subject="icm")

    assert [(line.actor, line.action) for line in store.audit_trail()] == [("anna", "view-patient"), ("anna", "find")]


def test_many_guesses_at_once_are_no_more_than_five(store: Store) -> None:
    anna = add_person(store, "anna", roles={"icm": [Role.NURSE]})
    door = SigningIn(store, quick())
    with ThreadPoolExecutor(8) as pool:
        entered = list(pool.map(lambda n: door.enter("anna", f"guess number {n}"), range(40)))
    found = store.accounts.by_number(anna.number)

    assert entered == [None] * 40
    assert found is not None and found.failed_count == ATTEMPTS
    assert door.enter("anna", PASSWORD) is None


def test_first_sign_ins_of_a_provider_at_once_make_one_account(store: Store) -> None:
    def come(_: int) -> int:
        told = {"issuer": "https://id.example", "subject": "1", "name": "Zoé", "email": ""}
        return store.accounts.from_provider(**told, roles={"icm": [Role.NURSE]}).number

    with ThreadPoolExecutor(8) as pool:
        numbers = set(pool.map(come, range(16)))

    assert len(numbers) == len(store.accounts.all()) == 1


def test_session_and_flow_hold_and_end(store: Store) -> None:
    anna = add_person(store, "anna", roles={"icm": [Role.NURSE]}, email="anna@icm.example")
    token = store.accounts.begin_session(anna.number, lasting=timedelta(hours=1))
    store.accounts.begin_flow("state", SignInFlow("nonce", "verifier", "/"), lasting=timedelta(hours=1))
    held = store.accounts.session_account(token, idle=timedelta(minutes=5))
    taken = [store.accounts.take_flow("state") is not None for _ in range(2)]
    store.accounts.set_roles(anna.number, {"icm": [Role.SPONSOR]})

    assert (held, taken) == (anna.number, [True, False])
    assert store.accounts.session_account(token, idle=timedelta(minutes=5)) is None
    assert store.accounts.addresses(site="icm", roles=[Role.SPONSOR]) == ["anna@icm.example"]
