"""Promises of a hospital searched: nothing is missed silently, and what came before a kill is not fetched again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from adapter.client import SiteAddress, SiteClient
from adapter.config import SearchSettings
from adapter.errors import TransientError
from adapter.store import Store
from adapter.sync import Item, Problem, PullSummary, pull
from adapter.sync.search_plan import StoredPatients
from adapter.sync.search_source import SearchSource
from adapter.sync.sources import Gone, Silent
from adapter.sync.stored_patients import stored_patients
from tests.unit.store.making import live, observation, patient
from tests.unit.sync.search_server import ROOT, Ask, Server, held, refusing, resource

SITE = "icm"
TIME = "2025-06-01T10:00:02+00:00"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool" / SITE


def people(count: int) -> list[bytes]:
    return [patient(f"p{number}") for number in range(count)]


def source_of(
    server: Server, spool: Path, types: Collection[str] | None = None, *, store: Store | None = None, **settings: object
) -> SearchSource:
    """A source with one search at a time, so that what is asked has an order."""
    wanted = list(server.resources) if types is None else types
    patients = StoredPatients if store is None else partial(stored_patients, store, SITE, wanted)
    given = SearchSettings.model_validate({"count": 2, "concurrency": 1} | settings)
    return SearchSource(server.client(), spool, types=wanted, settings=given, patients=patients)


def pulled(
    store: Store, server: Server, types: Collection[str] | None = None, *, full: bool = False, **settings: object
) -> PullSummary:
    source = source_of(server, store.folder / "spool" / SITE, types, store=store, **settings)
    return pull(store, source, site=SITE, full=full)


def once(when: Callable[[Ask], bool], answer: Callable[[], httpx.Response]) -> Callable[[Ask], httpx.Response | None]:
    """A meddler that answers the first request of a kind, and no other."""
    left = [answer]
    return lambda ask: left.pop()() if left and when(ask) else None


def dying(when: Callable[[Ask], bool]) -> Callable[[Ask], httpx.Response | None]:
    def meddle(ask: Ask) -> httpx.Response | None:
        if when(ask):
            raise Killed
        return None

    return meddle


# From the bookmark on -------------------------------------------------------------------------------------------------


def test_pull_by_search_moves_bookmarks_and_begins_before_them(store: Store) -> None:
    server = Server(held(patient("1"), observation("a", "1")))
    first = pulled(store, server, ["Observation", "Patient"])
    second = pulled(store, server, ["Observation", "Patient"], overlap_minutes=10)

    assert (first.complete, first.transaction_time) == (True, TIME)
    assert (store.bookmark(SITE, "Patient"), store.bookmark(SITE, "Observation")) == (second.transaction_time,) * 2
    assert server.searches("Patient") == [{}, {"_lastUpdated": "ge2025-06-01T09:50:02Z"}]
    assert server.searches("Observation") == [{}, {"_lastUpdated": "ge2025-06-01T09:50:02Z"}]
    assert (second.types["Patient"].read, second.types["Patient"].new, second.types["Patient"].changed) == (1, 0, 0)
    assert not any((store.folder / "spool" / SITE).iterdir())


def test_full_pull_by_search_begins_at_the_beginning(store: Store) -> None:
    server = Server(held(patient("1")))
    for _ in range(2):
        pulled(store, server, full=True)

    assert server.searches("Patient") == [{}, {}]


@pytest.mark.parametrize(("status", "code"), [(400, 4), (401, 4), (404, 4), (503, 75)])
def test_type_that_fails_leaves_the_others_and_its_bookmark(store: Store, status: int, code: int) -> None:
    server = Server(held(patient("1"), observation("a", "1"), resource("Condition", "c", "1")))
    server.meddle = refusing(status, lambda ask: (ask.kind, ask.type) == ("search", "Condition"))
    store.set_bookmark(SITE, "Condition", "2025-01-01T00:00:00Z")

    summary = pulled(store, server, plan="type")

    assert (summary.exit_code, summary.complete) == (code, False)
    assert [item.type for item in summary.missing] == ["Condition"]
    assert f"answered {status}" in summary.missing[0].reason
    assert store.bookmark(SITE, "Condition") == "2025-01-01T00:00:00Z"
    assert store.bookmark(SITE, "Observation") is not None
    assert live(store) == {"Patient/1": [observation("a", "1"), patient("1")]}


def test_type_that_is_not_served_is_named(store: Store) -> None:
    server = Server(held(patient("1")))

    summary = pulled(store, server, ["Patient", "ResearchSubject"])

    assert [item.type for item in summary.missing] == ["ResearchSubject"]
    assert (summary.complete, summary.exit_code) == (False, 5)
    assert store.bookmark(SITE, "Patient") == TIME


def test_server_that_does_not_tell_its_time_moves_no_bookmark(store: Store) -> None:
    bare = httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "total": 0})
    server = Server(held(patient("1"), observation("a", "1")))
    server.meddle = lambda ask: bare if (ask.kind, ask.type) == ("search", "Patient") else None

    summary = pulled(store, server)

    # The time of a later search would leave out what happened to the patients before it.
    assert (summary.complete, summary.transaction_time) == (True, None)
    assert store.bookmark(SITE, "Observation") is None


@pytest.mark.parametrize("bookmark", ["yesterday", "2025-06-01T10:00:00"])
def test_bookmark_that_is_no_instant_means_everything(spool: Path, bookmark: str) -> None:
    assert source_of(Server({}), spool).since(bookmark) is None


def test_bookmark_of_another_zone_is_the_same_instant(spool: Path) -> None:
    assert source_of(Server({}), spool).since("2025-06-01T12:00:00.123+02:00") == "2025-06-01T09:55:00Z"


def test_bad_entry_is_put_aside_with_its_address(store: Store) -> None:
    bad = b'{"resourceType":"Patient","id":"!"}'
    server = Server({"Patient": {"!": bad, "1": patient("1")}})

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 5)
    assert summary.as_object()["quarantine"] == [
        {"url": f"{ROOT}/Patient", "reference": "Patient", "reason": "no valid id"}
    ]


def test_refused_time_reads_all_and_says_so(store: Store) -> None:
    server = Server(held(patient("1")))
    pulled(store, server)
    server.meddle = refusing(400, lambda ask: "_lastUpdated" in ask.params)

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert summary.notices == ["Patient: the server refuses to search by _lastUpdated; all of it is read"]


# Pages ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tells_total", [True, False])
def test_pages_that_skip_are_read_again_until_all_have_come(store: Store, tells_total: bool) -> None:
    server = Server(held(*people(5)), tells_total=tells_total)
    # Between the first and the second page, the order changes: p1 comes twice, and p2 not at all.
    server.order = lambda ask, ids: (
        [*ids[:1], *ids[2:3], *ids[1:2], *ids[3:]] if ask.page == 2 and ask.params["_search"] == "0" else ids
    )

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert sorted(live(store)) == [f"Patient/p{number}" for number in range(5)]
    assert len(server.searches("Patient")) == 2


def test_pages_that_lack_another_each_time_are_made_up_for_by_id(store: Store) -> None:
    server = Server(held(*people(6)))
    server.order = lambda ask, ids: _without(ids, lost=int(ask.params["_search"]))

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert len(live(store)) == 6


@pytest.mark.parametrize("tells_total", [True, False])
def test_pages_that_always_lack_the_same_are_incomplete(store: Store, tells_total: bool) -> None:
    server = Server(held(*people(6)), tells_total=tells_total)
    server.order = lambda ask, ids: _without(ids, lost=3)

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (False, 5)
    assert [(item.url, item.reason) for item in summary.quarantine] == [
        (f"{ROOT}/Patient", "5 of 6 announced resources came")
    ]
    assert store.bookmark(SITE, "Patient") is None
    assert len(live(store)) == 5


def _without(ids: list[str], *, lost: int) -> list[str]:
    """In the place of one, the first comes again."""
    return [*ids[:lost], ids[0], *ids[lost + 1 :]] if len(ids) > 1 and lost else ids[1:] + ids[1:2]


def test_pages_that_repeat_where_nobody_counts_are_read_again(store: Store) -> None:
    server = Server(held(*people(6)), tells_total=False)
    server.meddle = refusing(400, lambda ask: ask.kind == "count")
    server.order = lambda ask, ids: _without(ids, lost=3) if ask.params["_search"] == "0" else ids

    summary = pulled(store, server)

    assert (summary.complete, len(live(store))) == (True, 6)
    assert server.kinds() == ["search", "count", "page", "page", "search", "page", "page"]


def test_pages_that_always_repeat_where_nobody_counts_are_incomplete(store: Store) -> None:
    server = Server(held(*people(6)), tells_total=False)
    server.meddle = refusing(400, lambda ask: ask.kind == "count")
    server.order = lambda ask, ids: _without(ids, lost=3)

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (False, 5)
    assert [item.reason for item in summary.quarantine] == [
        "1 resources came twice: others may be missing, and the server counts none"
    ]


def test_resources_that_were_deleted_between_pages_are_not_missed(store: Store) -> None:
    server = Server(held(*people(5)))

    def meddle(ask: Ask) -> None:
        if ask.kind == "page":
            server.resources["Patient"].pop("p4", None)

    server.meddle = meddle
    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 0)


@pytest.mark.parametrize("issue", ["error/processing", "warning/incomplete", "information/timeout"])
def test_search_that_reports_a_loss_is_incomplete(store: Store, issue: str) -> None:
    severity, _, code = issue.partition("/")
    told = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}
    outcome = json.dumps(told).encode()
    server = Server({"Patient": {"1": patient("1"), "outcome": outcome}}, tells_total=False)

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (False, 5)
    assert [item.url for item in summary.quarantine] == [f"{ROOT}/Patient"]
    assert store.bookmark(SITE, "Patient") is None
    assert live(store) == {"Patient/1": [patient("1")]}


def test_next_link_to_another_host_costs_its_type_only(store: Store) -> None:
    server = Server(held(patient("1"), *(observation(str(number), "1") for number in range(4))))
    led_away = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"resourceType": "Observation"}}]}
    led_away["link"] = [{"relation": "next", "url": "https://evil.example.org/r4?page=2"}]
    server.meddle = lambda ask: httpx.Response(200, json=led_away) if ask.type == "Observation" else None

    summary = pulled(store, server)

    assert (summary.exit_code, [item.type for item in summary.missing]) == (4, ["Observation"])
    assert "https://evil.example.org" in summary.missing[0].reason
    assert store.bookmark(SITE, "Patient") is not None
    assert not any(ask.kind == "page" for ask in server.asked)


def test_next_link_that_expires_is_begun_anew_once(store: Store) -> None:
    server = Server(held(*people(6)))
    server.meddle = once(lambda ask: ask.page == 3, lambda: httpx.Response(410))

    summary = pulled(store, server)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert server.kinds() == ["search", "page", "page", "search", "page", "page"]


def test_next_link_that_always_expires_is_named(store: Store) -> None:
    server = Server(held(*people(6)))
    server.meddle = refusing(410, lambda ask: ask.page == 3)

    summary = pulled(store, server)

    assert (summary.exit_code, [item.type for item in summary.missing]) == (4, ["Patient"])
    assert server.kinds() == ["search", "page", "page"] * 2
    assert len(live(store)) == 4


# By patient -----------------------------------------------------------------------------------------------------------


def asks_for_patients(ask: Ask) -> bool:
    return ask.kind == "search" and ask.type == "Condition" and "patient" not in ask.params


def clinic(count: int) -> Server:
    conditions = [resource("Condition", f"c{number}", f"p{number}") for number in range(count)]
    return Server(held(*people(count), *conditions), meddle=refusing(400, asks_for_patients))


def test_type_that_cannot_be_searched_as_a_whole_is_asked_for_by_patient(store: Store) -> None:
    server = clinic(60)

    summary = pulled(store, server, count=100)

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert summary.types["Condition"].new == 60
    asked = [ask for ask in server.asked if ask.type == "Condition" and "patient" in ask.params]
    assert [(ask.method, len(ask.params["patient"].split(","))) for ask in asked] == [("POST", 50), ("POST", 10)]


def test_patient_who_is_new_is_asked_about_from_the_beginning(store: Store) -> None:
    server = clinic(2)
    pulled(store, server)
    server.resources["Patient"]["late"] = patient("late")
    server.resources["Condition"]["old"] = resource("Condition", "old", "late", updated="2024-01-01")

    summary = pulled(store, server)

    assert summary.types["Condition"].new == 1
    assert server.searches("Condition")[-2:] == [
        {"patient": "p0,p1", "_lastUpdated": "ge2025-06-01T09:55:02Z"},
        {"patient": "late"},
    ]


def test_patient_who_came_while_the_type_failed_is_asked_about_from_the_beginning(store: Store) -> None:
    server = clinic(2)
    pulled(store, server)
    server.resources["Patient"]["late"] = patient("late")
    server.resources["Condition"]["old"] = resource("Condition", "old", "late", updated="2024-01-01")
    server.meddle = refusing(403, lambda ask: ask.type == "Condition")
    pulled(store, server)
    server.meddle = refusing(400, asks_for_patients)

    summary = pulled(store, server)

    assert (summary.complete, summary.types["Condition"].new) == (True, 1)


def test_server_without_search_by_post_is_asked_by_patient_in_addresses(store: Store) -> None:
    server = clinic(30)
    refuse = server.meddle
    server.meddle = lambda ask: httpx.Response(405) if ask.method == "POST" else refuse(ask)

    summary = pulled(store, server, count=100)

    assert (summary.complete, summary.types["Condition"].new) == (True, 30)
    sizes = [len(found["patient"].split(",")) for found in server.searches("Condition") if "patient" in found]
    assert sizes == [30, 20, 10]

    pulled(store, server, count=100)

    # Refused with a time, POST is not asked for once more without.
    assert sum(ask.method == "POST" for ask in server.asked) == 2


def test_patients_stay_out_of_addresses_where_post_is_asked_for(store: Store) -> None:
    server = clinic(3)
    refuse = server.meddle
    server.meddle = lambda ask: (
        httpx.Response(405) if ask.method == "POST" and ask.params.get("patient") else refuse(ask)
    )

    summary = pulled(store, server, post=True)

    assert (summary.exit_code, [item.type for item in summary.missing]) == (4, ["Condition"])
    assert not any(ask.method == "GET" and "patient" in ask.params for ask in server.asked)


def test_plan_by_patient_asks_for_shared_types_as_a_whole(store: Store) -> None:
    server = Server(held(patient("1"), resource("AdverseEvent", "a", "1"), resource("Medication", "m")))
    server.search_params = ("_lastUpdated", "patient", "subject")

    summary = pulled(store, server, plan="patient")

    assert summary.complete
    assert server.searches("AdverseEvent") == [{"patient": "1"}]
    assert server.searches("Medication") == server.searches("Patient") == [{}]


def test_type_found_by_subject_is_asked_for_by_subject(store: Store) -> None:
    server = Server(held(patient("1"), resource("AdverseEvent", "a", "1")), search_params=("subject",))

    pulled(store, server, plan="patient")

    assert server.searches("AdverseEvent") == [{"subject": "Patient/1"}]


def test_type_without_a_stated_search_is_asked_for_by_patient(store: Store) -> None:
    server = Server(held(patient("1"), resource("Condition", "c", "1")), interactions=("read",))

    pulled(store, server)

    assert server.searches("Condition") == [{"patient": "1"}]


def test_patients_that_could_not_be_read_make_types_by_patient_incomplete(store: Store) -> None:
    server = clinic(6)
    refuse = server.meddle
    server.meddle = lambda ask: httpx.Response(503) if ask.type == "Patient" and ask.page == 3 else refuse(ask)

    summary = pulled(store, server)

    assert (summary.exit_code, summary.complete) == (75, False)
    assert "asked for by patient, while not all patients could be read" in {item.reason for item in summary.quarantine}
    assert summary.types["Condition"].new == 4
    assert store.bookmark(SITE, "Condition") is None


def test_patients_of_the_store_are_asked_about_where_patients_are_not_pulled(store: Store) -> None:
    server = clinic(2)
    pulled(store, server, ["Patient"])

    summary = pulled(store, server, ["Condition"])

    assert (summary.complete, summary.types["Condition"].new) == (True, 2)


def test_type_that_is_refused_in_every_way_is_named_by_the_first_refusal(store: Store) -> None:
    server = clinic(2)
    server.meddle = lambda ask: (
        httpx.Response(422 if "patient" in ask.params else 400) if ask.type == "Condition" else None
    )

    summary = pulled(store, server)

    assert [item.reason for item in summary.missing] == [f"GET {ROOT}/Condition: answered 400"]


# Medications ----------------------------------------------------------------------------------------------------------


def test_medications_come_with_what_refers_to_them_where_the_server_says_so(store: Store) -> None:
    given = resource("MedicationAdministration", "a", "1")
    server = Server(held(patient("1"), given, resource("Medication", "m")))
    server.includes = {"MedicationAdministration": ["MedicationAdministration:medication"]}
    server.meddle = refusing(403, lambda ask: ask.type == "Medication")

    summary = pulled(store, server)

    assert server.searches("MedicationAdministration") == [{"_include": "MedicationAdministration:medication"}]
    assert (summary.complete, summary.exit_code) == (True, 0)
    assert summary.notices == ["Medication: cannot be searched for; they come with MedicationAdministration"]


def test_medications_that_are_not_wanted_are_not_included(store: Store) -> None:
    server = Server(held(patient("1"), resource("MedicationAdministration", "a", "1")))
    server.includes = {"MedicationAdministration": ["*"]}

    pulled(store, server)

    assert server.searches("MedicationAdministration") == [{}]


# Deletions ------------------------------------------------------------------------------------------------------------


def deleting(*deleted: str) -> Server:
    gone = [("Patient", id_) for id_ in deleted]
    return Server(held(*people(3)), interactions=("read", "search-type", "history-type"), deleted=gone)


def test_deletion_in_the_history_is_looked_up_and_applied(store: Store) -> None:
    server = deleting()
    pulled(store, server)
    del server.resources["Patient"]["p1"]
    server.deleted = [("Patient", "p1"), ("Patient", "p2")]

    summary = pulled(store, server)

    assert (summary.complete, summary.types["Patient"].deleted) == (True, 1)
    assert sorted(live(store)) == ["Patient/p0", "Patient/p2"]
    assert server.kinds().count("history") == 1
    assert [ask.params["_since"] for ask in server.asked if ask.kind == "history"] == ["2025-06-01T09:55:02Z"]


@pytest.mark.parametrize(("stated", "deletions", "asks"), [(False, "history", 1), (True, "none", 0), (True, "full", 0)])
def test_history_is_asked_for_where_it_is_wanted(store: Store, stated: bool, deletions: str, asks: int) -> None:
    server = deleting() if stated else Server(held(*people(3)))
    for _ in range(2):
        pulled(store, server, deletions=deletions)

    assert server.kinds().count("history") == asks


def test_history_that_fails_makes_its_type_incomplete(store: Store) -> None:
    server = deleting()
    before = pulled(store, server).transaction_time
    server.meddle = refusing(403, lambda ask: ask.kind == "history")

    summary = pulled(store, server)

    assert (summary.exit_code, [item.type for item in summary.missing]) == (4, ["Patient"])
    assert store.bookmark(SITE, "Patient") == before


def test_full_pull_finds_what_is_gone(store: Store) -> None:
    server = Server(held(*people(3)))
    pulled(store, server)
    del server.resources["Patient"]["p1"]

    summary = pulled(store, server, full=True)

    assert (summary.complete, summary.types["Patient"].deleted) == (True, 1)
    assert sorted(live(store)) == ["Patient/p0", "Patient/p2"]


def test_nothing_is_taken_for_deleted_where_nobody_wants_it(store: Store, spool: Path) -> None:
    server = Server(held(*people(3)))
    pulled(store, server, deletions="none")
    del server.resources["Patient"]["p1"]

    pulled(store, server, full=True, deletions="none")

    assert len(live(store)) == 3


def test_confirm_tells_gone_from_found(spool: Path) -> None:
    server = Server(held(*people(3)))
    # A server that takes a list of ids for the first of them.
    server.meddle = lambda ask: httpx.Response(400) if "," in ask.params.get("patient", "") else None
    server.order = lambda ask, ids: ids[:1]

    gone, found = source_of(server, spool).confirm("Patient", ["p0", "p2", "x"])

    assert (gone, [item.raw for item in found]) == ({"x"}, [patient("p0"), patient("p2")])


# Going on -------------------------------------------------------------------------------------------------------------


def test_killed_pull_goes_on_where_it_was(store: Store) -> None:
    server = Server(held(*people(4), *(observation(f"o{number}", "p0") for number in range(6))))
    server.meddle = dying(lambda ask: (ask.type, ask.page) == ("Observation", 3))
    with pytest.raises(Killed):
        pulled(store, server)
    server.meddle = lambda ask: None
    before = len(server.asked)

    summary = pulled(store, server)

    asked = [(ask.kind, ask.type, ask.page) for ask in server.asked[before:] if ask.kind != "metadata"]
    assert asked == [("page", "Observation", 3)]
    assert (summary.complete, summary.transaction_time) == (True, TIME)
    assert len(live(store)["Patient/p0"]) == 7


def test_killed_pull_whose_next_link_expired_begins_the_type_anew(store: Store) -> None:
    server = Server(held(*people(6)))
    server.meddle = dying(lambda ask: ask.page == 3)
    with pytest.raises(Killed):
        pulled(store, server)
    server.meddle = once(lambda ask: ask.kind == "page", lambda: httpx.Response(404))

    summary = pulled(store, server)

    assert (summary.complete, summary.types["Patient"].read) == (True, 6)


def test_killed_round_is_counted_from_where_it_began(store: Store) -> None:
    server = Server(held(*people(6)))
    # The first round lacks p3; the second is killed at its last page, and then comes without p5.
    server.order = lambda ask, ids: _without(ids, lost=3) if ask.params["_search"] == "0" else ids
    server.meddle = dying(lambda ask: (ask.page, ask.params.get("_search")) == (3, "1"))
    with pytest.raises(Killed):
        pulled(store, server)
    server.meddle = lambda ask: None
    server.order = lambda ask, ids: _without(ids, lost=5) if ask.params["_search"] == "1" else ids

    summary = pulled(store, server)

    assert summary.complete
    assert server.kinds() == ["search", "page", "page", "search", "page", "page", "page", "search", "page", "page"]


def test_round_of_what_was_begun_anew_is_not_taken_for_a_later_one(store: Store) -> None:
    server = Server(held(*people(6)))
    server.order = lambda ask, ids: _without(ids, lost=3) if ask.params["_search"] == "0" else ids
    server.meddle = dying(lambda ask: (ask.page, ask.params.get("_search")) == (2, "1"))
    with pytest.raises(Killed):
        pulled(store, server)
    # The second round's link is not known any more, and what is begun then lacks one again.
    server.meddle = once(lambda ask: ask.kind == "page", lambda: httpx.Response(410))
    server.order = lambda ask, ids: _without(ids, lost=2) if ask.params["_search"] == "2" else ids

    summary = pulled(store, server)

    assert (summary.complete, len(live(store))) == (True, 6)
    assert len(server.searches("Patient")) == 4


def test_full_pull_does_not_go_on_with_less(store: Store) -> None:
    server = Server(held(*people(6)))
    pulled(store, server)
    server.meddle = dying(lambda ask: ask.page == 2)
    with pytest.raises(Killed):
        pulled(store, server)
    server.meddle = lambda ask: None
    del server.asked[:]

    pulled(store, server, full=True)

    assert server.searches("Patient")[0] == {}


def test_type_that_failed_for_now_goes_on_in_the_next_pull(store: Store) -> None:
    server = Server(held(*people(2), *(observation(f"o{number}", "p0") for number in range(6))))
    server.meddle = refusing(503, lambda ask: (ask.type, ask.page) == ("Observation", 3))
    first = pulled(store, server)
    server.meddle = lambda ask: None
    before = len(server.asked)

    second = pulled(store, server)

    asked = [(ask.kind, ask.type) for ask in server.asked[before:] if ask.kind != "metadata"]
    assert (first.exit_code, second.exit_code, second.complete) == (75, 0, True)
    assert asked == [("search", "Patient"), ("page", "Observation")]
    # What changed since the search began is read the next time.
    assert store.bookmark(SITE, "Observation") == store.bookmark(SITE, "Patient") == TIME
    assert len(live(store)["Patient/p0"]) == 7


def test_type_that_fails_for_now_again_and_again_is_begun_anew(store: Store) -> None:
    server = Server(held(*people(6)))
    server.meddle = refusing(503, lambda ask: ask.page == 3)
    for _ in range(4):
        pulled(store, server)

    assert server.kinds().count("search") == 2


# When, and how many at once -------------------------------------------------------------------------------------------


def test_quiet_hours_leave_the_server_alone(spool: Path) -> None:
    server = Server(held(patient("1")))
    until = datetime(2025, 6, 2, 18, tzinfo=ZoneInfo("Europe/Paris"))
    source = SearchSource(server.client(), spool, types=["Patient"], quiet=lambda: until)

    with pytest.raises(TransientError, match=r"until 2025-06-02 18:00 \(Europe/Paris\)"):
        source.prepare({"Patient": None}, Silent())

    assert server.kinds() == []


def test_quiet_hours_that_begin_let_nothing_else_begin(store: Store, spool: Path) -> None:
    server = Server(held(patient("1"), observation("a", "1")))
    until = datetime(2025, 6, 2, 18, tzinfo=ZoneInfo("Europe/Paris"))
    source = SearchSource(
        server.client(),
        spool,
        types=["Patient", "Observation"],
        quiet=lambda: until if any(ask.kind == "search" for ask in server.asked) else None,
    )

    summary = pull(store, source, site=SITE)

    assert (summary.exit_code, [item.type for item in summary.missing]) == (75, ["Observation"])
    assert server.kinds() == ["search"]
    assert store.bookmark(SITE, "Patient") is not None


def test_types_are_searched_at_once_and_read_in_order(store: Store, spool: Path) -> None:
    server = Server(held(patient("1"), observation("a", "1"), resource("Condition", "c", "1")))
    together = threading.Barrier(2, timeout=10)

    def transport(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(("Observation", "Condition")):
            together.wait()
        return server(request)

    with SiteClient(SiteAddress(ROOT), via=httpx.MockTransport(transport)) as client:
        source = SearchSource(client, spool, types=server.resources, settings=SearchSettings(concurrency=2))
        summary = pull(store, source, site=SITE)

    assert summary.complete
    assert source.types() == ["Patient", "Condition", "Observation"]


def test_source_yields_items_deletions_and_problems_in_order(spool: Path) -> None:
    server = deleting("p9")
    server.order = lambda ask, ids: _without(ids, lost=2)
    source = source_of(server, spool)
    source.prepare({"Patient": "2025-01-01T00:00:00Z"}, Silent())

    kinds = [type(item) for item in _run_lengths(source.fetch("Patient"))]

    assert kinds == [Item, Problem, Gone]


def _run_lengths(items: Iterator[object]) -> Iterator[object]:
    last: object = None
    for item in items:
        if type(item) is not type(last):
            yield item
        last = item
