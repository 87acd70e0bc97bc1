"""In: enrolled subjects, a real HAPI FHIR R5 server that knows their persons. Out: proof that the R5 mappers' resources go there and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from adapter.fhir import FhirVersion, Json
from mappings.entities import EventKind, SubjectEvent
from tests.support.enrolled import enrolled
from tests.support.fhir_validator import running_validator
from tests.support.hapi_server import running_hapi
from tests.support.push_hapi import Machine, Ward, references_in, ward_of

pytestmark = pytest.mark.hapi

#: Of four persons: all kinds of infusion, both arms, one who left early.
PERSONS = 4


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ward, Machine]]:
    """Everything of four persons, pushed once; for tests that change nothing at the hospital."""
    folder = tmp_path_factory.mktemp("pushed")
    enrolment = enrolled(PERSONS, name="arrive", months=0)
    with ward_of(running_hapi("r5"), enrolment, folder, version=FhirVersion.R5) as ward:
        machine = ward.machine()
        summary = machine.push()
        assert (summary.exit_code, summary.complete, summary.problem) == (0, True, "")
        yield ward, machine


@pytest.fixture
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """A ward of one person with one sample and the infusions."""
    folder = tmp_path_factory.mktemp("one")
    with ward_of(running_hapi("r5"), enrolled(1, name="one", months=0), folder, version=FhirVersion.R5) as ward:
        yield ward


def test_push_to_r5_reads_back_as_the_entities(pushed: tuple[Ward, Machine]) -> None:
    ward, machine = pushed

    assert ward.entities() == list(ward.enrolment.entities)
    assert ward.counts() == ward.expected() + Counter(Provenance=len(ward.enrolment.entities))
    assert machine.states() == {"done": len(ward.enrolment.entities)}


def test_push_to_r5_refers_to_the_hospitals_own_patients(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    ids = {patient["identifier"][0]["value"]: f"Patient/{patient['id']}" for patient in ward.enrolment.patients}

    held = ward.held()
    found = [one for resource in held.values() for one in references_in(resource) if one.get("type") == "Patient"]

    about_persons = {name for name in held if name.partition("/")[0] not in ("ResearchStudy", "Group", "Provenance")}
    assert len(found) >= len(about_persons)
    assert all(one["reference"] == ids[one["identifier"]["value"]] for one in found)


def test_everything_that_a_push_writes_to_r5_is_valid_at_the_server(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    # One of each type, and of the results one of each analyte.
    sample = {
        (one["resourceType"], str(one["code"]["coding"][0]) if one["resourceType"] == "Observation" else ""): one
        for one in ward.held().values()
    }

    wrong = [error for resource in sample.values() for error in running_validator().errors(resource, FhirVersion.R5)]

    assert wrong == []


@pytest.mark.parametrize("full", [False, True])
def test_second_push_to_r5_writes_nothing(pushed: tuple[Ward, Machine], full: bool) -> None:
    ward, machine = pushed
    before = ward.versions()

    summary = machine.push(full=full)

    assert (summary.exit_code, summary.types, summary.taken_back) == (0, {}, 0)
    assert ward.versions() == before


def test_change_of_a_subject_here_is_one_new_version_at_r5(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    before = one.versions()
    subject = one.enrolment.subjects[0]
    (standing,) = one.standing(subject)
    ended = SubjectEvent(kind=EventKind.ENDED, on="2025-11-03", reason="other")

    machine.load(msgspec.structs.replace(subject, events=(*subject.events, ended)))
    summary = machine.push()

    changed = {name for name, version in one.versions().items() if before.get(name) not in (None, version)}
    assert (summary.exit_code, changed) == (0, {f"ResearchSubject/{standing['id']}"})
    assert len(one.versions()) == len(before) + 1


def test_withdrawal_that_an_r5_hospital_enters_is_taken_back(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    subject = one.enrolment.subjects[0]
    withdrawn = msgspec.structs.replace(
        subject, events=(*subject.events, SubjectEvent(kind=EventKind.WITHDRAWN, on="2025-11-03"))
    )
    (standing,) = one.standing(subject)
    one.put({**standing, "progress": [*standing["progress"], _state("withdrawn", "2025-11-03")]})

    summary = machine.push()

    assert (summary.conflicts, summary.taken_back) == ([], 1)
    assert machine.current(subject) == withdrawn


def _state(code: str, on: str) -> Json:
    """An entry of `progress` as a hospital writes it."""
    types, states = (f"http://terminology.hl7.org/CodeSystem/research-subject-state{end}" for end in ("-type", ""))
    return {
        "type": {"coding": [{"system": types, "code": "Enrollment"}]},
        "subjectState": {"coding": [{"system": states, "code": code}]},
        "startDate": on,
    }
