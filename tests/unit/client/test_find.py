"""In: searches for identifiers and ids (by respx). Out: proof that all is found, and that no address tells of a patient."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
import respx

from adapter.client import ForeignHost, Found, NotFound, Refused, SiteClient, Unavailable, UnusableAnswer
from adapter.errors import UsageError
from tests.unit.client.conftest import BASE_URL, RecordedClock

SYSTEM = "urn:oid:1.2.3"
SEARCH = f"{BASE_URL}/Patient/_search"


def patient(name: str, *values: str, version: str | None = "1", **other: Any) -> bytes:
    identifiers = [{"system": SYSTEM, "value": value} for value in values]
    meta = {} if version is None else {"meta": {"versionId": version}}
    return msgspec.json.encode({"resourceType": "Patient", "id": name, "identifier": identifiers} | meta | other)


def searchset(*raws: bytes, onward: str | None = None, mode: str = "match") -> httpx.Response:
    links = [] if onward is None else [{"relation": "next", "url": onward}]
    entries = b",".join(b'{"resource":%b,"search":{"mode":"%b"}}' % (raw, mode.encode()) for raw in raws)
    head = b'{"resourceType":"Bundle","type":"searchset","link":%b,"entry":[' % msgspec.json.encode(links)
    return httpx.Response(200, content=head + entries + b"]}")


def asked(request: httpx.Request) -> list[str]:
    """The tokens of the identifiers that a request asks for; no value of these tests holds a comma."""
    query = request.content.decode() if request.method == "POST" else request.url.query.decode()
    return parse_qs(query)["identifier"][0].split(",")


def answering(*raws: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """A server that gives those of the resources that carry an identifier asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        values = {token.partition("|")[2] for token in asked(request)}
        carried = [(raw, {part["value"] for part in msgspec.json.decode(raw)["identifier"]}) for raw in raws]
        return searchset(*(raw for raw, held in carried if held & values))

    return answer


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def test_identifiers_are_asked_for_in_a_form(client: SiteClient, server: respx.MockRouter) -> None:
    raw = patient("a", "1")
    route = server.post(SEARCH).mock(return_value=searchset(raw))

    found = client.find("Patient", identifiers=[(SYSTEM, "1"), (SYSTEM, "2,x"), ("", "3")])

    request = route.calls.last.request
    assert found == {(SYSTEM, "1"): [Found(raw, 'W/"1"', "a", "1")], (SYSTEM, "2,x"): [], ("", "3"): []}
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Prefer"] == "handling=strict"
    assert parse_qs(request.content.decode()) == {
        "identifier": [rf"{SYSTEM}|1,{SYSTEM}|2\,x,|3"],
        "_count": ["200"],
    }
    assert request.url.query == b""


def test_more_than_fifty_identifiers_are_asked_for_in_parts(client: SiteClient, server: respx.MockRouter) -> None:
    raws = [patient(f"a{number}", f"v{number}") for number in range(120)]
    route = server.post(SEARCH).mock(side_effect=answering(*raws))

    found = client.find("Patient", identifiers=[(SYSTEM, f"v{number}") for number in range(120)] + [(SYSTEM, "v0")])

    assert [len(asked(call.request)) for call in route.calls] == [50, 50, 20]
    assert {value: [held.id for held in every] for (_, value), every in found.items()} == {
        f"v{number}": [f"a{number}"] for number in range(120)
    }


def test_all_pages_are_followed_and_each_resource_told_once(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(BASE_URL, params={"_getpages": "x"}).mock(
        return_value=searchset(patient("a", "1", version="2"), patient("b", "1", "2"))
    )
    server.post(SEARCH).mock(return_value=searchset(patient("a", "1"), onward=f"{BASE_URL}?_getpages=x"))

    found = client.find("Patient", identifiers=[(SYSTEM, "1"), (SYSTEM, "2")])

    assert [(held.id, held.version) for held in found[SYSTEM, "1"]] == [("a", "2"), ("b", "1")]
    assert [held.id for held in found[SYSTEM, "2"]] == ["b"]


def test_what_carries_none_of_the_identifiers_is_not_told(client: SiteClient, server: respx.MockRouter) -> None:
    # As a server answers that does not know the parameter, or folds case.
    strangers = [
        patient("b", "A1"),
        patient("c"),
        patient("d", "1", identifier=[{"system": "urn:other", "value": "a1"}]),
    ]
    other_type = b'{"resourceType":"Person","id":"e","identifier":[{"system":"urn:oid:1.2.3","value":"a1"}]}'
    server.post(SEARCH).mock(return_value=searchset(*strangers, other_type, patient("a", "a1")))

    found = client.find("Patient", identifiers=[(SYSTEM, "a1")])

    assert [held.id for held in found[SYSTEM, "a1"]] == ["a"]


def test_identifier_without_system_is_found_without_system_only(client: SiteClient, server: respx.MockRouter) -> None:
    server.post(SEARCH).mock(return_value=searchset(patient("a", "1"), patient("b", identifier=[{"value": "1"}])))

    found = client.find("Patient", identifiers=[("", "1")])

    assert [held.id for held in found["", "1"]] == ["b"]


def test_resource_without_version_has_no_etag(client: SiteClient, server: respx.MockRouter) -> None:
    server.post(SEARCH).mock(return_value=searchset(patient("a", "1", version=None)))

    (held,) = client.find("Patient", identifiers=[(SYSTEM, "1")])[SYSTEM, "1"]

    assert (held.id, held.version, held.etag) == ("a", None, None)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(503, headers={"Retry-After": "1"}),
        httpx.Response(408),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("half sent"),
        httpx.Response(200, content=b'{"resourceType":"Bundle","type":"searchset","entry":[{'),
    ],
)
def test_search_by_post_is_a_read_and_asked_again(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, failure: httpx.Response | Exception
) -> None:
    server.post(SEARCH).mock(side_effect=[failure, failure, searchset(patient("a", "1"))])

    found = client.find("Patient", identifiers=[(SYSTEM, "1")])

    assert ([held.id for held in found[SYSTEM, "1"]], len(recorded.waits)) == (["a"], 2)


def test_search_that_keeps_failing_is_unavailable(client: SiteClient, server: respx.MockRouter) -> None:
    server.post(SEARCH).mock(side_effect=httpx.ReadTimeout("slow"))

    with pytest.raises(Unavailable, match=f"POST {SEARCH}: no answer"):
        client.find("Patient", identifiers=[(SYSTEM, "1")])


@pytest.mark.parametrize("status", [404, 405, 501])
def test_server_without_search_by_post_is_asked_by_get_only_where_that_is_allowed(
    client: SiteClient, server: respx.MockRouter, status: int
) -> None:
    raws = [patient(f"a{number}", f"v{number}") for number in range(60)]
    posted = server.post(SEARCH).mock(return_value=httpx.Response(status))
    got = server.get(f"{BASE_URL}/Patient").mock(side_effect=answering(*raws))
    identifiers = [(SYSTEM, f"v{number}") for number in range(60)]

    found = client.find("Patient", identifiers=identifiers, may_be_in_url=True)
    with pytest.raises(Refused) as caught:
        client.find("Patient", identifiers=identifiers)

    assert [[held.id for held in every] for every in found.values()] == [[f"a{number}"] for number in range(60)]
    # Learnt at the first batch, forgotten for what must not stand in an address.
    assert (posted.call_count, got.call_count) == (2, 6)
    assert max(len(str(call.request.url)) for call in got.calls) < 2000
    assert (caught.value.status, isinstance(caught.value, NotFound)) == (status, status == 404)


@pytest.mark.parametrize("status", [400, 401, 403, 415, 422])
def test_another_refusal_of_a_search_is_no_reason_to_ask_by_get(
    client: SiteClient, server: respx.MockRouter, status: int
) -> None:
    server.post(SEARCH).mock(return_value=httpx.Response(status))
    got = server.get(f"{BASE_URL}/Patient").mock(return_value=searchset())

    with pytest.raises(Refused) as caught:
        client.find("Patient", identifiers=[(SYSTEM, "1")], may_be_in_url=True)

    assert (caught.value.status, got.call_count) == (status, 0)


def test_search_that_says_it_is_not_whole_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    server.post(SEARCH).mock(return_value=searchset(patient("a", "1"), msgspec.json.encode(outcome)))

    with pytest.raises(UnusableAnswer, match=r"matches may be missing \(error/timeout\)"):
        client.find("Patient", identifiers=[(SYSTEM, "1")])


def test_remark_beside_the_matches_is_none(client: SiteClient, server: respx.MockRouter) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}
    server.post(SEARCH).mock(return_value=searchset(patient("a", "1"), msgspec.json.encode(outcome)))

    found = client.find("Patient", identifiers=[(SYSTEM, "1")])

    assert len(found[SYSTEM, "1"]) == 1


@pytest.mark.parametrize("raw", [b'{"resourceType":"Patient","identifier":[]}', b"7", b'{"id":"a"}'])
def test_match_that_cannot_be_addressed_is_refused(client: SiteClient, server: respx.MockRouter, raw: bytes) -> None:
    server.post(SEARCH).mock(return_value=searchset(raw))

    with pytest.raises(UnusableAnswer, match="no resource with an id"):
        client.find("Patient", identifiers=[(SYSTEM, "1")])


def test_redirect_of_a_search_to_a_foreign_host_sends_nothing_there(
    client: SiteClient, server: respx.MockRouter
) -> None:
    elsewhere = server.route(host="evil.example.org").mock(return_value=searchset())
    target = {"Location": "https://evil.example.org/_search"}
    server.post(SEARCH).mock(return_value=httpx.Response(307, headers=target))

    with pytest.raises(ForeignHost):
        client.find("Patient", identifiers=[(SYSTEM, "1")])

    assert elsewhere.call_count == 0


def test_no_address_no_log_and_no_message_holds_an_identifier(
    client: SiteClient, server: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    route = server.post(SEARCH).mock(side_effect=[httpx.Response(503), httpx.ReadError("4711"), httpx.Response(400)])

    with pytest.raises(Refused) as caught:
        client.find("Patient", identifiers=[(SYSTEM, "4711")])

    assert "4711" in route.calls.last.request.content.decode()
    assert not any("4711" in str(call.request.url) for call in server.calls)
    assert "again in" in caplog.text
    assert "4711" not in caplog.text + str(caught.value)


def test_repr_of_what_was_found_holds_no_patient_content(client: SiteClient, server: respx.MockRouter) -> None:
    server.post(SEARCH).mock(return_value=searchset(patient("a", "4711")))

    found = client.find("Patient", identifiers=[(SYSTEM, "4711")])

    assert "4711" not in repr(list(found.values()))


@pytest.mark.parametrize(("resource_type", "identifier"), [("Patient/1?", (SYSTEM, "1")), ("Patient", (SYSTEM, ""))])
def test_search_that_would_find_everything_is_refused(
    client: SiteClient, server: respx.MockRouter, resource_type: str, identifier: tuple[str, str]
) -> None:
    with pytest.raises(UsageError):
        client.find(resource_type, identifiers=[identifier])

    assert server.calls.call_count == 0


def test_nothing_to_find_is_not_asked_for(client: SiteClient, server: respx.MockRouter) -> None:
    assert client.find("Patient", identifiers=[]) == {}
    assert client.read_many("Patient", []) == {}
    assert server.calls.call_count == 0


def test_many_ids_are_read_in_parts_and_only_they_are_told(client: SiteClient, server: respx.MockRouter) -> None:
    names = [f"a{number}" for number in range(60)]
    raws = {name: patient(name) for name in names}

    def answer(request: httpx.Request) -> httpx.Response:
        wanted = request.url.params["_id"].split(",")
        # One that was not asked for comes too, and one that was asked for does not exist.
        return searchset(patient("stranger"), *(raws[name] for name in wanted if name in raws))

    route = server.get(f"{BASE_URL}/Patient").mock(side_effect=answer)

    many = client.read_many("Patient", [*names, "nobody", "a0"])

    assert many == raws
    assert [len(call.request.url.params["_id"].split(",")) for call in route.calls] == [50, 11]
    assert route.calls[0].request.url.params["_count"] == "50"


@pytest.mark.parametrize(("resource_type", "name"), [("Patient", "a,b"), ("Patient", ".."), ("patient", "a")])
def test_ids_that_are_none_are_refused(
    client: SiteClient, server: respx.MockRouter, resource_type: str, name: str
) -> None:
    with pytest.raises(UsageError):
        client.read_many(resource_type, ["a", name])

    assert server.calls.call_count == 0


def test_tagged_resources_are_found_by_codes_that_tell_of_nobody(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.get(f"{BASE_URL}/Patient").mock(return_value=searchset(patient("1", "A")))

    found = client.tagged("Patient", system="urn:reluth:tag", codes=["0a1b", "0a1b"])

    assert [one.id for one in found] == ["1"]
    assert parse_qs(route.calls.last.request.url.query.decode())["_tag"] == ["urn:reluth:tag|0a1b"]


def test_tag_that_is_no_plain_code_is_refused(client: SiteClient) -> None:
    with pytest.raises(UsageError):
        client.tagged("Patient", system="urn:reluth:tag", codes=["a,b"])


def test_references_are_asked_for_as_such(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.get(f"{BASE_URL}/Patient").mock(return_value=searchset(patient("1", "A")))

    assert [one.version for one in client.referring("Patient", by="link", references=["Patient/2"])] == ["1"]
    assert parse_qs(route.calls.last.request.url.query.decode())["link"] == ["Patient/2"]


def test_reference_that_is_none_is_refused(client: SiteClient) -> None:
    with pytest.raises(UsageError):
        client.referring("Patient", by="link", references=["2"])
