"""Promises of finding what has no search by identifier: by its tag where the server knows tags, else among the person's."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from adapter.client import SiteAddress, SiteClient
from adapter.store import Store
from adapter.sync.finding import TAGS, Finder
from tests.support.push_server import BASE_URL, PushServer
from tests.support.push_site import Desk, infusion


def event_of(number: str) -> dict[str, object]:
    return {
        "resourceType": "AdverseEvent",
        "identifier": {"system": "urn:reluth:extravasation", "value": number},
        "actuality": "actual",
        "subject": {"reference": "Patient/P1"},
    }


def finder_of(server: PushServer) -> Finder:
    return Finder(SiteClient(SiteAddress(BASE_URL), via=httpx.MockTransport(server)))


def test_resource_without_search_by_identifier_is_created_by_its_tag() -> None:
    body, query = finder_of(PushServer(has_tags=True)).conditioned(event_of("1"), "urn:reluth:extravasation", "1")

    (tag,) = body["meta"]["tag"]
    assert (tag["system"], query) == (TAGS, f"_tag={TAGS}|{tag['code']}")
    assert "extravasation" not in tag["code"]


def test_same_name_has_the_same_tag_and_another_has_another() -> None:
    finder = finder_of(PushServer(has_tags=True))

    queries = [finder.conditioned(event_of(one), "urn:x", one)[1] for one in ("1", "1", "2")]

    assert queries[0] == queries[1] != queries[2]


def test_server_without_tags_is_asked_for_nothing_that_it_does_not_know() -> None:
    body = event_of("1")

    assert finder_of(PushServer()).conditioned(body, "urn:reluth:extravasation", "1") == (body, None)


def test_resource_with_search_by_identifier_is_asked_for_by_that() -> None:
    body = {"resourceType": "Observation", "identifier": [{"system": "urn:x", "value": "1,2"}]}

    assert finder_of(PushServer(has_tags=True)).conditioned(body, "urn:x", "1,2") == (body, "identifier=urn:x|1%5C,2")


@pytest.mark.parametrize("has_tags", [True, False])
def test_two_machines_leave_one_adverse_event_where_tags_are_known(tmp_path: Path, has_tags: bool) -> None:
    server = PushServer(has_tags=has_tags)
    with Store.open(tmp_path / "one") as first, Store.open(tmp_path / "two") as second:
        desks = [Desk(first, server), Desk(second, server)]
        for desk in desks:
            desk.load(infusion(extravasation={"occurred": True}))
            assert desk.push().exit_code == 0

    assert len(server.all("Provenance")) == 1
    (event,) = server.all("AdverseEvent")
    assert ("meta" in (event.body or {})) is has_tags


def test_hospitals_own_adverse_event_with_a_bare_word_for_a_system_is_passed_over(tmp_path: Path) -> None:
    server = PushServer(has_tags=False)
    with Store.open(tmp_path / "one") as store:
        desk = Desk(store, server)
        (person,) = server.all("Patient")
        own = {**event_of("1"), "identifier": {"system": "LOCAL", "value": "4711"}}
        reference = server.put({**own, "subject": {"reference": person.reference}})
        before = server.get(reference)
        desk.load(infusion(extravasation={"occurred": True}))

        assert desk.push().exit_code == 0

    assert server.get(reference) == before
    assert len(server.all("AdverseEvent")) == 2
