"""In: names and passwords, right and wrong, one after the other and at once. Out: who gets in; what the audit trail holds of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from adapter.accounts import Passwords, Role, SigningIn
from adapter.accounts.lockout import ATTEMPTS, FIRST_LOCK
from adapter.errors import BusyError, UsageError
from adapter.store import Account, KeptPassword, Store
from tests.support.people import PASSWORD, add_person, quick

NOW = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


@pytest.fixture
def anna(store: Store) -> Account:
    return add_person(store, "anna", roles={"icm": [Role.NURSE]})


@pytest.fixture
def door(store: Store) -> SigningIn:
    return SigningIn(store, quick())


def test_right_password_lets_in_however_the_name_is_written(door: SigningIn, anna: Account) -> None:
    entered = door.enter("ANNA ", PASSWORD)

    assert entered is not None
    assert entered.number == anna.number


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "a walk by the see"), ("anna", ""), ("anne", PASSWORD), ("", "")]
)
def test_anything_else_lets_nobody_in(door: SigningIn, anna: Account, name: str, password: str) -> None:
    assert door.enter(name, password) is None


def test_unknown_name_takes_the_time_of_a_known_one(
    door: SigningIn, anna: Account, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bool] = []
    verify = Passwords.verify

    def listen(self: Passwords, kept: str | None, password: str) -> bool:
        compared.append(kept is not None)
        return verify(self, kept, password)

    monkeypatch.setattr(Passwords, "verify", listen)
    ways: list[list[bool]] = []
    for prepare in (lambda: None, lambda: store.accounts.disable(anna.number)):
        prepare()
        for name in ("anna", "nobody"):
            compared.clear()
            door.enter(name, "a wrong password")
            ways.append(list(compared))

    assert ways == [[True], [False], [False], [False]]


def test_account_is_locked_after_five_wrong_ones_also_for_the_right_one(door: SigningIn, anna: Account) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(ATTEMPTS):
            assert door.enter("anna", "wrong") is None
        locked = door.enter("anna", PASSWORD)
        clock.shift(FIRST_LOCK - timedelta(seconds=1))
        still = door.enter("anna", PASSWORD)
        clock.shift(timedelta(seconds=1))
        free = door.enter("anna", PASSWORD)

    assert (locked, still) == (None, None)
    assert free is not None


def test_lock_doubles_with_the_next_five_and_a_right_one_resets(door: SigningIn, anna: Account, store: Store) -> None:
    def fail() -> timedelta | None:
        for _ in range(ATTEMPTS):
            door.enter("anna", "wrong")
        found = store.accounts.by_number(anna.number)
        assert found is not None
        return None if found.locked_until is None else found.locked_until - datetime.now(UTC)

    with time_machine.travel(NOW, tick=False) as clock:
        first = fail()
        clock.shift(FIRST_LOCK)
        second = fail()
        clock.shift(FIRST_LOCK * 2)
        entered = door.enter("anna", PASSWORD)
        after = fail()

    assert (first, second, after) == (FIRST_LOCK, FIRST_LOCK * 2, FIRST_LOCK)
    assert entered is not None


def test_attempts_while_locked_neither_count_nor_lengthen_the_lock(
    door: SigningIn, anna: Account, store: Store
) -> None:
    with time_machine.travel(NOW, tick=False):
        for _ in range(ATTEMPTS + 20):
            door.enter("anna", "wrong")
        found = store.accounts.by_number(anna.number)

    assert found is not None
    assert (found.failed_count, found.locked_until) == (ATTEMPTS, NOW + FIRST_LOCK)


def test_many_guesses_at_once_are_no_more_than_five(
    door: SigningIn, anna: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    verify = Passwords.verify

    def listen(self: Passwords, kept: str | None, password: str) -> bool:
        if kept is not None:
            compared.append(password)
        return verify(self, kept, password)

    monkeypatch.setattr(Passwords, "verify", listen)
    with ThreadPoolExecutor(16) as pool:
        entered = list(pool.map(lambda n: door.enter("anna", f"guess number {n}"), range(64)))

    assert entered == [None] * 64
    assert len(compared) == ATTEMPTS


def test_attempt_that_is_told_to_come_again_does_not_count(
    store: Store, anna: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.accounts.passwords._WAIT_SECONDS", 0.01)
    passwords = quick()
    door = SigningIn(store, passwords)
    with passwords.room(), passwords.room():
        for _ in range(ATTEMPTS + 1):
            with pytest.raises(BusyError):
                door.enter("anna", PASSWORD)
    found = store.accounts.by_number(anna.number)

    assert found is not None
    assert (found.failed_count, found.locked_until) == (0, None)
    assert door.enter("anna", PASSWORD) is not None


def test_right_password_among_many_people_at_once_lets_each_in(door: SigningIn, store: Store) -> None:
    names = [f"person{n}" for n in range(8)]
    for name in names:
        add_person(store, name, roles={"icm": [Role.NURSE]})
    with ThreadPoolExecutor(8) as pool:
        entered = list(pool.map(lambda name: door.enter(name, PASSWORD), names))

    assert [one and one.name for one in entered] == names


def test_disabled_account_lets_nobody_in_until_it_is_enabled(door: SigningIn, anna: Account, store: Store) -> None:
    store.accounts.disable(anna.number)
    disabled = door.enter("anna", PASSWORD)
    store.accounts.enable(anna.number)

    assert disabled is None
    assert door.enter("anna", PASSWORD) is not None


def test_account_disabled_while_its_password_is_compared_does_not_get_in(
    door: SigningIn, anna: Account, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = Passwords.verify

    def slowly(self: Passwords, kept: str | None, password: str) -> bool:
        store.accounts.disable(anna.number)
        return verify(self, kept, password)

    monkeypatch.setattr(Passwords, "verify", slowly)

    assert door.enter("anna", PASSWORD) is None


def test_account_of_a_provider_has_no_password_that_opens_it(door: SigningIn, store: Store) -> None:
    store.accounts.from_provider(issuer="https://id.example", subject="1", name="anna", email="", roles={})

    assert [door.enter("anna", password) for password in ("", "None", PASSWORD)] == [None] * 3


def test_password_by_older_parameters_is_kept_by_newer_ones_once_it_was_right(store: Store, anna: Account) -> None:
    newer = Passwords()
    before = store.accounts.password_hash(anna.number) or ""
    SigningIn(store, newer).enter("anna", PASSWORD)
    after = store.accounts.password_hash(anna.number) or ""

    assert newer.is_outdated(before) and not newer.is_outdated(after)
    assert SigningIn(store, newer).enter("anna", PASSWORD) is not None


def test_change_of_password_ends_all_sessions_and_wants_the_rule_kept(
    door: SigningIn, anna: Account, store: Store
) -> None:
    session = store.accounts.begin_session(anna.number, lasting=timedelta(hours=1))
    with pytest.raises(UsageError, match="12 characters"):
        door.change(anna, "short")
    held = store.accounts.session_account(session, idle=timedelta(hours=1))
    door.change(anna, "another walk by the sea")

    assert held == anna.number
    assert store.accounts.session_account(session, idle=timedelta(hours=1)) is None
    assert door.enter("anna", PASSWORD) is None
    assert door.enter("anna", "another walk by the sea") is not None


def test_audit_trail_tells_who_got_in_and_whose_account_did_not_and_never_what_was_typed(
    door: SigningIn, anna: Account, store: Store
) -> None:
    door.enter("anna", PASSWORD)
    door.enter("anna", "a mistyped secret")
    door.enter("a secret typed as name", PASSWORD)
    lines = [(line.actor, line.action, line.subject, line.detail) for line in store.audit_trail()]

    assert lines == [
        ("anna", "sign-in", "account/anna", "password"),
        ("nobody", "sign-in-refused", "account/anna", "password"),
    ]


def test_kept_password_does_not_show_its_hash() -> None:
    assert "argon2" not in repr(KeptPassword("$argon2id$x"))
