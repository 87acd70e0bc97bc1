"""In: resources that hold others in ``contained``. Out: whether what lies within keeps a question open, and decides nothing."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from adapter.criteria import Stage, evaluate
from adapter.criteria.verdict import PartVerdict
from adapter.documents import load_site, load_trial
from adapter.fhir import PatientRecord
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import Observation
from adapter.fhir.stand_ins import stand_ins_within

PATIENT = "Patient/1"
HAEMOGLOBIN = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
ALONE = {
    "resourceType": "Observation",
    "id": "hb",
    "status": "final",
    "subject": {"reference": PATIENT},
    "code": HAEMOGLOBIN,
    "effectiveDateTime": "2025-05-20",
    "valueQuantity": {"value": 11.2, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
}


def within(**fields: Any) -> dict[str, Any]:
    """The same analyte within a report, five days later and too low."""
    value = {"value": 7, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}
    found = {**ALONE, "id": "o1", "effectiveDateTime": "2025-05-25", "valueQuantity": value, **fields}
    return {name: field for name, field in found.items() if field is not None}


def report(*contained: object, **fields: Any) -> dict[str, Any]:
    head = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "subject": {"reference": PATIENT}}
    return {**head, "contained": list(contained), **fields}


def haemoglobin(*resources: dict[str, Any]) -> PartVerdict:
    record = PatientRecord.read(PATIENT, [json.dumps(one).encode() for one in (ALONE, *resources)])
    verdict = evaluate(
        load_trial("nct04954820"), record, site=load_site("icm"), stage=Stage.REGISTRATION, on=date(2025, 6, 1)
    )
    [criterion] = [one for one in verdict.criteria if one.id == "I11"]
    [part] = [one for one in criterion.parts if one.id == "I11.a"]
    return part


def test_an_older_result_is_not_the_latest_where_a_report_holds_a_newer_one() -> None:
    assert haemoglobin().truth == "T"

    found = haemoglobin(report(within()))

    assert found.truth == "U"
    assert "DiagnosticReport/r#o1" in [item.reference for item in found.evidence]


@pytest.mark.parametrize("undated", [{"effectiveDateTime": None}, {"effectiveDateTime": "soon"}])
def test_a_result_within_a_report_that_tells_no_day_may_be_the_latest(undated: dict[str, Any]) -> None:
    assert haemoglobin(report(within(**undated))).truth == "U"


@pytest.mark.parametrize(
    "resource",
    [
        report(within(effectiveDateTime="2025-05-02")),
        report(within(effectiveDateTime=None, effectivePeriod={"start": "2025-05-01", "end": "2025-05-02"})),
        report(within(effectiveDateTime="2025-06-20")),
        report(within(status="entered-in-error")),
        report(within(), status="entered-in-error"),
        report(within(subject={"reference": "Patient/2"})),
        report(within(code={"coding": [{"system": "http://loinc.org", "code": "9999-9"}]})),
        report({"resourceType": "Patient", "id": "p"}, 7, None, {"resourceType": 4}),
        {**report(), "contained": {"resourceType": "Observation"}},
    ],
    ids=["older", "older by a period", "later", "mistaken", "of a mistake", "of another", "other", "odd", "no list"],
)
def test_what_lies_within_a_report_and_is_not_newer_leaves_the_latest_result(resource: dict[str, Any]) -> None:
    assert haemoglobin(resource).truth == "T"


def test_what_stands_in_has_a_code_and_no_value() -> None:
    [found] = stand_ins_within(json.dumps(report(within(subject={"reference": "#p"}))).encode(), people=[PATIENT])

    assert isinstance(found, Observation)
    assert (found.reference, found.value_quantity) == ("DiagnosticReport/r#o1", None)
    assert found.value_codeable_concept == CodeableConcept()


@pytest.mark.parametrize(
    "raw", [b'{"contained"', b'["contained"]', b'{"resourceType":"Basic","id":"1","contained":null}']
)
def test_a_resource_that_cannot_be_read_holds_nothing(raw: bytes) -> None:
    assert stand_ins_within(raw, people=[PATIENT]) == []
