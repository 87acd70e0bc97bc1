"""In: results, limits and doses with numbers beyond measure. Out: whether the verdict says so, at once, instead of breaking off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.criteria import PatientVerdict, Truth
from adapter.criteria.verdict import PartVerdict
from tests.unit.criteria.making import MAN, reluth, verdicts

T, F, U = Truth.T, Truth.F, Truth.U

#: As JSON text: numbers that Python's decimal reads and no arithmetic holds, and words that it takes for numbers.
BEYOND = ["1e-99999999", "1e-400", "1e31", "1e999999", "1e99999999999", '"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"']


def part(found: PatientVerdict, identity: str) -> PartVerdict:
    return next(item for criterion in found.criteria for item in criterion.parts if item.id == identity)


def observation(code: str, value: str, more: str = "") -> bytes:
    return (
        '{"resourceType":"Observation","id":"q","status":"final","effectiveDateTime":"2025-05-20",'
        f'"subject":{{"reference":"Patient/1"}},"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},'
        f"{value}{more}}}"
    ).encode()


def judge(*raw: bytes, person: Any = MAN) -> PatientVerdict:
    found = verdicts(reluth(), person=person, raw=raw)

    assert len(json.dumps(found.to_json())) < 100_000
    return found


def platelets(value: str) -> PartVerdict:
    return part(judge(observation("777-3", f'"valueQuantity":{{"value":{value},"unit":"G/L"}}')), "I11.c")


@pytest.mark.parametrize("value", BEYOND)
def test_a_result_beyond_measure_decides_nothing(value: str) -> None:
    found = platelets(value)

    assert (found.truth, str(found.reason)) == (U, "implausible")
    assert [item.reference for item in found.evidence] == ["Observation/q"]


@pytest.mark.parametrize(("value", "truth"), [("1.5e2", T), ("150", T), ("79.9999", F), ("7.5e1", F)])
def test_a_result_with_an_exponent_or_many_digits_decides(value: str, truth: Truth) -> None:
    assert platelets(value).truth is truth


@pytest.mark.parametrize("value", BEYOND)
def test_a_range_with_an_end_beyond_measure_decides_nothing(value: str) -> None:
    ends = f'"valueRange":{{"low":{{"value":90,"unit":"G/L"}},"high":{{"value":{value},"unit":"G/L"}}}}'

    assert part(judge(observation("777-3", ends)), "I11.c").truth is U


@pytest.mark.parametrize("value", BEYOND)
def test_a_creatinine_beyond_measure_gives_no_filtration_rate(value: str) -> None:
    raw = observation("14682-9", f'"valueQuantity":{{"value":{value},"unit":"mmol/L"}}')

    assert part(judge(raw), "E07.a").truth is U


def alt(high: str) -> PartVerdict:
    limit = f',"referenceRange":[{{"high":{{"value":{high},"unit":"UI/L"}}}}]'
    return part(judge(observation("1742-6", '"valueQuantity":{"value":210,"unit":"UI/L"}', limit)), "E07.c")


@pytest.mark.parametrize("high", BEYOND)
def test_a_limit_beyond_measure_is_none(high: str) -> None:
    found = alt(high)

    assert (found.truth, str(found.reason)) == (U, "no-reference-range")


@pytest.mark.parametrize("high", ["41", "4.1e1", "0.00000001"])
def test_a_limit_that_can_be_counted_with_is_one(high: str) -> None:
    assert alt(high).truth is T


def age_of_range(years: str) -> PartVerdict:
    limit = (
        f',"referenceRange":[{{"high":{{"value":41,"unit":"UI/L"}},"age":{{"low":{{"value":{years},"unit":"a"}}}}}}]'
    )
    return part(judge(observation("1742-6", '"valueQuantity":{"value":210,"unit":"UI/L"}', limit)), "E07.c")


@pytest.mark.parametrize("years", BEYOND)
def test_a_range_for_an_age_beyond_measure_is_nobodys(years: str) -> None:
    assert age_of_range(years).truth is U


def test_a_range_for_grown_people_is_an_adults() -> None:
    assert age_of_range("18").truth is T


def infusion(number: int, day: str, dose: str) -> bytes:
    return (
        f'{{"resourceType":"MedicationAdministration","id":"{number}","status":"completed","effectiveDateTime":"{day}",'
        '"subject":{"reference":"Patient/1"},"medicationCodeableConcept":{"coding":[{"system":"http://www.whocc.no/atc",'
        f'"code":"V10XX04"}}]}},"dosage":{{"dose":{{"value":{dose},"unit":"MBq"}}}}}}'
    ).encode()


@pytest.mark.parametrize("dose", ["7400", *BEYOND])
def test_an_infusion_counts_whatever_its_dose_says(dose: str) -> None:
    days = ["2022-09-14", "2022-11-09", "2023-01-04", "2023-03-01"]
    found = judge(*(infusion(number, day, dose) for number, day in enumerate(days)))
    (counted,) = (item for item in found.criteria if item.id == "I03")

    assert counted.truth is T
    assert {(item.value or "").endswith("7400 MBq") for item in counted.evidence} == {dose == "7400"}
