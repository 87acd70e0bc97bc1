"""In: a digest's time and days, a moment. Out: the day for which it is due now, if it is. Pure: the moment is an argument.

Times are those of the clock in France, summer and winter.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time
from typing import Final

from adapter.fhir import PARIS

__all__ = ["WEEKDAYS", "due"]

#: As the settings name them, in the order of `date.weekday`.
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def due(at: time, days: Collection[str], now: datetime, *, last: date | None = None) -> date | None:
    """The day whose digest is to be sent now.

    Once its time has come it is due until midnight: one that was missed is sent late, and never on the day after. A time that
    the clock leaps over (the last Sunday of March) comes when the clock has leapt; one that it shows twice, the first time.

    Args:
        at: time of day in France.
        days: of the week, as in `WEEKDAYS`.
        now: a moment with its zone.
        last: the day of the last one that was sent.

    Raises:
        ValueError: ``now`` has no zone.

    >>> from datetime import UTC
    >>> due(time(7, 30), ["mon"], datetime(2025, 6, 2, 5, 30, tzinfo=UTC))
    datetime.date(2025, 6, 2)
    >>> due(time(7, 30), ["mon"], datetime(2025, 6, 2, 5, 29, tzinfo=UTC)) is None
    True
    """
    if now.tzinfo is None:
        raise ValueError("a moment without zone")
    day = now.astimezone(PARIS).date()
    if WEEKDAYS[day.weekday()] not in days or (last is not None and last >= day):
        return None
    # Compared as moments: two times of one zone compare by what the clock shows.
    return day if now.timestamp() >= datetime.combine(day, at, PARIS).timestamp() else None
