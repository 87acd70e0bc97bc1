"""In: histories of a type. Out: proof that deletions are told, that nothing is guessed, and that addresses are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import respx

from adapter.client import ForeignHost, LoopingPages, Refused, SiteClient, Unavailable, UnusableAnswer
from adapter.client.history import HistoryEntry, parse_history
from adapter.errors import UsageError
from tests.unit.client.conftest import BASE_URL

URL = f"{BASE_URL}/Patient/_history"
RAW = b'{"resourceType":"Patient","id":"1", "meta":{"versionId":"3"},"x":1.10}'


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def history(*entries: dict[str, Any], onward: str | None = None) -> bytes:
    link = [] if onward is None else [{"relation": "next", "url": onward}]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "history", "link": link, "entry": list(entries)})


def deletion(url: str, **more: Any) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": url}} | more


def test_version_is_an_exact_slice_and_a_deletion_has_none() -> None:
    kept = {"resource": msgspec.Raw(RAW), "request": {"method": "PUT", "url": "Patient/1"}}

    page = parse_history(history(kept, deletion("Patient/2")), resource_type="Patient")

    assert page.entries == (
        HistoryEntry("Patient", "1", "3", False, RAW),
        HistoryEntry("Patient", "2", None, True),
    )


def test_version_that_half_a_surrogate_spoils_hides_no_deletion() -> None:
    spoiled = {"fullUrl": f"{BASE_URL}/Patient/1", "resource": msgspec.Raw(RAW[:-1] + b',"y":"\\ud83d"}')}

    page = parse_history(history(spoiled, deletion("Patient/2")), resource_type="Patient")

    assert [(entry.id, entry.deleted, entry.raw[-13:]) for entry in page.entries] == [
        ("1", False, b'"y":"\\ud83d"}'),
        ("2", True, b""),
    ]


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        pytest.param(deletion("Patient/2/_history/5"), "5", id="address-of-the-version"),
        pytest.param(deletion("https://fhir.example.org/r4/Patient/2"), None, id="absolute"),
        pytest.param(deletion("Patient/2", response={"etag": 'W/"7"'}), "7", id="etag"),
        pytest.param(deletion("Patient?identifier=x", fullUrl=f"{BASE_URL}/Patient/2"), None, id="conditional"),
        pytest.param(deletion("", response={"location": "Patient/2/_history/4"}), "4", id="location"),
        pytest.param({"request": {"method": "PUT", "url": "Patient/2"}}, None, id="nothing-left-of-it"),
    ],
)
def test_deletion_names_its_resource(entry: dict[str, Any], version: str | None) -> None:
    page = parse_history(history(entry), resource_type="Patient")

    assert page.entries == (HistoryEntry("Patient", "2", version, True),)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"resourceType":"Bundle","type":"searchset"}',
        b'{"resourceType":"OperationOutcome","issue":[]}',
        history(deletion("Patient?identifier=x")),
        history(deletion("Observation/2")),
        history({"fullUrl": 7}),
    ],
)
def test_history_that_does_not_tell_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a|does not tell"):
        parse_history(body, resource_type="Patient")


def test_empty_history_has_no_entries() -> None:
    assert parse_history(b'{"resourceType":"Bundle","type":"history"}', resource_type="Patient").entries == ()


def test_history_is_asked_for_since_a_time_and_read_to_its_end(client: SiteClient, server: respx.MockRouter) -> None:
    server.get(URL, params={"page": "2"}).respond(content=history(deletion("Patient/2")))
    route = server.get(URL).respond(content=history(deletion("Patient/1"), onward="Patient/_history?page=2"))

    found = list(client.history("Patient", "2025-06-01T00:00:00Z", count=7))

    assert [entry.id for entry in found] == ["1", "2"]
    assert dict(route.calls[0].request.url.params) == {"_count": "7", "_since": "2025-06-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(405), Refused),
        (httpx.Response(503), Unavailable),
        (httpx.Response(200, html="<title>Connexion</title>"), UnusableAnswer),
        (httpx.Response(200, content=history(deletion("Patient?x=1"))), UnusableAnswer),
        (httpx.Response(200, content=history(onward="https://evil.example.org/r4")), ForeignHost),
        (httpx.Response(200, content=history(onward="Patient/_history?_count=500")), LoopingPages),
        (
            httpx.Response(
                200,
                content=history(
                    {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}}
                ),
            ),
            UnusableAnswer,
        ),
    ],
)
def test_history_that_is_not_whole_is_an_error(
    client: SiteClient, server: respx.MockRouter, answer: httpx.Response, error: type[Exception]
) -> None:
    server.get(URL).mock(return_value=answer)

    with pytest.raises(error):
        list(client.history("Patient"))


def test_history_of_what_is_no_type_is_refused(client: SiteClient, server: respx.MockRouter) -> None:
    with pytest.raises(UsageError):
        client.history("Patient/1?x=")

    assert server.calls.call_count == 0
