"""In: spans of a day in which a hospital wants no pull, and a moment. Out: until when to leave its server alone.

Pure: the moment is an argument. Spans are wall-clock time in France, summer and winter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["quiet_until"]

_PARIS = ZoneInfo("Europe/Paris")


def quiet_until(spans: Sequence[str], now: datetime) -> datetime | None:
    """When a quiet span that ``now`` lies in is over; None where it lies in none.

    Args:
        spans: e.g. ``07:30-18:00``; one that ends before it begins goes over midnight. The end is outside.
        now: a moment with its zone.

    Returns:
        a moment in Europe/Paris, after ``now``; spans that touch or overlap are one. Where the hour from 2 to 3 comes
        twice (the last Sunday of October), so does a span in it.

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
    until: datetime | None = None
    moment = now.astimezone(_PARIS)
    # Each span can prolong the others once; spans that fill the whole day have no end.
    for _ in range(len(read) + 1):
        ends = [_end(end, moment) for begin, end in read if _within(moment.time(), begin, end)]
        if not ends:
            break
        until = moment = max(ends)
    return until


def _span(text: str) -> tuple[time, time]:
    begin, separator, end = text.partition("-")
    if not separator:
        raise ValueError("a span is written as 07:30-18:00")
    return time.fromisoformat(begin), time.fromisoformat(end)


def _within(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin < end else at >= begin or at < end


def _end(end: time, moment: datetime) -> datetime:
    """The next time the clock shows ``end``."""
    day = moment.date() if moment.time() < end else moment.date() + timedelta(days=1)
    first = datetime.combine(day, end, _PARIS)
    # The clock may show it twice, and the first time be over. Compared as moments: two times of one zone compare by
    # what the clock shows.
    later = first.replace(fold=1)
    return first if first.timestamp() > moment.timestamp() else later
