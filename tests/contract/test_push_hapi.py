"""In: enrolled subjects, a real HAPI FHIR R4 server that knows their persons. Out: proof that pushes keep both sides in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapter.fhir import FhirVersion, Json
from mappings.entities import EventKind, Extravasation, Subject
from tests.support.enrolled import Enrolment, enrolled
from tests.support.fhir_validator import running_validator
from tests.support.hapi_server import running_hapi
from tests.support.push_hapi import SITE, Listener, Machine, Ward, references_in, valued, ward_of, with_value

pytestmark = pytest.mark.hapi

#: Of four persons: all kinds of infusion, both arms, one who left early.
PERSONS = 4
FOREIGN = {"url": "https://hospital.example/fhir/checked-by", "valueString": "Dr Martin"}
FURTHER = {"system": "https://hospital.example/fhir/file", "value": "F-77"}

MakeWard = Callable[[Enrolment], Ward]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ward, Machine]]:
    """Everything of four persons, pushed once; for tests that change nothing at the hospital."""
    enrolment = enrolled(PERSONS, name="arrive", months=1)
    with ward_of(running_hapi(), enrolment, tmp_path_factory.mktemp("pushed")) as ward:
        machine = ward.machine()
        summary = machine.push()
        assert (summary.exit_code, summary.complete, summary.problem) == (0, True, "")
        yield ward, machine


@pytest.fixture
def make_ward(tmp_path: Path) -> Iterator[MakeWard]:
    """Wards of a test's own."""
    with ExitStack() as wards:
        yield lambda enrolment: wards.enter_context(ward_of(running_hapi(), enrolment, tmp_path))


@pytest.fixture
def one(make_ward: MakeWard) -> Ward:
    """A ward of one person with one sample and the infusions."""
    return make_ward(enrolled(1, name="one", months=0))


# Arriving -----------------------------------------------------------------------------------------------------------


def test_push_brings_study_subjects_labs_and_infusions_whole(pushed: tuple[Ward, Machine]) -> None:
    ward, machine = pushed

    assert ward.entities() == list(ward.enrolment.entities)
    assert machine.states() == {"done": len(ward.enrolment.entities)}


def test_push_writes_one_provenance_for_each_entity(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    held = ward.held()
    records = [one for one in held.values() if one["resourceType"] == "Provenance"]

    told = [target["reference"].partition("/_history")[0] for record in records for target in record["target"]]

    assert Counter(told) == dict.fromkeys((name for name in held if not name.startswith("Provenance/")), 1)
    assert len(records) == len(ward.enrolment.entities)


def test_push_refers_to_the_hospitals_own_patients(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    ids = {patient["identifier"][0]["value"]: f"Patient/{patient['id']}" for patient in ward.enrolment.patients}
    held = ward.held(("Patient", "ResearchSubject", "Observation", "MedicationAdministration", "Procedure"))
    persons = {name: one["meta"]["versionId"] for name, one in held.items() if name.startswith("Patient/")}

    found = [one for resource in held.values() for one in references_in(resource) if one.get("type") == "Patient"]

    assert len(found) == len(held) - len(persons)
    assert all(one["reference"] == ids[one["identifier"]["value"]] for one in found)
    # None was created, and none written.
    assert persons == ward.persons


def test_push_leaves_no_reference_that_leads_nowhere(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    held = ward.held()

    literal = {one["reference"] for resource in held.values() for one in references_in(resource) if "reference" in one}
    outward = {reference.partition("/_history")[0] for reference in literal if not reference.startswith("#")}

    assert outward <= held.keys() | ward.persons.keys()


def test_everything_that_a_push_writes_is_valid_at_the_server(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    held = ward.held()
    # Of the many results one of each analyte and kind, of the Provenances a few.
    sample: dict[object, Json] = {}
    for reference, resource in held.items():
        type_ = resource["resourceType"]
        kind: object = reference
        if type_ == "Observation":
            kind = (resource["code"]["coding"][0]["code"], "valueQuantity" in resource, resource["status"])
        elif type_ == "Provenance":
            kind = (type_, resource["target"][0]["reference"].partition("/")[0])
        sample[kind] = resource

    wrong = [error for resource in sample.values() for error in running_validator().errors(resource, FhirVersion.R4)]

    assert wrong == []
    assert {resource["resourceType"] for resource in sample.values()} == {name.partition("/")[0] for name in held}


@pytest.mark.parametrize("full", [False, True])
def test_second_push_writes_nothing(pushed: tuple[Ward, Machine], full: bool) -> None:
    ward, machine = pushed
    before = ward.versions()

    summary = machine.push(full=full)

    assert (summary.exit_code, summary.types, summary.taken_back) == (0, {}, 0)
    assert ward.versions() == before


def test_push_from_a_new_machine_finds_what_is_there_and_writes_nothing(pushed: tuple[Ward, Machine]) -> None:
    ward, _ = pushed
    before = ward.versions()
    other = ward.machine("other")

    summary = other.push()

    assert (summary.exit_code, summary.types) == (0, {})
    assert summary.unchanged == len(ward.enrolment.entities)
    assert ward.versions() == before
    assert other.states() == {"done": len(ward.enrolment.entities)}


# A change on one side -----------------------------------------------------------------------------------------------


def test_change_here_is_one_new_version_of_what_we_saw(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    before = one.versions()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)

    listener = Listener()
    machine.load(with_value(lab, "14.9"))
    summary = machine.push(via=listener)

    after = one.versions()
    reference = f"Observation/{standing['id']}"
    (record,) = after.keys() - before.keys()
    assert after == {**before, reference: "2", record: "1"} and record.startswith("Provenance/")
    assert (summary.exit_code, summary.types["Observation"].updated) == (0, 1)
    update, recorded = listener.requests
    assert update == {"method": "PUT", "url": reference, "ifMatch": 'W/"1"'}
    assert (recorded["method"], recorded["url"]) == ("POST", "Provenance")
    # Another pusher of the same version at the same moment would find this record.
    assert recorded["ifNoneExist"].startswith("_tag=urn:reluth:tag|")
    assert one.read(reference)["valueQuantity"]["value"] == Decimal("14.9")


def test_change_of_an_infusion_keeps_what_it_did_not_touch(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    before = one.versions()
    infusion = next(infusion for infusion in one.enrolment.infusions if infusion.administered)
    (main, *_) = one.standing(infusion)

    machine.load(msgspec.structs.replace(infusion, administered=Decimal("7001.5")))
    machine.push()

    changed = {name for name, version in one.versions().items() if before.get(name) not in (None, version)}
    assert changed == {f"MedicationAdministration/{main['id']}"}


def test_what_an_infusion_no_longer_tells_is_taken_away(one: Ward) -> None:
    machine = one.machine()
    infusion = next(infusion for infusion in one.enrolment.infusions if infusion.administered)
    machine.load(msgspec.structs.replace(infusion, extravasation=Extravasation(occurred=True)))
    machine.push()
    before = Counter(reference.partition("/")[0] for reference in one.held())

    nothing = Extravasation(occurred=False)
    machine.load(msgspec.structs.replace(infusion, prescribed=None, amino_acids=None, extravasation=nothing))
    summary = machine.push()

    gone = before - Counter(reference.partition("/")[0] for reference in one.held())
    assert gone == {"AdverseEvent": 1, "MedicationAdministration": 1, "MedicationRequest": 1}
    assert (summary.exit_code, machine.states()) == (0, {"done": len(one.enrolment.entities)})


def test_change_at_the_hospital_is_taken_back_and_not_written_over(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    one.put(valued(standing, "9.9"))
    before = one.versions()

    summary = machine.push()

    assert (summary.exit_code, summary.taken_back, summary.types) == (0, 1, {})
    assert machine.current(lab) == with_value(lab, "9.9")
    assert one.versions() == before
    (first, second) = machine.store.entities.versions(SITE, "labs", f"{lab.id.system}|{lab.id.value}")
    assert (first.entity, second.source, second.by) == (lab, f"hospital {SITE}", "hospital")
    assert machine.push().taken_back == 0


def test_status_that_the_hospital_sets_becomes_an_event_of_the_subject(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    subject = one.enrolment.subjects[0]
    (standing,) = one.standing(subject)
    one.put({**standing, "status": "withdrawn"})

    summary = machine.push()

    now = machine.current(subject)
    assert isinstance(now, Subject)
    assert (summary.conflicts, summary.taken_back) == ([], 1)
    assert now.events[:-1] == subject.events and now.events[-1].kind is EventKind.WITHDRAWN
    # It is told the history and the end of the period, which its own change left as they were.
    (standing,) = one.standing(subject)
    assert (standing["status"], standing["period"]["end"]) == ("withdrawn", now.events[-1].on)
    before = one.versions()
    assert machine.push().types == {} and one.versions() == before


def test_change_at_the_hospital_of_what_we_do_not_speak_of_changes_nothing_here(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    one.put(_decorated(standing))
    before = one.versions()

    summary = machine.push()

    assert (summary.exit_code, summary.taken_back, summary.types) == (0, 0, {})
    assert machine.current(lab) == lab
    assert one.versions() == before


def test_what_the_hospital_added_survives_our_update(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    for entity in (one.enrolment.labs[0], one.enrolment.subjects[0], one.enrolment.infusions[0]):
        for resource in one.standing(entity):
            one.put(_decorated(resource))
    lab, subject, infusion = one.enrolment.labs[0], one.enrolment.subjects[0], one.enrolment.infusions[0]

    machine.load(
        with_value(lab, "14.9"),
        msgspec.structs.replace(subject, site="28"),
        msgspec.structs.replace(infusion, prescribed=Decimal(3700), administered=Decimal("3699.5")),
    )
    summary = machine.push()

    assert (summary.exit_code, summary.conflicts) == (0, [])
    assert {type_: writes.updated for type_, writes in summary.types.items()} == {
        "Observation": 1,
        "ResearchSubject": 1,
        "MedicationAdministration": 1,
        "MedicationRequest": 1,
    }
    for entity in (lab, subject, infusion):
        for resource in one.standing(machine.current(entity)):
            assert FOREIGN in resource["extension"], resource["resourceType"]
            assert FURTHER in _listed(resource["identifier"]), resource["resourceType"]
            assert resource["meta"]["tag"] == [{"system": "https://hospital.example/fhir", "code": "seen"}]


# --------------------------------------------------------------------------------------------------------------------


def _decorated(resource: Json) -> Json:
    """With what no mapper of ours writes."""
    extensions = [*resource.get("extension", []), FOREIGN]
    known = resource["identifier"]
    # R4 AdverseEvent has one identifier only.
    identifiers = [*known, FURTHER] if isinstance(known, list) else known
    tagged = {**resource["meta"], "tag": [{"system": "https://hospital.example/fhir", "code": "seen"}]}
    return {**resource, "extension": extensions, "identifier": identifiers, "meta": tagged}


def _listed(identifiers: object) -> list[object]:
    return identifiers if isinstance(identifiers, list) else [identifiers]
