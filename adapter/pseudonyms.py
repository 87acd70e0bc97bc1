"""In: the site's secret key, and what is to be known by another name. Out: keyed names that only the site can lead back, and shifted dates.

Pure: the key is an argument and nothing is read or kept. Whoever has the key can say which resource a name stands for by trying
all of them; whoever has not learns nothing from a name but that two of the same are the same (RFC 2104, HMAC-SHA256).
"""

from __future__ import annotations

import hmac
import re
from datetime import date, timedelta
from typing import Final

from adapter.fhir import PARIS, parse_when

__all__ = ["KEY_BYTES", "keyed_digest", "resource_key", "shift_date", "shift_text", "shift_weeks"]

#: Length of the key.
KEY_BYTES: Final = 32
#: 26 characters of base32 are 130 bits: two of a thousand million names are the same once in 10**21 stores.
_KEY_LENGTH: Final = 26
_KEY_BYTES: Final = 17
_KEY_SPARE: Final = 8 * _KEY_BYTES - 5 * _KEY_LENGTH
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_PLACES: Final = range(5 * _KEY_LENGTH - 10, -1, -10)
#: No subject is moved by more than half a year, and none by nothing.
_MOST_WEEKS: Final = 26
_WITH_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)")
_DAY: Final = len("2025-05-20")


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """32 bytes that stand for some texts; the parts cannot run into one another.

    >>> keyed_digest(b"k", "a", "bc") == keyed_digest(b"k", "ab", "c")
    False
    """
    told = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.digest(key, told.encode(), "sha256")


def resource_key(key: bytes, site: str, reference: str) -> str:
    """The id that a resource has in the pseudonymised feed.

    Args:
        key: the store's secret.
        site: of the resource.
        reference: ``Type/id`` as the hospital names it.

    Returns:
        ``k`` and 26 characters of a-z and 2-7: an id as FHIR allows it.

    >>> resource_key(bytes(32), "icm", "Observation/1")
    'km7loczu4mkjrrv5eyvglgsx3ud'
    """
    digest = hmac.digest(key, f"{site}|{reference}".encode(), "sha256")
    # 130 bits are 26 characters of RFC 4648's base32; two at a time, which is three times as fast as `base64.b32encode`.
    number = int.from_bytes(digest[:_KEY_BYTES], "big") >> _KEY_SPARE
    return "k" + "".join([_PAIRS[number >> place & 1023] for place in _PLACES])


def shift_weeks(key: bytes, trial: str, usubjid: str) -> int:
    """By how many whole weeks a subject's dates are moved: -26 to 26, never 0; the same at every export.

    Whole weeks keep the day of the week: laboratories do not work on Sundays, and a visit on one would be noticed.
    """
    number = int.from_bytes(keyed_digest(key, "date-shift", trial, usubjid)[:8], "big") % (2 * _MOST_WEEKS)
    return number - _MOST_WEEKS if number < _MOST_WEEKS else number - _MOST_WEEKS + 1


def shift_date(day: date, weeks: int) -> date:
    """A calendar day, moved."""
    return day + timedelta(weeks=weeks)


def shift_text(text: str, weeks: int) -> str | None:
    """A FHIR date, dateTime or instant, moved by whole weeks; the time of day is that on a clock in Paris, as before.

    Moved are the calendar day and the clock, not the instant: else what happened at midnight would change its day where one
    of the two dates lies in summer time, and with it every study day. A month or a year has no exact place elsewhere: only
    the year is told of it where all its days lie in one, else nothing. Order and intervals, in days and on the clock, stay; but for
    what happened in the one hour of the year that the clock shows twice, which may trade places within it.

    Args:
        text: as FHIR writes it.
        weeks: how far.

    Returns:
        None where it is no date, or a partial one that nothing true can be said of.

    >>> shift_text("2025-06-01T00:00:00+02:00", -20)
    '2025-01-12T00:00:00+01:00'
    >>> shift_text("2025-05", 3), shift_text("2025", 3)
    ('2025', None)
    """
    when = parse_when(text)
    if when is None:
        return None
    if len(text) == _DAY:
        return shift_date(when.earliest, weeks).isoformat()
    if len(text) < _DAY:
        first, last = shift_date(when.earliest, weeks), shift_date(when.latest, weeks)
        return f"{first.year:04}" if first.year == last.year else None
    local = when.start.astimezone(PARIS)
    moved = (local.replace(tzinfo=None) + timedelta(weeks=weeks)).replace(tzinfo=PARIS, fold=local.fold)
    found = _WITH_TIME.fullmatch(text)
    return moved.isoformat(timespec="milliseconds" if found is not None and "." in found[2] else "seconds")
