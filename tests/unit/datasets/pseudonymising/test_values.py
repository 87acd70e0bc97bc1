"""Promises of which values may leave a site: dates, numbers, units, printed results."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.datasets.pseudonymising import Notes, Work, identifying, load_profile
from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.datasets.pseudonymising.values import UnitTable, date_value, decimal_value, quantity_value, read_result
from adapter.documents import load_site, load_trial
from adapter.fhir import parse_when
from adapter.terminology import Site

TRIAL = load_trial("nct04954820")
KNOWN = KnownCodes(load_profile().tables, TRIAL, Site.plain("icm"))
SITE = replace(load_site("icm"), unit_spellings={("platelets", "milliers/mm3"): "10*3/uL"})
UNITS = UnitTable(TRIAL.units, frozenset(KNOWN.units()), SITE)
PLACE = ("Observation", "x")
TERMS = "urn:reluth:terms"
WITHHELD = {"url": "urn:reluth:extension:unit-withheld", "valueBoolean": True}


def work(**more: Any) -> Work:
    return Work(usubjid="RELUTH-05-0001", notes=Notes(), **more)


def noted(one: Work) -> list[str]:
    return [code for code, _, _ in one.notes._counts]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("2025", "2025"),
        ("2025-05", "2025-05"),
        ("2025-05-20", "2025-05-20"),
        ("2025-05-20T08:10:00+02:00", "2025-05-20T08:10:00+02:00"),
        ("2025-05-20T08:10:00.123Z", "2025-05-20T08:10:00.123Z"),
        ("2025-05-20 08:10", "2025-05-20T08:10:00+02:00"),
        ("2025-05-20T08:10:00+0200", "2025-05-20T08:10:00+02:00"),
        ("2025-05-20T08:10:00.180053417Z", "2025-05-20T10:10:00+02:00"),
    ],
)
def test_date_leaves_as_fhir_writes_it(text: str, left: str) -> None:
    assert date_value(text, work(), PLACE) == left


@pytest.mark.parametrize(
    "text", ["hier", "20/05/2025", "2025-13", "1954-03-12 Dupont", "9999-12-31", 20250520, None, ""]
)
def test_what_is_no_date_does_not_leave_and_is_told(text: object) -> None:
    one = work()

    assert date_value(text, one, PLACE) is None
    assert noted(one)


@pytest.mark.parametrize("text", ["1954-03-12", "1954-03", "1954", "1954-03-12T10:00:00+01:00", "1954-03-11T23:30:00Z"])
def test_date_that_may_be_the_day_of_birth_does_not_leave(text: str) -> None:
    one = work(born=parse_when("1954-03-12"))

    assert date_value(text, one, PLACE) is None
    assert noted(one) == ["birth-date-blanked"]


def test_date_after_the_data_cut_does_not_leave() -> None:
    one = work(cut=date(2025, 3, 10))

    assert date_value("2025-03-10T23:59:00+01:00", one, PLACE) is not None
    assert date_value("2025-03", one, PLACE) == "2025-03"
    assert date_value("2025-03-11", one, PLACE, ending=True) is None
    assert one.ended_late
    assert date_value("2025-03", work(cut=date(2025, 3, 10), strict=True), PLACE) is None


@pytest.mark.parametrize("value", [0, 12, -3, 9_999_999, Decimal("1.10"), Decimal("0.000012"), Decimal("1234567.891")])
def test_number_of_a_result_leaves_exactly(value: int | Decimal) -> None:
    assert str(decimal_value(value, work(), PLACE)) == str(value)


@pytest.mark.parametrize(
    "value",
    [
        10_000_000,
        19540312,
        180053417201245,
        Decimal("8004512367.0"),
        Decimal("1E+9"),
        Decimal("NaN"),
        Decimal("1E-30"),
        "12",
        True,
        None,
    ],
)
def test_number_that_is_no_result_does_not_leave(value: object) -> None:
    one = work()

    assert decimal_value(value, one, PLACE) is None
    assert noted(one)


def test_number_of_the_person_does_not_leave_however_short() -> None:
    one = work(numbers=identifying(["0 12345", "x1"]))

    assert decimal_value(12345, one, PLACE) == 12345
    assert decimal_value(Decimal("0123.45"), work(numbers=identifying(["12345"])), PLACE) is None


@pytest.mark.parametrize(
    "unit", ["g/dL", "G/L", "µmol/L", "\u03bcmol/L", "UI/L", "10⁹/L", "milliers/mm3", "mmHg", "µg", "mL"]
)
def test_unit_of_a_table_leaves(unit: str) -> None:
    found = quantity_value({"value": 1, "unit": unit}, work(), PLACE, UNITS)

    assert found is not None and "unit" in found


@pytest.mark.parametrize(
    "unit", ["Dupont", "180053417201245", "g/dL Dupont", "g/dL {Dupont}", "{180053417}", "x" * 4000, 5]
)
def test_unit_of_no_table_does_not_leave_its_number_does(unit: object) -> None:
    one = work()
    told = {"value": 1, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"}

    assert quantity_value(told, one, PLACE, UNITS) == {"extension": [WITHHELD], "value": 1}
    assert noted(one) == ["unit-blanked"]


@pytest.mark.parametrize(
    ("system", "left"),
    [
        ("http://unitsofmeasure.org", {"system": "http://unitsofmeasure.org", "code": "g/dL"}),
        ("urn:oid:2.16.840.1.113883.6.8", {"system": "http://unitsofmeasure.org", "code": "g/dL"}),
        (None, {"code": "g/dL"}),
        ("urn:local", {}),
    ],
)
def test_a_unit_leaves_under_ucum_by_whatever_name_it_came(system: str | None, left: dict[str, str]) -> None:
    assert UNITS.of(None, system, "g/dL")[0] == left


@pytest.mark.parametrize("told", [{}, {"unit": " "}, {"unit": "g/dL", "code": "Dupont"}])
def test_unit_is_said_to_be_withheld_where_one_was_sent_and_nothing_of_it_leaves(told: dict[str, str]) -> None:
    assert "extension" not in (quantity_value({"value": 1, **told}, work(), PLACE, UNITS) or {})


def test_code_of_another_system_is_no_unit() -> None:
    told = {"value": 1, "system": "urn:local:units", "code": "mg"}

    assert quantity_value(told, work(), PLACE, UNITS) == {"extension": [WITHHELD], "value": 1}


def test_comparator_leaves_and_another_one_takes_the_number_with_it() -> None:
    assert quantity_value({"value": 5, "comparator": "<"}, work(), PLACE, UNITS) == {"value": 5, "comparator": "<"}
    assert quantity_value({"value": 5, "comparator": "Dupont"}, work(), PLACE, UNITS) is None


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("147 g/L", {"valueQuantity": {"value": Decimal(147), "unit": "g/L"}}),
        ("12,1 g/dL", {"valueQuantity": {"value": Decimal("12.1"), "unit": "g/dL"}}),
        ("80\u202f000 /mm3", {"valueQuantity": {"value": Decimal(80000), "unit": "/mm3"}}),
        ("< 5", {"valueQuantity": {"value": Decimal(5), "comparator": "<"}}),
        ("≥ 90 %", {"valueQuantity": {"value": Decimal(90), "comparator": ">=", "unit": "%"}}),
        (
            "3-5 %",
            {"valueRange": {"low": {"value": Decimal(3), "unit": "%"}, "high": {"value": Decimal(5), "unit": "%"}}},
        ),
        ("SD", {"valueCodeableConcept": {"coding": [{"system": TERMS, "code": "SD"}]}}),
        (
            "hémolysé",
            {
                "dataAbsentReason": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "error"}]
                }
            },
        ),
        ("0,05 mg/L", {"valueQuantity": {"value": Decimal("0.05"), "unit": "mg/L"}}),
    ],
)
def test_printed_result_becomes_a_number_or_a_code(text: str, element: dict[str, Any]) -> None:
    assert read_result(text, KNOWN, UNITS) == element


@pytest.mark.parametrize(
    "text",
    [
        "voir CR",
        "Mme Dupont",
        "12 Dupont",
        "12/03/1954",
        "12 03 1954",
        "1954-03-12",
        "007",
        "1,500 /mm3",
        "06 12 34 56 78",
        "x" * 500,
        5,
        None,
    ],
)
def test_printed_words_do_not_leave(text: object) -> None:
    assert read_result(text, KNOWN, UNITS) is None


def test_printed_score_is_a_whole_number() -> None:
    assert read_result(" 2 ", KNOWN, UNITS, score=True) == {"valueInteger": 2}
