"""In: answers of all statuses. Out: proof of which ones reach the reader, what is counted, and what the run's budget ends."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from adapter.client import BearerAuth, ForeignHost, Refused, RetryPolicy, RunBudget, SiteAddress, Unavailable, Uncertain
from adapter.client.retry import Failed
from adapter.client.transport import Body, Traffic, Transport
from tests.unit.client.bulk_server import Reply, Server
from tests.unit.client.conftest import BASE_URL

URL = f"{BASE_URL}/Patient"


@contextmanager
def connected(*replies: Reply, budget: RunBudget | None = None) -> Iterator[tuple[Transport, Server]]:
    server = Server(*replies)
    address = SiteAddress(BASE_URL, auth=BearerAuth("secret-token"))
    policy = RetryPolicy(attempts=4)
    via = httpx.MockTransport(server)
    with Transport(address, policy=policy, clock=server.clock.clock(), via=via, budget=budget) as transport:
        yield transport, server


def status_of(answer: httpx.Response) -> int:
    return answer.status_code


def test_reader_is_given_the_statuses_that_are_wanted() -> None:
    with connected(httpx.Response(202), httpx.Response(204)) as (transport, _):
        read = transport.get(URL, status_of, wanted={200, 202})
        posted = transport.post(URL, Body(b""), status_of, wanted={204})

    assert (read, posted) == (202, 204)


def test_error_that_is_wanted_is_given_too() -> None:
    with connected(httpx.Response(404)) as (transport, _):
        assert transport.get(URL, status_of, wanted={200, 404}) == 404


def test_other_statuses_stay_what_they_were() -> None:
    with connected(httpx.Response(404), httpx.Response(202)) as (transport, _):
        with pytest.raises(Refused):
            transport.get(URL, status_of, wanted={200, 202})
        with pytest.raises(Uncertain):
            transport.post(URL, Body(b""), status_of)


def test_byte_order_mark_before_an_answer_is_no_part_of_it() -> None:
    with connected(httpx.Response(200, content=b"\xef\xbb\xbf{}")) as (transport, _):
        assert transport.get(URL, lambda answer: answer.content) == b"{}"


def test_headers_go_with_a_get() -> None:
    with connected(httpx.Response(200)) as (transport, server):
        transport.get(URL, status_of, accept="text/plain", headers={"Prefer": "respond-async"})

    assert server.seen[0].headers["Prefer"] == "respond-async"
    assert server.seen[0].headers["Accept"] == "text/plain"


@pytest.mark.parametrize("status", [200, 202, 401, 404, 429, 500, 503])
def test_once_gives_any_answer_and_asks_once(status: int) -> None:
    with connected(httpx.Response(status, headers={"Retry-After": "9"})) as (transport, server):
        answer = transport.once(URL, method="DELETE", accept="application/json")

    assert answer.status_code == status
    assert [request.method for request in server.seen] == ["DELETE"]
    assert server.seen[0].headers["Authorization"] == "Bearer secret-token"
    assert server.waits == []


def test_once_says_that_another_attempt_may_help() -> None:
    with connected(httpx.ConnectError("down")) as (transport, server), pytest.raises(Failed, match="ConnectError"):
        transport.once(URL)

    assert len(server.seen) == 1


def test_once_goes_to_no_other_host() -> None:
    moved = httpx.Response(302, headers={"Location": "https://elsewhere.example.org/"})
    with connected(moved) as (transport, server):
        with pytest.raises(ForeignHost):
            transport.once("https://elsewhere.example.org/r4/Patient")
        asked = len(server.seen)
        with pytest.raises(ForeignHost):
            transport.once(URL)

    assert (asked, len(server.seen)) == (0, 1)


def test_requests_are_counted_and_those_that_were_repeated() -> None:
    with connected(httpx.Response(503), httpx.Response(500), httpx.Response(200)) as (transport, _):
        transport.get(URL, status_of)
        transport.get(URL, status_of)
        transport.once(URL, again=True)

    assert (transport.traffic.sent, transport.traffic.retried) == (5, 3)


def test_traffic_is_counted_from_any_thread() -> None:
    traffic = Traffic()
    with ThreadPoolExecutor(4) as pool:
        for again in [True, False] * 500:
            pool.submit(traffic.count, again=again)

    assert (traffic.sent, traffic.retried) == (1000, 500)


def test_budget_of_the_run_ends_the_attempts() -> None:
    budget = RunBudget(15)
    busy = httpx.Response(429, headers={"Retry-After": "10"})
    said = pytest.raises(Unavailable, match="retry_budget is used up")
    with connected(busy, budget=budget) as (transport, server), said:
        transport.get(URL, status_of)

    assert len(server.seen) == 2


def test_refusal_may_come_with_advice() -> None:
    assert str(Refused("GET h", 405, advice="ask by POST")) == "GET h: answered 405; ask by POST"
