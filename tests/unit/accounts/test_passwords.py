"""In: passwords as people type them. Out: which may be one; hashes that only the same password opens."""

from __future__ import annotations

import threading
import time

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.accounts import PasswordProblem, Passwords, made_password, password_problem, passwords
from adapter.errors import BusyError
from tests.support.people import quick


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("a walk by the sea", None),
        ("correcthorse", None),
        ("mot de passe à moi", None),
        ("eleven-char", PasswordProblem.SHORT),
        ("", PasswordProblem.SHORT),
        ("x" * 257, PasswordProblem.LONG),
        ("ﷺ" * 200, PasswordProblem.LONG),
        ("anna.roux.chu", PasswordProblem.NAME),
        ("ANNA.ROUX.CHU", PasswordProblem.NAME),
        ("anna.roux.chu-anna.roux.chu!", PasswordProblem.NAME),
        ("aaaaaaaaaaaa", PasswordProblem.PLAIN),
        ("121212121212", PasswordProblem.PLAIN),
    ],
)
def test_password_rule_wants_length_and_not_the_name(password: str, problem: PasswordProblem | None) -> None:
    assert password_problem(password, name="anna.roux.chu") is problem


def test_password_of_twelve_to_256_signs_is_taken_whatever_the_signs_are() -> None:
    long = "a walk by the sea " * 14

    assert password_problem(long[:256], name="anna") is None
    assert password_problem("éèàùçôîûëïüâ", name="anna") is None


def test_password_made_is_one_by_the_rule_and_never_the_same() -> None:
    made = {made_password() for _ in range(50)}

    assert len(made) == 50
    assert {password_problem(one, name="anna") for one in made} == {None}


def test_password_is_kept_as_argon2id_with_the_library_s_parameters() -> None:
    kept = Passwords().hash("a walk by the sea")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "walk" not in kept


@settings(deadline=None, max_examples=30)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_password_opens_its_own_hash_only(password: str, other: str) -> None:
    hashes = quick()
    kept = hashes.hash(password)

    assert hashes.verify(kept, password)
    assert not hashes.verify(None, password)
    assert hashes.verify(kept, other) == (passwords._normal(other) == passwords._normal(password))


def test_password_is_the_same_however_the_keyboard_composes_it() -> None:
    kept = quick().hash("caf\u00e9 de la gare")

    assert quick().verify(kept, "cafe\u0301 de la gare")


@pytest.mark.parametrize("kept", ["", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$x$y"])
def test_password_of_a_hash_that_is_none_is_wrong(kept: str) -> None:
    assert not quick().verify(kept, "a walk by the sea")


def test_password_without_an_account_costs_one_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, kept: str, password: str) -> bool:
        verified.append(kept)
        return real(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    hashes = quick()
    hashes.verify(None, "a walk by the sea")
    hashes.verify(None, "x" * 100_000)

    assert len(verified) == 2
    assert all(kept.startswith("$argon2id$v=19$m=8,t=1,p=1$") for kept in verified)


def test_password_without_an_account_costs_no_more_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    mistaken: list[Exception] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, kept: str, password: str) -> bool:
        try:
            return real(self, kept, password)
        except Exception as error:  # whatever it is: which one it has to be is said below
            mistaken.append(error)
            raise

    def compute(self: PasswordHasher, _password: str) -> str:
        raise AssertionError("a second hash is computed")

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    monkeypatch.setattr(PasswordHasher, "hash", compute)
    found = Passwords().verify(None, "a walk by the sea")

    assert not found
    # It was compared to the end: a hash that cannot be read would be refused at once.
    assert [type(error) for error in mistaken] == [VerifyMismatchError]


def test_hash_by_other_parameters_is_outdated() -> None:
    kept = quick().hash("a walk by the sea")

    assert Passwords().is_outdated(kept)
    assert not quick().is_outdated(kept)


def compare(hashes: Passwords, kept: str) -> None:
    """As the door does it."""
    with hashes.room():
        hashes.verify(kept, "x")


def test_flood_of_passwords_takes_the_memory_of_two_and_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0.05)
    running: list[int] = []
    most: list[int] = []
    done = threading.Event()

    def hold(self: PasswordHasher, _kept: str, _password: str) -> bool:
        running.append(1)
        most.append(len(running))
        done.wait(10)
        running.pop()
        return True

    hashes = quick()
    kept = hashes.hash("a walk by the sea")
    monkeypatch.setattr(PasswordHasher, "verify", hold)
    threads = [threading.Thread(target=compare, args=(hashes, kept)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(running) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    with pytest.raises(BusyError):
        compare(hashes, kept)
    done.set()
    for thread in threads:
        thread.join()

    assert max(most) == 2


def test_flood_of_passwords_leaves_the_threads_of_the_service_to_others() -> None:
    hashes = quick()
    kept = hashes.hash("a walk by the sea")
    for _ in range(passwords._AT_ONCE):
        hashes._room.acquire()
    threads = [threading.Thread(target=compare, args=(hashes, kept)) for _ in range(passwords._WAITING)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while hashes._line._value and time.monotonic() < until:
        time.sleep(0.005)
    began = time.monotonic()
    with pytest.raises(BusyError):
        compare(hashes, kept)
    took = time.monotonic() - began
    for _ in range(passwords._AT_ONCE):
        hashes._room.release()
    for thread in threads:
        thread.join()

    assert took < passwords._WAIT_SECONDS / 2
    assert hashes.verify(kept, "a walk by the sea")
