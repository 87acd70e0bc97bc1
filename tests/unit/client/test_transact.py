"""In: what servers answer to a transaction (by respx). Out: proof of what is sent again, and what is said to be unknown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import respx

from adapter.client import (
    BearerAuth,
    EntryOutcome,
    ForeignHost,
    NotFound,
    Refused,
    RetryPolicy,
    SiteAddress,
    SiteClient,
    TransactionEntry,
    Unavailable,
    Uncertain,
    UnusableAnswer,
)
from adapter.errors import TransientError
from tests.unit.client.conftest import BASE_URL, RecordedClock

SECRET = "4711"
ENTRIES = [
    TransactionEntry(
        "POST",
        "Basic",
        b'{"resourceType":"Basic","identifier":[{"value":"4711"}],"extension":[{"valueDecimal":1.10}]}',
        if_none_exist="identifier=urn:x|4711",
    ),
    TransactionEntry("PUT", "Basic/9", b'{"resourceType":"Basic","id":"9"}', if_match='W/"2"'),
]
OUTCOMES = [EntryOutcome(201, "Basic/1", "1", 'W/"1"'), EntryOutcome(200, "Basic/9", "3", 'W/"3"')]
REFUSAL = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "conflict",
            "diagnostics": "of Dupont",
            "expression": ["Bundle.entry[1].resource"],
        },
        {"severity": "warning", "code": "informational", "details": {"text": "of Durand"}},
    ],
}


def done(**other: Any) -> httpx.Response:
    entries = [
        {"response": {"status": "201 Created", "location": "Basic/1/_history/1"}},
        {"response": {"status": "200 OK", "location": f"{BASE_URL}/Basic/9/_history/3", "etag": 'W/"3"'}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries} | other
    return httpx.Response(200, json=bundle)


@pytest.fixture
def server() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def test_transaction_is_posted_to_the_base_as_it_is(client: SiteClient, server: respx.MockRouter) -> None:
    route = server.post(BASE_URL).mock(return_value=done())

    outcomes = client.transact(ENTRIES)

    request = route.calls.last.request
    assert outcomes == OUTCOMES
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/fhir+json"
    assert request.headers["Prefer"] == "return=minimal"
    assert request.headers["Authorization"] == "Bearer secret-token"
    assert all(entry.resource in request.content for entry in ENTRIES if entry.resource)
    assert msgspec.json.decode(request.content)["type"] == "transaction"


def test_base_is_addressed_as_it_was_configured(server: respx.MockRouter) -> None:
    route = server.post(url__eq=f"{BASE_URL}/").mock(return_value=done())

    with SiteClient(SiteAddress(f"{BASE_URL}/")) as client:
        client.transact(ENTRIES)

    assert route.call_count == 1


def test_nothing_to_write_is_not_sent(client: SiteClient, server: respx.MockRouter) -> None:
    assert client.transact([]) == []
    assert server.calls.call_count == 0


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("all taken"),
        httpx.ProxyError("no tunnel"),
        httpx.Response(425),
        httpx.Response(429),
        httpx.Response(503),
        httpx.Response(503, text="<html>no server is available</html>"),
    ],
)
def test_what_surely_was_not_done_is_sent_again(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, failure: httpx.Response | Exception
) -> None:
    route = server.post(BASE_URL).mock(side_effect=[failure, failure, done()])

    outcomes = client.transact(ENTRIES)

    bodies = {call.request.content for call in route.calls}
    assert (outcomes, len(bodies), len(recorded.waits)) == (OUTCOMES, 1, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_wait_is_as_long_as_asked(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, status: int
) -> None:
    busy = httpx.Response(status, headers={"Retry-After": "30"})
    server.post(BASE_URL).mock(side_effect=[busy, done()])

    client.transact(ENTRIES)

    assert len(recorded.waits) == 1
    assert recorded.waits[0] >= 30


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.Response(503, headers={"Retry-After": "30"})])
def test_undone_for_all_attempts_is_unavailable_and_not_uncertain(
    client: SiteClient, server: respx.MockRouter, failure: httpx.Response | Exception
) -> None:
    route = server.post(BASE_URL).mock(side_effect=[failure] * 9)

    with pytest.raises(Unavailable) as caught:
        client.transact(ENTRIES)

    assert (route.call_count, caught.value.attempts, caught.value.exit_code) == (4, 4, 75)
    assert str(caught.value).startswith(f"POST {BASE_URL}: ")


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (httpx.ReadTimeout(SECRET), "no answer (ReadTimeout)"),
        (httpx.ReadError(SECRET), "no answer (ReadError)"),
        (httpx.WriteError(SECRET), "no answer (WriteError)"),
        (httpx.WriteTimeout(SECRET), "no answer (WriteTimeout)"),
        (httpx.CloseError(SECRET), "no answer (CloseError)"),
        (httpx.RemoteProtocolError(SECRET), "no answer (RemoteProtocolError)"),
        (httpx.DecodingError(SECRET), "no answer (DecodingError)"),
        (httpx.Response(408), "answered 408"),
        (httpx.Response(500), "answered 500"),
        (httpx.Response(502, text="<html>4711</html>"), "answered 502"),
        (httpx.Response(504), "answered 504"),
        (httpx.Response(507), "answered 507"),
        (httpx.Response(303, headers={"Location": f"{BASE_URL}/Bundle/1"}), "answered 303"),
        (httpx.Response(201), "answered 201"),
        (httpx.Response(202, headers={"Content-Location": f"{BASE_URL}/async/1"}), "answered 202"),
        (httpx.Response(204), "answered 204"),
        (httpx.Response(200), "answered with what is not whole JSON"),
        (httpx.Response(200, content=done().content[:-20]), "answered with what is not whole JSON"),
        (httpx.Response(200, html="<p>4711</p>"), "answered with what is not whole JSON"),
        (httpx.Response(200, json=REFUSAL), "answered with no transaction-response Bundle"),
        (done(type="batch-response"), "answered with no transaction-response Bundle"),
        (done(type="searchset"), "answered with no transaction-response Bundle"),
        (done(entry=[]), "answered 0 entries to 2"),
        (done(entry=[{"response": {"status": "201"}}] * 3), "answered 3 entries to 2"),
        (done(entry=[{"response": {"status": "201"}}, {}]), "answered with no transaction-response Bundle"),
        (done(entry=[{"response": {"status": "201"}}, {"response": {}}]), "answered an entry without its status"),
    ],
)
def test_what_may_have_been_done_is_uncertain_and_sent_once(
    client: SiteClient,
    server: respx.MockRouter,
    recorded: RecordedClock,
    caplog: pytest.LogCaptureFixture,
    failure: httpx.Response | Exception,
    problem: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    route = server.post(BASE_URL).mock(side_effect=[failure, done()])

    with pytest.raises(Uncertain) as caught:
        client.transact(ENTRIES)

    assert (route.call_count, recorded.waits) == (1, [])
    assert str(caught.value) == f"POST {BASE_URL}: {problem}; whether it was done is not known"
    assert isinstance(caught.value, TransientError)
    assert caught.value.status == (failure.status_code if isinstance(failure, httpx.Response) else None)
    assert SECRET not in caplog.text


def test_what_may_have_been_done_after_a_wait_is_uncertain_too(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock
) -> None:
    route = server.post(BASE_URL).mock(side_effect=[httpx.Response(503), httpx.ReadError("reset"), done()])

    with pytest.raises(Uncertain):
        client.transact(ENTRIES)

    assert (route.call_count, len(recorded.waits)) == (2, 1)


def test_uncertain_tells_what_the_server_said_but_not_its_free_text(
    client: SiteClient, server: respx.MockRouter
) -> None:
    server.post(BASE_URL).mock(return_value=httpx.Response(500, json=REFUSAL))

    with pytest.raises(Uncertain) as caught:
        client.transact(ENTRIES)

    assert (caught.value.status, len(caught.value.issues)) == (500, 2)
    assert "error/conflict at Bundle.entry[1].resource" in str(caught.value)
    assert "Dupont" not in str(caught.value) + repr(caught.value.issues)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 428, 501, 505])
def test_refusal_is_read_in_full_and_sent_once(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, status: int
) -> None:
    route = server.post(BASE_URL).mock(return_value=httpx.Response(status, json=REFUSAL))

    with pytest.raises(Refused) as caught:
        client.transact(ENTRIES)

    assert (route.call_count, recorded.waits) == (1, [])
    assert (caught.value.status, isinstance(caught.value, NotFound)) == (status, status in {404, 410})
    assert [(issue.severity, issue.code, issue.diagnostics) for issue in caught.value.issues] == [
        ("error", "conflict", "of Dupont"),
        ("warning", "informational", "of Durand"),
    ]
    assert caught.value.issues[0].expression == ("Bundle.entry[1].resource",)
    assert "Du" not in str(caught.value) + repr(caught.value.issues)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_to_a_foreign_host_gets_neither_body_nor_token(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, status: int
) -> None:
    elsewhere = server.route(host="evil.example.org").mock(return_value=done())
    target = f"https://evil.example.org/r4?{SECRET}"
    route = server.post(BASE_URL).mock(return_value=httpx.Response(status, headers={"Location": target}))

    with pytest.raises(ForeignHost if status > 302 else UnusableAnswer) as caught:
        client.transact(ENTRIES)

    assert (elsewhere.call_count, route.call_count, recorded.waits) == (0, 1, [])
    assert str(caught.value).startswith(f"POST {BASE_URL}: ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("status", [307, 308])
def test_redirect_that_keeps_the_method_is_followed_within_the_site(
    client: SiteClient, server: respx.MockRouter, status: int
) -> None:
    target = "https://files.example.org:8443/r4"
    server.post(BASE_URL).mock(return_value=httpx.Response(status, headers={"Location": target}))
    route = server.post(target).mock(return_value=done())

    outcomes = client.transact(ENTRIES)

    assert outcomes == OUTCOMES
    assert ENTRIES[0].resource is not None
    assert ENTRIES[0].resource in route.calls.last.request.content
    assert route.calls.last.request.headers["Content-Type"] == "application/fhir+json"


@pytest.mark.parametrize("status", [301, 302])
def test_redirect_that_may_lose_the_body_is_not_followed(
    client: SiteClient, server: respx.MockRouter, status: int
) -> None:
    moved = server.route(path="/new").mock(return_value=done())
    server.post(BASE_URL).mock(return_value=httpx.Response(status, headers={"Location": "/new"}))

    with pytest.raises(UnusableAnswer, match=f"answered {status} to a POST"):
        client.transact(ENTRIES)

    assert moved.call_count == 0


def test_redirects_without_end_are_refused(client: SiteClient, server: respx.MockRouter) -> None:
    server.post(BASE_URL).mock(return_value=httpx.Response(307, headers={"Location": BASE_URL}))

    with pytest.raises(UnusableAnswer, match="redirects more than 5 times"):
        client.transact(ENTRIES)


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"), httpx.LocalProtocolError("a header")]
)
def test_what_never_left_and_never_will_is_not_sent_again(
    client: SiteClient, server: respx.MockRouter, recorded: RecordedClock, failure: Exception
) -> None:
    server.post(BASE_URL).mock(side_effect=failure)

    with pytest.raises(UnusableAnswer, match=r"no answer \((certificate not trusted|LocalProtocolError)\)"):
        client.transact(ENTRIES)

    assert recorded.waits == []


def test_entry_that_was_not_done_is_told_and_not_raised(client: SiteClient, server: respx.MockRouter) -> None:
    entries = [
        {"response": {"status": "412 Precondition Failed", "outcome": REFUSAL}},
        {"response": {"status": "500 Internal Server Error"}},
    ]
    server.post(BASE_URL).mock(return_value=done(entry=entries))

    outcomes = client.transact(ENTRIES)

    assert [(outcome.status, outcome.is_done, len(outcome.issues)) for outcome in outcomes] == [
        (412, False, 2),
        (500, False, 0),
    ]


def test_attempts_of_a_write_hold_to_the_budget(server: respx.MockRouter, recorded: RecordedClock) -> None:
    address = SiteAddress(BASE_URL, auth=BearerAuth("secret-token"))
    server.post(BASE_URL).mock(return_value=httpx.Response(503, headers={"Retry-After": "100"}))
    policy = RetryPolicy(attempts=100, budget=250, first_wait=0)

    with SiteClient(address, policy=policy, clock=recorded.clock()) as client, pytest.raises(Unavailable):
        client.transact(ENTRIES)

    assert recorded.waits == [100, 100]
