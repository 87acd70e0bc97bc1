"""In: a number typed by readers of several roles. Out: the patient's page, or why somebody is not listed; who was added is screened at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.screening import screening_number
from adapter.store import Purgeable, Signs, Tombstone
from adapter.sync import FolderSource, number_digests, pull
from tests.support.clinic import condition, patient, write_feed
from tests.support.long_list import LongList, long_list
from tests.support.people import fields
from tests.support.screened import SITE


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongList]:
    """A service that no test changes."""
    with long_list(tmp_path_factory.mktemp("find")) as found:
        yield found


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[LongList]:
    """A service of this test alone."""
    with long_list(tmp_path) as found:
        yield found


def find(client: TestClient, number: str, **more: str) -> Any:
    return client.post("/find", data=fields(client, number=number, **more))


def ask(client: TestClient, number: str, **more: str) -> Any:
    return client.post("/api/find", json={"number": number, **more}).json()


def found_in(client: TestClient, number: str) -> list[tuple[str, bool]]:
    return [(one["patient"], one["listed"]) for one in ask(client, number)["found"]]


@pytest.mark.parametrize("number", ["low", "Patient/low", "80 012 AB", "80012ab"])
def test_find_goes_to_the_page_of_who_is_listed(there: LongList, number: str) -> None:
    answer = find(there.browser("nurse"), number)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{there.key('low')}")


def test_find_by_screening_number_goes_to_the_page(there: LongList) -> None:
    number = screening_number(SITE, there.key("low"))

    assert find(there.browser("manager"), number.lower()).headers["location"] == f"/patients/{there.key('low')}"


def test_find_tells_why_somebody_is_not_listed_and_offers_to_add(there: LongList) -> None:
    text = find(there.browser("nurse"), "77/4").text

    assert "Known here, but not on the list." in text
    assert "None of the trial&#39;s signals was found in the record (2 resources)" in text
    assert "reluth add" not in text
    assert 'action="/candidates"' in text


@pytest.mark.parametrize("number", ["nobody", "80012", "7", "*", r"\d+", "."])
def test_find_of_nobody_says_what_to_check(there: LongList, number: str) -> None:
    answer = find(there.browser("nurse"), number)

    assert answer.status_code == 200
    assert "No patient of that number is known here." in answer.text


@pytest.mark.parametrize(("number", "problem"), [("", "Enter a number."), ("  ", "Enter"), ("1" * 65, "64 characters")])
def test_find_names_the_error_at_the_field(there: LongList, number: str, problem: str) -> None:
    answer = find(there.browser("nurse"), number)

    assert answer.status_code == 422
    assert 'aria-invalid="true" aria-describedby="number-failure"' in answer.text
    assert re.search(rf'id="number-failure">.*{problem}', answer.text, re.DOTALL)


def test_find_without_identity_knows_no_number_of_the_hospital(there: LongList) -> None:
    client = there.browser("manager")

    assert [found_in(client, number) for number in ("low", "80 012 AB", "unlisted", "77/4")] == [[], [], [], []]


def test_find_of_a_patient_of_another_site_is_as_of_nobody(there: LongList) -> None:
    client = there.browser("nurse")

    assert found_in(client, "far") == found_in(client, "nobody") == []
    assert client.post("/api/find", json={"number": "far", "site": "chu"}).status_code == 404


def test_find_shows_all_of_one_number(mine: LongList) -> None:
    numbered = [{"system": "urn:other", "value": "77/4"}]
    again = [patient("twin", identifier=numbered), patient("p001", identifier=numbered, meta={"versionId": "2"})]
    pull(mine.store, FolderSource(write_feed(mine.folder / "twin", again)), site=SITE)
    client = mine.browser("nurse")

    assert found_in(client, "77/4") == [("Patient/p001", True), ("Patient/twin", False), ("Patient/unlisted", False)]
    assert "3 patients" in find(client, "77/4").text


def test_find_tells_of_a_deleted_record_and_of_one_that_waits_for_the_screening(mine: LongList) -> None:
    with mine.store.begin_run(SITE, "pull") as run:
        mine.store.lake.writer(run).commit(deleted=[Tombstone("Patient", "unlisted", run.last_seq)])
    fresh = [patient("fresh"), condition("c-fresh", "fresh", "C17.2")]
    pull(mine.store, FolderSource(write_feed(mine.folder / "fresh", fresh)), site=SITE)
    client = mine.browser("nurse")

    assert "The hospital has deleted this record." in find(client, "unlisted").text
    assert "on the list after the next screening" in find(client, "fresh").text
    assert client.post("/candidates", data=fields(client, site=SITE, patient="Patient/unlisted")).status_code == 404


def test_find_is_noted_without_what_was_typed(mine: LongList) -> None:
    client = mine.browser("nurse")
    find(client, "77/4")
    find(client, "80 012 AB")
    lines = [line for line in mine.store.audit_trail() if line.action == "find"]

    assert {f"{line.subject} {line.detail}".strip() for line in lines} == {
        SITE,
        f"{SITE}/Patient/unlisted",
        f"{SITE} {SITE}/Patient/low",
    }


def test_who_is_added_is_screened_at_once_and_shown(mine: LongList) -> None:
    client = mine.browser("nurse")
    answer = client.post("/candidates", data=fields(client, site=SITE, patient="Patient/unlisted"))
    row = next(row for row in client.get("/api/worklist").json()["rows"] if row["patient"] == "Patient/unlisted")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{row['key']}")
    assert row["candidate_because"] == ["added"]
    assert [(line.actor, line.subject) for line in mine.store.audit_trail() if line.action == "add"] == [
        ("nurse", f"{SITE}/Patient/unlisted")
    ]


def test_who_is_added_while_the_site_is_busy_waits_for_the_next_screening(mine: LongList) -> None:
    client = mine.browser("nurse")
    with mine.store.begin_run(SITE, "pull"):
        answer = client.post("/candidates", data=fields(client, site=SITE, patient="Patient/unlisted"))

    assert answer.status_code == 200
    assert "the verdict comes with the next screening" in answer.text
    assert mine.store.added_candidates(SITE) == {"Patient/unlisted"}


@pytest.mark.parametrize(
    ("who", "patient_", "status"),
    [("nurse", "Patient/nobody", 404), ("nurse", "Condition/c-low", 404), ("far", "Patient/unlisted", 404)],
)
def test_nobody_is_added_who_is_not_there_or_elsewhere(there: LongList, who: str, patient_: str, status: int) -> None:
    client = there.browser(who)

    assert client.post("/candidates", data=fields(client, site=SITE, patient=patient_)).status_code == status
    assert there.store.added_candidates(SITE) == set()


def test_a_data_manager_adds_nobody(there: LongList) -> None:
    client = there.browser("manager")

    assert client.post("/candidates", data=fields(client, site=SITE, patient="Patient/unlisted")).status_code == 403
    assert "/candidates" not in find(client, "77/4").text


def test_the_api_adds_as_the_page_does(mine: LongList) -> None:
    answer = mine.browser("nurse").post("/api/candidates", json={"site": SITE, "patient": "Patient/unlisted"})

    assert (answer.status_code, answer.json()["screened"]) == (201, True)
    assert answer.json()["key"] == mine.key("unlisted")


@pytest.mark.parametrize("body", [{}, {"number": ""}, {"number": "1" * 65}, {"number": "1", "more": 1}])
def test_the_api_refuses_what_is_no_number(there: LongList, body: dict[str, Any]) -> None:
    assert there.browser("nurse").post("/api/find", json=body).status_code == 422


def test_forms_without_the_sessions_token_find_and_add_nobody(there: LongList) -> None:
    client = there.browser("nurse")

    assert client.post("/find", data={"number": "low"}).status_code == 403
    assert client.post("/candidates", data={"site": SITE, "patient": "Patient/unlisted"}).status_code == 403
    assert client.post("/api/find", data={"number": "low"}).status_code == 415


@pytest.fixture
def purged(mine: LongList) -> LongList:
    """One of whom nothing is listed was removed; found by an id and a number."""
    signs = Signs()
    with mine.store.begin_run(SITE, "purge") as run:
        numbers = {"Patient/unlisted": number_digests(mine.store, SITE, ["77/4"])}
        gone = [Purgeable("Patient/unlisted", ("Patient/unlisted",), {})]
        mine.store.purge(run, gone, numbers=numbers, signs=signs, by="me")
    return mine


def test_find_tells_of_who_was_purged_and_offers_to_add_them(purged: LongList) -> None:
    client = purged.browser("nurse")
    text = find(client, "77 / 4").text
    [one] = ask(client, "unlisted")["found"]

    assert "data were removed on" in text
    assert 'action="/candidates"' in text
    assert "No patient of that number" not in text
    assert (one["patient"], one["listed"], one["awaits_pull"], one["removed_at"] is None) == (
        "Patient/unlisted",
        False,
        False,
        False,
    )
    assert found_in(purged.browser("manager"), "77/4") == []


def test_who_was_purged_is_added_and_wanted_back(purged: LongList) -> None:
    client = purged.browser("nurse")
    answer = client.post("/candidates", data=fields(client, site=SITE, patient="Patient/unlisted"))
    [one] = ask(client, "77/4")["found"]

    assert (answer.status_code, "the next pull reads them again" in answer.text) == (200, True)
    assert one["awaits_pull"]
    assert purged.store.purged.wanted(SITE).persons == 1
    assert [line.actor for line in purged.store.audit_trail() if line.action == "add"] == ["nurse"]
