"""What `problems` finds in resources, what it lets pass, and that it never tells a value."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir import FhirVersion, Json, problems

R4, R4B, R5 = FhirVersion.R4, FhirVersion.R4B, FhirVersion.R5
EXAMPLES = Path(__file__).resolve().parents[4] / "shared" / "trial" / "examples"
STATE = "http://terminology.hl7.org/CodeSystem/research-subject-state"
PLANTED = "Zyxwvut-19510203"

SUBJECT_R4: Json = {
    "resourceType": "ResearchSubject",
    "id": "s1",
    "meta": {"versionId": "1", "lastUpdated": "2025-06-01T08:00:00.000+02:00"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "extension": [{"url": "http://example.org/cycle", "valueQuantity": {"value": Decimal(2), "code": "1"}}],
    "identifier": [{"use": "official", "system": "urn:example", "value": "05-001", "period": {"start": "2025"}}],
    "status": "on-study",
    "period": {"start": "2025-06-01", "end": "2025-12"},
    "study": {"reference": "ResearchStudy/reluth", "display": "ReLUTH"},
    "individual": {"type": "Patient", "identifier": {"system": "urn:example:ipp", "value": "1"}},
    "assignedArm": "A",
}
SUBJECT_R5: Json = {
    "resourceType": "ResearchSubject",
    "status": "active",
    "study": {"reference": "ResearchStudy/reluth"},
    "subject": {"reference": "Patient/1"},
    "progress": [{"subjectState": {"coding": [{"system": STATE, "code": "on-study"}]}, "startDate": "2025-06-01"}],
}
LAB: Json = {
    "resourceType": "Observation",
    "status": "final",
    "category": [{"coding": [{"code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "userSelected": True}], "text": "Hb"},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2025-05-20T07:30:00+02:00",
    "issued": "2025-05-20T09:00:00Z",
    "valueQuantity": {
        "value": Decimal("12.10"),
        "comparator": ">=",
        "system": "http://unitsofmeasure.org",
        "code": "g/dL",
    },
    "referenceRange": [{"low": {"value": Decimal("12.0")}}],
    "component": [{"code": {"text": "part"}, "valueInteger": 3}],
}
INFUSION: Json = {
    "resourceType": "MedicationAdministration",
    "contained": [
        {
            "resourceType": "Medication",
            "id": "batch",
            "batch": {"lotNumber": "L1", "expirationDate": "2025-06-02T12:00:00Z"},
        }
    ],
    "status": "completed",
    "medicationReference": {"reference": "#batch"},
    "subject": {"reference": "Patient/1"},
    "effectivePeriod": {"start": "2025-06-01T10:00:00+02:00", "end": "2025-06-01T10:30:00+02:00"},
    "dosage": {"dose": {"value": Decimal("7412.5"), "unit": "MBq", "code": "MBq"}},
}
BUNDLE: Json = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "urn:uuid:7b1f5a2c-54a0-4d6e-9df0-0f2f0a9a5d10",
            "resource": SUBJECT_R4,
            "request": {"method": "POST", "url": "ResearchSubject", "ifNoneExist": "identifier=urn:example|05-001"},
        },
        {"resource": INFUSION, "request": {"method": "PUT", "url": "MedicationAdministration/1", "ifMatch": 'W/"2"'}},
    ],
}
VALID = [
    *((version, resource) for version in (R4, R4B) for resource in (SUBJECT_R4, LAB, INFUSION, BUNDLE)),
    *((R5, resource) for resource in (SUBJECT_R5, LAB)),
]


def found(resource: Any, version: FhirVersion = R4) -> set[tuple[str, str]]:
    return {(problem.path, problem.code) for problem in problems(resource, version)}


def changed(resource: Json, path: str, value: Any) -> Json:
    """Copy of a resource with another value at a path such as ``entry.0.resource.status``; ``...`` removes it."""
    result = copy.deepcopy(resource)
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    at: Any = result
    for part in way:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return result


def paths_of(value: Any, path: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield f"{path}{key}"
        yield from paths_of(item, f"{path}{key}.")


@pytest.mark.parametrize(("version", "resource"), VALID)
def test_problems_are_none_in_a_valid_resource(version: FhirVersion, resource: Json) -> None:
    before = copy.deepcopy(resource)

    assert problems(resource, version) == []
    assert resource == before


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("aminoacid-r4.json", R4),
        ("medicationadministration-r4.json", R4),
        ("researchstudy-r4.json", R4),
        ("researchsubject-r4.json", R4),
        ("researchstudy-r5.json", R5),
        ("researchsubject-r5.json", R5),
    ],
)
def test_problems_are_none_in_the_examples_of_the_trial(name: str, version: FhirVersion) -> None:
    if not (EXAMPLES / name).is_file():
        pytest.skip("the trial's example resources do not lie beside the project")
    resource = json.loads((EXAMPLES / name).read_text(encoding="utf-8"), parse_float=Decimal)

    assert problems(resource, version) == []


def test_problems_refuse_the_status_that_the_models_take() -> None:
    assert found(changed(SUBJECT_R4, "status", "randomised")) == {("ResearchSubject.status", "binding")}
    assert found(SUBJECT_R4) == set()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("status", ..., ("ResearchSubject.status", "missing")),
        ("study", ..., ("ResearchSubject.study", "missing")),
        ("status", ["on-study"], ("ResearchSubject.status", "cardinality")),
        ("status", 7, ("ResearchSubject.status", "type")),
        ("status", " ", ("ResearchSubject.status", "empty")),
        ("status", None, ("ResearchSubject.status", "empty")),
        ("status", "on  study", ("ResearchSubject.status", "value")),
        ("subject", {"reference": "Patient/1"}, ("ResearchSubject.subject", "unknown-element")),
        ("_colour", {"id": "x"}, ("ResearchSubject._colour", "unknown-element")),
        ("id", "s 1", ("ResearchSubject.id", "value")),
        ("meta.lastUpdated", "2025-06-01", ("ResearchSubject.meta.lastUpdated", "value")),
        ("text.status", "written", ("ResearchSubject.text.status", "binding")),
        ("text.div", "plain", ("ResearchSubject.text.div", "value")),
        ("identifier", {"value": "1"}, ("ResearchSubject.identifier", "cardinality")),
        ("identifier", [], ("ResearchSubject.identifier", "empty")),
        ("identifier.0", {}, ("ResearchSubject.identifier[0]", "empty")),
        ("identifier.0", "05-001", ("ResearchSubject.identifier[0]", "type")),
        ("identifier.0", None, ("ResearchSubject.identifier[0]", "empty")),
        ("identifier.0.use", "main", ("ResearchSubject.identifier[0].use", "binding")),
        ("identifier.0.system", "urn: x", ("ResearchSubject.identifier[0].system", "value")),
        ("period.start", "2025-02-30", ("ResearchSubject.period.start", "value")),
        ("period.end", "2025-06-01T10:00", ("ResearchSubject.period.end", "value")),
        ("individual.reference", "ResearchStudy/1", ("ResearchSubject.individual", "reference")),
        ("individual.type", "Group", ("ResearchSubject.individual", "reference")),
        ("individual.reference", "#p", ("ResearchSubject.individual", "reference")),
        ("extension.0.url", ..., ("ResearchSubject.extension[0].url", "missing")),
        ("extension.0.valueString", "x", ("ResearchSubject.extension[0].value[x]", "choice")),
        ("extension.0.valueQuantity.value", 2.5, ("ResearchSubject.extension[0].valueQuantity.value", "inexact")),
        ("extension.0.valueQuantity.value", "2", ("ResearchSubject.extension[0].valueQuantity.value", "type")),
        ("extension.0.valueQuantity.value", True, ("ResearchSubject.extension[0].valueQuantity.value", "type")),
        (
            "extension.0.valueQuantity.comparator",
            "about",
            ("ResearchSubject.extension[0].valueQuantity.comparator", "binding"),
        ),
    ],
)
def test_problems_name_the_path_of_a_planted_fault(path: str, value: Any, problem: tuple[str, str]) -> None:
    assert found(changed(SUBJECT_R4, path, value)) == {problem}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("valueString", "12", ("Observation.value[x]", "choice")),
        ("_valueString", {"extension": [{"url": "u", "valueCode": "x"}]}, ("Observation.value[x]", "choice")),
        ("component.0.valueInteger", Decimal("3.0"), ("Observation.component[0].valueInteger", "value")),
        ("component.0.valueInteger", 2**31, ("Observation.component[0].valueInteger", "value")),
        ("component.0.code", ..., ("Observation.component[0].code", "missing")),
        ("code.coding.0.userSelected", "true", ("Observation.code.coding[0].userSelected", "type")),
        ("valueQuantity.value", Decimal("NaN"), ("Observation.valueQuantity.value", "value")),
        ("subject", "Patient/1", ("Observation.subject", "type")),
        ("code.text", "a\x00b", ("Observation.code.text", "value")),
    ],
)
@pytest.mark.parametrize("version", FhirVersion)
def test_problems_find_a_fault_in_every_version(
    version: FhirVersion, path: str, value: Any, problem: tuple[str, str]
) -> None:
    assert found(changed(LAB, path, value), version) == {problem}


def test_problems_ask_for_one_of_a_required_choice() -> None:
    assert found(changed(INFUSION, "medicationReference", ...)) == {
        ("MedicationAdministration.medication[x]", "missing")
    }


def test_problems_are_found_in_what_is_contained_and_in_entries() -> None:
    contained = changed(INFUSION, "contained.0.batch.expirationDate", "soon")
    entry = changed(BUNDLE, "entry.0.resource.status", "randomised")
    method = changed(BUNDLE, "entry.1.request.method", "UPSERT")

    assert found(contained) == {("MedicationAdministration.contained[0].batch.expirationDate", "value")}
    assert found(entry) == {("Bundle.entry[0].resource.status", "binding")}
    assert found(method) == {("Bundle.entry[1].request.method", "binding")}


def test_problems_find_a_reference_to_nothing_contained_in_an_entry_of_its_own() -> None:
    bundle = changed(BUNDLE, "entry.1.resource.contained.0.id", "other")

    assert found(bundle) == {("Bundle.entry[1].resource.medicationReference", "reference")}


@pytest.mark.parametrize(
    "name", [..., None, ["Patient"], PLANTED, "Quantity", "DomainResource", "ActorDefinition", "SubscriptionTopic"]
)
def test_problems_of_a_resource_without_a_known_type_are_one(name: Any) -> None:
    resource = changed(SUBJECT_R4, "resourceType", name)

    assert [(problem.path, problem.code) for problem in problems(resource, R4)] == [("resourceType", "resource-type")]


def test_problems_say_where_an_entry_has_no_known_type() -> None:
    bundle = changed(BUNDLE, "entry.0.resource.resourceType", "Subject")

    assert found(bundle) == {("Bundle.entry[0].resource.resourceType", "resource-type")}
    assert found(["Patient"]) == {("Resource", "type")}


def test_problems_say_that_a_type_cannot_be_checked() -> None:
    assert found({"resourceType": "MedicinalProduct", "name": []}, R4) == {("MedicinalProduct", "not-checked")}
    assert found({"resourceType": "MedicinalProduct", "name": []}, R4B) == {("resourceType", "resource-type")}


def test_problems_differ_by_version_in_the_status_of_a_subject() -> None:
    active = {("ResearchSubject.status", "binding")}

    assert found(changed(SUBJECT_R4, "status", "active"), R4) == active
    assert found(changed(SUBJECT_R4, "status", "active"), R4B) == active
    assert found(changed(SUBJECT_R5, "status", "on-study"), R5) == active


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("progress.0.subjectState.coding.0.code", "randomised"),
        ("progress.0.subjectState.coding.0.system", "http://hl7.org/fhir/research-subject-status"),
        ("progress.0.subjectState", {"text": "randomised"}),
    ],
)
def test_problems_ask_for_a_coding_of_a_bound_concept(path: str, value: Any) -> None:
    assert found(changed(SUBJECT_R5, path, value), R5) == {("ResearchSubject.progress[0].subjectState", "binding")}


def test_problems_find_the_wrong_target_of_a_codeable_reference() -> None:
    administration = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medication": {"reference": {"reference": "Patient/1"}},
        "subject": {"reference": "Patient/1"},
        "occurenceDateTime": "2025-06-01",
    }

    assert found(administration, R5) == {("MedicationAdministration.medication.reference", "reference")}


def test_problems_know_what_r4_has_otherwise_than_r4b() -> None:
    variable = {
        "resourceType": "EvidenceVariable",
        "status": "active",
        "type": "dichotomous",
        "copyright": "none",
        "characteristic": [
            {"definitionDataRequirement": {"type": "Observation"}, "timeFromStart": {"value": Decimal(1)}}
        ],
    }

    assert found(variable, R4) == set()
    assert ("EvidenceVariable.type", "unknown-element") in found(variable, R4B)
    assert found(changed(variable, "characteristic", ...), R4) == {("EvidenceVariable.characteristic", "missing")}
    assert found(changed(variable, "handling", "ordinal"), R4) == {("EvidenceVariable.handling", "unknown-element")}
    assert found(changed(variable, "type", "ordinal"), R4) == {("EvidenceVariable.type", "binding")}


@pytest.mark.parametrize(
    ("name", "value", "versions"),
    [
        ("valueMeta", {"versionId": "1"}, {R4, R5}),
        ("valueCodeableReference", {"concept": {"text": "x"}}, {R4B, R5}),
        ("valueInteger64", "9007199254740993", {R5}),
        ("valueContributor", {"type": "author", "name": "x"}, {R4, R4B}),
    ],
)
def test_problems_know_the_values_that_an_extension_may_have(name: str, value: Any, versions: set[FhirVersion]) -> None:
    resource = {**LAB, "extension": [{"url": "http://example.org/x", name: value}]}

    assert {version for version in FhirVersion if not problems(resource, version)} == versions


@pytest.mark.parametrize(("target", "versions"), [("Location", set(FhirVersion)), ("Organization", {R4B, R5})])
def test_problems_know_who_may_be_observed_in_each_version(target: str, versions: set[FhirVersion]) -> None:
    resource = changed(LAB, "subject.reference", f"http://server/fhir/{target}/1/_history/2")

    assert {version for version in FhirVersion if not problems(resource, version)} == versions


def test_problems_let_an_extension_stand_for_a_missing_value() -> None:
    reason = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    name = {"family": "x", "given": ["a", None], "_given": [None, reason]}
    patient = {"resourceType": "Patient", "name": [name]}

    assert found({**changed(SUBJECT_R4, "status", ...), "_status": reason}) == set()
    assert found({**changed(SUBJECT_R4, "status", ...), "_status": {"id": "x"}}) == {
        ("ResearchSubject.status", "missing")
    }
    assert found(patient) == set()
    assert found(changed(patient, "name.0._given", ...)) == {("Patient.name[0].given[1]", "empty")}


def test_problems_end_in_a_resource_nested_without_end() -> None:
    nested: Json = {"url": "u", "valueBoolean": True}
    for _ in range(400):
        nested = {"url": "u", "extension": [nested]}

    assert {code for _, code in found({**LAB, "extension": [nested]})} == {"depth"}


@pytest.mark.parametrize(("version", "resource"), VALID)
def test_problems_never_tell_a_value(version: FhirVersion, resource: Json) -> None:
    for path in paths_of(resource):
        for value in (
            PLANTED,
            [PLANTED],
            {"x": PLANTED},
            {f"{PLANTED}!": PLANTED},
            {"reference": f"Patient/{PLANTED}"},
        ):
            said = str(problems(changed(resource, path, value), version))

            assert PLANTED not in said, path


def test_problems_never_tell_the_name_of_an_element_that_looks_like_none() -> None:
    assert found({**LAB, PLANTED: 1}) == {("Observation.?", "unknown-element")}


@pytest.mark.parametrize(("version", "resource"), [pair for pair in VALID if pair[0] is not R4])
def test_problems_find_whatever_the_models_refuse(version: FhirVersion, resource: Json) -> None:
    from fhir.resources import get_fhir_model_class as r5_model  # noqa: PLC0415
    from fhir.resources.R4B import get_fhir_model_class as r4b_model  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    model = (r5_model if version is R5 else r4b_model)(resource["resourceType"])
    refused = 0
    # Of a resourceType that is no text, the models raise a TypeError.
    for path in (path for path in paths_of(resource) if not path.endswith("resourceType")):
        for value in (..., None, [], {}, "", "no such value", -1, True, ["x"], {"x": 1}, {"url": "u"}):
            wrong = changed(resource, path, value)
            try:
                model.model_validate(wrong)
            except ValidationError:
                refused += 1

                assert problems(wrong, version), (path, value)
    assert refused > 50


def test_models_are_not_imported_before_a_resource_is_checked() -> None:
    script = "import sys, adapter.fhir; sys.exit(any(name.split('.')[0] == 'fhir' for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
