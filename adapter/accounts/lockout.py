"""In: wrong passwords in a row. Out: how long the account is locked.

Five guesses, then a pause that doubles up to a day: about 20 guesses in the first four hours, 5 a day after the first two days.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

__all__ = ["ATTEMPTS", "FIRST_LOCK", "LONGEST_LOCK", "lock_after"]

ATTEMPTS: Final = 5
FIRST_LOCK: Final = timedelta(minutes=15)
LONGEST_LOCK: Final = timedelta(days=1)
_DOUBLINGS = 16


def lock_after(failed: int) -> timedelta | None:
    """How long an account is locked by so many wrong passwords in a row; None: not by this one.

    >>> lock_after(4), str(lock_after(5)), str(lock_after(10)), str(lock_after(500))
    (None, '0:15:00', '0:30:00', '1 day, 0:00:00')
    """
    rounds, rest = divmod(failed, ATTEMPTS)
    if rest or not rounds:
        return None
    return min(FIRST_LOCK * (1 << min(rounds - 1, _DOUBLINGS)), LONGEST_LOCK)
