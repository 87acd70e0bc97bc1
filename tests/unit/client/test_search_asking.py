"""In: searches with parameters. Out: proof of how they are asked, gone on with and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from adapter.client import ForeignHost, LoopingPages, Refused, SiteClient, Unavailable, UnusableAnswer, searching
from adapter.errors import UsageError
from tests.unit.client.conftest import BASE_URL

STATEMENT: dict[str, Any] = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
CONDITIONS = f"{BASE_URL}/Condition"


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{BASE_URL}/metadata").respond(json=STATEMENT)
        yield router


def stating(*interactions: str) -> dict[str, Any]:
    resource = {"type": "Patient", "interaction": [{"code": code} for code in interactions]}
    return STATEMENT | {"rest": [{"resource": [resource]}]}


def searchset(*ids: str, onward: str | None = None, **more: Any) -> httpx.Response:
    link = [] if onward is None else [{"relation": "next", "url": onward}]
    entry = [{"resource": {"resourceType": "Condition", "id": id_}} for id_ in ids]
    return httpx.Response(
        200, json={"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry} | more
    )


def test_search_by_get_has_its_parameters_in_the_address(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.get(CONDITIONS).mock(return_value=searchset("1"))

    list(client.search("Condition", since="2025-06-01T00:00:00Z", params={"patient": "1,2"}))

    assert route.calls.last.request.url.query == b"_count=500&_lastUpdated=ge2025-06-01T00%3A00%3A00Z&patient=1,2"


def test_parameter_may_come_several_times(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.get(CONDITIONS).mock(return_value=searchset("1"))

    list(client.search("Condition", params=[("_include", "a"), ("_include", "b")]))

    assert route.calls.last.request.url.params.get_list("_include") == ["a", "b"]


@pytest.mark.parametrize("post", [True, False])
def test_search_by_post_has_its_parameters_in_the_body(
    client: SiteClient, server: respx.MockRouter, post: bool
) -> None:
    ids = ",".join(f"{number:064}" for number in range(1 if post else 40))
    route = server.post(f"{CONDITIONS}/_search").mock(return_value=searchset("1", onward="Condition?page=2"))
    server.get(CONDITIONS, params={"page": "2"}).mock(return_value=searchset("2"))

    pages = list(client.search("Condition", params={"patient": ids}, post=post))

    request = route.calls.last.request
    assert [len(page.entries) for page in pages] == [1, 1]
    assert parse_qs(request.content.decode()) == {"_count": ["500"], "patient": [ids]}
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    # A pull takes what there is: parameters that a server leaves out bring more, not less.
    assert "Prefer" not in request.headers
    assert pages[0].url == f"{CONDITIONS}/_search"


def test_search_by_post_is_asked_again_like_one_by_get(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.post(f"{CONDITIONS}/_search").mock(
        side_effect=[httpx.Response(500), httpx.ReadTimeout("slow"), searchset("1")]
    )

    assert len(list(client.search("Condition", post=True))) == 1
    assert route.call_count == 3


def test_page_tells_where_its_search_goes_on(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(CONDITIONS, params={"page": "2"}).mock(return_value=searchset("2"))
    server.get(CONDITIONS).mock(return_value=searchset("1", onward="Condition?page=2"))

    pages = list(client.search("Condition"))

    assert [page.next for page in pages] == [f"{CONDITIONS}?page=2", None]


def test_page_that_leads_elsewhere_comes_without_its_link(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(CONDITIONS).mock(return_value=searchset("1", onward="https://evil.example.org/r4?patient=4711"))
    pages = client.search("Condition")

    first = next(pages)
    with pytest.raises(ForeignHost):
        next(pages)

    assert (first.next, len(first.entries)) == (None, 1)
    assert "4711" not in repr(first)


def test_search_goes_on_from_a_kept_link(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(CONDITIONS, params={"page": "3"}).mock(return_value=searchset("3"))
    server.get(CONDITIONS, params={"page": "2"}).mock(return_value=searchset("2", onward="Condition?page=3"))

    pages = list(client.continue_search("Condition", f"{CONDITIONS}?page=2"))

    assert [page.next for page in pages] == [f"{CONDITIONS}?page=3", None]
    assert server.calls.call_count == 2


@pytest.mark.parametrize(
    "kept", ["https://evil.example.org/r4/Condition?page=2", "http://fhir.example.org/r4?page=2", "Condition?page=2"]
)
def test_kept_link_to_another_host_is_refused_with_nothing_sent(
    client: SiteClient, server: respx.MockRouter, kept: str
) -> None:
    with pytest.raises(ForeignHost):
        client.continue_search("Condition", kept)

    assert server.calls.call_count == 0


def test_kept_link_that_the_server_forgot_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(CONDITIONS).respond(410)

    with pytest.raises(Refused):
        list(client.continue_search("Condition", f"{CONDITIONS}?page=2"))


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (searchset(total=7), 7),
        (searchset("1"), None),
        (
            httpx.Response(
                200,
                json={
                    "resourceType": "Bundle",
                    "type": "searchset",
                    "total": 0,
                    "entry": [
                        {
                            "resource": {
                                "resourceType": "OperationOutcome",
                                "issue": [{"severity": "error", "code": "x"}],
                            }
                        }
                    ],
                },
            ),
            None,
        ),
    ],
)
def test_count_is_what_the_server_says(
    client: SiteClient, server: respx.MockRouter, answer: httpx.Response, count: int | None
) -> None:
    route = server.get(CONDITIONS).mock(return_value=answer)

    assert client.count("Condition", since="2025-06-01T00:00:00Z", params={"patient": "1"}) == count
    assert dict(route.calls.last.request.url.params) == {
        "_lastUpdated": "ge2025-06-01T00:00:00Z",
        "patient": "1",
        "_summary": "count",
    }


def test_remaining_asks_for_each_that_a_list_did_not_bring(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(f"{BASE_URL}/metadata").respond(json=stating("read", "search-type"))
    found = {"resourceType": "Patient", "id": "1"}
    server.get(f"{BASE_URL}/Patient").respond(
        json={"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": found}]}
    )
    server.get(f"{BASE_URL}/Patient/2").respond(content=b'{"resourceType":"Patient","id":"2"}')
    server.get(f"{BASE_URL}/Patient/3").respond(410)
    server.get(f"{BASE_URL}/Patient/4").respond(404)

    assert list(client.remaining("Patient", ["1", "2", "3", "4", "3"])) == ["1", "2"]


def test_remaining_believes_the_list_where_nothing_can_be_read(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(f"{BASE_URL}/metadata").respond(json=stating("search-type"))
    server.get(f"{BASE_URL}/Patient").mock(return_value=searchset())

    assert client.remaining("Patient", ["1"]) == {}


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (503, Unavailable)])
def test_remaining_concludes_nothing_from_a_failure(
    client: SiteClient, server: respx.MockRouter, status: int, error: type[Exception]
) -> None:
    server.get(f"{BASE_URL}/Patient").mock(return_value=searchset())
    server.get(f"{BASE_URL}/Patient/1").respond(status)

    with pytest.raises(error):
        client.remaining("Patient", ["1"])


def test_search_of_what_is_no_type_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    for ask in (client.search, client.count):
        with pytest.raises(UsageError):
            ask("Patient/1?x=")
    with pytest.raises(UsageError):
        client.continue_search("../x", f"{BASE_URL}/Patient?page=2")

    assert server.calls.call_count == 0


def test_next_link_that_is_no_address_is_unusable(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(CONDITIONS).mock(return_value=searchset("1", onward="https://[::1/r4"))

    with pytest.raises(UnusableAnswer, match="next link is no address"):
        list(client.search("Condition"))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\xef\xbb\xbf<?xml version='1.0'?><Bundle xmlns='http://hl7.org/fhir'/>", "application/fhir+xml"),
        (b"\n<Bundle xmlns='http://hl7.org/fhir'/>", "application/fhir+json"),
    ],
)
def test_answer_in_xml_is_unusable_and_not_asked_for_again(
    client: SiteClient, server: respx.MockRouter, body: bytes, media_type: str
) -> None:
    answer = httpx.Response(200, content=body, headers={"Content-Type": media_type})
    asked = server.get(CONDITIONS).mock(return_value=answer)

    with pytest.raises(UnusableAnswer, match="XML instead of JSON"):
        list(client.search("Condition"))
    assert asked.call_count == 1


@pytest.mark.parametrize(("ids", "most"), [(["1", "2", "3"], 3 + 100), ([""], 200)])
def test_search_whose_pages_come_again_under_new_links_ends(
    client: SiteClient, server: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, ids: list[str], most: int
) -> None:
    monkeypatch.setattr(searching, "MOST_EMPTY", 200)

    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "0"))
        id_ = ids[number % len(ids)]
        return searchset(*([id_] if id_ else []), onward=f"{CONDITIONS}?page={number + 1}")

    asked = server.get(url__startswith=CONDITIONS).mock(side_effect=page)

    with pytest.raises(LoopingPages):
        for _ in client.search("Condition"):
            pass
    assert asked.call_count == most


def test_search_goes_on_after_some_pages_that_came_before(client: SiteClient, server: respx.MockRouter) -> None:
    pages = [searchset(str(number % 90), onward=f"{CONDITIONS}?page={number}") for number in range(179)]
    server.get(url__startswith=CONDITIONS).mock(side_effect=[*pages, searchset("last")])

    assert len(list(client.search("Condition"))) == 180


def test_export_of_the_same_server_is_at_hand(client: SiteClient, server: respx.MockRouter) -> None:
    assert client.root == BASE_URL
    assert client.bulk() is not client.bulk()
    assert client.traffic.sent == 0
