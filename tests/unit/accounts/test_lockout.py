"""In: wrong passwords in a row. Out: pauses that double, and never more than five guesses between two."""

from __future__ import annotations

from datetime import timedelta

from adapter.accounts import lock_after
from adapter.accounts.lockout import ATTEMPTS, FIRST_LOCK, LONGEST_LOCK


def test_lock_comes_with_each_fifth_wrong_password_only() -> None:
    locked = [failed for failed in range(31) if lock_after(failed) is not None]

    assert locked == [5, 10, 15, 20, 25, 30]


def test_lock_doubles_up_to_a_day_and_stays_there() -> None:
    pauses = [lock_after(ATTEMPTS * rounds) for rounds in range(1, 400)]

    assert pauses[:4] == [FIRST_LOCK, FIRST_LOCK * 2, FIRST_LOCK * 4, FIRST_LOCK * 8]
    assert set(pauses[7:]) == {LONGEST_LOCK}
    assert LONGEST_LOCK.total_seconds() == 24 * 60 * 60


def test_lock_leaves_fewer_than_a_hundred_guesses_in_a_fortnight() -> None:
    spent, guesses = timedelta(), 0
    while spent < timedelta(days=14):
        guesses += 1
        spent += lock_after(guesses) or timedelta()

    # NIST SP 800-63B 5.2.2: no more than 100 wrong ones in a row.
    assert guesses <= 105
