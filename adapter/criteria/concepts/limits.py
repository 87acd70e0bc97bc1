"""In: a reading with its reference ranges, and the person. Out: the limits of normal that may apply, in the analyte's unit."""

from __future__ import annotations

import re
from decimal import Decimal

from adapter.criteria.concepts.laboratory import Reading
from adapter.criteria.concepts.person import ages_on, genders
from adapter.criteria.scene import Scene
from adapter.fhir import read_printed_number
from adapter.fhir.resources import Quantity, Range, ReferenceRange
from adapter.terminology import UnitProblem

__all__ = ["limits_of_normal"]

_GENDER_SYSTEM = "http://hl7.org/fhir/administrative-gender"
# French reports print the sex as H/F or in words.
_MALE_WORDS = frozenset({"h", "m", "homme", "hommes", "male", "masculin", "men", "man"})
_FEMALE_WORDS = frozenset({"f", "femme", "femmes", "female", "féminin", "feminin", "women", "woman"})
# ``N: 3,5 - 5,0``, ``< 41``, ``(10 - 40)``, ``VN 3.5-5 mmol/L``: letters before, brackets around.
_AROUND = re.compile(r"^\s*(?:[A-Za-zÀ-ÿ.]+\s*:?\s*)?[(\[]?\s*|\s*[)\]]?\s*$")
_YEARS = frozenset({"a", "year", "years", "an", "ans"})


def limits_of_normal(reading: Reading, scene: Scene, *, upper: bool) -> tuple[Decimal, ...]:
    """The upper (or lower) limits of normal that may apply to a reading.

    Returns:
        Distinct limits, in the analyte's unit, in order: several where sex or age leave it open; none where the report
        gives none that can be read and the site has declared none.
    """
    fitting = [item for item in reading.ranges if _is_normal(item) and _fits(item, reading, scene)]
    found = [limit for item in fitting if (limit := _limit(item, reading, scene, upper=upper)) is not None]
    if fitting and len(found) < len(fitting) and found:
        # One of several ranges cannot be read: which applies cannot be told.
        return ()
    if found:
        return tuple(sorted(set(found)))
    return tuple(sorted(set(_site_limits(reading, scene)))) if upper and not reading.ranges else ()


def _is_normal(item: ReferenceRange) -> bool:
    # R4 observation.html: a range without type is the normal one; others are therapeutic, treatment, ...
    codings = item.type.coding if item.type else ()
    return not codings or any(coding.code == "normal" for coding in codings)


def _fits(item: ReferenceRange, reading: Reading, scene: Scene) -> bool:
    sexes = {
        sex
        for concept in item.applies_to
        for sex in _sexes(concept.text, *((c.system, c.code, c.display) for c in concept.coding))
    }
    if sexes and not sexes & genders(scene):
        return False
    if item.age is None:
        return True
    ages = ages_on(scene, reading.when.earliest, reading.when.latest)
    if ages is None:
        return True
    low, high = _years(item.age)
    return (high is None or ages[0] <= high) and (low is None or ages[1] >= low)


def _sexes(text: str | None, *codings: tuple[str | None, str | None, str | None]) -> set[str]:
    found = set()
    for system, code, display in codings:
        if system == _GENDER_SYSTEM and code in ("male", "female"):
            found.add(code)
        found |= _sex_words(display)
    return found | _sex_words(text)


def _sex_words(text: str | None) -> set[str]:
    word = (text or "").strip().casefold()
    return {"male"} if word in _MALE_WORDS else {"female"} if word in _FEMALE_WORDS else set()


def _years(age: Range) -> tuple[Decimal | None, Decimal | None]:
    def years(quantity: Quantity | None) -> Decimal | None:
        if quantity is None or quantity.value is None:
            return None
        return quantity.value if (quantity.code or quantity.unit or "a").casefold() in _YEARS else None

    return years(age.low), years(age.high)


def _limit(item: ReferenceRange, reading: Reading, scene: Scene, *, upper: bool) -> Decimal | None:
    quantity = item.high if upper else item.low
    if quantity is not None and quantity.value is not None:
        return _in_unit(quantity.value, reading, scene, code=quantity.code, unit=quantity.unit)
    if item.text is None:
        return None
    printed = read_printed_number(_AROUND.sub("", item.text))
    if printed is None:
        return None
    limit = printed.interval.high if upper else printed.interval.low
    if not limit.is_finite():
        return None
    if printed.interval.is_point:  # ``40`` alone says neither end
        return None
    return _in_unit(limit, reading, scene, code=None, unit=printed.unit)


def _in_unit(value: Decimal, reading: Reading, scene: Scene, *, code: str | None, unit: str | None) -> Decimal | None:
    if not (code or unit):
        # A range without a unit is in the unit of its result.
        return value * reading.factor if reading.factor is not None else None
    try:
        return value * scene.units.factor(reading.analyte, code=code, text=unit)
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
            found.append(limit.high * scene.units.factor(reading.analyte, code=None, text=limit.unit))
        except UnitProblem:
            continue
    return found
