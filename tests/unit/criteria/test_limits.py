"""In: a result with reference ranges in every form. Out: whether the limits that fit the person are used, and a doubtful one is not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.concepts.limits import limits_of_normal
from adapter.terminology import Site, SiteLimit
from tests.unit.criteria.making import MAN, PLAIN, WOMAN, answer_to, criterion, observation, reluth, scene, tiny

T, F, U = Truth.T, Truth.F, Truth.U

GENDER = "http://hl7.org/fhir/administrative-gender"

MEANING = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"


def limits(
    *ranges: dict[str, Any],
    analyte: str = "alt",
    unit: str = "UI/L",
    person: Any = MAN,
    site: Site = PLAIN,
    upper: bool = True,
) -> list[str]:
    resource = observation(
        {"alt": "1742-6", "tp_percent": "5894-1", "creatinine": "14682-9"}[analyte],
        valueQuantity={"value": 50, "unit": unit},
    )
    if ranges:
        resource["referenceRange"] = list(ranges)
    place = scene(tiny(criterion({"sex": "male"})), [resource], person=person, site=site)
    (reading,) = place.readings.of(reluth().analytes[analyte])
    return [str(limit) for limit in limits_of_normal(reading, place, upper=upper)]


def high(value: Any, unit: str | None = "UI/L", **more: Any) -> dict[str, Any]:
    return {"high": {"value": value, **({"unit": unit} if unit else {})}, **more}


def sexed(value: Any, **concept: Any) -> dict[str, Any]:
    return high(value, appliesTo=[concept])


def coded(code: str, system: str = GENDER) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([high(41)], ["41"]),
        ([high(41, None)], ["41"]),
        ([high(41, "ukat/L")], ["2460"]),
        ([high(41, "g/L")], []),
        ([], []),
        ([{"low": {"value": 5, "unit": "UI/L"}}], []),
        ([{"high": {"unit": "UI/L"}}], []),
        ([high(41), high(41)], ["41"]),
        ([high(41), high(35)], ["35", "41"]),
        ([high(41), high(35, "g/L")], []),
        ([high(41), {"low": {"value": 5}}], []),
        ([high(41, type={"coding": [{"code": "normal"}]})], ["41"]),
        ([high(41, type={"coding": [{"system": MEANING, "code": "normal"}]})], ["41"]),
        ([high(41, type={"coding": [{"system": MEANING, "code": "treatment", "display": "N"}], "text": "normal"})], []),
        ([high(41, type={"coding": [{"system": "urn:lab", "code": "normal"}]})], []),
        ([high(41, type={"coding": [{"system": "urn:lab", "code": "N1", "display": "normal"}]})], ["41"]),
        ([high(41, type={"coding": [{"system": "urn:lab", "code": "normal"}], "text": "cible"})], []),
        ([high(41, type={"coding": [{"code": "therapeutic"}]})], []),
        ([high(41), high(90, type={"coding": [{"code": "therapeutic"}]})], ["41"]),
        ([high(41, type={"text": "normal"})], ["41"]),
    ],
)
def test_the_upper_limit_is_that_of_the_report(ranges: list[dict[str, Any]], expected: list[str]) -> None:
    assert limits(*ranges) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("< 41", ["41"]),
        ("<=41 UI/L", ["41"]),
        ("N: 10 - 41", ["41"]),
        ("N : 10,5 - 41,5", ["41.5"]),
        ("(10 - 41)", ["41"]),
        ("[10-41]", ["41"]),
        ("VN 10-41 U/L", ["41"]),
        ("10 à 41", ["41"]),
        ("10 - 41 mg/L", []),
        ("> 10", []),
        ("41", []),
        ("voir CR", []),
        ("10 - 41 (adulte)", []),
        ("", []),
    ],
)
def test_a_range_in_words_is_read_or_left(text: str, expected: list[str]) -> None:
    assert limits({"text": text}) == expected


def test_numbers_come_before_words() -> None:
    assert limits(high(41, text="< 90")) == ["41"]


MALE, FEMALE = sexed(50, **coded("male")), sexed(35, **coded("female"))


@pytest.mark.parametrize(
    ("person", "ranges", "expected"),
    [
        (MAN, [MALE, FEMALE], ["50"]),
        (WOMAN, [MALE, FEMALE], ["35"]),
        ({"birthDate": "1960-05-02"}, [MALE, FEMALE], ["35", "50"]),
        ({**MAN, "gender": "other"}, [MALE, FEMALE], ["35", "50"]),
        (MAN, [FEMALE], []),
        (MAN, [sexed(50, text="Hommes"), sexed(35, text="F")], ["50"]),
        (WOMAN, [sexed(50, text=" H "), sexed(35, text="Femme")], ["35"]),
        (MAN, [sexed(50, coding=[{"system": "urn:x", "code": "1", "display": "masculin"}]), FEMALE], ["50"]),
        (MAN, [sexed(50, **coded("male", "urn:x")), FEMALE], []),
        (MAN, [sexed(35, **coded("female", "urn:x")), MALE], ["50"]),
        (WOMAN, [sexed(40, text="grossesse"), FEMALE], ["35"]),
    ],
)
def test_the_limit_fits_the_sex(person: Any, ranges: list[dict[str, Any]], expected: list[str]) -> None:
    assert limits(*ranges, person=person) == expected


def aged(value: Any, low: Any = None, top: Any = None, unit: str | None = "a") -> dict[str, Any]:
    ends = {
        name: {"value": end, **({"unit": unit} if unit else {})}
        for name, end in (("low", low), ("high", top))
        if end is not None
    }
    return high(value, age=ends)


@pytest.mark.parametrize(
    ("birth", "ranges", "expected"),
    [
        # 65 years on the day of the sample, 20 May 2025
        ("1960-05-02", [aged(41, 18, 65), aged(50, 66, None)], ["41"]),
        ("1960-05-20", [aged(41, 18, 64), aged(50, 65, None)], ["50"]),
        ("1960-05-21", [aged(41, 18, 64), aged(50, 65, None)], ["41"]),
        ("1960", [aged(41, 18, 64), aged(50, 65, None)], ["41", "50"]),
        (None, [aged(41, 18, 64), aged(50, 65, None)], []),
        ("1960-05-02", [aged(41, 18, 64, None)], []),
        ("1960-05-02", [aged(41, 18, 70, "ans")], ["41"]),
        ("1960-05-02", [aged(41)], ["41"]),
    ],
)
def test_the_limit_fits_the_age_at_the_sample(
    birth: str | None, ranges: list[dict[str, Any]], expected: list[str]
) -> None:
    person = {"gender": "male", **({"birthDate": birth} if birth else {})}

    assert limits(*ranges, person=person) == expected


def test_a_lower_limit_is_the_lower_one() -> None:
    ranges = {"low": {"value": 70, "unit": "%"}, "high": {"value": 120, "unit": "%"}}

    assert limits(ranges, analyte="tp_percent", unit="%", upper=False) == ["70"]
    assert limits({"text": "> 70"}, analyte="tp_percent", unit="%", upper=False) == ["70"]
    assert limits({"text": "< 70"}, analyte="tp_percent", unit="%", upper=False) == []


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ([SiteLimit("alt", Decimal(41), "U/L")], ["41"]),
        ([SiteLimit("ast", Decimal(41), "U/L")], []),
        ([SiteLimit("alt", Decimal(41), "g/L")], []),
        (
            [
                SiteLimit("alt", Decimal(41), "U/L", gender="female"),
                SiteLimit("alt", Decimal(50), "U/L", gender="male"),
            ],
            ["50"],
        ),
        ([SiteLimit("alt", Decimal(41), "U/L", end=date(2025, 5, 20))], ["41"]),
        ([SiteLimit("alt", Decimal(41), "U/L", end=date(2025, 5, 19))], []),
        ([SiteLimit("alt", Decimal(41), "U/L", start=date(2025, 5, 20))], ["41"]),
        ([SiteLimit("alt", Decimal(41), "U/L", start=date(2025, 5, 21))], []),
        ([SiteLimit("alt", Decimal(1), "ukat/L")], ["60"]),
    ],
)
def test_a_site_gives_the_limit_where_the_report_has_none(declared: list[SiteLimit], expected: list[str]) -> None:
    assert limits(site=Site("icm", limits=tuple(declared))) == expected


def test_a_site_does_not_outweigh_the_report() -> None:
    site = Site("icm", limits=(SiteLimit("alt", Decimal(41), "U/L"),))

    assert limits(high(35), site=site) == ["35"]
    assert limits({"text": "voir CR"}, site=site) == []
    assert limits(site=site, upper=False) == []


RULE = {"laboratory": {"analyte": "alt", "of": "uln", "window_days": 28, "is": {"gt": "2.5"}}}


def alt(value: Any, *ranges: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [observation("1742-6", valueQuantity={"value": value, "unit": "UI/L", **more}, referenceRange=list(ranges))]


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        (alt(Decimal("102.5"), high(41)), F, None),
        (alt(Decimal("102.6"), high(41)), T, None),
        (alt(200, high(41), high(50)), T, None),
        (alt(110, high(41), high(50)), U, Reason.NO_REFERENCE_RANGE),
        (alt(50, high(41), high(50)), F, None),
        (alt(90, high(41), high(50), comparator=">"), U, Reason.COMPARATOR),
        (alt(90, high(41), comparator="<"), F, None),
        (alt(110, high(41), comparator="<"), U, Reason.COMPARATOR),
        (alt(110), U, Reason.NO_REFERENCE_RANGE),
        (alt(110, high(0)), U, Reason.NO_REFERENCE_RANGE),
        (alt(110, high(-1)), U, Reason.NO_REFERENCE_RANGE),
    ],
)
def test_a_multiple_of_the_limit_is_compared_exactly(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(RULE, entries)

    assert (found.truth, found.reason) == (truth, reason)


def test_a_multiple_is_shown_as_one() -> None:
    (found,) = answer_to(RULE, alt(82, high(41))).evidence

    assert found.converted is not None
    assert (found.converted.value, found.converted.unit) == ("2", "{ULN}")
