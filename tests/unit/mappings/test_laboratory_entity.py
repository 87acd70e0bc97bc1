"""In: what a laboratory tells, with one thing wrong. Out: whether the result is refused, and by the field that is wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappings.entities import Coding, EntityError, LabResult, LabStatus, parse_entity

ID = {"system": "https://labo.example/resultats", "value": "R-1"}
HB = {"system": "http://loinc.org", "code": "718-7"}
TOLD: dict[str, Any] = {
    "id": ID,
    "patient": {"system": "https://hopital.example/ipp", "value": "147"},
    "codes": [HB],
    "effective": "2025-05-20",
    "value": Decimal("12.1"),
    "unit": "g/dL",
}
NUMBERLESS = {"value": None, "unit": None}


def result(**more: Any) -> LabResult:
    told = {key: value for key, value in {**TOLD, **more}.items() if value is not None}
    return parse_entity(LabResult, told)


@pytest.mark.parametrize(
    ("more", "field", "problem"),
    [
        ({"codes": []}, "codes", "at least one"),
        ({"codes": [HB, HB]}, "codes[1]", "stands twice"),
        ({"codes": [{"system": "LOINC", "code": "718-7"}]}, "codes[0].system", "absolute URI"),
        ({"codes": [{"system": "http://loinc.org", "code": " 718-7"}]}, "codes[0].code", "a code is wanted"),
        ({"codes": None}, "codes", "is missing"),
        ({"effective": "20/05/2025"}, "effective", "a date"),
        ({"effective": "2025-02-30"}, "effective", "a date"),
        ({"effective": "2025-05-20T08:10"}, "effective", "a date"),
        ({"issued": "2025-05-20"}, "issued", "a time of day"),
        ({"status": "done"}, "status", "one of the codes"),
        (NUMBERLESS, "value", "exactly one"),
        ({"text": "traces"}, "text", "exactly one"),
        ({**NUMBERLESS, "text": "traces", "absent": "unknown"}, "absent", "exactly one"),
        ({"value": Decimal("NaN")}, "value", "finite"),
        ({"value": Decimal("Infinity")}, "value", "finite"),
        ({"unit": None}, "unit", "beside a number"),
        ({"comparator": "~"}, "comparator", "is <, <=, >= or >"),
        ({**NUMBERLESS, "text": "traces", "comparator": "<"}, "comparator", "belongs to a number"),
        ({"unit": None, "unit_text": "mg/L"}, "unit", "beside a number"),
        ({"unit": "Ery/champ", "unit_text": "mg/L"}, "unit", "beside a number"),
        ({"unit": "g / dL"}, "unit", "UCUM code"),
        ({"unit": "µmol/L"}, "unit", "UCUM code"),
        ({"unit": ""}, "unit", "UCUM code"),
        ({"low": Decimal("NaN")}, "low", "finite"),
        ({"high": Decimal("-Infinity")}, "high", "finite"),
        ({"low": Decimal(17), "high": Decimal(12)}, "high", "below the lower limit"),
        ({**NUMBERLESS, "text": "traces", "low": Decimal(1)}, "unit", "beside a reference range"),
        ({**NUMBERLESS, "absent": "lost"}, "absent", "data-absent-reason"),
        ({"interpretation": ["H", "haut"]}, "interpretation[1]", "v3-ObservationInterpretation"),
        ({"interpretation": ["_ObservationInterpretationChange"]}, "interpretation[0]", "v3-ObservationInterpretation"),
        ({"interpretation": ["H", "H"]}, "interpretation[1]", "stands twice"),
        ({"subject": "MTP  001"}, "subject", "a code is wanted"),
        ({"unit_text": ""}, "unit_text", "is empty"),
        ({"name": " Hb"}, "name", "white space"),
        ({"specimen": "a\x00b"}, "specimen", "control characters"),
        ({"range_text": "x" * 4001}, "range_text", "4000"),
        ({**NUMBERLESS, "text": "traces\n"}, "text", "white space"),
        ({"id": {"system": "labo", "value": "1"}}, "id.system", "absolute URI"),
        ({"patient": {"system": "urn:x", "value": ""}}, "patient.value", "is empty"),
        ({"laboratory": {"system": "urn:x"}}, "laboratory.value", "is missing"),
    ],
)
def test_a_result_is_refused_by_the_field_that_is_wrong(more: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(EntityError) as refused:
        result(**more)

    assert refused.value.field == field
    assert problem in refused.value.problem


def test_a_refusal_never_shows_the_value() -> None:
    secret = "Jeanne"
    for field in ("effective", "unit", "comparator", "absent", "issued", "status"):
        with pytest.raises(EntityError) as refused:
            result(**{**(NUMBERLESS if field == "absent" else {}), field: f"µ {secret}"})

        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {"effective": "2025"},
        {"effective": "2025-05"},
        {"effective": "2025-05-20T08:10:00Z", "issued": "2025-05-20T10:10:00.5+02:00"},
        {"value": Decimal(-2), "comparator": "<"},
        {"low": Decimal(12), "high": Decimal(12)},
        {"high": Decimal(0)},
        {"unit": "{INR}"},
        {**NUMBERLESS, "text": "traces", "unit": "g/L"},
        {**NUMBERLESS, "absent": "not-performed", "status": "cancelled"},
        {"codes": [HB, {**HB, "system": "urn:labo"}], "interpretation": ["L", "LL"]},
    ],
)
def test_what_a_laboratory_may_tell_is_taken(more: dict[str, Any]) -> None:
    found = result(**more)

    assert all(getattr(found, field) is not None for field, value in more.items() if value is not None)


def test_a_result_is_final_where_nothing_else_is_said() -> None:
    assert result().status is LabStatus.FINAL


def test_a_unit_printed_as_its_code_is_no_text_of_its_own() -> None:
    assert result(unit_text="g/dL") == result()
    assert result(unit_text="g/100ml").unit_text == "g/100ml"


@pytest.mark.parametrize("told", [{"unit": "Ery/champ"}, {"unit": None, "unit_text": "Ery/champ"}])
def test_a_unit_that_is_no_code_of_ucum_is_a_text(told: dict[str, Any]) -> None:
    found = result(**told, high=Decimal(20))

    assert (found.unit, found.unit_text) == (None, "Ery/champ")


def test_the_digits_of_a_result_are_kept() -> None:
    assert str(result(value="12.10").value) == "12.10"


def test_a_result_made_in_python_is_checked_too() -> None:
    with pytest.raises(EntityError, match="unit"):
        LabResult(
            id=result().id,
            patient=result().patient,
            codes=(Coding(system="http://loinc.org", code="718-7"),),
            effective="2025-05-20",
            value=Decimal(1),
        )
