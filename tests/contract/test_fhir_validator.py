"""In: FHIR resources, good and with one fault. Out: proof that HL7's validator finds each fault and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.fhir_validator import Validator, running_validator, validator

pytestmark = pytest.mark.hapi

R4, R4B, R5 = "4.0.1", "4.3.0", "5.0.0"
EACH = pytest.mark.parametrize("version", [R4, R4B, R5])
BEFORE_R5 = pytest.mark.parametrize("version", [R4, R4B])
#: Beside the project; not part of it.
EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "trial" / "examples"
LATER = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
UCUM = "http://unitsofmeasure.org"

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def hl7() -> Validator:
    return running_validator()


def quantity(value: str, code: str) -> Resource:
    return {"value": Decimal(value), "unit": code, "system": UCUM, "code": code}


def infusion(version: str) -> Resource:
    route = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]}
    drug = {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]}
    resource: Resource = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": {"type": "Patient", "identifier": {"system": "urn:example:ipp", "value": "0001"}},
        "dosage": {"route": route, "dose": quantity("7400", "MBq"), "rateQuantity": quantity("46", "mL/h")},
    }
    period = {"start": "2025-07-10T10:30:00+02:00", "end": "2025-07-10T11:00:00+02:00"}
    if version == R5:
        return resource | {"medication": {"concept": drug}, "occurencePeriod": period}
    return resource | {"medicationCodeableConcept": drug, "effectivePeriod": period}


def subject(version: str, status: str | None = None) -> Resource:
    person, started = ("subject", "active") if version == R5 else ("individual", "on-study")
    return {
        "resourceType": "ResearchSubject",
        "status": status or started,
        "study": {"reference": "ResearchStudy/example"},
        person: {"reference": "Patient/example"},
    }


def measured(code: str = "mg/dL") -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "valueQuantity": quantity("12.10", code),
    }


def unknown_status(resource: Resource) -> None:
    resource["status"] = "finished"


def no_subject(resource: Resource) -> None:
    del resource["subject"]


def no_dose(resource: Resource) -> None:
    del resource["dosage"]["dose"], resource["dosage"]["rateQuantity"]


def unknown_unit(resource: Resource) -> None:
    resource["dosage"]["dose"]["code"] = "MBqx"


def unknown_element(resource: Resource) -> None:
    resource["activity"] = "7400 MBq"


FAULTS: list[tuple[Callable[[Resource], None], str, str]] = [
    (unknown_status, "MedicationAdministration.status: ", "a code is required from this value set"),
    (no_subject, "MedicationAdministration: ", "MedicationAdministration.subject: minimum required = 1"),
    (no_dose, "MedicationAdministration.dosage: ", "Constraint failed: mad-1"),
    (unknown_unit, "MedicationAdministration.dosage.dose: ", "The unit 'MBqx' is unknown"),
    (unknown_element, "MedicationAdministration: ", "Unrecognized property 'activity'"),
]


@EACH
def test_good_resources_have_no_errors(hl7: Validator, version: str) -> None:
    resources = [infusion(version), subject(version), measured()]

    assert [hl7.errors(resource, version) for resource in resources] == [[], [], []]


@EACH
@pytest.mark.parametrize(("spoil", "location", "message"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_one_fault_is_found_where_it_is(
    hl7: Validator, version: str, spoil: Callable[[Resource], None], location: str, message: str
) -> None:
    resource = infusion(version)
    spoil(resource)
    errors = hl7.errors(resource, version)

    assert errors
    assert all(error.startswith(location) for error in errors)
    assert any(message in error for error in errors)


@EACH
def test_subject_cannot_be_randomised_by_status(hl7: Validator, version: str) -> None:
    errors = hl7.errors(subject(version, "randomised"), version)

    assert any(
        error.startswith("ResearchSubject.status: The value provided ('randomised') was not found") for error in errors
    )


def test_subject_of_r5_cannot_be_randomised_by_state(hl7: Validator) -> None:
    def errors(code: str) -> list[str]:
        state = {"system": "http://terminology.hl7.org/CodeSystem/research-subject-state", "code": code}
        return hl7.errors(subject(R5) | {"progress": [{"subjectState": {"coding": [state]}}]}, R5)

    assert errors("on-study-intervention") == []
    assert all(error.startswith("ResearchSubject.progress[0].subjectState: ") for error in errors("randomised"))
    assert any("a coding from this value set is required" in error for error in errors("randomised"))


@EACH
def test_unit_of_a_result_is_ucum(hl7: Validator, version: str) -> None:
    errors = hl7.errors(measured("mg/dLx"), version)

    assert len(errors) == 1
    assert errors[0].startswith("Observation.value.ofType(Quantity): ")
    assert "'dLx' is unknown" in errors[0]


@EACH
def test_numbers_reach_the_validator_with_all_digits(hl7: Validator, version: str) -> None:
    resource = measured()
    resource["valueQuantity"]["value"] = Decimal("1.00000000000000000010")
    found = hl7.issues(resource, version)

    # So many digits are worth a warning (of R5 an error), which repeats them.
    assert any("'1.00000000000000000010'" in issue.message for issue in found)


@EACH
def test_number_out_of_order_is_found(hl7: Validator, version: str) -> None:
    resource = measured()
    resource["referenceRange"] = [{"low": quantity("17.5", "mg/dL"), "high": quantity("12.5", "mg/dL")}]
    resource["valueRange"] = resource["referenceRange"][0]
    del resource["valueQuantity"]

    assert any("Constraint failed: rng-2" in error for error in hl7.errors(resource, version))


@BEFORE_R5
def test_codes_of_systems_outside_the_core_are_warnings(hl7: Validator, version: str) -> None:
    found = hl7.issues(infusion(version), version)

    assert {issue.severity for issue in found} == {"warning"}
    assert any("http://www.whocc.no/atc#V10XX04" in issue.message for issue in found)


@EACH
def test_local_codes_are_no_errors_where_no_code_is_required(hl7: Validator, version: str) -> None:
    local = {"system": "urn:example:laboratory", "code": "HB"}
    resource = measured()
    resource["code"]["coding"].append(local)
    resource["category"] = [{"coding": [local]}]

    assert hl7.errors(resource, version) == []


@EACH
def test_local_code_is_an_error_where_another_is_required(hl7: Validator, version: str) -> None:
    resource = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/example"},
        "code": {"text": "Neuroendocrine tumour"},
        "clinicalStatus": {"coding": [{"system": "urn:example:problems", "code": "A"}]},
    }

    assert any("a coding from this value set is required" in error for error in hl7.errors(resource, version))


@EACH
@pytest.mark.parametrize("url", ["https://reluth.example/fhir/StructureDefinition/x", "urn:reluth:x"])
def test_extensions_of_ours_are_allowed(hl7: Validator, version: str, url: str) -> None:
    resource = subject(version) | {"extension": [{"url": url, "valueString": "x"}]}

    assert hl7.errors(resource, version) == []
    assert hl7.errors(resource | {"extension": [{"url": url}]}, version) != []


def progress(name: str, **value: str) -> Resource:
    return {"url": f"{LATER}ResearchSubject.progress", "extension": [{"url": name, **value}]}


@BEFORE_R5
def test_r5_elements_on_older_resources_are_checked_against_r5(hl7: Validator, version: str) -> None:
    def errors(extension: Resource) -> list[str]:
        return hl7.errors(subject(version) | {"extension": [extension]}, version)

    assert errors(progress("startDate", valueDateTime="2025-03-01")) == []
    assert errors({"url": f"{LATER}ResearchSubject.assignedComparisonGroup", "valueId": "control"}) == []
    assert "allows for the type dateTime" in errors(progress("startDate", valueDate="2025-03-01"))[0]
    assert "'begun' is not defined" in errors(progress("begun", valueDateTime="2025-03-01"))[0]
    assert (
        "invalid Element id 'ResearchSubject.arm'"
        in errors({"url": f"{LATER}ResearchSubject.arm", "valueString": "control"})[0]
    )


@BEFORE_R5
def test_study_with_r5_elements_is_valid_before_r5(hl7: Validator, version: str) -> None:
    sponsor = {"coding": [{"system": "http://hl7.org/fhir/research-study-party-role", "code": "lead-sponsor"}]}
    study = {
        "resourceType": "ResearchStudy",
        "status": "active",
        "extension": [
            {
                "url": f"{LATER}ResearchStudy.associatedParty",
                "extension": [
                    {"url": "name", "valueString": "Example hospital"},
                    {"url": "role", "valueCodeableConcept": sponsor},
                ],
            },
            {
                "url": f"{LATER}ResearchStudy.outcomeMeasure",
                "extension": [{"url": "name", "valueString": "Disease control at 6 months"}],
            },
            {"url": f"{LATER}ResearchStudy.label", "extension": [{"url": "value", "valueString": "Example"}]},
            {"url": f"{LATER}ResearchStudy.descriptionSummary", "valueMarkdown": "An example."},
        ],
    }

    assert hl7.errors(study, version) == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        *[
            (f"{kind}-r4.json", version)
            for kind in ("aminoacid", "medicationadministration", "researchstudy", "researchsubject")
            for version in (R4, R4B)
        ],
        ("researchstudy-r5.json", R5),
        ("researchsubject-r5.json", R5),
    ],
)
def test_examples_of_the_trial_are_valid(hl7: Validator, name: str, version: str) -> None:
    if not EXAMPLES.is_dir():
        pytest.skip("The examples of the trial lie beside the project, and are not there.")
    example = msgspec.json.decode((EXAMPLES / name).read_bytes())

    assert hl7.errors(example, version) == []


def test_answers_go_to_the_thread_that_asked(hl7: Validator) -> None:
    codes = [f"mg/{letter * 7}" for letter in "abcdefhijkmopqrstuvwxyz"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda code: hl7.errors(measured(code), R4), codes))

    assert all(f"#{code}'" in answer[0] for code, answer in zip(codes, answers, strict=True))


def test_resource_is_left_as_it_was(hl7: Validator) -> None:
    resource = infusion(R4)
    before = copy.deepcopy(resource)
    hl7.issues(resource, R4)

    assert resource == before


def test_unknown_version_is_refused_and_the_next_question_answered(hl7: Validator) -> None:
    with pytest.raises(RuntimeError, match=r"no FHIR version 3\.0\.2"):
        hl7.issues(measured(), "3.0.2")

    assert hl7.errors(measured(), R4) == []


def test_validator_that_has_ended_says_so() -> None:
    with validator() as ended:
        ended._process.kill()
        ended._process.wait()
        with pytest.raises(RuntimeError, match="has ended"):
            ended.issues(measured(), R4)
