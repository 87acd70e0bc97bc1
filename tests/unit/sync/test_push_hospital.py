"""In: a push, and what the hospital did to our resources meanwhile. Out: proof that neither side loses anything."""

from __future__ import annotations

from decimal import Decimal

import httpx
import msgspec
import pytest

from adapter.errors import UsageError
from adapter.fhir.compare import decode_resource
from adapter.store import OutboxState, Store
from adapter.sync.settling import settle_conflict
from mappings.entities import EventKind, Extravasation, InfusionStatus, LabResult
from tests.support.push_server import Fault, Json, PushServer, answer, lost
from tests.support.push_site import IPP, SITE, Desk, infusion, lab, patient, study, subject

DONE = (OutboxState.DONE, False)


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer) -> Desk:
    made = Desk(store, server)
    made.trials = {"nct04954820": study()}
    return made


@pytest.fixture
def known(desk: Desk) -> str:
    """A result that both sides agree on: its reference at the hospital."""
    desk.load(lab(1))
    desk.push()
    return desk.server.one("Observation").reference


def value(desk: Desk) -> Decimal | None:
    return desk.current(lab(1)).value


def at_hospital(server: PushServer, reference: str) -> object:
    return server.get(reference)["valueQuantity"]["value"]


# --- one side only ------------------------------------------------------------------------------------------------


def test_change_at_the_hospital_becomes_a_version_of_ours(desk: Desk, server: PushServer, known: str) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    written = len(server.log)

    summary = desk.push()

    versions = desk.store.entities.versions(SITE, "labs", desk.entry().key)
    assert [(one.version, one.source, one.by) for one in versions] == [
        (1, "test.csv", "nurse"),
        (2, "hospital icm", "hospital"),
    ]
    assert isinstance(versions[-1].entity, LabResult) and versions[-1].entity.value == 9
    assert (summary.taken_back, summary.exit_code, desk.states()) == (1, 0, {"L1": DONE})
    assert len(server.log) == written

    desk.push(full=True)
    assert len(server.log) == written
    assert desk.entry().version == 2


def test_status_that_the_hospital_set_becomes_an_event_of_the_subject(desk: Desk, server: PushServer) -> None:
    desk.load(study(), subject())
    desk.push()
    server.change(
        server.one("ResearchSubject").reference, lambda body: body.update(status="eligible", meta={"versionId": "1"})
    )

    summary = desk.push()

    assert (summary.taken_back, desk.current(subject()).events[-1].kind) == (1, EventKind.ELIGIBLE)
    assert set(desk.states().values()) == {DONE}


def test_change_of_a_companion_at_the_hospital_is_taken_back(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    request = server.one("MedicationRequest").reference
    server.change(
        request,
        lambda body: body["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"].update(value=Decimal(3700)),
    )

    summary = desk.push()

    assert (summary.taken_back, summary.exit_code, desk.current(infusion()).prescribed) == (1, 0, Decimal(3700))
    assert [one.version for one in server.all("MedicationRequest")] == [2]


def test_content_that_only_the_hospital_writes_survives_our_update(desk: Desk, server: PushServer, known: str) -> None:
    foreign = {"url": "https://hospital.example/ward", "valueString": "B2"}

    def change(body: Json) -> None:
        body["extension"] = [foreign]
        body["identifier"].insert(0, {"system": "urn:oid:9", "value": "X"})
        body["note"] = [{"text": "seen"}]
        body["subject"]["display"] = "Dupont"
        body["valueQuantity"]["extension"] = [foreign]
        body["category"].append({"text": "hématologie"})
        body["_effectiveDateTime"] = {"extension": [foreign]}

    expected = server.change(known, change)
    summary = desk.push()

    assert (summary.conflicts, summary.taken_back, server.get(known)) == ([], 0, expected)
    assert server.one("Observation").version == 2

    desk.load(lab(1, "9.5"))
    desk.push()
    expected["valueQuantity"]["value"] = Decimal("9.5")
    assert server.get(known) == expected
    assert server.one("Observation").version == 3


def test_change_within_our_elements_that_ours_has_no_place_for_is_left_to_a_person(
    desk: Desk, server: PushServer, known: str
) -> None:
    other = server.put(patient("P9"))
    server.change(known, lambda body: body["subject"].update(reference=other))

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["both-changed"]
    assert [one.path for one in desk.conflict().fields] == ["Observation.subject.reference"]
    assert server.get(known)["subject"]["reference"] == other
    with pytest.raises(UsageError, match="has no place in ours"):
        settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")


@pytest.mark.parametrize("field", ["identifier", "subject"])
def test_resource_that_became_another_things_is_left_to_a_person(
    desk: Desk, server: PushServer, known: str, field: str
) -> None:
    def change(body: Json) -> None:
        if field == "identifier":
            body["identifier"][0]["value"] = "L77"
        else:
            body["subject"]["identifier"]["value"] = "P77"

    server.change(known, change)

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["other-content"]
    assert list(desk.entries()) == ["L1"]
    assert server.one("Observation").version == 2


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_deletion_at_the_hospital_is_seen_by_a_full_look(desk: Desk, server: PushServer, known: str) -> None:
    desk.push()
    server.delete(known)

    assert desk.push().conflicts == []

    summary = desk.push(full=True)
    assert [one.reason for one in summary.conflicts] == ["deleted"]
    assert (desk.conflict().references, server.all("Observation")) == ((), [])


def test_deletion_at_the_hospital_is_seen_by_the_next_update_and_not_undone(
    desk: Desk, server: PushServer, known: str
) -> None:
    desk.push()
    server.delete(known)
    desk.load(lab(1, "9.0"))

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["deleted"]
    assert (server.all("Observation"), desk.states()) == ([], {"L1": (OutboxState.CONFLICT, False)})


def test_deletion_settled_for_ours_creates_it_again(desk: Desk, server: PushServer, known: str) -> None:
    server.delete(known)
    desk.push(full=True)

    settle_conflict(desk.store, desk.conflict().number, keep="ours", by="investigator")
    summary = desk.push()

    assert (summary.exit_code, desk.states(), len(server.all("Observation"))) == (0, {"L1": DONE}, 1)


def test_deletion_settled_for_the_hospital_stays_until_the_entity_changes(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.delete(known)
    desk.push(full=True)

    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    desk.push(full=True)
    desk.store.outbox.renew(SITE, mapping="another")
    desk.push()

    assert (server.all("Observation"), desk.entry().reason) == ([], "deleted-at-hospital")

    desk.load(lab(1, "9.0"))
    desk.push()
    assert (len(server.all("Observation")), desk.states()) == (1, {"L1": DONE})


# --- both sides -------------------------------------------------------------------------------------------------------


def test_change_on_both_sides_is_a_conflict_with_both_readable_and_nothing_overwritten(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    written = len(server.log)

    summary = desk.push()

    conflict = desk.conflict()
    assert [(one.key, one.reason, one.detail) for one in summary.conflicts] == [
        (desk.entry().key, "both-changed", known)
    ]
    assert (conflict.cause, conflict.references, conflict.version) == ("both-changed", (known,), 2)
    assert [(one.path, one.ours, one.theirs) for one in conflict.fields] == [
        ("Observation.valueQuantity.value", "11.0", "9")
    ]
    assert [one["valueQuantity"]["value"] for one in msgspec.json.decode(conflict.theirs)] == [9]
    assert (len(server.log), at_hospital(server, known), value(desk)) == (written, 9, Decimal("11.0"))
    assert (desk.states(), summary.exit_code) == ({"L1": (OutboxState.CONFLICT, False)}, 5)


def test_same_change_on_both_sides_is_no_conflict(desk: Desk, server: PushServer, known: str) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=Decimal("11.00")))
    desk.load(lab(1, "11.0"))

    summary = desk.push()

    assert (summary.conflicts, summary.unchanged, desk.states()) == ([], 1, {"L1": DONE})
    assert server.one("Observation").version == 2


def test_conflict_that_the_hospital_takes_back_is_none_any_more(desk: Desk, server: PushServer, known: str) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()
    server.change(known, lambda body: body["valueQuantity"].update(value=11))

    summary = desk.push()

    assert (summary.exit_code, desk.states(), desk.store.outbox.conflicts(site=SITE)) == (0, {"L1": DONE}, [])


def test_conflict_stays_open_through_a_later_load_and_takes_its_version(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()
    number = desk.conflict().number
    desk.load(lab(1, "10.5"))

    with pytest.raises(UsageError, match="push again"):
        settle_conflict(desk.store, number, keep="ours", by="investigator")
    desk.push()

    assert (desk.conflict().number, desk.conflict().version, at_hospital(server, known)) == (number, 3, 9)


def test_settled_for_ours_the_next_push_writes_it_over_the_version_that_was_seen(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()

    settle_conflict(desk.store, desk.conflict().number, keep="ours", by="investigator")
    summary = desk.push()

    assert (summary.exit_code, at_hospital(server, known), desk.states()) == (0, 11, {"L1": DONE})
    assert server.transacted[-1][0]["request"]["ifMatch"] == 'W/"2"'
    assert [one.kept for one in desk.store.outbox.conflicts(closed=True)] == ["ours"]


def test_settled_for_the_hospital_its_content_becomes_ours_and_nothing_is_written(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()
    written = len(server.log)

    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    summary = desk.push()

    assert (summary.exit_code, value(desk), len(server.log), desk.states()) == (0, Decimal(9), written, {"L1": DONE})
    assert desk.store.entities.versions(SITE, "labs", desk.entry().key)[-1].by == "investigator"


def test_settled_for_ours_while_the_hospital_changed_once_more_is_a_new_conflict(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()
    number = desk.conflict().number
    settle_conflict(desk.store, number, keep="ours", by="investigator")
    server.change(known, lambda body: body["valueQuantity"].update(value=8))

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["both-changed"]
    assert (desk.conflict().number != number, at_hospital(server, known)) == (True, 8)


def test_settled_for_the_hospital_while_it_changed_once_more_follows_it(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "11.0"))
    desk.push()
    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    server.change(known, lambda body: body["valueQuantity"].update(value=8))

    summary = desk.push()

    assert (summary.exit_code, value(desk), at_hospital(server, known)) == (0, Decimal(8), 8)


def test_hospital_that_changes_twice_while_the_push_fails_is_followed_without_a_conflict(
    desk: Desk, server: PushServer, known: str
) -> None:
    # Taken back, and the tag alone differs: the push dies before it is told to be done.
    server.change(known, lambda body: body["valueQuantity"].update(value=9))
    desk.push_and_die()
    server.change(known, lambda body: body["valueQuantity"].update(value=8))

    summary = desk.push()

    assert (summary.exit_code, value(desk), at_hospital(server, known)) == (0, Decimal(8), 8)


def test_hospital_that_takes_our_identifier_off_is_seen_and_can_be_settled(
    desk: Desk, server: PushServer, known: str
) -> None:
    server.change(known, lambda body: body.pop("identifier"))

    desk.push()
    conflict = desk.conflict()
    settle_conflict(desk.store, conflict.number, keep="ours", by="investigator")
    summary = desk.push()

    assert (conflict.cause, summary.exit_code, desk.states()) == ("unreadable", 0, {"L1": DONE})
    assert server.one("Observation").body["identifier"][0]["value"] == "L1"  # type: ignore[index]


def test_unreadable_content_is_a_conflict_that_only_ours_settles(desk: Desk, server: PushServer, known: str) -> None:
    server.change(known, lambda body: body["valueQuantity"].pop("code"))

    desk.push()
    number = desk.conflict().number

    assert desk.conflict().cause == "unreadable"
    with pytest.raises(UsageError, match=r"cannot be read \(valueQuantity.code"):
        settle_conflict(desk.store, number, keep="hospital", by="investigator")
    settle_conflict(desk.store, number, keep="ours", by="investigator")
    assert desk.push().exit_code == 0
    assert server.get(known)["valueQuantity"]["code"] == "g/dL"


def test_foreign_resource_under_our_identifier_is_not_overwritten(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1, "12.1"))
    theirs = server.put(
        {
            "resourceType": "Observation",
            "identifier": [{"system": lab(1).id.system, "value": "L1"}],
            "status": "final",
            "category": [
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
                    ]
                }
            ],
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
            "subject": {"identifier": {"system": IPP, "value": "P1"}},
            "effectiveDateTime": "2025-05-20",
            "valueString": "refait",
        }
    )

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["other-content"]
    assert (server.transacted, server.get(theirs)["valueString"]) == ([], "refait")

    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="investigator")
    desk.push()
    assert (desk.current(lab(1)).text, desk.states()) == ("refait", {"L1": DONE})
    assert len(server.all("Observation")) == 1


# --- what an infusion no longer tells --------------------------------------------------------------------------------


def test_companion_that_the_infusion_no_longer_tells_is_deleted_with_its_version(
    desk: Desk, server: PushServer
) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(prescribed=None))

    summary = desk.push()

    assert (summary.exit_code, server.all("MedicationRequest"), desk.states()) == (0, [], {"I1": DONE})
    assert summary.types["MedicationRequest"].deleted == 1
    deletes = [one["request"] for one in server.transacted[-1] if one["request"]["method"] == "DELETE"]
    assert [one["ifMatch"] for one in deletes] == ['W/"1"']
    assert desk.push(full=True).exit_code == 0


def methods(server: PushServer) -> list[list[str]]:
    """Of each transaction, what was asked for."""
    return [[one["request"]["method"] for one in entries] for entries in server.transacted]


def test_companion_is_taken_away_once_nothing_of_ours_refers_to_it(desk: Desk, server: PushServer) -> None:
    desk.load(infusion(extravasation=Extravasation(occurred=True)))
    desk.push()
    desk.load(infusion(prescribed=None, extravasation=Extravasation(occurred=False)))
    shown = [
        [one["request"]["method"] for one in decode_resource(bundle)["entry"]] for bundle in desk.preview().bundles
    ]

    summary = desk.push()

    assert methods(server)[1:] == shown == [["PUT", "POST"], ["DELETE", "DELETE", "POST"]]
    main = next(one["resource"]["id"] for one in server.transacted[1] if one["request"]["method"] == "PUT")
    told = [one.body["target"] for one in server.all("Provenance") if one.body][-1]
    assert told == [{"reference": f"MedicationAdministration/{main}"}]
    assert (summary.exit_code, server.all("AdverseEvent"), desk.states()) == (0, [], {"I1": DONE})


def keeps(server: PushServer, entries: list[Json]) -> httpx.Response:
    """As a server that deletes nothing that anything refers to, the Provenance of its creation too."""
    if any(one["request"]["method"] == "DELETE" for one in entries):
        return answer(409)(server, entries)
    return server.carry_out(entries)


def test_companion_that_the_server_keeps_is_named_and_holds_no_correction_back(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(prescribed=None, administered=Decimal(7001), status=InfusionStatus.ENTERED_IN_ERROR))
    server.faults.extend([keeps] * 5)

    summary = desk.push()

    statuses = {one.body["status"] for one in server.all("MedicationAdministration") if one.body}
    assert (statuses, len(server.all("MedicationRequest"))) == ({"entered-in-error"}, 1)
    assert [(one.reason, one.detail) for one in summary.refused] == [("server", "409, error/exception")]
    assert (summary.exit_code, desk.states()) == (5, {"I1": (OutboxState.REFUSED, False)})
    transacted = len(server.transacted)
    desk.push()
    assert len(server.transacted) == transacted

    server.faults.clear()
    server.delete(server.one("MedicationRequest").reference)
    desk.push(full=True)
    assert desk.states() == {"I1": DONE}


def test_hospital_that_changes_an_infusion_after_a_companion_was_kept_is_left_to_a_person(
    desk: Desk, server: PushServer
) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(prescribed=None))
    server.faults.extend([keeps] * 5)
    desk.push()
    main = next(one for one in server.all("MedicationAdministration") if one.body and "dosage" in one.body)
    server.change(main.reference, lambda body: body["dosage"]["dose"].update(value=Decimal(7000)))

    assert [one.reason for one in desk.push().conflicts] == ["both-changed"]
    assert server.history(main.reference)[-1].by == "hospital"


@pytest.mark.parametrize("fault", [lost(), answer(503), answer(500)], ids=["lost", "503", "500"])
def test_companion_whose_deletion_was_not_heard_of_is_gone_in_the_end(
    desk: Desk, server: PushServer, fault: Fault
) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(prescribed=None))
    server.faults.extend([lambda there, entries: there.carry_out(entries), fault])

    assert (desk.push().exit_code, server.all("MedicationRequest"), desk.states()) == (0, [], {"I1": DONE})
    assert not server.doubles()


def test_companion_that_the_hospital_changed_is_not_deleted(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    server.change(server.one("MedicationRequest").reference, lambda body: body.update(status="active", priority="stat"))
    server.change(
        server.one("MedicationRequest").reference,
        lambda body: body["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"].update(value=Decimal(3700)),
    )
    desk.load(infusion(prescribed=None))

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["both-changed"]
    assert len(server.all("MedicationRequest")) == 1


def test_companion_that_both_sides_took_away_is_gone(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    server.delete(server.one("MedicationRequest").reference)
    desk.load(infusion(prescribed=None))

    summary = desk.push(full=True)

    assert (summary.exit_code, summary.conflicts, desk.states()) == (0, [], {"I1": DONE})


def test_main_resource_deleted_alone_is_a_conflict_that_ours_mends(desk: Desk, server: PushServer) -> None:
    desk.load(infusion())
    desk.push()
    main = next(
        one for one in server.all("MedicationAdministration") if one.body and one.body["identifier"][0]["value"] == "I1"
    )
    server.delete(main.reference)
    desk.push(full=True)
    assert desk.conflict().cause == "deleted"

    settle_conflict(desk.store, desk.conflict().number, keep="ours", by="investigator")
    summary = desk.push()

    assert (summary.exit_code, desk.states(), server.doubles()) == (0, {"I1": DONE}, [])
    assert desk.current(infusion()).status is InfusionStatus.COMPLETED


def test_hospital_change_under_an_answer_that_was_lost_is_not_overwritten(
    desk: Desk, server: PushServer, known: str
) -> None:
    desk.load(lab(1, "11.0"))
    server.faults.append(lost())
    desk.push_and_die()
    server.change(known, lambda body: body["valueQuantity"].update(value=9))

    summary = desk.push()

    assert at_hospital(server, known) == 9
    assert [one.reason for one in summary.conflicts] == ["both-changed"]
