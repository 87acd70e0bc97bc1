"""In: calendar dates and clock times in Paris. Out: FHIR dates and dateTimes in the ways that French feeds write
them.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
_WINTER = timezone(timedelta(hours=1))
Style = Literal["paris", "utc", "winter", "day"]


@lru_cache(maxsize=4096)
def _offset(day: date, hour: int) -> timezone:
    gap = datetime.combine(day, time(hour), PARIS).utcoffset()
    return timezone(gap or timedelta(0))


def written(day: date, minute: int = 540, style: Style = "paris") -> str:
    """The instant `minute` minutes after midnight of that day in Paris, as the feed prints it.

    Args:
        day: calendar day in Paris.
        minute: minutes after midnight, 0 to 1439.
        style: Paris offset, `Z`, `+01:00` whatever the season, or the day alone.
    """
    if style == "day":
        return day.isoformat()
    hour, rest = divmod(minute, 60)
    stamp = datetime.combine(day, time(hour, rest), _offset(day, hour))
    if style == "utc":
        return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if style == "winter":
        stamp = stamp.astimezone(_WINTER)
    return stamp.isoformat()


def plus_months(day: date, months: int) -> date:
    """Calendar months with clamping: one month after 31 January is 28 (or 29) February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def years_on(day: date, born: date) -> int:
    """Completed years on that day; somebody born on 29 February completes them on 1 March in a common year."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def month_end(day: date) -> date:
    """The last day of that day's month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def months_text(day: date) -> str:
    """`2024-05`."""
    return f"{day.year:04d}-{day.month:02d}"


def leap_anchor(on: date) -> date:
    """The latest 29 February whose twelve calendar months are over on that day."""
    year = on.year - 1
    while not (calendar.isleap(year) and plus_months(date(year, 2, 29), 12) <= on - timedelta(days=30)):
        year -= 1
    return date(year, 2, 29)
