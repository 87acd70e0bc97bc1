"""In: kick-offs in every form. Out: proof of what is asked, and that the status is looked for at an allowed host only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest

from adapter.client import ForeignHost, Refused, Unavailable, UnusableAnswer
from adapter.client.bulk import ExportRequest
from adapter.errors import UsageError
from tests.unit.client.bulk_server import STATUS_URL, Server, accepted, outcome
from tests.unit.client.conftest import BASE_URL

FULL = ExportRequest(
    types=("Patient", "Observation"),
    level="group",
    group="g-1",
    since="2025-05-01T00:00:00.000+02:00",
    type_filters=("Observation?code=a,b", "Observation?status=final"),
    elements=("id", "Patient.name"),
    organize_output_by="Patient",
    partial_manifests=True,
)


def posted(request: httpx.Request) -> list[dict[str, Any]]:
    body = msgspec.json.decode(request.content)
    assert body["resourceType"] == "Parameters"
    parameters: list[dict[str, Any]] = body["parameter"]
    return parameters


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (ExportRequest(level="system"), "/r4/$export"),
        (ExportRequest(), "/r4/Patient/$export"),
        (ExportRequest(level="group", group="g-1"), "/r4/Group/g-1/$export"),
    ],
)
@pytest.mark.parametrize("post", [False, True])
def test_each_level_has_its_operation(request_: ExportRequest, path: str, post: bool) -> None:
    server = Server(accepted())
    with server.bulk() as bulk:
        found = bulk.kick_off(ExportRequest(level=request_.level, group=request_.group, post=post))

    assert found == STATUS_URL
    assert (server.seen[0].method, server.seen[0].url.path) == ("POST" if post else "GET", path)


def test_get_asks_in_the_query_with_lists_by_commas() -> None:
    server = Server(accepted())
    with server.bulk() as bulk:
        bulk.kick_off(FULL)

    (asked,) = server.seen
    assert parse_qsl(asked.url.query.decode()) == [
        ("_outputFormat", "application/fhir+ndjson"),
        ("_type", "Patient,Observation"),
        ("_since", "2025-05-01T00:00:00.000+02:00"),
        ("_typeFilter", "Observation?code=a,b"),
        ("_typeFilter", "Observation?status=final"),
        ("_elements", "id,Patient.name"),
        ("organizeOutputBy", "Patient"),
        ("allowPartialManifests", "true"),
    ]
    assert asked.headers["Prefer"] == "respond-async"
    assert asked.headers["Accept"] == "application/fhir+json"
    assert asked.headers["Authorization"] == "Bearer secret-token"


def test_post_asks_in_parameters() -> None:
    server = Server(accepted())
    with server.bulk() as bulk:
        bulk.kick_off(_posting(FULL))

    (asked,) = server.seen
    assert asked.url.query == b""
    assert asked.headers["Prefer"] == "respond-async, separate-export-status"
    assert posted(asked) == [
        {"name": "_outputFormat", "valueString": "application/fhir+ndjson"},
        {"name": "_type", "valueString": "Patient,Observation"},
        {"name": "_since", "valueInstant": "2025-05-01T00:00:00.000+02:00"},
        {"name": "_typeFilter", "valueString": "Observation?code=a,b"},
        {"name": "_typeFilter", "valueString": "Observation?status=final"},
        {"name": "_elements", "valueString": "id,Patient.name"},
        {"name": "organizeOutputBy", "valueString": "Patient"},
        {"name": "allowPartialManifests", "valueBoolean": True},
    ]


@pytest.mark.parametrize("status", [400, 422])
def test_server_that_refuses_lists_is_asked_value_by_value(status: int) -> None:
    server = Server(outcome(status, "not-supported"), accepted())
    with server.bulk() as bulk:
        found = bulk.kick_off(_posting(FULL))

    told = [(parameter["name"], parameter.get("valueString")) for parameter in posted(server.seen[1])]
    assert found == STATUS_URL
    assert [value for name, value in told if name == "_type"] == ["Patient", "Observation"]
    assert [value for name, value in told if name == "_elements"] == ["id", "Patient.name"]


def test_server_that_refuses_both_forms_has_refused() -> None:
    server = Server(outcome(400, "not-supported"))
    with server.bulk() as bulk, pytest.raises(Refused, match=r"answered 400 \(error/not-supported\)$"):
        bulk.kick_off(_posting(FULL))

    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [(ExportRequest(types=("Patient",), post=True), 400), (ExportRequest(types=("Patient", "Basic"), post=True), 403)],
)
def test_refusal_that_another_form_cannot_mend_is_told_at_once(request_: ExportRequest, status: int) -> None:
    server = Server(outcome(status))
    with server.bulk() as bulk, pytest.raises(Refused):
        bulk.kick_off(request_)

    assert len(server.seen) == 1


@pytest.mark.parametrize(("status", "advised"), [(400, True), (405, True), (501, True), (403, False), (404, False)])
def test_refused_get_says_that_there_is_a_post(status: int, advised: bool) -> None:
    server = Server(outcome(status, "not-supported"))
    with server.bulk() as bulk, pytest.raises(Refused) as caught:
        bulk.kick_off(ExportRequest())

    assert ('method = "post"' in str(caught.value)) is advised
    assert caught.value.status == status
    assert "Dupont" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (f"{BASE_URL}/exports/7", f"{BASE_URL}/exports/7"),
        ("https://files.example.org:8443/x?job=7", "https://files.example.org:8443/x?job=7"),
        ("/r4/exports/7", f"{BASE_URL}/exports/7"),
        ("../exports/7?a=b", f"{BASE_URL}/exports/7?a=b"),
    ],
)
@pytest.mark.parametrize("status", [200, 202])
def test_status_is_had_where_the_server_says(told: str, found: str, status: int) -> None:
    server = Server(accepted(told, status=status))
    with server.bulk() as bulk:
        assert bulk.kick_off(ExportRequest()) == found


@pytest.mark.parametrize(
    "told",
    ["https://elsewhere.example.org/exports/7", "http://fhir.example.org/r4/exports/7", "//elsewhere.example.org/7"],
)
def test_status_at_another_host_is_refused(told: str) -> None:
    server = Server(accepted(told))
    with server.bulk() as bulk, pytest.raises(ForeignHost):
        bulk.kick_off(ExportRequest())

    assert len(server.seen) == 1


@pytest.mark.parametrize("told", [None, "", "https://h:nonsense/7"])
def test_kick_off_without_an_address_is_unusable(told: str | None) -> None:
    server = Server(accepted(told))
    with server.bulk() as bulk, pytest.raises(UnusableAnswer):
        bulk.kick_off(ExportRequest())


@pytest.mark.parametrize("post", [False, True])
def test_kick_off_is_asked_again_after_any_failure(post: bool) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "40"})
    server = Server(httpx.ReadError("lost"), httpx.Response(500), busy, accepted())
    with server.bulk() as bulk:
        found = bulk.kick_off(ExportRequest(post=post))

    assert found == STATUS_URL
    assert server.waits == [0.5, 1.0, 40.5]


def test_kick_off_that_is_never_answered_is_unavailable() -> None:
    server = Server(httpx.Response(503, headers={"Retry-After": "20"}))
    with server.bulk() as bulk, pytest.raises(Unavailable, match="answered 503, after 4 attempts"):
        bulk.kick_off(ExportRequest(post=True))


@pytest.mark.parametrize(
    "arguments",
    [
        {"types": ("patient",)},
        {"types": ("Patient,Observation",)},
        {"level": "group"},
        {"level": "group", "group": ""},
        {"level": "group", "group": "../Patient"},
        {"level": "group", "group": ".."},
    ],
)
def test_request_that_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ExportRequest(**arguments)


def _posting(request: ExportRequest) -> ExportRequest:
    return replace(request, post=True)
