"""In: what cannot be read, of each resource type that verdicts read. Out: whether the older record beside it still decides, and what stays decided."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from adapter.criteria import Reason, Stage, Truth, evaluate
from adapter.criteria.answer import Answer
from adapter.criteria.answering import answer_criterion, answer_part
from adapter.criteria.scene import Scene
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness
from tests.support.records import encode
from tests.unit.criteria.making import ON, PLAIN, chart, criterion, infusions, reluth, tiny
from tests.unit.criteria.receptor_imaging import DAY, krenning, percent, procedure, report, study, to

T, F, U = Truth.T, Truth.F, Truth.U
MODIFIER = [{"url": "urn:x", "valueBoolean": True}]
ATTESTATION = "urn:reluth:attestation:nct04954820"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
LUTATHERA = {"coding": [{"system": ATC, "code": "V10XX04"}]}


def scene(
    entries: Iterable[Any],
    *,
    aside: Iterable[dict[str, Any]] = (),
    shared: Iterable[dict[str, Any]] = (),
    **more: Any,
) -> Scene:
    known = {f"{item['resourceType']}/{item['id']}": encode(item) for item in shared}
    own = [encode(item) for item in chart(entries)]
    read = PatientRecord.read("Patient/1", own, shared=known, held_back=[encode(item) for item in aside])
    return Scene(reluth(), read, more.pop("site", PLAIN), more.pop("on", ON))


def told(found: Answer) -> tuple[Truth, Reason | None]:
    return found.truth, found.reason


def answer(name: str, found: Scene) -> Answer:
    trial = found.trial
    return (
        answer_part(trial.parts[name], found) if name in trial.parts else answer_criterion(trial.criterion(name), found)
    )


# --- versions


def stroke(version: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c",
        "meta": {"versionId": version},
        "subject": {"reference": "Patient/1"},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": ICD10, "code": "I63.9"}]},
        "onsetDateTime": "2025-05-01",
        **more,
    }


@pytest.mark.parametrize(
    ("aside", "truth"),
    [
        ([], T),
        ([stroke("3", onsetDateTime=5)], U),
        ([stroke("2", onsetDateTime=5)], U),
        ([stroke("x", onsetDateTime=5)], U),
        ([stroke("1", onsetDateTime=5)], T),
        ([stroke("1", onsetDateTime=5), stroke("3", onsetDateTime=5)], U),
        ([stroke("3", onsetDateTime=5, id="other")], T),
    ],
    ids=["none", "newer", "same", "unknown", "older", "older and newer", "another"],
)
def test_a_version_that_cannot_be_read_takes_the_place_of_an_older_one(aside: Any, truth: Truth) -> None:
    assert answer("E10", scene([stroke("2")], aside=aside)).truth is truth


def test_a_person_of_whom_a_newer_version_cannot_be_read_has_no_known_age() -> None:
    newer = {"resourceType": "Patient", "id": "1", "birthDate": 2020}

    assert answer("I01", scene([])).truth is T
    assert answer("I01", scene([], aside=[newer])).truth is U
    assert answer("I01", scene([], aside=[{**newer, "id": "2"}])).truth is T


# --- attestations


def said(answer_: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "said",
        "subject": {"reference": "Patient/1"},
        "questionnaire": ATTESTATION,
        "status": "completed",
        "authored": "2025-05-20",
        "author": {"reference": "Practitioner/1"},
        "item": [{"linkId": "E06", "answer": [{"valueBoolean": answer_}]}],
        **more,
    }


NOT_IRRADIATED = said(False, id="first", authored="2025-05-15")


def test_a_correction_that_cannot_be_read_leaves_no_older_attestation_standing() -> None:
    found = answer("E06", scene([NOT_IRRADIATED], aside=[said("yes")]))

    assert told(answer("E06", scene([NOT_IRRADIATED]))) == (F, None)
    assert told(found) == (U, Reason.NOT_READ)
    assert found.attestable
    assert [(item.reference, item.value) for item in found.evidence] == [("QuestionnaireResponse/said", "E06")]


@pytest.mark.parametrize(
    "faulty",
    [
        said("yes"),
        said("yes", authored="gestern"),
        said("yes", authored=5),
        said("yes", author=5),
        said("yes", questionnaire={"reference": "Questionnaire/1"}),
        said("yes", status=5),
        said("yes", item="x"),
        said("yes", item=[5]),
        said("yes", item=[{"linkId": 6, "answer": []}]),
        said("yes", item=[{"linkId": "g", "item": [{"linkId": "E06", "answer": [{"valueBoolean": "x"}]}]}]),
        said("yes", item=[{"linkId": "g", "answer": [{"item": [{"linkId": "E06", "answer": 5}]}]}]),
    ],
)
def test_what_may_be_a_correction_opens_the_question(faulty: dict[str, Any]) -> None:
    assert told(answer("E06", scene([NOT_IRRADIATED], aside=[faulty]))) == (U, Reason.NOT_READ)


@pytest.mark.parametrize(
    "faulty",
    [
        said("yes", authored="2025-05-01"),
        said("yes", authored="2025-06-20"),
        said("yes", questionnaire="urn:other"),
        said("yes", questionnaire=None),
        said("yes", author={"reference": "Patient/1"}),
        said("yes", author=None),
        said("yes", status="in-progress"),
        said("yes", item=[{"linkId": "E17", "answer": [{"valueBoolean": "x"}]}]),
        said("yes", item=[{"linkId": "E06"}], subject=5),
    ],
)
def test_what_is_no_correction_opens_nothing(faulty: dict[str, Any]) -> None:
    assert told(answer("E06", scene([NOT_IRRADIATED], aside=[faulty]))) == (F, None)


def test_a_newer_attestation_closes_what_one_that_cannot_be_read_opened() -> None:
    assert answer("E06", scene([said(True, id="last", authored="2025-05-25")], aside=[said("x")])).truth is T


def test_a_response_with_a_modifier_attests_nothing_and_holds_the_older_one_back() -> None:
    assert told(answer("E06", scene([NOT_IRRADIATED, said(True, modifierExtension=MODIFIER)]))) == (U, Reason.NOT_READ)


def test_an_answer_of_another_kind_holds_the_older_one_back() -> None:
    words = said(True, item=[{"linkId": "E06", "answer": [{"valueString": "oui"}]}])

    assert told(answer("E06", scene([NOT_IRRADIATED, words]))) == (U, Reason.NOT_READ)


def test_a_version_without_its_answers_takes_the_attestation_back() -> None:
    assert answer("E06", scene([said(False)], aside=[said(False, item=[], authored=5)])).truth is U


def test_what_cannot_be_read_is_nobodys_signature() -> None:
    trial = tiny(criterion({"sex": "male"}, automation="partly"))
    signed = said(True, item=[{"linkId": "X.why", "answer": [{"valueBoolean": True}]}])
    outcomes = []
    for entries, aside in (([signed], []), ([], [{**signed, "note": 1, "authored": 5}])):
        read = PatientRecord.read(
            "Patient/1", [encode(item) for item in chart(entries)], held_back=[encode(item) for item in aside]
        )
        outcomes.append(str(evaluate(trial, read, site=PLAIN, stage=Stage.REGISTRATION, on=ON).outcome))

    assert outcomes == ["eligible", "ready-for-investigator"]


# --- consent


def consent(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": "signed",
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "patient": {"reference": "Patient/1"},
        "dateTime": "2025-05-20",
        "policy": [{"uri": "https://clinicaltrials.gov/study/NCT04954820"}],
        **more,
    }


@pytest.mark.parametrize(
    ("faulty", "truth"),
    [
        (consent(id="later", provision=5), U),
        (consent(id="later", policy=5), U),
        (consent(id="later", policy=[{"uri": 5}]), U),
        (consent(id="later", scope=5), U),
        (consent(id="later", scope=5, policy=5), U),
        (consent(provision=5), U),
        (consent(id="later", provision=5, policy=[{"uri": "https://clinicaltrials.gov/study/NCT1"}]), T),
        (consent(id="later", policy=5, scope={"coding": [{"code": "patient-privacy"}]}), T),
        ({key: value for key, value in consent(id="later", provision=5).items() if key != "policy"}, T),
    ],
)
def test_a_withdrawal_that_cannot_be_read_leaves_no_older_consent_in_force(faulty: Any, truth: Truth) -> None:
    assert answer("I14", scene([consent()])).truth is T
    assert answer("I14", scene([consent()], aside=[faulty])).truth is truth


def test_a_cover_whose_newer_version_cannot_be_read_proves_nothing() -> None:
    cover = {"coverage": {"start": "2020-01-01", "type": "AMO"}}
    newer = {"resourceType": "Coverage", "id": "coverage-1", "status": 5}

    assert answer("I16", scene([cover])).truth is T
    assert answer("I16", scene([cover], aside=[newer])).truth is U
    assert answer("I16", scene([cover], aside=[{**newer, "id": "other"}])).truth is T


# --- imaging

EXAMINED = [{**procedure(), "id": "old"}, percent(95), krenning(3)]
LATER = "2025-05-28"
NEWER = [
    {**procedure(LATER), "id": "new", "performedPeriod": 5},
    {**study(LATER), "id": "new", "modality": 5},
    {**report(LATER), "id": "new", "issued": 5},
]


@pytest.mark.parametrize("newer", NEWER, ids=lambda item: str(item["resourceType"]))
@pytest.mark.parametrize("how", ["aside", "modifier", "contained"])
def test_an_examination_that_cannot_be_read_may_be_the_latest(newer: dict[str, Any], how: str) -> None:
    holder = {"resourceType": "Encounter", "id": "e", "contained": [newer]}
    entries = {
        "aside": [],
        "modifier": [{**newer, "modifierExtension": MODIFIER}],
        "contained": [holder],
    }[how]
    found = scene([*EXAMINED, *entries], aside=[newer] if how == "aside" else [])

    assert [answer(name, scene(EXAMINED)).truth for name in ("I09.a", "I09.b", "I09.c")] == [T, T, T]
    assert answer("I09.a", found).truth is T
    assert told(answer("I09.b", found)) == (U, Reason.NOT_READ)
    assert told(answer("I09.c", found)) == (U, Reason.NOT_READ)


@pytest.mark.parametrize("only", NEWER, ids=lambda item: str(item["resourceType"]))
def test_an_examination_that_cannot_be_read_proves_none(only: dict[str, Any]) -> None:
    assert told(answer("I09.a", scene([], aside=[only]))) == (U, Reason.NOT_READ)


def test_an_examination_of_another_kind_that_cannot_be_read_opens_nothing() -> None:
    other = {**report(LATER, code="ct"), "id": "new", "issued": 5}

    assert answer("I09.b", scene(EXAMINED, aside=[other])).truth is T


def test_the_report_of_a_known_study_is_of_its_day_whether_it_can_be_read_or_not() -> None:
    known = {**study(), "id": "s"}
    its = {**report(LATER), "id": "r", "issued": 5, "imagingStudy": to("ImagingStudy/s")}
    values = [percent(95, LATER, id="p"), krenning(3)]
    its["result"] = to("Observation/p")

    assert answer("I09.b", scene([known, *values], aside=[its])).truth is T


def test_what_an_examination_contains_without_a_day_is_of_the_examination() -> None:
    within = [{**procedure(None), "id": "w"}, {**study(), "started": None, "id": "w"}, {**report(None), "id": "w"}]
    holding = {**report(), "id": "r", "contained": within}

    assert answer("I09.b", scene([*EXAMINED, holding])).truth is T


def test_lesions_of_a_study_that_cannot_be_read_keep_its_modality() -> None:
    tumour = {"condition": {"icd10": "C17.2"}}
    seen = {"mm": 22, "date": DAY, "tie": {"partOf": "ImagingStudy/s"}}
    lesions = [{"lesion": {**seen, "site": site}} for site in ("foie", "os")]
    ultrasound = {"resourceType": "ImagingStudy", "id": "s", "status": "available", "modality": [{"code": "US"}]}

    assert answer("I10", scene([tumour, *lesions])).truth is T
    assert answer("I10", scene([tumour, *lesions, ultrasound])).truth is U
    assert answer("I10", scene([tumour, *lesions], aside=[{**ultrasound, "started": 5}])).truth is U


# --- infusions and their products


def infusion(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration",
        "id": "fifth",
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2021-08-01",
        **more,
    }


FOUR = infusions(56, 56, 56)
CONTAINED = {"resourceType": "Medication", "id": "m", "code": LUTATHERA}
SHARED = {**CONTAINED, "batch": {"lotNumber": "1"}}


@pytest.mark.parametrize(
    ("faulty", "truth"),
    [
        (infusion(status=5, medicationCodeableConcept=LUTATHERA), U),
        (infusion(status=5, medicationReference={"reference": "Medication/m"}), U),
        (infusion(status=5, medication={"reference": {"reference": "Medication/m"}}), U),
        (infusion(status=5, medication={"concept": LUTATHERA}), U),
        (infusion(contained=[CONTAINED, {"id": 5}], status=5, medicationReference={"reference": "#m"}), U),
        (infusion(contained=[{**CONTAINED, "batch": 5}], medicationReference={"reference": "#m"}), U),
        (infusion(status=5, medicationCodeableConcept={"coding": [{"system": ATC, "code": "N02BE01"}]}), T),
        (infusion(status=5, medicationReference={"reference": "Medication/x"}), T),
    ],
)
def test_an_infusion_that_cannot_be_read_is_known_by_its_product(faulty: dict[str, Any], truth: Truth) -> None:
    assert answer("I03", scene(FOUR)).truth is T
    assert answer("I03", scene(FOUR, aside=[faulty], shared=[SHARED])).truth is truth


@pytest.mark.parametrize(
    ("shared", "aside", "truth"),
    [
        ([SHARED], [], F),
        ([{**SHARED, "batch": 5}], [], U),
        ([SHARED], [{**SHARED, "batch": 5}], U),
        ([], [{**SHARED, "batch": 5}], U),
        ([], [{**SHARED, "batch": 5, "code": {"coding": [{"system": ATC, "code": "N02BE01"}]}}], T),
    ],
)
def test_an_infusion_of_a_product_that_cannot_be_read_may_be_one_more(shared: Any, aside: Any, truth: Truth) -> None:
    fifth = infusion(medicationReference={"reference": "Medication/m"})

    assert answer("I03", scene([*FOUR, fifth], shared=shared, aside=aside)).truth is truth


# --- what else


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": 5}]},
        {"coding": [5, {"system": "http://loinc.org", "code": "718-7"}]},
        {"coding": {"system": "http://loinc.org", "code": "718-7"}},
    ],
)
def test_a_result_is_known_by_its_code_where_that_has_the_fault(code: dict[str, Any]) -> None:
    older = {"lab": {"of": "hb", "value": 11.2, "unit": "g/dL", "date": DAY}}
    newer = {"resourceType": "Observation", "id": "o", "status": "final", "code": code, "valueInteger": 3}

    assert answer("I11.a", scene([older])).truth is T
    assert answer("I11.a", scene([older], aside=[newer])).truth is U


def test_a_subject_of_the_trial_that_cannot_be_read_is_in_no_other_study() -> None:
    own = {"resourceType": "ResearchStudy", "id": "s", "identifier": [{"value": "NCT04954820"}]}
    subject = {"resourceType": "ResearchSubject", "id": "r", "status": 5, "study": {"reference": "ResearchStudy/s"}}
    whole = replace(PLAIN, completeness=(Completeness("study-participation", ON.replace(year=2020), ON),))

    assert answer("E16", scene([], site=whole, aside=[subject], shared=[own])).truth is F
    assert answer("E16", scene([], site=whole, aside=[subject], shared=[{**own, "status": 5}])).truth is F
    assert answer("E16", scene([], site=whole, aside=[{**subject, "study": 5}], shared=[own])).truth is U


def test_an_allergy_that_cannot_be_read_asks_by_its_reaction() -> None:
    none = {"allergy": {"code": "http://snomed.info/sct|716186003"}}
    reaction = [{"substance": {"coding": [{"system": ATC, "code": "H01CB02"}]}}]
    faulty = {"resourceType": "AllergyIntolerance", "id": "a", "reaction": reaction, "recordedDate": 5}
    drug = {"coding": [{"system": ATC, "code": "J01CA04"}]}

    assert answer("E15", scene([none])).truth is F
    assert answer("E15", scene([none], aside=[{**faulty, "code": drug}])).truth is U


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "MedicationRequest", "medicationCodeableConcept": LUTATHERA, "status": 5},
        {"resourceType": "DiagnosticReport", "code": {"text": "TEP"}, "status": 5},
        {"resourceType": "DocumentReference", "type": {"text": "RCP"}, "status": 5},
        {"resourceType": "Flag", "code": {"text": "tutelle"}, "status": 5},
        {"resourceType": "ImagingStudy", "procedureCode": [{"text": "TEP"}], "status": 5},
    ],
)
def test_each_type_that_prompts_or_signals_stands_in_the_record(resource: dict[str, Any]) -> None:
    raw = json.dumps({**resource, "id": "x"}).encode()
    read = PatientRecord.read("Patient/1", [], held_back=[raw])

    assert [item.reference for item in read.of_type(resource["resourceType"])] == [f"{resource['resourceType']}/x"]
    assert read.unread == {f"{resource['resourceType']}/x"}
