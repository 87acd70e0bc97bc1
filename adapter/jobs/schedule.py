"""In: an interval, a site's quiet hours, what became of the last cycle. Out: when to try next, and why then. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from adapter.errors import UsageError
from adapter.sync.quiet_hours import quiet_until

__all__ = ["Next", "next_try", "parse_every"]

_EVERY = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORTEST = timedelta(seconds=10)
_LONGEST = timedelta(days=7)
_FIRST_RETRY = timedelta(minutes=1)
#: Of the interval: 28 sites, or the jobs of one hospital, do not all begin at the same second.
_JITTER = 0.1
_MOST_JITTER = timedelta(minutes=5)


class Next(NamedTuple):
    """When to try next, and why then: ``interval``, ``try again later`` or ``quiet hours``."""

    at: datetime
    reason: str


def parse_every(text: str) -> timedelta:
    """An interval as ``90s``, ``15m``, ``2h`` or ``1d``.

    Raises:
        UsageError: it is none, or shorter than 10 seconds or longer than 7 days.

    >>> parse_every("15m")
    datetime.timedelta(seconds=900)
    """
    found = _EVERY.fullmatch(text)
    every = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not _SHORTEST <= every <= _LONGEST:
        raise UsageError(f"--every {text}: an interval from 10s to 7d is wanted, e.g. 15m")
    return every


def next_try(
    every: timedelta,
    *,
    begun: datetime,
    ended: datetime,
    failures: int,
    quiet_hours: Sequence[str] = (),
    chance: float = 0.0,
) -> Next:
    """When a site's next cycle begins.

    Args:
        every: the interval, counted from the beginning of a cycle.
        begun: of the last cycle, aware.
        ended: likewise.
        failures: how many cycles in a row ended with 75, the last included; 0 where it did not.
        quiet_hours: of the site.
        chance: from 0 to 1, for the jitter.

    Returns:
        after the interval; sooner (1, 2, 4 ... minutes, no longer than the interval) after "try again later"; and never
        within quiet hours.
    """
    jitter = min(every * _JITTER, _MOST_JITTER) * chance
    if failures:
        # Bounded before it is doubled: the number of failures of a weekend is a large exponent.
        wait = min(every, _FIRST_RETRY * 2 ** min(failures - 1, 16))
        found = Next(ended + wait + min(jitter, wait * _JITTER), "try again later")
    else:
        found = Next(max(ended, begun + every) + jitter, "interval")
    until = quiet_until(quiet_hours, found.at)
    return found if until is None else Next(until.astimezone(found.at.tzinfo) + jitter, "quiet hours")
