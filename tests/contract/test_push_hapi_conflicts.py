"""In: enrolled subjects, a real HAPI FHIR R4 server. Out: proof that what both sides say, or cannot be told, is left to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.store import OutboxState
from adapter.sync.settling import settle_conflict
from tests.support.enrolled import Enrolment, enrolled
from tests.support.hapi_server import running_hapi
from tests.support.push_hapi import SITE, Listener, Ward, valued, ward_of, with_value

pytestmark = pytest.mark.hapi

MakeWard = Callable[[Enrolment], Ward]


@pytest.fixture
def make_ward(tmp_path: Path) -> Iterator[MakeWard]:
    """Wards of a test's own."""
    with ExitStack() as wards:
        yield lambda enrolment: wards.enter_context(ward_of(running_hapi(), enrolment, tmp_path))


@pytest.fixture
def one(make_ward: MakeWard) -> Ward:
    """A ward of one person with one sample and the infusions."""
    return make_ward(enrolled(1, name="one", months=0))


# A change on both sides ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["ours", "hospital"])
def test_change_on_both_sides_waits_for_a_person(one: Ward, keep: str) -> None:
    machine = one.machine()
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    one.put(valued(standing, "9.9"))
    machine.load(with_value(lab, "14.9"))
    before = one.versions()

    summary = machine.push()

    (conflict,) = machine.store.outbox.conflicts(site=SITE)
    assert (summary.exit_code, [found.reason for found in summary.conflicts]) == (5, ["both-changed"])
    assert conflict.references == (f"Observation/{standing['id']}",)
    assert [(change.path, change.ours, change.theirs) for change in conflict.fields] == [
        ("Observation.valueQuantity.value", "14.9", "9.9")
    ]
    assert one.versions() == before

    settle_conflict(machine.store, conflict.number, keep=keep, by="nurse")
    settled = machine.push()

    kept = {"ours": "14.9", "hospital": "9.9"}[keep]
    assert (settled.exit_code, machine.states()) == (0, {"done": len(one.enrolment.entities)})
    assert one.read(f"Observation/{standing['id']}")["valueQuantity"]["value"] == Decimal(kept)
    assert machine.current(lab) == with_value(lab, kept)
    assert one.read(f"Observation/{standing['id']}")["meta"]["versionId"] == {"ours": "3", "hospital": "2"}[keep]
    after = one.versions()
    assert machine.push().types == {} and one.versions() == after


def test_hospital_that_writes_between_our_look_and_our_update_is_not_written_over(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    machine.load(with_value(lab, "14.9"))

    summary = machine.push(via=Listener(before=lambda: one.put(valued(standing, "9.9"))))

    found = one.read(f"Observation/{standing['id']}")
    assert (found["valueQuantity"]["value"], found["meta"]["versionId"]) == (Decimal("9.9"), "2")
    assert [conflict.reason for conflict in summary.conflicts] == ["both-changed"]


# What is taken away, and who cannot be told -------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["ours", "hospital"])
def test_deletion_at_the_hospital_is_seen_by_a_full_push_and_waits_for_a_person(one: Ward, keep: str) -> None:
    machine = one.machine()
    machine.push()
    # The first look reads all, and is where later ones begin.
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    one.delete(f"Observation/{standing['id']}")

    assert machine.push().exit_code == 0
    summary = machine.push(full=True)

    assert (summary.exit_code, [found.reason for found in summary.conflicts]) == (5, ["deleted"])
    assert one.standing(lab) == []
    (conflict,) = machine.store.outbox.conflicts(site=SITE)
    settle_conflict(machine.store, conflict.number, keep=keep, by="nurse")
    machine.push()
    assert len(one.standing(lab)) == (keep == "ours")
    before = one.versions()
    machine.push(full=True)
    assert one.versions() == before


def test_change_here_of_what_the_hospital_deleted_does_not_bring_it_back(one: Ward) -> None:
    machine = one.machine()
    machine.push()
    machine.push()
    lab = one.enrolment.labs[0]
    (standing,) = one.standing(lab)
    one.delete(f"Observation/{standing['id']}")
    machine.load(with_value(lab, "14.9"))

    summary = machine.push()

    assert [found.reason for found in summary.conflicts] == ["deleted"]
    assert one.standing(lab) == []


def test_person_whom_the_hospital_has_twice_is_held_until_it_has_them_once(one: Ward) -> None:
    twin = f"{one.enrolment.patients[0]['id']}-twin"
    one.put({**one.enrolment.patients[0], "id": twin})
    machine = one.machine()

    summary = machine.push()

    about = len(one.enrolment.entities) - 1
    assert (summary.exit_code, {held.reason for held in summary.held}) == (5, {"patient-ambiguous"})
    assert (len(summary.held), machine.states()) == (about, {"done": 1, OutboxState.HELD: about})
    assert one.counts() == {"ResearchStudy": 1, "Group": 1, "Provenance": 1}

    one.delete(f"Patient/{twin}")
    assert machine.push().exit_code == 0
    assert one.entities() == list(one.enrolment.entities)


def test_person_whom_the_hospital_does_not_know_is_never_created(make_ward: MakeWard) -> None:
    ward = make_ward(enrolled(2, name="two", months=0))
    stranger, known = ward.enrolment.subjects
    ward.delete(f"Patient/{ward.enrolment.patients[0]['id']}")

    summary = ward.machine().push()

    assert {held.reason for held in summary.held} == {"patient-missing"}
    assert [one["id"] for one in ward.held(("Patient",)).values()] == [ward.enrolment.patients[1]["id"]]
    assert (len(ward.standing(stranger)), len(ward.standing(known))) == (0, 1)
