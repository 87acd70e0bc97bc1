"""Promises of fetching for an answer that somebody waits for: in time or not at all, and never elsewhere."""

from __future__ import annotations

import time

import httpx

from adapter.client import BearerAuth, SiteAddress
from adapter.client.at_hand import fetch_at_hand
from tests.support.cds import bundle

ADDRESS = SiteAddress("https://fhir.example.org/r4", auth=BearerAuth("t"))
WANTED = {"Patient": ("_id", "1"), "Condition": ("patient", "1"), "AdverseEvent": ("subject", "1")}


def test_all_types_are_searched_with_the_token() -> None:
    asked: list[tuple[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, request.headers["authorization"]))
        name = request.url.path.rpartition("/")[2]
        return httpx.Response(200, json=bundle({"resourceType": name, "id": "1"}))

    found = fetch_at_hand(ADDRESS, WANTED, seconds=5, via=httpx.MockTransport(handle))

    assert found.whole == set(WANTED)
    assert len(found.raws) == 3
    assert {path for path, _ in asked} == {f"/r4/{name}" for name in WANTED}
    assert {token for _, token in asked} == {"Bearer t"}


def test_type_that_is_refused_cut_off_or_led_elsewhere_is_not_whole() -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        match request.url.path.rpartition("/")[2]:
            case "Patient":
                return httpx.Response(403)
            case "Condition":
                error = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "incomplete"}]}
                return httpx.Response(200, json=bundle(error))
            case _:
                link = [{"relation": "next", "url": "https://evil.example.org/r4?page=2"}]
                return httpx.Response(200, json=bundle(link=link))

    found = fetch_at_hand(ADDRESS, WANTED, seconds=5, via=httpx.MockTransport(handle))

    assert found.whole == frozenset()
    assert set(hosts) == {"fhir.example.org"}


def test_server_that_is_slow_is_not_waited_for() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("Condition"):
            time.sleep(1.5)
        return httpx.Response(200, json=bundle())

    begun = time.monotonic()
    found = fetch_at_hand(ADDRESS, WANTED, seconds=0.5, via=httpx.MockTransport(handle))

    assert time.monotonic() - begun < 1.2
    assert found.whole == {"Patient", "AdverseEvent"}
