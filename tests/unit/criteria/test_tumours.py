"""In: tumours and what pathology says of them. Out: whether a finding counts for the tumour it is tied to and for no other."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from tests.unit.criteria.making import answer_to, observation

T, F, U = Truth.T, Truth.F, Truth.U
PROVEN = {"histology": {"in": ["net_morphology", "net_any"]}}
GRADE = {"grade": {"morphology": "net_morphology", "ki67_at_most": "20", "well_differentiated": "I02.w"}}
NET, BREAST = {"condition": {"icd10": "C17.2", "id": "net"}}, {"condition": {"icd10": "C50.9", "id": "breast"}}
BOTH = [NET, BREAST]


def morphology(code: str = "8240/3", **more: Any) -> dict[str, Any]:
    return {"morphology": {"code": code, **more}}


def ki67(value: Any, **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "ki67", "value": value, "unit": "%", **more}}


def grade(value: str, **more: Any) -> dict[str, Any]:
    return {"grade": {"value": value, **more}}


def tied_by(how: str, to: str) -> list[dict[str, Any]]:
    """A NET morphology tied to a Condition in one of the ways of clarifications.md 30."""
    code = {"net": "C17.2", "breast": "C50.9"}[to]
    icd10 = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]}
    value = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/icd-o-3", "code": "8240/3"}]}
    found = observation("31206-6", id="m", valueCodeableConcept=value)
    others = {"net": BREAST, "breast": NET}[to]
    condition: dict[str, Any] = {"resourceType": "Condition", "id": to, "code": icd10}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "result": [{"reference": "Observation/m"}],
    }
    match how:
        case "focus":
            return [condition, others, {**found, "focus": [{"reference": f"Condition/{to}"}]}]
        case "absolute focus":
            return [condition, others, {**found, "focus": [{"reference": f"https://h/fhir/Condition/{to}/_history/2"}]}]
        case "stage":
            return [{**condition, "stage": [{"assessment": [{"reference": "Observation/m"}]}]}, others, found]
        case "evidence":
            return [{**condition, "evidence": [{"detail": [{"reference": "Observation/m"}]}]}, others, found]
        case "evidence R5":
            return [{**condition, "evidence": [{"reference": {"reference": "Observation/m"}}]}, others, found]
        case "report":
            return [condition, others, found, {**report, "conclusionCode": [icd10]}]
        case "report as evidence":
            return [
                {**condition, "evidence": [{"detail": [{"reference": "DiagnosticReport/r"}]}]},
                others,
                found,
                report,
            ]
        case "body site":
            return [condition, others, {**found, "bodySite": icd10}]
    raise ValueError(how)


WAYS = ["focus", "absolute focus", "stage", "evidence", "evidence R5", "report", "report as evidence", "body site"]


@pytest.mark.parametrize("how", WAYS)
def test_a_morphology_tied_to_the_net_proves_it(how: str) -> None:
    assert answer_to(PROVEN, tied_by(how, "net")).truth is T


@pytest.mark.parametrize("how", WAYS)
def test_a_morphology_of_another_tumour_does_not_prove_the_net(how: str) -> None:
    assert answer_to(PROVEN, tied_by(how, "breast")).truth is U


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([NET, morphology()], T, None),
        ([NET, {"morphology": {"sct": "255046005"}}], T, None),
        ([NET, morphology("8140/3")], U, Reason.NO_DATA),
        ([NET], U, Reason.NO_DATA),
        ([*BOTH, morphology()], U, Reason.UNATTRIBUTED),
        ([NET, morphology(status="preliminary")], U, Reason.NO_DATA),
        ([NET, morphology(date="2025-06-02")], U, Reason.NO_DATA),
        ([{"condition": {"icd10": "C17.2", "histology": "8240/3"}}], T, None),
        (
            [{"condition": {"icd10": "C17.2", "histology": "8240/3", "verification": "provisional"}}],
            U,
            Reason.UNATTRIBUTED,
        ),
        ([{"condition": {"icd10": "C17.2", "histology": "8240/3"}}, BREAST], T, None),
        ([NET, {"condition": {"icd10": "C17.9"}}, morphology()], T, None),
        ([NET, {"condition": {"icd10": "C80.9"}}, morphology()], T, None),
        ([NET, {"condition": {"icd10": "C78.7"}}, morphology()], T, None),
        ([NET, {"condition": {"icd10": "C50.9", "verification": "refuted"}}, morphology()], T, None),
    ],
)
def test_a_net_is_proven_by_its_own_histology(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(PROVEN, entries)

    assert (found.truth, found.reason) == (truth, reason)


def test_a_finding_of_the_treatments_encounter_is_the_nets() -> None:
    infusion = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "effectiveDateTime": "2021-01-04",
        "encounter": {"reference": "Encounter/7"},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
    }
    finding = observation("29593-1", valueQuantity={"value": 35, "unit": "%"}, encounter={"reference": "Encounter/7"})

    assert answer_to(GRADE, [*BOTH, infusion, finding]).truth is F
    assert (
        answer_to(GRADE, [*BOTH, infusion, {**finding, "encounter": {"reference": "Encounter/8"}}]).reason
        is Reason.UNATTRIBUTED
    )


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([NET, grade("G1")], T, None),
        ([NET, grade("G2", form="text")], T, None),
        ([NET, grade("G3")], F, None),
        ([NET, grade("G1"), grade("G3")], F, None),
        ([NET, grade("G1", status="preliminary")], U, Reason.NO_DATA),
        ([NET, ki67(35)], F, None),
        ([NET, ki67(21), grade("G2")], F, None),
        ([NET, ki67(2), ki67(35)], F, None),
        ([NET, ki67(20), morphology()], T, None),
        ([NET, ki67(20), morphology("8249/3")], T, None),
        ([NET, ki67(20)], U, Reason.NEEDS_ATTESTATION),
        ([NET, ki67(20), {"attest": {"answers": {"I02.w": [{"valueBoolean": True}]}}}], T, None),
        ([NET, ki67(20), {"attest": {"answers": {"I02.w": [{"valueBoolean": False}]}}}], U, Reason.CONFLICT),
        ([NET, {"lab": {"of": "ki67", "text": "18-25 %"}}], U, Reason.COMPARATOR),
        ([NET, {"lab": {"of": "ki67", "text": "21-25 %"}}], F, None),
        ([NET, {"lab": {"of": "ki67", "text": "< 2 %"}}, morphology()], T, None),
        ([NET, {"lab": {"of": "ki67", "value": 5}}], U, Reason.NO_UNIT),
        ([NET, {"lab": {"of": "ki67", "text": "voir CR"}}], U, Reason.NOT_READ),
        ([NET, ki67(35, date="2025-06-02")], U, Reason.NO_DATA),
        ([NET, ki67(35, status="preliminary")], U, Reason.STATUS),
        ([NET, ki67(5, note="G2")], T, None),
        ([NET, morphology()], U, Reason.NO_DATA),
        ([*BOTH, ki67(35)], U, Reason.UNATTRIBUTED),
        ([*BOTH, ki67(35, focus="breast")], U, Reason.NO_DATA),
        ([*BOTH, ki67(35, focus="net")], F, None),
        ([*BOTH, ki67(5, focus="net"), ki67(35, focus="breast"), morphology(focus="net")], T, None),
        ([*BOTH, ki67(5, focus="net"), morphology()], U, Reason.UNATTRIBUTED),
        ([*BOTH, grade("G3")], U, Reason.UNATTRIBUTED),
        ([*BOTH, grade("G3", focus="breast"), grade("G1", focus="net")], T, None),
        ([NET], U, Reason.NO_DATA),
    ],
)
def test_the_grade_is_that_of_the_study_tumour(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(GRADE, entries)

    assert (found.truth, found.reason) == (truth, reason)


def test_a_grade_in_a_component_counts() -> None:
    entry = {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": "2025-05-20",
        "code": {"text": "pathology"},
        "component": [{"code": {"coding": [{"system": "urn:reluth:terms", "code": "grade"}]}, "valueString": " g2 "}],
    }

    assert answer_to(GRADE, [NET, entry]).truth is T


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("G1 ou G2", Reason.NOT_READ),
        ("grade 2", Reason.NOT_READ),
        ("", Reason.NO_DATA),
        ("GX", Reason.NO_DATA),
        ("en cours", Reason.NO_DATA),
    ],
)
def test_a_grade_in_other_words_is_not_read(words: str, reason: Reason) -> None:
    entry = {
        **observation("x", valueString=words),
        "code": {"coding": [{"system": "urn:reluth:terms", "code": "grade"}]},
    }

    assert answer_to(GRADE, [NET, entry]).reason is reason


def test_two_grades_in_one_answer_are_none() -> None:
    concept = {"text": "G1", "coding": [{"code": "G2"}]}
    entry = {
        **observation("x", valueCodeableConcept=concept),
        "code": {"coding": [{"system": "urn:reluth:terms", "code": "grade"}]},
    }

    assert answer_to(GRADE, [NET, entry]).reason is Reason.NOT_READ


OF_BREAST = {"histology": {"in": ["net_morphology"], "of": "other_primary"}}


@pytest.mark.parametrize(
    ("entries", "truth"),
    [
        ([BREAST, morphology()], T),
        ([*BOTH, morphology(focus="breast")], T),
        ([*BOTH, morphology(focus="net")], U),
        ([*BOTH, morphology()], U),
        ([NET, morphology()], U),
        ([{"condition": {"icd10": "C50.9", "histology": "8240/3"}}], T),
    ],
)
def test_a_histology_may_be_asked_of_another_tumour(entries: list[Any], truth: Truth) -> None:
    assert answer_to(OF_BREAST, entries).truth is truth


def test_odd_evidence_ties_nothing() -> None:
    odd = {
        "resourceType": "Condition",
        "id": "net",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C17.2"}]},
        "evidence": ["odd", {"detail": ["odd", {"reference": 5}]}],
    }

    assert answer_to(PROVEN, [odd, BREAST, morphology()]).reason is Reason.UNATTRIBUTED


def test_a_primary_of_unknown_site_alone_is_a_malignancy() -> None:
    unknown = {"condition": {"icd10": "C80.9"}}

    assert answer_to(PROVEN, [unknown, morphology()]).truth is T
    assert answer_to(GRADE, [unknown, ki67(35)]).reason is Reason.NO_DATA


def test_a_body_site_of_no_tumour_on_record_ties_nothing() -> None:
    site = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C34.9"}]}
    entry = observation("29593-1", valueQuantity={"value": 35, "unit": "%"}, bodySite=site)

    assert answer_to(GRADE, [*BOTH, entry]).reason is Reason.UNATTRIBUTED
