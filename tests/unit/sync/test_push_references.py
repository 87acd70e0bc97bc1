"""In: entities of people whom the hospital knows, knows twice, or does not know. Out: proof that each is held until it does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from adapter.store import OutboxState, Store
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier, LabResult
from tests.support.push_server import PushServer
from tests.support.push_site import Desk, infusion, lab, patient, study, subject

DONE = (OutboxState.DONE, False)


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer) -> Desk:
    server.put(patient("P0"))
    return Desk(store, server)


def _missing(server: PushServer) -> Callable[[], object]:
    return lambda: server.put(patient("P1"))


def _ambiguous(server: PushServer) -> Callable[[], object]:
    server.put(patient("P1"))
    second = server.put(patient("P1"))
    return lambda: server.delete(second)


def _merged(server: PushServer) -> Callable[[], object]:
    survivor = server.put(patient("P2"))
    server.put(patient("P1", link=[{"type": "replaced-by", "other": {"reference": survivor}}]))
    return lambda: server.change(survivor, lambda body: body["identifier"].append(patient("P1")["identifier"][0]))


@pytest.mark.parametrize(
    ("make", "reason"),
    [(_missing, "patient-missing"), (_ambiguous, "patient-ambiguous"), (_merged, "patient-merged")],
)
def test_entity_of_an_uncertain_person_is_held_and_sent_once_the_hospital_mended_it(
    desk: Desk, server: PushServer, make: Callable[[PushServer], Callable[[], object]], reason: str
) -> None:
    mend = make(server)
    desk.load(lab(1), lab(2, patient="P0"), infusion())

    summary = desk.push()

    assert {(one.key.rpartition("|")[2], one.reason) for one in summary.held} == {("L1", reason), ("I1", reason)}
    assert desk.states() == {"L1": (OutboxState.HELD, False), "I1": (OutboxState.HELD, False), "L2": DONE}
    assert (summary.exit_code, desk.entries()["L1"].reason) == (5, reason)
    assert len(server.all("Observation")) == 1

    mend()
    assert desk.push().exit_code == 0
    assert set(desk.states().values()) == {DONE}


@pytest.mark.parametrize("versioned", [True, False])
def test_change_at_the_hospital_that_was_seen_while_its_person_was_uncertain_is_not_forgotten(
    desk: Desk, server: PushServer, versioned: bool
) -> None:
    server.versioned = versioned
    standing = server.put(patient("P1"))
    desk.load(lab(1))
    desk.push()
    result = server.one("Observation").reference
    server.change(result, lambda body: body["valueQuantity"].update(value=9))
    server.change(
        standing, lambda body: body.update(link=[{"type": "replaced-by", "other": {"reference": "Patient/9"}}])
    )
    server.pass_time(3600)
    assert [one.reason for one in desk.push().held] == ["patient-merged"]

    server.change(standing, lambda body: body.pop("link"))
    summary = desk.push()

    assert (summary.taken_back, desk.current(lab(1)).value, desk.states()) == (1, Decimal(9), {"L1": DONE})
    assert server.get(result)["valueQuantity"]["value"] == 9


def test_deletion_that_was_seen_while_its_person_was_uncertain_is_not_forgotten(desk: Desk, server: PushServer) -> None:
    standing = server.put(patient("P1"))
    desk.load(lab(1))
    desk.push()
    server.delete(server.one("Observation").reference)
    server.change(
        standing, lambda body: body.update(link=[{"type": "replaced-by", "other": {"reference": "Patient/9"}}])
    )
    desk.push(full=True)

    server.change(standing, lambda body: body.pop("link"))
    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["deleted"]


def test_reference_is_literal_to_the_surviving_person_and_keeps_the_number(desk: Desk, server: PushServer) -> None:
    mend = _merged(server)
    mend()
    desk.load(lab(1))

    desk.push()

    survivor = next(one.reference for one in server.all("Patient") if len((one.body or {})["identifier"]) == 2)
    told = server.one("Observation").body or {}
    assert told["subject"]["reference"] == survivor
    assert told["subject"]["identifier"]["value"] == "P1"


def test_no_person_is_ever_created(desk: Desk, server: PushServer) -> None:
    desk.load(study(), subject(), lab(1), infusion())
    desk.push()
    server.put(patient("P1"))
    desk.push()

    written = [entry["request"] for entries in server.transacted for entry in entries]
    assert written
    assert not [one for one in written if one["url"].startswith("Patient")]
    assert {one.by for one in server.log if one.type == "Patient"} == {"hospital"}


def test_person_known_by_the_servers_own_id_is_read_by_it(desk: Desk, server: PushServer) -> None:
    there = server.one("Patient").reference
    known = Identifier(system=REFERENCE_SYSTEM, value=there)
    unknown = Identifier(system=REFERENCE_SYSTEM, value="Patient/none")
    desk.load(of(1, known), of(2, unknown))

    summary = desk.push()

    assert [(one.key.rpartition("|")[2], one.reason) for one in summary.held] == [("L2", "patient-missing")]
    assert (server.one("Observation").body or {})["subject"]["reference"] == there


def of(number: int, person: Identifier) -> LabResult:
    return msgspec.structs.replace(lab(number), patient=person)


def test_subject_of_a_study_that_is_not_there_waits_for_it(desk: Desk, server: PushServer) -> None:
    server.put(patient("P1"))
    desk.trials = {"nct04954820": study()}
    desk.load(subject())

    assert [one.reason for one in desk.push().held] == ["researchstudy-missing"]

    desk.load(study())
    assert desk.push().exit_code == 0
    assert (server.one("ResearchSubject").body or {})["study"]["reference"] == server.one("ResearchStudy").reference


def test_link_between_resources_of_an_infusion_is_literal_after_creation_and_after_an_update(
    desk: Desk, server: PushServer
) -> None:
    server.put(patient("P1"))
    desk.load(infusion(prescribed=None))
    desk.push()
    desk.load(infusion())
    desk.push()

    main = next(
        one.body
        for one in server.all("MedicationAdministration")
        if one.body and one.body["identifier"][0]["value"] == "I1"
    )
    assert main["partOf"] == [{"reference": server.one("Procedure").reference}]
    assert main["request"] == {"reference": server.one("MedicationRequest").reference}
    written = len(server.log)
    assert desk.push(full=True).exit_code == 0
    assert len(server.log) == written
