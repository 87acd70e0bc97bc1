"""In: creatinine, age and sex. Out: whether the MDRD rate is the specification's, and its interval holds every rate that is possible."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.concepts.renal import egfr_mdrd, egfr_mdrd_interval
from adapter.fhir import NumberInterval
from tests.unit.criteria.making import MAN, answer_to

T, F, U = Truth.T, Truth.F, Truth.U
RULE = {"laboratory": {"analyte": "creatinine", "of": "mdrd", "window_days": 28, "is": {"lt": "40"}}}


@pytest.mark.parametrize(("creatinine", "rate"), [("152", "40.12"), ("153", "39.82")])
def test_mdrd_of_a_man_of_65_is_the_specifications(creatinine: str, rate: str) -> None:
    assert round(egfr_mdrd(Decimal(creatinine), age=65, female=False), 2) == Decimal(rate)


@pytest.mark.parametrize(
    ("age", "female", "threshold"),
    [(65, False, "152.4"), (65, True, "117.7"), (50, False, "159.6"), (78, True, "114.0")],
)
def test_mdrd_crosses_40_where_the_specification_says(age: int, female: bool, threshold: str) -> None:
    above = egfr_mdrd(Decimal(threshold) - Decimal("0.05"), age=age, female=female)
    below = egfr_mdrd(Decimal(threshold) + Decimal("0.05"), age=age, female=female)

    assert above > 40 > below


def test_mdrd_uses_the_constant_of_standardised_creatinine() -> None:
    rate = egfr_mdrd(Decimal("152.47"), age=65, female=False)

    assert abs(rate - 40) < Decimal("0.1")
    assert abs(rate / 175 * 186 - Decimal("42.5")) < Decimal("0.1")


@pytest.mark.parametrize(("creatinine", "age"), [("0", 65), ("-1", 65), ("152", 0), ("152", -3)])
def test_mdrd_needs_numbers_above_zero(creatinine: str, age: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        egfr_mdrd(Decimal(creatinine), age=age, female=False)


@pytest.mark.parametrize(
    ("creatinine", "low", "high", "ends"),
    [
        (NumberInterval.exactly(Decimal(152)), "40.12", "40.12", (False, False)),
        (NumberInterval(Decimal(152), Decimal(153), high_open=True), "39.82", "40.12", (True, False)),
        (NumberInterval.from_comparator("<", Decimal(152)), "40.12", "Infinity", (True, True)),
        (NumberInterval.from_comparator(">", Decimal(152)), "0", "40.12", (True, True)),
        (NumberInterval(Decimal(-1), Decimal(152)), "40.12", "Infinity", (False, False)),
    ],
)
def test_the_rate_of_an_interval_has_the_rates_of_its_ends(
    creatinine: NumberInterval, low: str, high: str, ends: tuple[bool, bool]
) -> None:
    found = egfr_mdrd_interval(creatinine, ages=(65, 65), female=False)
    rounded = [value if not value.is_finite() else round(value, 2) for value in (found.low, found.high)]

    assert (rounded, (found.low_open, found.high_open)) == ([Decimal(low), Decimal(high)], ends)


def test_the_rate_falls_with_age() -> None:
    found = egfr_mdrd_interval(NumberInterval.exactly(Decimal(152)), ages=(-5, 65), female=False)

    assert found.low == egfr_mdrd(Decimal(152), age=65, female=False)
    assert found.high == egfr_mdrd(Decimal(152), age=1, female=False)


def creatinine(value: Any, unit: str = "µmol/L", **more: Any) -> list[dict[str, Any]]:
    return [{"lab": {"of": "creatinine", "value": value, "unit": unit, **more}}]


@pytest.mark.parametrize(
    ("entries", "person", "truth", "reason"),
    [
        (creatinine(152), MAN, F, None),
        (creatinine(153), MAN, T, None),
        (creatinine(130), {**MAN, "gender": "female"}, T, None),
        (creatinine(130), {"birthDate": "1960-05-02"}, U, Reason.NO_DATA),
        (creatinine(90), {"birthDate": "1960-05-02"}, F, None),
        (creatinine(200), {"birthDate": "1960-05-02"}, T, None),
        (creatinine(152), {"gender": "male"}, U, Reason.NO_DATA),
        (creatinine(Decimal("152.7")), {"gender": "male", "birthDate": "1960"}, U, Reason.IMPRECISE_DATE),
        (creatinine(90), {"gender": "male", "birthDate": "1960"}, F, None),
        (creatinine(152, comparator=">"), MAN, U, Reason.COMPARATOR),
        (creatinine(153, comparator=">"), MAN, T, None),
        (creatinine(152, comparator="<"), MAN, F, None),
        (creatinine(Decimal("1.72"), "mg/dL"), MAN, F, None),
        (creatinine(Decimal("17.3"), "mg/L"), MAN, T, None),
    ],
)
def test_mdrd_decides_only_where_sex_age_and_value_allow_it(
    entries: list[Any], person: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to(RULE, entries, person=person)

    assert (found.truth, found.reason) == (truth, reason)


def test_mdrd_takes_the_age_of_the_day_of_the_sample() -> None:
    # He turns 65 on 21 May: at 64 the rate of 152.7 umol/L is above 40, at 65 below.
    person = {"gender": "male", "birthDate": "1960-05-21"}

    assert answer_to(RULE, creatinine(Decimal("152.7"), date="2025-05-20"), person=person).truth is F
    assert answer_to(RULE, creatinine(Decimal("152.7"), date="2025-05-21"), person=person).truth is T


def test_the_rate_is_shown_converted() -> None:
    (found,) = answer_to(RULE, creatinine(152)).evidence

    assert found.converted is not None
    assert (found.converted.value, found.converted.unit) == ("40.12", "mL/min/{1.73_m2}")
