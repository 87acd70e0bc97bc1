"""In: what servers answer (by respx). Out: proof of what the client reads, asks again, refuses, and never sends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import msgspec
import pytest
import respx

from adapter.client import (
    ForeignHost,
    LoopingPages,
    NotFound,
    Refused,
    SearchPage,
    SiteClient,
    Unavailable,
    UnusableAnswer,
)
from adapter.errors import RemoteError, UsageError
from tests.unit.client.conftest import BASE_URL, RecordedClock

OBSERVATION = b'{"resourceType":"Observation","id":"1", "valueQuantity":{"value":1.10}}'
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "resource": [{"type": "Observation", "searchParam": [{"name": "_lastUpdated"}]}]}],
}
SECRET = "patient=Patient%2F4711"


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{BASE_URL}/metadata").mock(return_value=httpx.Response(200, json=STATEMENT))
        yield router


def searchset(*raws: bytes, onward: str | None = None) -> httpx.Response:
    links = [] if onward is None else [{"relation": "next", "url": onward}]
    entries = b",".join(b'{"resource":%b,"search":{"mode":"match"}}' % raw for raw in raws)
    body = b'{"resourceType":"Bundle","type":"searchset","link":%b,"entry":[%b]}' % (
        msgspec.json.encode(links),
        entries,
    )
    return httpx.Response(200, content=body, headers={"Date": "Sun, 01 Jun 2025 12:00:00 GMT"})


def raws(pages: list[SearchPage]) -> list[bytes]:
    return [entry.raw for page in pages for entry in page.entries]


def hosts_asked(server: respx.MockRouter) -> set[str]:
    return {call.request.url.host for call in server.calls}


def test_search_asks_for_what_changed_in_order_of_change(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION))

    pages = list(client.search("Observation", since="2025-06-01T00:00:00+02:00", count=7))

    assert dict(route.calls[0].request.url.params) == {
        "_count": "7",
        "_lastUpdated": "ge2025-06-01T00:00:00+02:00",
        "_sort": "_lastUpdated",
    }
    assert route.calls[0].request.headers["Accept"] == "application/fhir+json"
    assert raws(pages) == [OBSERVATION]
    assert (pages[0].number, pages[0].url) == (1, f"{BASE_URL}/Observation")


def test_search_does_not_sort_where_the_server_does_not_say_it_can(
    client: SiteClient, server: respx.MockRouter
) -> None:
    route = server.get(f"{BASE_URL}/Basic").mock(return_value=searchset())

    list(client.search("Basic"))

    assert dict(route.calls[0].request.url.params) == {"_count": "500"}


def test_transaction_time_is_the_bundles_else_the_headers(client: SiteClient, server: respx.MockRouter) -> None:
    stamped = {"resourceType": "Bundle", "type": "searchset", "meta": {"lastUpdated": "2025-06-01T13:59:59.123+02:00"}}
    server.get(f"{BASE_URL}/Observation").mock(
        side_effect=[searchset(), httpx.Response(200, json=stamped), httpx.Response(200, json=stamped | {"meta": {}})]
    )

    times = [next(client.search("Observation")).transaction_time for _ in range(3)]

    assert times == ["2025-06-01T12:00:00Z", "2025-06-01T13:59:59.123+02:00", None]


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE_URL}?_getpages=abc",
        "?_getpages=abc",
        "Observation?_getpages=abc",
        "/r4/Observation?_getpages=abc",
        "https://files.example.org:8443/pages?_getpages=abc",
        "https://FHIR.example.org:443/r4/Observation?_getpages=abc",
    ],
)
def test_next_link_is_followed_as_given(client: SiteClient, server: respx.MockRouter, link: str) -> None:
    server.get(params={"_getpages": "abc"}).mock(return_value=searchset(b'{"id":"2"}'))
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION, onward=link))

    pages = list(client.search("Observation"))

    assert raws(pages) == [OBSERVATION, b'{"id":"2"}']
    assert [page.number for page in pages] == [1, 2]
    assert server.calls.last.request.headers["Authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    "link",
    [
        f"https://evil.example.org/r4/Observation?{SECRET}",
        f"//evil.example.org/r4?{SECRET}",
        f"http://fhir.example.org/r4/Observation?{SECRET}",
        f"https://fhir.example.org:8443/r4?{SECRET}",
        f"https://files.example.org/r4?{SECRET}",
        f"https://fhir.example.org@evil.example.org/r4?{SECRET}",
        f"https://user:word@fhir.example.org/r4?{SECRET}",
        "https://fhir.example.org\\@evil.example.org/r4",
        "ftp://fhir.example.org/r4",
        "file:///etc/passwd",
        "https://[::1/r4",
    ],
)
def test_next_link_to_another_host_is_refused_and_nothing_sent(
    client: SiteClient, server: respx.MockRouter, link: str
) -> None:
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION, onward=link))
    elsewhere = server.route().mock(return_value=searchset())
    pages = client.search("Observation")

    first = next(pages)
    with pytest.raises(RemoteError) as caught:
        next(pages)

    assert raws([first]) == [OBSERVATION]
    assert (elsewhere.call_count, hosts_asked(server)) == (0, {"fhir.example.org"})
    assert isinstance(caught.value, ForeignHost | UnusableAnswer)
    assert "4711" not in str(caught.value)
    assert "word" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_host_is_refused_with_the_token_unsent(
    client: SiteClient, server: respx.MockRouter, status: int
) -> None:
    target = f"https://evil.example.org/r4/Observation?{SECRET}"
    server.get(f"{BASE_URL}/Observation").mock(return_value=httpx.Response(status, headers={"Location": target}))
    elsewhere = server.get(host="evil.example.org").mock(return_value=searchset())

    with pytest.raises(ForeignHost) as caught:
        list(client.search("Observation"))

    assert elsewhere.call_count == 0
    assert caught.value.origin == "https://evil.example.org"
    assert "4711" not in str(caught.value)


def test_redirect_within_the_site_is_followed(client: SiteClient, server: respx.MockRouter) -> None:
    moved = httpx.Response(307, headers={"Location": "/new/Observation/1"})
    server.get(f"{BASE_URL}/Observation/1").mock(return_value=moved)
    server.get("https://fhir.example.org/new/Observation/1").mock(
        return_value=httpx.Response(200, content=OBSERVATION, headers={"ETag": 'W/"3"'})
    )

    found = client.read("Observation", "1")

    assert (found.raw, found.etag, found.id, found.version) == (OBSERVATION, 'W/"3"', "1", "3")


@pytest.mark.parametrize("target", [f"{BASE_URL}/Observation/1", None])
def test_redirect_that_leads_nowhere_is_refused(
    client: SiteClient, server: respx.MockRouter, target: str | None
) -> None:
    headers = {} if target is None else {"Location": target}
    server.get(f"{BASE_URL}/Observation/1").mock(return_value=httpx.Response(302, headers=headers))

    with pytest.raises(UnusableAnswer):
        client.read("Observation", "1")


def test_redirect_to_what_is_no_address_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    target = f"https://fhir.example.org:nonsense/?{SECRET}"
    server.get(f"{BASE_URL}/Observation/1").mock(return_value=httpx.Response(302, headers={"Location": target}))

    with pytest.raises(RemoteError) as caught:
        client.read("Observation", "1")

    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("onward", [f"{BASE_URL}/Observation?page=2", f"{BASE_URL}/Observation?page=3"])
def test_pages_that_lead_back_are_noticed(client: SiteClient, server: respx.MockRouter, onward: str) -> None:
    server.get(params={"page": "2"}).mock(return_value=searchset(b"{}", onward=onward))
    server.get(params={"page": "3"}).mock(return_value=searchset(b"{}", onward="Observation?page=2"))
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(onward="?page=2"))

    with pytest.raises(LoopingPages) as caught:
        list(client.search("Observation"))

    assert "page=" not in str(caught.value)


def test_503_is_waited_out_as_long_as_asked(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock
) -> None:
    busy = httpx.Response(503, headers={"Retry-After": "30"})
    server.get(f"{BASE_URL}/Observation").mock(side_effect=[busy, busy, searchset(OBSERVATION)])

    pages = list(client.search("Observation"))

    assert raws(pages) == [OBSERVATION]
    assert len(recorded.waits) == 2
    assert min(recorded.waits) >= 30


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(504, text="<html>proxy</html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.Response(200, content=b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"id":'),
        httpx.Response(200, content=b""),
    ],
)
def test_passing_failure_of_a_later_page_costs_nothing(
    client: SiteClient, server: respx.MockRouter, failure: httpx.Response | Exception
) -> None:
    server.get(params={"page": "2"}).mock(side_effect=[failure, failure, searchset(b'{"id":"2"}')])
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION, onward="?page=2"))

    pages = list(client.search("Observation"))

    assert raws(pages) == [OBSERVATION, b'{"id":"2"}']


def test_failure_that_lasts_ends_as_unavailable(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock
) -> None:
    server.get(params={"page": "2"}).mock(return_value=httpx.Response(503))
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION, onward=f"?page=2&{SECRET}"))
    pages = client.search("Observation")

    first = next(pages)
    with pytest.raises(Unavailable) as caught:
        next(pages)

    assert raws([first]) == [OBSERVATION]
    assert (caught.value.attempts, len(recorded.waits), caught.value.exit_code) == (4, 3, 75)
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 422])
def test_refusal_is_not_asked_again(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, status: int
) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "security", "diagnostics": "no access to Dupont"}],
    }
    route = server.get(f"{BASE_URL}/Observation").mock(return_value=httpx.Response(status, json=outcome))

    with pytest.raises(Refused) as caught:
        list(client.search("Observation", since="2025-06-01T00:00:00Z"))

    assert (route.call_count, recorded.waits) == (1, [])
    assert str(caught.value) == f"GET {BASE_URL}/Observation: answered {status} (error/security)"
    assert "Dupont" not in repr(caught.value.issues)


@pytest.mark.parametrize("status", [404, 410])
def test_missing_resource_is_not_found(client: SiteClient, server: respx.MockRouter, status: int) -> None:
    server.get(f"{BASE_URL}/Patient/1").mock(return_value=httpx.Response(status))

    with pytest.raises(NotFound) as caught:
        client.read("Patient", "1")

    assert str(caught.value) == f"GET {BASE_URL}/Patient/1: answered {status}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<title>Connexion</title>"),
        httpx.Response(200, json={"resourceType": "OperationOutcome", "issue": []}),
        httpx.Response(202),
        httpx.Response(204),
    ],
)
def test_answer_that_is_no_bundle_is_refused_at_once(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, answer: httpx.Response
) -> None:
    server.get(f"{BASE_URL}/Observation").mock(return_value=answer)

    with pytest.raises(UnusableAnswer):
        list(client.search("Observation"))

    assert recorded.waits == []


def test_untrusted_certificate_is_said_and_not_asked_again(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock
) -> None:
    server.get(f"{BASE_URL}/Patient/1").mock(side_effect=httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"))

    with pytest.raises(UnusableAnswer, match="certificate not trusted"):
        client.read("Patient", "1")

    assert recorded.waits == []


def test_capability_is_asked_once(client: SiteClient, server: respx.MockRouter) -> None:
    assert client.capability() is client.capability()
    assert server.calls.call_count == 1


def test_capability_of_another_kind_of_server_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(f"{BASE_URL}/metadata").mock(return_value=httpx.Response(200, html="<p>it works</p>"))

    with pytest.raises(UnusableAnswer, match="not a CapabilityStatement"):
        client.capability()


@pytest.mark.parametrize(
    ("resource_type", "resource_id"),
    [
        ("Patient", ".."),
        ("Patient", "."),
        ("Patient", "a/b"),
        ("Patient", "a?b"),
        ("Patient", ""),
        ("Patient", "x" * 65),
        ("../x", "1"),
    ],
)
def test_id_that_would_change_the_address_is_refused(
    client: SiteClient, server: respx.MockRouter, resource_type: str, resource_id: str
) -> None:
    with pytest.raises(UsageError):
        client.read(resource_type, resource_id)

    assert server.calls.call_count == 0


def test_type_that_would_change_the_address_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    with pytest.raises(UsageError):
        client.search("Patient/1?x=")

    assert server.calls.call_count == 0


def test_no_log_line_holds_a_query_or_the_token(
    client: SiteClient, server: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.get(params={"page": "2"}).mock(side_effect=[httpx.Response(503), httpx.ReadError(SECRET), searchset()])
    server.get(f"{BASE_URL}/Observation").mock(return_value=searchset(OBSERVATION, onward=f"?page=2&{SECRET}"))

    list(client.search("Observation"))

    assert "again in" in caplog.text
    assert "4711" not in caplog.text
    assert "secret-token" not in caplog.text
