"""In: dates with a record's own precision, UCUM units. Out: the same as a French or English reader writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from adapter.screening.words import words
from adapter.service.language import Language

__all__ = ["effective", "instant", "moment", "unit"]

_NBSP = "\N{NO-BREAK SPACE}"
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_ISO_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})?")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")
_EXPONENT = re.compile(r"10\*(-?\d+)")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# UCUM writes micro as u; the two others are its own spellings of what every report prints otherwise.
_SPELLINGS = {"umol/L": "µmol/L", "ug/L": "µg/L", "/uL": "/µL", "mm[Hg]": "mmHg"}
#: Of numbers that nobody puts a unit to.
_BARE = frozenset({"1", "{score}", "{count}"})
_INDEXED = "mL/min/{1.73_m2}"
_TIMES_LIMIT: dict[Language, str] = {"fr": "N", "en": "× ULN"}
_YEARS: dict[Language, str] = {"fr": "ans", "en": "years"}
_INTERNATIONAL: dict[Language, str] = {"fr": "UI", "en": "IU"}


def moment(value: datetime, language: Language) -> str:
    """A day and a time of day, on that time's own clock."""
    return f"{words(language).day(value.date())}, {value:%H:%M}"


def instant(value: str, language: Language) -> str:
    """A moment that a server has told, in UTC; what is no moment is shown as it is.

    >>> instant("2026-11-23T01:43:10.123+01:00", "en"), instant("2026-11-23", "en")
    ('23 November 2026, 00:43 UTC', '23 November 2026')
    """
    try:
        told = datetime.fromisoformat(value)
        return effective(value, language) if told.tzinfo is None else f"{moment(told.astimezone(UTC), language)} UTC"
    except (ValueError, OverflowError):
        return effective(value, language)


def effective(value: str, language: Language) -> str:
    """The date of a record with the precision it was sent with, a span by its ends; what is no date is shown as it is.

    >>> effective("2025-05", "en"), effective("2025-05-20T08:30:00+02:00", "en"), effective("..2023-07-02", "en")
    ('May 2025', '20 May 2025, 08:30 (+02:00)', '2 July 2023 at the latest')
    """
    say = words(language)
    if _ISO_DAY.fullmatch(value):
        return say.day(value)
    if (time := _ISO_TIME.fullmatch(value)) is not None:
        zone = {None: "", "Z": " UTC"}.get(time[3], f" ({time[3]})")
        return f"{say.day(time[1])}, {time[2]}{zone}"
    if _ISO_MONTH.fullmatch(value):
        # The second day has no ordinal in either language; dropping its number leaves month and year.
        return say.day(f"{value}-02").partition(" ")[2]
    return say.dated(value) if ".." in value else value


def unit(code: str, language: Language) -> str:
    """A UCUM code as clinicians write it; nothing for a score or a count.

    >>> unit("10*9/L", "en"), unit("umol/L", "fr"), unit("{INR}", "fr"), unit("{score}", "fr")
    ('10⁹/L', 'µmol/L', 'INR', '')
    """
    if code in _BARE:
        return ""
    if code == _INDEXED:
        return f"mL/min/{words(language).number('1.73')}{_NBSP}m²"
    if code == "a":
        return _YEARS[language]
    if code in ("ULN", "{ULN}"):
        return _TIMES_LIMIT[language]
    text = _SPELLINGS.get(code, code).replace("[iU]", _INTERNATIONAL[language])
    text = _ANNOTATION.sub(lambda found: found[1], text)
    return _EXPONENT.sub(lambda found: "10" + found[1].translate(_SUPERSCRIPTS), text)
