"""In: spans of a day in which a hospital wants no pull, and a moment. Out: until when to leave its server alone.

Pure: the moment is an argument. Spans are wall-clock time in France, summer and winter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["quiet_until"]

_PARIS = ZoneInfo("Europe/Paris")
#: A span that is not over by then fills the whole day.
_DAYS = 3


def quiet_until(spans: Sequence[str], now: datetime) -> datetime | None:
    """When a quiet span that ``now`` lies in is over; None where it lies in none.

    Args:
        spans: e.g. ``07:30-18:00``; one that ends before it begins goes over midnight. The end is outside.
        now: a moment with its zone.

    Returns:
        the first moment after ``now`` at which the clock in France shows a time of no span, in Europe/Paris; spans that touch
        or overlap are one. Where the hour from 2 to 3 comes twice (the last Sunday of October), so does a span in it, and not
        what lies between the two; where it does not come (of March), no span in it does. Of spans that fill the whole day
        some moment of tomorrow.

    Raises:
        ValueError: ``now`` has no zone, or a span is none.

    >>> from datetime import UTC
    >>> quiet_until(["07:30-18:00"], datetime(2025, 6, 2, 6, 0, tzinfo=UTC)).isoformat()
    '2025-06-02T18:00:00+02:00'
    >>> quiet_until(["07:30-18:00"], datetime(2025, 6, 2, 16, 0, tzinfo=UTC)) is None
    True
    """
    if now.tzinfo is None:
        raise ValueError("a moment without zone")
    read = [_span(span) for span in spans]

    def is_quiet(moment: datetime) -> bool:
        return any(_within(moment.astimezone(_PARIS).time(), begin, end) for begin, end in read)

    if not is_quiet(now):
        return None
    # As instants: two times of one zone compare by what the clock shows, and in October it shows some twice.
    at = now.astimezone(UTC)
    ends = sorted(moment for moment in _ends(at, [end for _, end in read]) if moment > at)
    until = next((moment for moment in ends if not is_quiet(moment)), ends[-1])
    return until.astimezone(_PARIS)


def _ends(at: datetime, ends: Sequence[time]) -> Iterator[datetime]:
    """When a quiet time can be over, in the days around a moment: the clock shows an end, or is set."""
    today = at.astimezone(_PARIS).date()
    for days in range(_DAYS):
        for end in ends:
            first = datetime.combine(today + timedelta(days=days), end, _PARIS)
            yield from (first.astimezone(UTC), first.replace(fold=1).astimezone(UTC))
    hour = at.replace(minute=0, second=0, microsecond=0)
    for hours in range(24 * _DAYS):
        # Directive 2000/84/EC: at 1:00 UTC; whatever comes in its place, on an hour.
        moment = hour + timedelta(hours=hours)
        if moment.astimezone(_PARIS).utcoffset() != (moment - timedelta(hours=1)).astimezone(_PARIS).utcoffset():
            yield moment


def _span(text: str) -> tuple[time, time]:
    begin, separator, end = text.partition("-")
    if not separator:
        raise ValueError("a span is written as 07:30-18:00")
    return time.fromisoformat(begin), time.fromisoformat(end)


def _within(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin < end else at >= begin or at < end
