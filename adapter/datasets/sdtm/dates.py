"""In: a date or time as FHIR writes it. Out: the text of ISO 8601 that SDTM wants (local in Paris, as partial as told), and days between.

clarifications.md and clinical-spec.md section 2: calendar dates are those of Europe/Paris; offsets are converted first.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["certainly_before", "days_between", "iso_day", "iso_time", "plus_days", "study_day"]

_PARIS: Final = ZoneInfo("Europe/Paris")
_WHEN: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})(?:T(?P<time>\d{2}:\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)
_DAY: Final = 10
_MINUTE: Final = 16
_SECOND: Final = 19


@lru_cache(maxsize=100_000)
def iso_time(text: str) -> str | None:
    """The date, with the time as far as it is told; None for what is no date.

    >>> iso_time("2025-05-20T23:30:00Z")
    '2025-05-21T01:30'
    >>> iso_time("2025-05-20T08:10:05.250+02:00"), iso_time("2025-05"), iso_time("soon")
    ('2025-05-20T08:10:05', '2025-05', None)
    """
    found = _WHEN.fullmatch(text)
    if found is None:
        return None
    try:
        if found["day"] is None:
            date(int(found["year"]), int(found["month"] or 1), 1)
            return text
        day = date.fromisoformat(text[:_DAY])
        if found["time"] is None:
            return text
        # A leap second is no time that Python knows.
        second = min(int(found["second"] or 0), 59)
        written = f"{day.isoformat()}T{found['time']}:{second:02d}"
        moment = datetime.fromisoformat(written + (found["zone"] or "").replace("Z", "+00:00"))
        if moment.tzinfo is not None:
            moment = moment.astimezone(_PARIS)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat()[: _SECOND if moment.second else _MINUTE]


def iso_day(text: str) -> str | None:
    """The calendar day, or as much of it as is told; None for what is no date."""
    found = iso_time(text)
    return None if found is None else found[:_DAY]


@lru_cache(maxsize=100_000)
def days_between(first: str, then: str) -> int | None:
    """Whole days from one to the other, either may have a time; None where one of them is partial."""
    if len(first) < _DAY or len(then) < _DAY:
        return None
    return (date.fromisoformat(then[:_DAY]) - date.fromisoformat(first[:_DAY])).days


def study_day(day: str, reference: str) -> int | None:
    """Day of the study: the reference day is 1, the day before it -1, there is no day 0 (SDTMIG 4.4.4).

    >>> study_day("2025-05-20", "2025-05-20"), study_day("2025-05-19T10:00", "2025-05-20"), study_day("2025-05", "2025-05-20")
    (1, -1, None)
    """
    apart = days_between(reference, day)
    return None if apart is None else apart + 1 if apart >= 0 else apart


def certainly_before(first: str, then: str) -> bool:
    """A day, which may be partial, lies before another one whatever is not told; times of day do not count.

    >>> certainly_before("2025-04", "2025-05-01"), certainly_before("2025-05", "2025-05-20"), certainly_before("2025", "2025")
    (True, False, False)
    """
    shorter = min(len(first[:_DAY]), len(then[:_DAY]))
    return first[:shorter] < then[:shorter]


def plus_days(day: str, days: int) -> str:
    """The day so many days later."""
    return (date.fromisoformat(day[:_DAY]) + timedelta(days=days)).isoformat()
