"""In: accounts that are made, changed, disabled, brought by a provider. Out: the same found again; sessions that end when they must."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from adapter.accounts import Role
from adapter.errors import UsageError
from adapter.store import Account, KeptPassword, SignInFlow, Store
from tests.support.people import add_person

NOW = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
IDLE = timedelta(minutes=30)


@pytest.fixture
def anna(store: Store) -> Account:
    return add_person(store, "Anna", roles={"icm": [Role.NURSE], "*": [Role.IT]}, email="anna@icm.example")


def test_account_is_found_by_name_and_number_as_it_was_made(store: Store, anna: Account) -> None:
    assert store.accounts.by_name("ANNA") == store.accounts.by_number(anna.number) == anna
    assert store.accounts.all() == [anna]
    assert (anna.name, anna.display, anna.roles) == (
        "anna",
        "Anna",
        {"*": frozenset({"it"}), "icm": frozenset({"nurse"})},
    )
    assert store.accounts.by_name("anne") is store.accounts.by_number(99) is None


def test_name_is_taken_once_however_it_is_capitalised(store: Store, anna: Account) -> None:
    with pytest.raises(UsageError, match="account anna: there is one"):
        store.accounts.add("ANNA", roles={}, password=None)

    assert len(store.accounts.all()) == 1


def test_store_without_enabled_accounts_says_so(store: Store) -> None:
    none = store.accounts.any_enabled()
    account = add_person(store, "anna", roles={})
    one = store.accounts.any_enabled()
    store.accounts.disable(account.number)

    assert (none, one, store.accounts.any_enabled()) == (False, True, False)


def test_addresses_are_those_of_enabled_accounts_with_a_role_at_the_site(store: Store) -> None:
    add_person(store, "nurse", roles={"icm": [Role.NURSE]}, email="nurse@icm.example")
    add_person(store, "both", roles={"icm": [Role.NURSE, Role.INVESTIGATOR]}, email="both@icm.example")
    add_person(store, "everywhere", roles={"*": [Role.NURSE]}, email="all@example.org")
    add_person(store, "elsewhere", roles={"chu": [Role.NURSE]}, email="nurse@chu.example")
    add_person(store, "other", roles={"icm": [Role.SPONSOR]}, email="sponsor@example.org")
    add_person(store, "silent", roles={"icm": [Role.NURSE]})
    gone = add_person(store, "gone", roles={"icm": [Role.NURSE]}, email="gone@icm.example")
    store.accounts.disable(gone.number)

    found = store.accounts.addresses(site="icm", roles=[Role.NURSE, Role.INVESTIGATOR])

    assert found == ["all@example.org", "both@icm.example", "nurse@icm.example"]


# Sessions -----------------------------------------------------------------------------------------------------------


def test_session_is_known_by_its_token_and_by_no_other(store: Store, anna: Account) -> None:
    token = store.accounts.begin_session(anna.number, lasting=HOUR)

    assert store.accounts.session_account(token, idle=IDLE) == anna.number
    assert [store.accounts.session_account(other, idle=IDLE) for other in ("", token[:-1], token + "x", "é\udcff")] == [
        None
    ] * 4


def test_state_holds_no_token_and_no_password(store: Store, anna: Account) -> None:
    token = store.accounts.begin_session(anna.number, lasting=HOUR)
    store.accounts.begin_flow("the-state", SignInFlow("nonce", "verifier", "/"), lasting=HOUR)
    with sqlite3.connect(store.folder / "state.sqlite") as reading:
        dump = "\n".join(reading.iterdump())
    reading.close()

    assert "anna@icm.example" in dump
    assert token not in dump and "the-state" not in dump and "a walk by the sea" not in dump


def test_session_ends_at_its_time_however_busy_it_is(store: Store, anna: Account) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        token = store.accounts.begin_session(anna.number, lasting=HOUR)
        held = []
        for _ in range(7):
            clock.shift(timedelta(minutes=10))
            held.append(store.accounts.session_account(token, idle=IDLE) is not None)

    assert held == [True] * 5 + [False] * 2


@pytest.mark.parametrize("idle", [timedelta(minutes=1), IDLE])
def test_session_ends_when_it_is_not_used_and_does_not_come_back(store: Store, anna: Account, idle: timedelta) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        token = store.accounts.begin_session(anna.number, lasting=HOUR)
        clock.shift(idle * 0.9)
        used = store.accounts.session_account(token, idle=idle)
        clock.shift(idle * 0.9)
        again = store.accounts.session_account(token, idle=idle)
        clock.shift(idle)
        late = store.accounts.session_account(token, idle=idle)
        longer = store.accounts.session_account(token, idle=HOUR)

    assert (used, again, late, longer) == (anna.number, anna.number, None, None)


def _change_roles(store: Store, number: int) -> None:
    store.accounts.set_roles(number, {"icm": [Role.SPONSOR]})


def _change_password(store: Store, number: int) -> None:
    store.accounts.set_password(number, KeptPassword("hash"))


def _disable(store: Store, number: int) -> None:
    store.accounts.disable(number)


@pytest.mark.parametrize("change", [_change_roles, _change_password, _disable])
def test_sessions_of_an_account_end_when_it_changes_and_those_of_others_do_not(
    store: Store, anna: Account, change: Callable[[Store, int], None]
) -> None:
    other = add_person(store, "other", roles={})
    tokens = [store.accounts.begin_session(anna.number, lasting=HOUR) for _ in range(2)]
    kept = store.accounts.begin_session(other.number, lasting=HOUR)
    change(store, anna.number)
    store.accounts.enable(anna.number)

    assert [store.accounts.session_account(token, idle=IDLE) for token in tokens] == [None, None]
    assert store.accounts.session_account(kept, idle=IDLE) == other.number


def test_session_of_a_disabled_account_does_not_hold_even_if_it_was_begun_after(store: Store, anna: Account) -> None:
    store.accounts.disable(anna.number)
    token = store.accounts.begin_session(anna.number, lasting=HOUR)

    assert store.accounts.session_account(token, idle=IDLE) is None


def test_session_that_was_ended_is_not_revived_by_a_request_under_way(
    store: Store, anna: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        token = store.accounts.begin_session(anna.number, lasting=HOUR)
        clock.shift(timedelta(minutes=2))
        real = store._state.session
        opened = []

        def session() -> Any:
            opened.append(1)
            if len(opened) == 2:
                # Between looking and noting that it was seen.
                store.accounts.end_session(token)
            return real()

        monkeypatch.setattr(store._state, "session", session)
        store.accounts.session_account(token, idle=IDLE)
        monkeypatch.undo()

        assert store.accounts.session_account(token, idle=IDLE) is None


# Providers ----------------------------------------------------------------------------------------------------------


def come(store: Store, subject: str = "s-1", **more: Any) -> Account:
    told = {"issuer": "https://id.example", "name": "Anna", "email": "anna@chu.example", "roles": {"chu": ["nurse"]}}
    return store.accounts.from_provider(subject=subject, **{**told, **more})


def test_account_of_a_provider_is_made_once_and_follows_its_roles(store: Store) -> None:
    first = come(store)
    again = come(store, name="Anna Roux", roles={"chu": [Role.INVESTIGATOR]}, email="new@chu.example")

    assert first.number == again.number
    assert (again.name, again.roles, again.email) == ("anna", {"chu": frozenset({"investigator"})}, "new@chu.example")
    assert not again.has_password and again.issuer == "https://id.example"


def test_account_of_a_provider_never_takes_over_a_local_one_or_another_s(store: Store, anna: Account) -> None:
    theirs = come(store)
    other = come(store, "s-2")
    elsewhere = come(store, issuer="https://other.example")

    assert [one.name for one in (anna, theirs, other, elsewhere)] == ["anna", "anna~2", "anna~3", "anna~4"]
    assert len({one.number for one in (anna, theirs, other, elsewhere)}) == 4


@pytest.mark.parametrize(
    ("name", "kept"), [("", "account"), ("Dr. A/B", "dr..a.b"), ("x" * 200, "x" * 56), ("service:a", "service.a")]
)
def test_name_of_a_provider_is_kept_without_what_it_could_be_mistaken_by(store: Store, name: str, kept: str) -> None:
    assert come(store, name=name).name == kept


def test_sessions_hold_while_a_provider_says_the_same_and_end_when_it_takes_a_role(store: Store) -> None:
    account = come(store)
    token = store.accounts.begin_session(account.number, lasting=HOUR)
    come(store)
    held = store.accounts.session_account(token, idle=IDLE)
    come(store, roles={})

    assert held == account.number
    assert store.accounts.session_account(token, idle=IDLE) is None


def test_what_a_provider_gives_and_takes_stands_in_the_audit_trail_with_the_change(store: Store) -> None:
    come(store)
    come(store, name="Anna Roux", email="new@chu.example")
    come(store, roles={"chu": ["investigator"], "*": ["it"]})
    come(store, roles={})

    assert [(line.actor, line.action, line.subject, line.detail) for line in store.audit_trail()] == [
        ("provider:id.example", "user-add", "account/anna", "nurse@chu"),
        ("provider:id.example", "user-role", "account/anna", "+investigator@chu +it@* -nurse@chu"),
        ("provider:id.example", "user-role", "account/anna", "-investigator@chu -it@*"),
    ]


def test_role_that_a_provider_changes_is_not_changed_without_its_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = come(store)
    monkeypatch.setattr("adapter.store.accounts.AuditRow", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        come(store, roles={"chu": ["investigator"]})
    monkeypatch.undo()

    assert [one.roles for one in store.accounts.all()] == [before.roles]


def test_disabled_account_of_a_provider_stays_disabled(store: Store) -> None:
    store.accounts.disable(come(store).number)

    assert come(store).disabled_at is not None


def test_first_sign_ins_at_once_make_one_account(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = {one.number for one in pool.map(lambda _: come(store), range(16))}

    assert len(numbers) == len(store.accounts.all()) == 1


def test_flow_is_taken_once_and_in_time(store: Store) -> None:
    flow = SignInFlow("nonce", "verifier", "/runs")
    with time_machine.travel(NOW, tick=False) as clock:
        store.accounts.begin_flow("one", flow, lasting=timedelta(minutes=10))
        store.accounts.begin_flow("late", flow, lasting=timedelta(minutes=10))
        taken = [store.accounts.take_flow(state) for state in ("one", "one", "other")]
        clock.shift(timedelta(minutes=10))
        late = store.accounts.take_flow("late")

    assert taken == [flow, None, None]
    assert late is None


# What is not there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["disable", "enable", "unlock"])
def test_account_that_is_not_there_cannot_be_changed(store: Store, change: str) -> None:
    with pytest.raises(UsageError, match="account 99"):
        getattr(store.accounts, change)(99)
    with pytest.raises(UsageError, match="account 99"):
        _change_roles(store, 99)
