"""In: the reference ranges of a result, the person, the units. Out: the one range that holds for the person, its limits as numbers; or none, and a note.

Read as the criteria read them (clarifications.md 17): by sex and age, and also where the report prints the limits as a text (``< 41``,
``N: 3,5 - 5,0``, ``Femme : < 35``). No word of that text stays; what cannot be read is not exported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from adapter.datasets.pseudonymising.r5 import listed
from adapter.datasets.pseudonymising.values import UnitTable
from adapter.datasets.pseudonymising.work import Work
from adapter.fhir import Json, age_on, parse_when, read_printed_number
from adapter.fhir.printed_ranges import (
    FEMALE_WORDS,
    MALE_WORDS,
    NORMAL_WORDS,
    PRINTED_RANGE,
    KindCoding,
    is_normal_kind,
)

__all__ = ["PrintedRange", "holding", "is_for_all", "read_printed_range"]

_SEX_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(MALE_WORDS, "male"),
    **dict.fromkeys(FEMALE_WORDS, "female"),
}
#: No laboratory prints 012: a day, a month or a number of a person does.
_LEADING_ZERO = re.compile(r"(?<![\d.,])0\d")
_LONGEST: Final = 60
_YEARS: Final = frozenset({"a", "an", "ans", "year", "years"})
_OLDEST: Final = 200
_FOR_ALL: Final = frozenset({"low", "high"})
_SEXES: Final[Mapping[str, str]] = {"M": "male", "F": "female", "male": "male", "female": "female"}


class PrintedRange(NamedTuple):
    """What a printed range tells.

    Attributes:
        word: what stands before it, small; "" for nothing.
        low: None where that end is open, or nothing can be read; so is ``high``.
        unit: as printed; None for none.
    """

    word: str
    low: Decimal | None = None
    high: Decimal | None = None
    unit: str | None = None


@lru_cache(maxsize=4096)
def read_printed_range(text: str) -> PrintedRange:
    """The limits that a laboratory printed.

    >>> read_printed_range("N: 3,5 - 5,0")
    PrintedRange(word='n', low=Decimal('3.5'), high=Decimal('5.0'), unit=None)
    >>> read_printed_range("voir au verso").high is None
    True
    """
    found = PRINTED_RANGE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return PrintedRange("")
    word = (found["word"] or "").casefold()
    printed = None if _LEADING_ZERO.search(text) else read_printed_number(found["range"])
    # ``40`` alone says neither end.
    if printed is None or printed.interval.is_point:
        return PrintedRange(word)
    low, high = (end if end.is_finite() else None for end in (printed.interval.low, printed.interval.high))
    return PrintedRange(word, low, high, printed.unit)


def is_for_all(ranges: list[Any], units: UnitTable) -> bool:
    """One range in numbers of known units that does not say for whom or what it is: nearly all."""
    if len(ranges) != 1 or not isinstance(ranges[0], dict) or not ranges[0].keys() <= _FOR_ALL:
        return False
    return not any(_is_in_unknown_unit(end, units) for end in ranges[0].values())


def holding(place: Json, when: Any, work: Work, units: UnitTable) -> list[Json]:
    """The one range that holds for the person; of several that may, none: the reader takes the first.

    Args:
        place: the Observation or its component, with its ranges and its value.
        when: the day of the sample, as sent.
        work: the subject.
        units: that may leave.
    """
    ranges = place["referenceRange"]
    normal = [one for one in ranges if isinstance(one, dict) and _is_normal(one)]
    fits = [one for one in normal if _fits_age(one.get("age"), when, work) and _fits_sex(one, work)]
    # A range for nobody in particular holds where none is for this person.
    particular = [one for one in fits if one.get("appliesTo") or one.get("age") or _printed(one).word in _SEX_WORDS]
    kept = particular if len(particular) == 1 else fits if len(fits) == 1 else []
    found = [told for one in kept if (told := _in_numbers(one, place, work, units)) is not None]
    if ranges and not found:
        work.notes.add("range-blanked", "Observation", "referenceRange")
    return found


def _printed(item: Json) -> PrintedRange:
    text = item.get("text")
    return read_printed_range(text) if isinstance(text, str) else PrintedRange("")


def _in_numbers(item: Json, place: Json, work: Work, units: UnitTable) -> Json | None:
    """The range with the ends that only its text tells; None where the text is all there is, and cannot be read."""
    unread = {name for name in ("low", "high") if _is_in_unknown_unit(item.get(name), units)}
    found = {name: value for name, value in item.items() if name not in ("age", "appliesTo", "text", *unread)}
    told = {name for name in ("low", "high") if _has_number(found.get(name))}
    text = item.get("text")
    if unread and told:
        work.notes.add("range-blanked", "Observation", "referenceRange")
    if text is None or len(told) == 2:
        return None if unread and not told else found
    for name, end in _ends(_printed(item), place, work, units).items():
        if name not in told:
            found[name] = end
            told.add(name)
    return found if told else None


def _is_in_unknown_unit(end: Any, units: UnitTable) -> bool:
    """A limit whose unit cannot leave: without it, it would be read in the result's."""
    if not isinstance(end, dict):
        return False
    unit, is_whole = units.of(end.get("unit"), end.get("system"), end.get("code"))
    return not unit and not is_whole


def _ends(printed: PrintedRange, place: Json, work: Work, units: UnitTable) -> dict[str, Json]:
    """The printed ends, in the unit printed behind them, else in the result's."""
    ends = {name: end for name, end in (("low", printed.low), ("high", printed.high)) if end is not None}
    if work.born is not None and work.born.earliest.year in ends.values():
        # ``12-1954`` may be when the person was born.
        return {}
    if printed.unit is None:
        unit = _unit_of_result(place, units)
    else:
        spelling = units.spelling(printed.unit)
        if spelling is None:
            return {}
        unit = {"unit": spelling}
    return {name: {"value": end, **unit} for name, end in ends.items()}


def _unit_of_result(place: Json, units: UnitTable) -> dict[str, str]:
    value = place.get("valueQuantity")
    if value is None:
        interval = place.get("valueRange")
        value = interval.get("low", interval.get("high")) if isinstance(interval, dict) else None
    if not isinstance(value, dict):
        return {}
    return units.of(value.get("unit"), value.get("system"), value.get("code"))[0]


def _has_number(end: Any) -> bool:
    return isinstance(end, dict) and end.get("value") is not None


def _is_normal(item: Json) -> bool:
    concept = item.get("type")
    if not isinstance(concept, dict):
        return True
    codings = [one for one in listed(concept.get("coding")) if isinstance(one, dict)]
    kinds = [KindCoding(*(_text(one.get(name)) for name in ("system", "code", "display"))) for one in codings]
    return is_normal_kind(kinds, _text(concept.get("text")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _fits_sex(item: Json, work: Work) -> bool:
    """A range that says for whom it is, is for the person where that is their sex, and where it can be read."""
    word = _printed(item).word
    of_word = _SEX_WORDS.get(word)
    if of_word is not None:
        if work.sex != of_word:
            return False
    elif word and word not in NORMAL_WORDS and not any(_has_number(item.get(name)) for name in ("low", "high")):
        return False
    if not item.get("appliesTo"):
        return True
    concepts = [concept for concept in listed(item["appliesTo"]) if isinstance(concept, dict)]
    codings = [coding for concept in concepts for coding in listed(concept.get("coding"))]
    told = {_SEXES.get(str(one.get("code"))) for one in codings if isinstance(one, dict)}
    told |= {_SEX_WORDS.get(str(concept.get("text")).strip().casefold()) for concept in concepts}
    return work.sex is not None and work.sex in told


def _fits_age(told: Any, when: Any, work: Work) -> bool:
    """A range for an age holds where the person was of that age; where that is not known, it may not."""
    if told is None:
        return True
    day = parse_when(when) if isinstance(when, str) else None
    if not isinstance(told, dict) or day is None or work.born is None or not work.born.is_one_day:
        return False
    age = age_on(work.born.earliest, day.earliest)
    low, high = _years(told.get("low"), otherwise=0), _years(told.get("high"), otherwise=_OLDEST)
    return low is not None and high is not None and low <= age <= high


def _years(end: Any, *, otherwise: int) -> Decimal | int | None:
    """An end of a range of ages, ``otherwise`` where it is open; None for one in another unit."""
    if end is None:
        return otherwise
    limit = end.get("value") if isinstance(end, dict) else None
    unit = end.get("code", end.get("unit")) if isinstance(end, dict) else None
    return limit if isinstance(limit, int | Decimal) and unit in _YEARS else None
