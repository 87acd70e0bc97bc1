"""In: a reading with its reference ranges, and the person. Out: the limits of normal that may apply, in the analyte's unit."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from decimal import Decimal

from adapter.criteria.concepts.person import ages_on, genders
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.scene import Scene
from adapter.fhir import EXACT, is_usable, read_printed_number
from adapter.fhir.datatypes import Quantity, Range, ReferenceRange
from adapter.fhir.printed_ranges import (
    FEMALE_WORDS,
    MALE_WORDS,
    NORMAL_WORDS,
    OTHERS_WORDS,
    PRINTED_RANGE,
    KindCoding,
    is_normal_kind,
)
from adapter.terminology import UnitProblem

__all__ = ["limits_of_normal"]

_WORDS = re.compile(r"[^\W\d_]+")
_BOTH = frozenset({"male", "female"})
_GENDER_SYSTEM = "http://hl7.org/fhir/administrative-gender"
_YEARS_BY_UNIT = {
    **dict.fromkeys(("a", "year", "years", "an", "ans"), Decimal(1)),
    **dict.fromkeys(("mo", "month", "months", "mois"), Decimal(1) / 12),
    **dict.fromkeys(("wk", "week", "weeks", "semaine", "semaines"), Decimal(7) / Decimal("365.25")),
    **dict.fromkeys(("d", "day", "days", "j", "jour", "jours"), 1 / Decimal("365.25")),
}


class _NotUnderstoodError(Exception):
    """A range says whom it is for in a way that is not understood: it must not be taken for everybody's."""


def limits_of_normal(reading: Reading, scene: Scene, *, upper: bool) -> tuple[Decimal, ...]:
    """The upper (or lower) limits of normal that may apply to a reading, found once for all that ask.

    Returns:
        Distinct limits, in the analyte's unit, in order: several where sex or age leave it open; none where the report
        gives none that can be read and the site has declared none.
    """
    key, known = (id(reading), upper), scene.readings.limits
    if key not in known:
        known[key] = _limits_of_normal(reading, scene, upper=upper)
    return known[key]


def _limits_of_normal(reading: Reading, scene: Scene, *, upper: bool) -> tuple[Decimal, ...]:
    normal = [item for item in reading.ranges if _is_normal(item)]
    by_gender = [[item for item in normal if _is_for(item, reading, scene, gender)] for gender in genders(scene)]
    if normal and not all(by_gender):
        # No range that is surely for this person, or only for one of the sexes that the record leaves possible.
        return ()
    fitting = [item for item in normal if any(item is other for group in by_gender for other in group)]
    found = [limit for item in fitting if (limit := _limit(item, reading, scene, upper=upper)) is not None]
    if fitting and len(found) < len(fitting) and found:
        # One of several ranges cannot be read: which applies cannot be told.
        return ()
    if found:
        return tuple(sorted(set(found)))
    return tuple(sorted(set(_site_limits(reading, scene)))) if upper and not reading.ranges else ()


def _is_normal(item: ReferenceRange) -> bool:
    if item.type is None:
        return True
    codings = [KindCoding(coding.system, coding.code, coding.display) for coding in item.type.coding]
    return is_normal_kind(codings, item.type.text)


def _is_for(item: ReferenceRange, reading: Reading, scene: Scene, gender: str) -> bool:
    """Whether a range is for a person of this sex and of the person's age on the day of the sample."""
    try:
        return gender in _sexes_of(item) and _is_for_age(item, reading, scene)
    except _NotUnderstoodError:
        return False


def _sexes_of(item: ReferenceRange) -> AbstractSet[str]:
    """The sexes that a range is for; both where it does not say.

    Raises:
        _NotUnderstoodError: it says for whom it is, in words or codes that are not known.
    """
    if not item.applies_to and item.text is None:
        return _BOTH
    sexes = {
        sex
        for concept in item.applies_to
        for sex in _sexes(concept.text, *((c.system, c.code, c.display) for c in concept.coding))
    }
    if item.applies_to and not sexes:
        raise _NotUnderstoodError
    if item.text is not None and OTHERS_WORDS.search(item.text):
        # ``Zone thérapeutique`` beside 2 and 3: not what an INR of who takes nothing is.
        raise _NotUnderstoodError
    word = _range_word(item)
    if word is not None and word not in NORMAL_WORDS:
        of_word = _sex_words(word)
        if not of_word and not (_has_number(item.low) or _has_number(item.high)):
            raise _NotUnderstoodError
        sexes |= of_word
    if item.text is not None:
        # ``Adulte femme`` beside a number. A letter alone may be of a unit.
        sexes = sexes.union(*(_sex_words(each) for each in _words(item.text) if len(each) > 1))
    return sexes or _BOTH


def _is_for_age(item: ReferenceRange, reading: Reading, scene: Scene) -> bool:
    if item.age is None:
        return True
    low, high = _years(item.age)
    if low is None and high is None:
        return True
    ages = ages_on(scene, reading.when.earliest, reading.when.latest)
    return ages is not None and (high is None or ages[0] <= high) and (low is None or ages[1] >= low)


def _sexes(text: str | None, *codings: tuple[str | None, str | None, str | None]) -> set[str]:
    found = set()
    for system, code, display in codings:
        if system == _GENDER_SYSTEM and code in ("male", "female"):
            found.add(code)
        found |= _sex_words(display)
    return found | _sex_words(text)


def _sex_words(text: str | None) -> set[str]:
    word = (text or "").strip().casefold()
    return {"male"} if word in MALE_WORDS else {"female"} if word in FEMALE_WORDS else set()


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(text)]


def _range_word(item: ReferenceRange) -> str | None:
    """The word before a printed range."""
    if item.text is None:
        return None
    found = PRINTED_RANGE.fullmatch(item.text)
    return found["word"].casefold() if found and found["word"] else None


def _has_number(quantity: Quantity | None) -> bool:
    return quantity is not None and quantity.value is not None


def _years(age: Range) -> tuple[Decimal | None, Decimal | None]:
    def years(quantity: Quantity | None) -> Decimal | None:
        if quantity is None or quantity.value is None:
            return None
        unit = (quantity.code or quantity.unit or "a").casefold()
        if unit not in _YEARS_BY_UNIT or not is_usable(quantity.value):
            raise _NotUnderstoodError
        return quantity.value * _YEARS_BY_UNIT[unit]

    return years(age.low), years(age.high)


def _limit(item: ReferenceRange, reading: Reading, scene: Scene, *, upper: bool) -> Decimal | None:
    quantity = item.high if upper else item.low
    if quantity is not None and quantity.value is not None:
        return _in_unit(quantity.value, reading, scene, code=quantity.code, unit=quantity.unit)
    found = PRINTED_RANGE.fullmatch(item.text) if item.text else None
    printed = read_printed_number(found["range"]) if found else None
    # ``40`` alone says neither end.
    if printed is None or printed.interval.is_point:
        return None
    limit = printed.interval.high if upper else printed.interval.low
    return _in_unit(limit, reading, scene, code=None, unit=printed.unit) if limit.is_finite() else None


def _in_unit(value: Decimal, reading: Reading, scene: Scene, *, code: str | None, unit: str | None) -> Decimal | None:
    if not is_usable(value):
        return None
    if not (code or unit):
        # A range without a unit is in the unit of its result.
        return EXACT.multiply(value, reading.factor) if reading.factor is not None else None
    try:
        return EXACT.multiply(value, scene.units.factor(reading.analyte, code=code, text=unit))
    except UnitProblem:
        return None


def _site_limits(reading: Reading, scene: Scene) -> list[Decimal]:
    possible = genders(scene)
    found = []
    for limit in scene.site.limits:
        if limit.analyte != reading.analyte.id or (limit.gender and limit.gender not in possible):
            continue
        if (limit.start and reading.when.earliest < limit.start) or (limit.end and reading.when.latest > limit.end):
            continue
        try:
            factor = scene.units.factor(reading.analyte, code=None, text=limit.unit)
            found.append(EXACT.multiply(limit.high, factor))
        except UnitProblem:
            continue
    return found
