"""In: single values as a hospital sent them. Out: the same as far as they may leave the site, or None and a note: dates, numbers, units, results.

A number is a number: exact, and not longer than a result can be. A printed result becomes one, or a code, or nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.datasets.pseudonymising.work import Work
from adapter.fhir import PARIS, When, is_usable, parse_when, plain, read_printed_number
from adapter.fhir.quantities import NumberInterval
from adapter.pseudonyms import shift_text
from adapter.terminology import Site, Units

__all__ = ["COMPARATORS", "UnitTable", "date_value", "decimal_value", "quantity_value", "read_result"]

COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})
#: On a Quantity: it was sent with a unit, which is of no table and does not leave.
UNIT_WITHHELD: Final = "urn:reluth:extension:unit-withheld"
UCUM: Final = "http://unitsofmeasure.org"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
#: A number of more digits before its point is no result but a record number, a phone number, a date.
_MOST_WHOLE_DIGITS: Final = 7
_MOST_DIGITS: Final = 18
# R4 datatypes.html#dateTime, with thousandths of a second at most: more digits say nothing that anybody measured.
_STRICT = re.compile(
    r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d))?)?)?",
    re.ASCII,
)
_DATE_ONLY = re.compile(r"\d{4}(-\d\d){0,2}", re.ASCII)
_MICRO = str.maketrans({"\u03bc": "µ", "\u00b5": "µ", "\u00a0": " ", "\u202f": " "})
_LONGEST_PRINTED: Final = 40
_MOST_KEPT: Final = 4096


def _written(text: str) -> str | None:
    """A date as FHIR writes it; None where it cannot be read."""
    when = parse_when(text)
    if when is None:
        return None
    bare = text.strip()
    if _STRICT.fullmatch(bare):
        return bare
    if _DATE_ONLY.fullmatch(bare):
        return bare if bare.isascii() else None
    # Real feeds write a blank for the T, no zone, or a zone without its colon: the same instant, on the clock in Paris.
    return when.start.astimezone(PARIS).isoformat(timespec="seconds")


@lru_cache(maxsize=65536)
def _read(text: str) -> tuple[str, When] | None:
    """A date as FHIR writes it, and when that is; None where it cannot be read."""
    written = _written(text)
    when = parse_when(written)
    return None if written is None or when is None else (written, when)


@lru_cache(maxsize=65536)
def _moved(text: str, weeks: int) -> str | None:
    return shift_text(text, weeks)


def date_value(value: Any, work: Work, place: tuple[str, str], *, ending: bool = False) -> str | None:
    """A date, dateTime or instant that may leave; moved, where the subject's dates are.

    Args:
        value: as sent.
        work: the subject.
        place: type and element, for the note.
        ending: it is the end of something: after a data cut that something goes on.
    """
    if not isinstance(value, str):
        work.notes.add("value-blanked", *place)
        return None
    read = _read(value)
    if read is None:
        work.notes.add("date-blanked", *place)
        return None
    text, when = read
    if work.is_after(when):
        work.ended_late = work.ended_late or ending
        return None
    if work.tells_birth(when):
        work.notes.add("birth-date-blanked", *place)
        return None
    if not work.weeks:
        return text
    moved = _moved(text, work.weeks)
    if moved is None or len(moved) < len(text) <= len("2025-05"):
        work.notes.add("partial-date-blanked", *place)
    return moved


def decimal_value(value: Any, work: Work, place: tuple[str, str]) -> Decimal | None:
    """An exact number that a result can be."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        work.notes.add("value-blanked", *place)
        return None
    number = Decimal(value) if isinstance(value, int) else value
    shown = str(number)
    # Nearly all: so short that nothing needs to be worked out.
    is_short = len(shown) <= _MOST_WHOLE_DIGITS and "E" not in shown and number.is_finite()
    if not (is_short or _is_plausible(number)) or work.identifies(shown):
        work.notes.add("number-blanked", *place)
        return None
    return number


def _is_plausible(number: Decimal) -> bool:
    if not is_usable(number) or len(number.as_tuple().digits) > _MOST_DIGITS:
        return False
    return number.adjusted() < _MOST_WHOLE_DIGITS and number.adjusted() > -_MOST_WHOLE_DIGITS


def _folded(unit: str) -> str:
    """As it is compared: UCUM writes the micro sign as u."""
    return unit.translate(_MICRO).replace("µ", "u").casefold()


class UnitTable:
    """Units that may leave, in the spellings of the unit tables and of the site.

    Args:
        units: general spellings.
        codes: UCUM codes that are allowed.
        site: its spellings, by analyte and spelling, and the names under which it sends UCUM.
    """

    def __init__(self, units: Units, codes: frozenset[str], site: Site) -> None:
        self._codes = codes
        self._ucum = frozenset(site.names_of(UCUM))
        spelt = {*units.spellings, *codes}
        self._folded = {_folded(spelling) for spelling in (*spelt, *(spelling for _, spelling in site.unit_spellings))}
        self._known: dict[tuple[Any, Any, Any], tuple[dict[str, str], bool]] = {}

    def of(self, printed: Any, system: Any, code: Any) -> tuple[dict[str, str], bool]:
        """``unit``, ``system`` and ``code`` as far as they may leave, and whether that is all that was told.

        What is given must not be changed: a feed has few units, very often, and they are kept.
        """
        try:
            return self._known[printed, system, code]
        except KeyError:
            found = self._find(printed, system, code)
        except TypeError:
            return {}, False
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[printed, system, code] = found
        return found

    def _find(self, printed: Any, system: Any, code: Any) -> tuple[dict[str, str], bool]:
        found: dict[str, str] = {}
        unit = self.spelling(printed)
        # A code of another system than UCUM is no unit.
        coded = self.code(code) if system is None or system in self._ucum else None
        if unit is not None:
            found["unit"] = unit
        if coded is not None:
            found |= {"code": coded} if system is None else {"system": UCUM, "code": coded}
        return found, (printed is None) == (unit is None) and (code is None) == (coded is None)

    def code(self, value: Any) -> str | None:
        """A UCUM code; None for what is none that is known."""
        return value if isinstance(value, str) and value in self._codes else None

    def spelling(self, value: Any) -> str | None:
        """A unit as printed; None for what no table has."""
        if not isinstance(value, str):
            return None
        known = " ".join(value.translate(_MICRO).split()) if len(value) <= _LONGEST_PRINTED else ""
        return known if known and _folded(known) in self._folded else None


def quantity_value(value: Any, work: Work, place: tuple[str, str], units: UnitTable) -> dict[str, Any] | None:
    """A Quantity: its number, comparator and unit, each only if it is one."""
    if not isinstance(value, dict):
        work.notes.add("value-blanked", *place)
        return None
    found: dict[str, Any] = {}
    told = value.get("value")
    number = decimal_value(told, work, place) if told is not None else None
    if number is None:
        return None
    found["value"] = number
    comparator = value.get("comparator")
    if comparator is not None:
        if comparator not in COMPARATORS:
            # Without it the number would say something else.
            work.notes.add("value-blanked", *place)
            return None
        found["comparator"] = comparator
    unit, is_whole = units.of(value.get("unit"), value.get("system"), value.get("code"))
    if not is_whole:
        work.notes.add("unit-blanked", *place)
    if unit or not any(_is_told(value.get(name)) for name in ("unit", "code")):
        return found | unit
    # Not the same as no unit: an INR without one is a ratio, an INR in a unit that nobody knows is not.
    return {"extension": [{"url": UNIT_WITHHELD, "valueBoolean": True}], **found}


def _is_told(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def read_result(text: Any, known: KnownCodes, units: UnitTable, *, score: bool = False) -> dict[str, Any] | None:
    """A result that a laboratory printed, as the element that says it.

    Args:
        text: as sent.
        known: words that are codes, and those that say why there is no result.
        units: that may follow a number.
        score: it answers a question whose answer is a whole number of one digit (ECOG).

    Returns:
        ``valueQuantity``, ``valueRange``, ``valueInteger``, ``valueCodeableConcept`` or ``dataAbsentReason`` with its value; None where
        it is none of these, and is not exported.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_PRINTED:
        return None
    folded = " ".join(text.translate(_MICRO).split()).strip(" .").casefold()
    if score and len(folded) == 1 and folded.isascii() and folded.isdigit():
        return {"valueInteger": int(folded)}
    word = known.tables.words.get(folded)
    if word is not None:
        return {"valueCodeableConcept": known.concept([word])}
    if folded in known.tables.absent:
        return {"dataAbsentReason": known.concept([(ABSENT, known.tables.absent[folded])])}
    printed = read_printed_number(text)
    if printed is None:
        return None
    unit = units.spelling(printed.unit) if printed.unit is not None else None
    if printed.unit is not None and unit is None:
        # What follows the number is no unit, so the number may be no result: a date, a part of a name's number.
        return None
    return _as_element(printed.interval, unit, leading_zero=bool(re.match(r"\D*0\d", text)))


def _as_element(interval: NumberInterval, unit: str | None, *, leading_zero: bool) -> dict[str, Any] | None:
    if leading_zero:
        return None
    shown = {"unit": unit} if unit is not None else {}
    if interval.is_point:
        return {"valueQuantity": {"value": interval.low, **shown}}
    if interval.low.is_finite() and interval.high.is_finite():
        ends = {"low": interval.low, "high": interval.high}
        return {"valueRange": {name: {"value": end, **shown} for name, end in ends.items()}}
    text = interval.text()
    comparator = text[:2] if text[1] == "=" else text[0]
    number = Decimal(text.removeprefix(comparator))
    return {"valueQuantity": {"value": Decimal(plain(number)), "comparator": comparator, **shown}}
