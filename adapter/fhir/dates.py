"""In: FHIR date, dateTime, instant, Period. Out: `When`, the interval of instants that the text leaves possible.

A partial date is an interval, never its first day: ``2024-05`` may be any day of May. Calendar days are those of
Europe/Paris (clinical-spec.md section 2): ``2025-05-31T22:30:00Z`` is 1 June there.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["ALWAYS", "PARIS", "When", "add_months", "age_on", "calendar_day", "parse_when", "period_when"]

PARIS = ZoneInfo("Europe/Paris")

_MIN = datetime(1, 1, 2, tzinfo=UTC)
_MAX = datetime(9999, 12, 30, tzinfo=UTC)

_MICROSECOND, _SECOND = timedelta(microseconds=1), timedelta(seconds=1)

# R4 datatypes.html#dateTime, loosened: real feeds send a time without zone, a space for the T and single-digit zones.
_DATETIME = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d{2})(?:-(?P<d>\d{2})"
    r"(?:[T ](?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?P<f>\.\d+)?)?\s*(?P<z>Z|[+-]\d{2}:?\d{2})?)?)?)?"
)

# The two ways in which nearly every time is written, in the years of today's time zones (whole minutes, no change at midnight).
_USUAL = re.compile(
    r"(?P<day>(?:19[89]|20[0-9])\d-\d\d-\d\d)"
    r"(?P<time>T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d))?",
    re.ASCII,
)


@lru_cache(maxsize=65536)
def _paris_day(instant: datetime) -> date:
    return instant.astimezone(PARIS).date()


@dataclass(frozen=True, slots=True, order=True)
class When:
    """Instants from ``start`` (inclusive) to ``end`` (exclusive), both UTC; which one it was is not known.

    ``exact`` tells that the source gave a time of day.
    """

    start: datetime
    end: datetime
    exact: bool = False
    #: First and last calendar day in Paris that are possible.
    earliest: date = field(init=False, repr=False, compare=False)
    latest: date = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        last = max(self.start, self.end - _MICROSECOND)
        # Asked for far more often than made: a frozen dataclass is given them once.
        object.__setattr__(self, "earliest", _paris_day(self.start))
        object.__setattr__(self, "latest", _paris_day(last))

    @property
    def is_one_day(self) -> bool:
        """The calendar day is known."""
        return self.earliest == self.latest

    @property
    def is_bounded(self) -> bool:
        """Both ends are known."""
        return self.start > _MIN and self.end < _MAX

    def surely_after(self, other: When) -> bool:
        """Every instant of self is later than every instant of ``other``."""
        return self.start >= other.end

    def upper_bound(self) -> When:
        """The same end, any beginning: a recordedDate says only that the event was not later."""
        return When(_MIN, self.end)

    def text(self) -> str | None:
        """``2025-05-20``, ``2025-05-01..2025-05-31``, ``..2025-05-31``; None when nothing is known."""
        if self.is_bounded:
            return str(self.earliest) if self.is_one_day else f"{self.earliest}..{self.latest}"
        if self.end < _MAX:
            return f"..{self.latest}"
        return f"{self.earliest}.." if self.start > _MIN else None


#: Nothing is known of the time.
ALWAYS = When(_MIN, _MAX)


@lru_cache(maxsize=65536)
def _day_start(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


@lru_cache(maxsize=65536)
def parse_when(text: str | None) -> When | None:
    """Read a FHIR date, dateTime or instant.

    Args:
        text: as sent; a time without offset is taken as Paris.

    Returns:
        None when it is absent or is no date (then nothing is known, which is not the same as "no event").

    >>> parse_when("2024-05").text()
    '2024-05-01..2024-05-31'
    >>> parse_when("2025-05-31T22:30:00Z").text()
    '2025-06-01'
    >>> parse_when("01/02/2024") is None
    True
    """
    if not text:
        return None
    try:
        usual = _USUAL.fullmatch(text)
        if usual is not None and usual["time"] is not None:
            return _instant(text)
        found = _DATETIME.fullmatch(text.strip())
        return None if found is None else _interval(found)
    except (ValueError, OverflowError):
        return None


def _instant(text: str) -> When:
    """A date and time as it is usually written: half the work of `_interval`, and never another answer."""
    start = datetime.fromisoformat(text).astimezone(UTC)
    return When(start, start + (_MICROSECOND if "." in text else _SECOND), exact=True)


def calendar_day(text: str) -> str | None:
    """The day in Paris of a date, or of a date and time with its zone, as these are usually written.

    A tenth of the work of `parse_when`, and never another answer.

    Returns:
        None for everything else, whether it is a time or not: `parse_when` tells.

    >>> calendar_day("2025-05-31T22:30:00Z"), calendar_day("2025-05")
    ('2025-06-01', None)
    """
    found = _USUAL.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found["day"] if found["time"] is None else str(moment.astimezone(PARIS).date())


def _interval(found: re.Match[str]) -> When:
    year = int(found["y"])
    if not 1800 <= year <= 2200:
        # 0001-01-01 and 9999-12-31 are how systems write "no date".
        raise ValueError
    if found["m"] is None:
        return When(_day_start(date(year, 1, 1)), _day_start(date(year + 1, 1, 1)))
    month = int(found["m"])
    if found["d"] is None:
        first = date(year, month, 1)
        return When(_day_start(first), _day_start(add_months(first, 1)))
    day = date(year, month, int(found["d"]))
    if found["H"] is None:
        return When(_day_start(day), _day_start(day + timedelta(days=1)))
    second = int(found["S"] or 0)
    if second > 60:  # 60 is a leap second
        raise ValueError
    moment = datetime.combine(day, time(int(found["H"]), int(found["M"]), min(second, 59)))
    if found["z"] is None:
        start = moment.replace(tzinfo=PARIS).astimezone(UTC)
    else:
        zone = found["z"].replace(":", "").replace("Z", "+0000")
        if int(zone[1:3]) > 14 or int(zone[3:5]) > 59:
            raise ValueError
        sign = -1 if zone[0] == "-" else 1
        start = moment.replace(tzinfo=UTC) - sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    if found["f"]:
        micro = int(found["f"][1:7].ljust(6, "0"))
        start += timedelta(microseconds=micro)
        return When(start, start + timedelta(microseconds=1), exact=True)
    return When(start, start + timedelta(seconds=1 if found["S"] else 60), exact=True)


def period_when(start: str | None, end: str | None) -> When:
    """The interval of a Period; an open or unreadable end is unknown."""
    first, last = parse_when(start), parse_when(end)
    low = first.start if first else _MIN
    high = last.end if last else _MAX
    return When(low, max(low, high), exact=bool(first and first.exact))


def add_months(day: date, months: int) -> date:
    """Calendar months later (or earlier), clamped to the end of the month.

    >>> add_months(date(2025, 6, 30), -4)
    datetime.date(2025, 2, 28)
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def age_on(birth: date, day: date) -> int:
    """Completed years; born on 29 February, a year is completed on 1 March of a common year.

    >>> age_on(date(2008, 2, 29), date(2026, 2, 28))
    17
    """
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
