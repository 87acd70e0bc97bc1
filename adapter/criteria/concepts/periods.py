"""In: a Period and a day. Out: whether it has begun and has not ended, in three values, and on which days that changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from adapter.criteria.scene import within
from adapter.criteria.truth import Truth
from adapter.fhir import ALWAYS, When, parse_when
from adapter.fhir.datatypes import Period

__all__ = ["Bounds", "InForce", "bounds", "in_force"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The two ends of a Period: None where there is none, `ALWAYS` where it cannot be read."""

    start: When | None
    end: When | None

    def changes(self, *, days: int = 0) -> frozenset[date]:
        """The days on which the start may be and surely is reached, and those on which the end lies more than ``days`` back."""
        starts = {self.start.earliest, self.start.latest} if self.start and self.start.is_bounded else set()
        ends = {self.end.earliest, self.end.latest} if self.end and self.end.is_bounded else set()
        return frozenset(starts | {day + timedelta(days=days + 1) for day in ends})


@dataclass(frozen=True, slots=True)
class InForce:
    """Whether a Period has begun by a day, and has not ended before it."""

    begun: Truth
    lasts: Truth


def bounds(period: Period | None) -> Bounds:
    """Both ends of a Period, as exactly as they are known."""
    if period is None:
        return Bounds(None, None)
    # 9999-12-31 is how systems write an open end.
    is_open = period.end is None or period.end.startswith("9999")
    return Bounds(
        start=None if period.start is None else parse_when(period.start) or ALWAYS,
        end=None if is_open else parse_when(period.end) or ALWAYS,
    )


def in_force(period: Period | None, on: date, *, days: int = 0) -> InForce:
    """Whether a Period reaches into the ``days`` before a day and that day, both ends included.

    Args:
        period: an end that is not there is open.
        on: the day.
        days: how long after its end it still counts.

    >>> in_force(Period(start="2025-01-01", end="2025-05"), date(2025, 5, 20)).lasts
    <Truth.U: 'U'>
    """
    found = bounds(period)
    return InForce(
        begun=Truth.T if found.start is None else within(found.start, None, on),
        lasts=Truth.T if found.end is None else within(found.end, on - timedelta(days=days), date.max),
    )
