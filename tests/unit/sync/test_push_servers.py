"""In: a push, and servers that lack something or do more than they should. Out: proof that nothing is doubled, lost or overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.store import OutboxState, Store
from adapter.sync.settling import settle_conflict
from mappings import subject as mapper
from mappings.entities import EventKind, Extravasation, Subject, SubjectEvent
from tests.support.push_server import Json, PushServer
from tests.support.push_site import SITE, Desk, infusion, lab, patient, study, subject

DONE = (OutboxState.DONE, False)
PENDING = (OutboxState.PENDING, False)


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer) -> Desk:
    made = Desk(store, server)
    made.trials = {"nct04954820": study()}
    return made


@pytest.fixture
def rival(tmp_path: Path, server: PushServer) -> Desk:
    """A second machine with a store of its own."""
    return Desk(Store.open(tmp_path / "rival"), server)


@pytest.fixture(autouse=True)
def _closing(rival: Desk) -> Iterator[None]:
    yield
    rival.store.close()


def all_kinds(desk: Desk) -> None:
    desk.load(study(), subject(), lab(1), lab(2), infusion())


# --- identifiers and conditions ---------------------------------------------------------------------------------------


def test_server_that_ignores_if_none_exist_gets_each_resource_once(desk: Desk, server: PushServer) -> None:
    server.ignores_if_none_exist = True
    all_kinds(desk)

    desk.push()
    desk.push(full=True)

    assert (server.doubles(), set(desk.states().values())) == ([], {DONE})


@pytest.mark.parametrize("newest_first", [False, True])
def test_race_at_a_server_that_ignores_if_none_exist_is_reported_by_the_later_one(
    desk: Desk, rival: Desk, server: PushServer, newest_first: bool
) -> None:
    server.ignores_if_none_exist = True
    server.newest_first = newest_first
    desk.load(lab(1), lab(2))
    rival.load(lab(1))
    server.before.append(rival.push)

    summary = desk.push()

    first, second = (one.reference for one in server.all("Observation") if _value(one.body) == "L1")
    assert [(one.key.rpartition("|")[2], one.reason, one.detail) for one in summary.conflicts] == [
        ("L1", "duplicate", f"{first}, {second}")
    ]
    assert desk.states() == {"L1": (OutboxState.CONFLICT, False), "L2": DONE}
    assert desk.conflict().references == (first, second)


def test_race_at_a_server_that_ignores_if_none_exist_is_seen_by_the_earlier_one_at_its_next_push(
    desk: Desk, rival: Desk, server: PushServer
) -> None:
    server.ignores_if_none_exist = True
    desk.load(lab(1))
    rival.load(lab(1))
    server.before.append(rival.push)
    desk.push()

    summary = rival.push()

    assert [one.reason for one in summary.conflicts] == ["duplicate"]


def test_duplicate_made_later_by_somebody_else_is_seen(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    desk.push()
    desk.push()
    ours = server.one("Observation")
    server.pass_time(3600)
    server.put({key: value for key, value in server.get(ours.reference).items() if key != "id"})

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["duplicate"]
    assert len(desk.conflict().references) == 2


@pytest.mark.parametrize("gone", [0, 1])
def test_duplicate_stays_a_conflict_until_one_is_gone(desk: Desk, server: PushServer, gone: int) -> None:
    desk.load(lab(1))
    desk.push()
    copy = {key: value for key, value in server.get(server.one("Observation").reference).items() if key != "id"}
    server.put(copy)
    desk.push(full=True)
    number = desk.conflict().number

    assert [one.reason for one in desk.push().conflicts] == ["duplicate"]
    assert desk.conflict().number == number

    server.delete(server.all("Observation")[gone].reference)
    summary = desk.push()

    assert (summary.exit_code, desk.states()) == (0, {"L1": DONE})
    assert desk.store.outbox.conflicts(site=SITE) == []
    ((known,),) = desk.store.outbox.counterparts(SITE).values()
    assert known.reference == server.one("Observation").reference


def test_conditional_create_that_meets_somebody_elses_leaves_it_and_adopts_it(
    desk: Desk, rival: Desk, server: PushServer
) -> None:
    desk.load(lab(1))
    rival.load(lab(1))
    server.before.append(rival.push)

    summary = desk.push()

    assert (summary.exit_code, len(server.all("Observation")), desk.states()) == (0, 1, {"L1": DONE})
    assert server.one("Observation").version == 1


def test_conditional_create_that_meets_another_content_is_a_conflict(
    desk: Desk, rival: Desk, server: PushServer
) -> None:
    desk.load(lab(1, "12.1"))
    rival.load(lab(1, "9.9"))
    server.before.append(rival.push)

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["other-content"]
    assert str(server.one("Observation").body["valueQuantity"]["value"]) == "9.9"  # type: ignore[index]


@pytest.mark.parametrize("type_", ["MedicationAdministration", "Procedure", "AdverseEvent", "Provenance"])
def test_transaction_that_another_machine_carries_out_between_two_searches_is_no_conflict(
    desk: Desk, rival: Desk, server: PushServer, type_: str
) -> None:
    """What was looked for first is not there yet, what was looked for then is: no hospital wrote such an infusion."""
    told = infusion(extravasation=Extravasation(occurred=True))
    desk.load(told)
    rival.load(told)
    server.has_tags = True
    server.meanwhile[type_] = rival.push

    summary = desk.push()

    assert (summary.exit_code, summary.conflicts) == (0, [])
    assert desk.entry().state is OutboxState.DONE
    assert server.doubles() == []
    assert set(server.versions().values()) == {1}


def test_server_that_ignores_if_match_is_not_overwritten_with_what_was_changed_before_the_push(
    desk: Desk, server: PushServer
) -> None:
    server.ignores_if_match = True
    desk.load(lab(1), lab(2))
    desk.push()
    first, second = (one.reference for one in server.all("Observation"))
    server.change(first, lambda body: body["valueQuantity"].update(value=9))
    server.change(second, lambda body: body["valueQuantity"].update(value=8))
    desk.load(lab(1, "11.0"))

    summary = desk.push()

    assert [one.reason for one in summary.conflicts] == ["both-changed"]
    assert [server.get(one)["valueQuantity"]["value"] for one in (first, second)] == [9, 8]
    assert desk.current(lab(2)).value == 8

    # Nor by a later load: the conflict stands until a person settled it.
    server.pass_time(3600)
    desk.push()
    server.pass_time(3600)
    desk.load(lab(1, "10.0"))
    desk.push()
    assert server.get(first)["valueQuantity"]["value"] == 9
    assert desk.conflict().cause == "both-changed"


# --- searches ---------------------------------------------------------------------------------------------------------


def test_server_without_last_updated_is_kept_in_step(desk: Desk, server: PushServer) -> None:
    server.has_last_updated = False
    desk.load(lab(1), lab(2))
    desk.push()
    written = len(server.log)
    server.change(server.all("Observation")[0].reference, lambda body: body["valueQuantity"].update(value=9))
    server.delete(server.all("Observation")[1].reference)

    summary = desk.push()

    assert (summary.taken_back, [one.reason for one in summary.conflicts]) == (1, ["deleted"])
    assert desk.current(lab(1)).value == 9
    assert len(server.log) == written + 2


@pytest.mark.parametrize("status", [404, 405, 501])
def test_server_without_search_by_post_is_refused_and_told_no_patients_number(
    desk: Desk, server: PushServer, status: int
) -> None:
    server.post_search = status
    desk.load(lab(1))

    summary = desk.push()

    assert (summary.exit_code, desk.states(), server.transacted) == (4, {"L1": PENDING}, [])
    assert "POST https://fhir.hospital.example/r4/Patient/_search" in summary.problem
    assert not [request for request in server.requests if "P1" in request or "L1" in request]


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("loaded_before", [False, True])
def test_server_without_transactions_is_refused_and_all_wait(
    desk: Desk, server: PushServer, status: int, loaded_before: bool
) -> None:
    if loaded_before:
        desk.load(lab(1), lab(2))
        desk.push()
    server.transactions = status
    desk.load(lab(1, "11.0"), lab(2, "11.0"), lab(3))

    summary = desk.push()

    assert (summary.exit_code in (4, 5), set(desk.states().values()) - {DONE}) == (True, {PENDING})
    assert status == 404 or "has to take transaction Bundles" in summary.problem

    server.transactions = None
    assert desk.push().exit_code == 0
    assert (set(desk.states().values()), server.doubles()) == ({DONE}, [])


@pytest.mark.parametrize("lag", [1.5, 20.0])
def test_resource_that_search_finds_later_is_not_created_twice(desk: Desk, server: PushServer, lag: float) -> None:
    server.index_lag = lag
    desk.trials = {}
    desk.load(lab(1), lab(2), infusion())

    desk.push()
    desk.push(full=True)
    server.pass_time(60)
    summary = desk.push(full=True)

    assert (server.doubles(), summary.exit_code, set(desk.states().values())) == ([], 0, {DONE})


def test_race_that_search_shows_later_is_reported_at_the_next_push(desk: Desk, rival: Desk, server: PushServer) -> None:
    server.index_lag = 20.0
    desk.load(lab(1))
    rival.load(lab(1))
    server.before.append(rival.push)
    desk.push()
    server.pass_time(60)

    assert len(server.doubles()) == 1
    assert [one.reason for one in desk.push().conflicts] == ["duplicate"]
    assert [one.reason for one in rival.push().conflicts] == ["duplicate"]


def test_many_resources_come_back_in_pages(desk: Desk, server: PushServer) -> None:
    server.page = 7
    desk.load(*(lab(at) for at in range(120)))
    desk.push()
    written = len(server.log)

    summary = desk.push(full=True)

    assert (summary.exit_code, len(server.log), len(server.all("Observation"))) == (0, written, 120)


# --- answers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("versioned", [True, False])
def test_entries_without_location_and_etag_are_read_back(desk: Desk, server: PushServer, versioned: bool) -> None:
    server.tells_locations = False
    server.versioned = versioned
    all_kinds(desk)
    desk.push()
    desk.load(lab(1, "11.0"))

    summary = desk.push()

    assert (summary.exit_code, set(desk.states().values()), server.doubles()) == (0, {DONE}, [])
    assert [one.version for one in server.all("Observation")] == [2, 1]
    written = len(server.log)
    desk.push()
    assert len(server.log) == written


def _narrated(body: Json) -> Json:
    return {**body, "text": {"status": "generated", "div": "<div>12.1</div>"}}


def _tagged(body: Json) -> Json:
    return {**body, "meta": {**body.get("meta", {}), "tag": [{"system": "urn:x", "code": "seen"}], "source": "#x"}}


def _reversed(body: Json) -> Json:
    return {key: _turned(body[key]) for key in reversed(list(body))}


def _turned(content: object) -> object:
    if isinstance(content, dict):
        return {key: _turned(content[key]) for key in reversed(list(content))}
    return [_turned(one) for one in content] if isinstance(content, list) else content


def _normalised(body: Json) -> Json:
    def plain(content: object) -> object:
        if isinstance(content, dict):
            return {key: plain(value) for key, value in content.items()}
        if isinstance(content, list):
            return [plain(one) for one in content]
        if isinstance(content, Decimal):
            return int(content) if content == content.to_integral() else content.normalize()
        return content

    found = plain(body)
    assert isinstance(found, dict)
    return found


def _displayed(body: Json) -> Json:
    return {**body, "subject": {**body["subject"], "display": "Dupont"}} if "subject" in body else body


@pytest.mark.parametrize("rewrites", [_narrated, _tagged, _reversed, _normalised, _displayed])
@pytest.mark.parametrize("pretty", [False, True])
def test_server_that_changes_what_is_written_gets_no_second_version_of_it(
    desk: Desk, server: PushServer, rewrites: Callable[[Json], Json], pretty: bool
) -> None:
    server.rewrites, server.pretty = rewrites, pretty
    desk.load(study(), subject(), lab(1, "7400.0", low=None), lab(2, "0.10", low=None), infusion())
    desk.push()
    desk.load(lab(2, "7.50", low=None))
    desk.push()
    written = len(server.log)

    for full in (False, True):
        summary = desk.push(full=full)
        assert (summary.exit_code, summary.taken_back, len(server.log)) == (0, 0, written)

    desk.store.outbox.renew(SITE, mapping="another")
    assert desk.push().unchanged == 5
    assert (len(server.log), set(desk.states().values())) == (written, {DONE})


def test_narrative_that_a_server_made_of_the_old_elements_does_not_go_with_the_new_ones(
    desk: Desk, server: PushServer
) -> None:
    desk.load(lab(1))
    desk.push()
    server.change(server.one("Observation").reference, lambda body: body.update(_narrated({})))
    desk.load(lab(1, "9.0"))

    desk.push()

    assert "text" not in (server.one("Observation").body or {})


def test_events_of_a_subject_keep_their_own_reasons_through_an_update(desk: Desk, server: PushServer) -> None:
    first = (
        SubjectEvent(kind=EventKind.SCREENING, on="2025-05-02"),
        SubjectEvent(kind=EventKind.INELIGIBLE, on="2025-05-03", reason="E07"),
    )
    later = subject("RELUTH-05-0001", "P1", *first, SubjectEvent(kind=EventKind.ELIGIBLE, on="2025-05-09"))
    desk.load(study(), subject("RELUTH-05-0001", "P1", *first))
    desk.push()
    desk.load(later)

    desk.push()

    found: Subject = mapper.from_fhir(server.one("ResearchSubject").body or {})
    assert found == later


def _value(body: Json | None) -> str:
    return str(body["identifier"][0]["value"]) if body else ""


# --- another server -----------------------------------------------------------------------------------------------

ELSEWHERE = "https://production.hospital.example/r4"


def test_another_server_is_told_all_and_nothing_that_has_our_ids_there_is_touched(
    desk: Desk, server: PushServer
) -> None:
    desk.load(lab(1), lab(2), lab(3))
    desk.push()
    other = PushServer(_last_id=500)
    somebody = other.put(patient("P9"))
    other.put(patient("P1"))
    code, subject = {"text": "of somebody else"}, {"reference": somebody}
    for one in server.all("Observation"):
        other.put({"resourceType": "Observation", "id": one.id, "status": "final", "code": code, "subject": subject})
    desk.server, desk.base_url = other, ELSEWHERE
    desk.load(lab(1, "9.9"))

    summary = desk.push()

    assert (summary.exit_code, summary.types["Observation"].created) == (0, 3)
    assert all(one.version == 1 for one in other.all("Observation"))
    assert {one.server_id for of in desk.store.outbox.counterparts(desk.site).values() for one in of} == {
        one.id for one in other.written_by("push") if one.type == "Observation"
    }


@pytest.mark.parametrize("full", [True, False])
def test_server_that_was_filled_anew_keeps_what_has_our_ids_now(desk: Desk, server: PushServer, full: bool) -> None:
    desk.load(lab(1))
    desk.push()
    desk.push()
    standing = server.one("Observation")
    again = PushServer(_last_id=500, now=server.now)
    again.pass_time(3600)
    somebody = again.put(patient("P9"))
    again.put(patient("P1"))
    code, subject = {"text": "of somebody else"}, {"reference": somebody}
    again.put({"resourceType": "Observation", "id": standing.id, "status": "final", "code": code, "subject": subject})
    desk.server = again
    desk.load(lab(1, "9.9"))

    summary = desk.push(full=full)

    assert (summary.exit_code, len(summary.conflicts)) == (5, 1)
    assert [one.by for one in again.history(standing.reference)] == ["hospital"]


def test_same_server_under_another_address_is_taken_over_as_it_is(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1), infusion())
    desk.push()
    written = len(server.log)
    desk.base_url = ELSEWHERE

    assert desk.preview().bundles == []
    summary = desk.push()

    assert (summary.exit_code, summary.unchanged, len(server.log)) == (0, 2, written)
    assert set(desk.states().values()) == {DONE}
    assert desk.push().unchanged == 0


def test_preview_of_another_server_shows_all_and_leaves_what_is_known_of_the_first(
    desk: Desk, server: PushServer
) -> None:
    desk.load(lab(1))
    desk.push()
    known = desk.store.outbox.counterparts(desk.site)
    desk.server, desk.base_url = PushServer(), ELSEWHERE
    desk.server.put(patient())

    assert len(desk.preview().bundles) == 1
    assert desk.store.outbox.counterparts(desk.site) == known
    assert desk.states() == {"L1": DONE}


def test_conflict_at_another_server_than_the_present_one_is_closed(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    desk.push()
    server.change(server.one("Observation").reference, lambda body: body["valueQuantity"].update(value=9))
    desk.load(lab(1, "15"))
    assert [one.reason for one in desk.push().conflicts] == ["both-changed"]
    desk.server, desk.base_url = PushServer(), ELSEWHERE
    desk.server.put(patient())

    assert desk.push().exit_code == 0
    assert desk.store.outbox.conflicts(site=desk.site) == []


def test_deletion_that_a_person_left_so_holds_at_another_server_too(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    desk.push()
    server.delete(server.one("Observation").reference)
    desk.push(full=True)
    settle_conflict(desk.store, desk.conflict().number, keep="hospital", by="nurse")
    desk.server, desk.base_url = PushServer(), ELSEWHERE
    desk.server.put(patient())

    assert (desk.push().exit_code, desk.server.all("Observation")) == (0, [])
