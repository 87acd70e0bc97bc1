"""In: exports that take long, fail, or are gone. Out: proof that all is waited out, no look comes too early, and none is endless."""

from __future__ import annotations

import logging
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from adapter.client import (
    ForeignHost,
    LoopingPages,
    NotFound,
    Refused,
    RetryPolicy,
    RunBudget,
    Unavailable,
    UnusableAnswer,
)
from adapter.client.manifest import ExportFile, Manifest
from tests.unit.client.bulk_server import STATUS_URL, TIME, Server, going, manifest, outcome
from tests.unit.client.conftest import BASE_URL, NOW

FILE = "https://files.example.org:8443/1.ndjson?sig=a%2Fb"
READY = Manifest(TIME, False, (ExportFile(FILE, "output", "Patient"),))


class RenewedAuth:
    """A token that is refused once."""

    def __init__(self) -> None:
        self.number = 1

    def authorization(self) -> str:
        return f"Bearer {self.number}"

    def renew(self, refused: str) -> bool:
        self.number += 1
        return True


def test_export_is_looked_at_until_it_is_ready() -> None:
    told: list[str] = []
    server = Server(going(X_Progress="10 %"), going(), going(X_Progress="x" * 500 + "\x1b"), manifest(FILE))
    with server.bulk(jitter=1) as bulk:
        found = bulk.wait(STATUS_URL, tell=told.append)

    assert found == READY
    assert told == ["10 %", "x" * 100]
    assert [request.headers["Accept"] for request in server.seen] == ["application/json"] * 4
    assert server.waits == [1.0, 2.0, 4.0]


def test_wait_without_a_wish_grows_with_jitter_to_a_bound() -> None:
    server = Server(*[going()] * 9, manifest())
    with server.bulk(jitter=0) as bulk:
        bulk.wait(STATUS_URL)

    assert server.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("told", "waited"),
    [
        ("120", 120.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (str(int(NOW.timestamp() * 1000) + 60_000), 60.0),
        ("86400", 300.0),
        ("0", 0.5),
        ("-5", 0.5),
        ("soon", 0.5),
    ],
)
@pytest.mark.parametrize("status", [202, 429, 503])
def test_wait_is_what_was_asked_below_the_clamp(told: str, waited: float, status: int) -> None:
    server = Server(going(status=status, Retry_After=told), manifest())
    with server.bulk(jitter=0) as bulk:
        bulk.wait(STATUS_URL)

    assert server.waits == [waited]


def test_clamp_can_be_lowered_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(going(Retry_After="120"), manifest())
    with server.bulk(jitter=0) as bulk, caplog.at_level(logging.WARNING):
        bulk.wait(STATUS_URL, longest=2)

    assert server.waits == [2.0]
    assert "Retry-After of 120 s taken as 2 s" in caplog.text


def test_jitter_comes_on_top_of_what_was_asked() -> None:
    server = Server(going(Retry_After="120"), manifest())
    with server.bulk(jitter=1) as bulk:
        bulk.wait(STATUS_URL)

    assert server.waits == [121.0]


def test_storm_of_429_is_survived() -> None:
    server = Server(*[going(status=429, Retry_After="10")] * 40, going(), manifest(FILE))
    with server.bulk() as bulk:
        assert bulk.wait(STATUS_URL) == READY

    assert server.waits[:40] == [10.5] * 40


def test_restart_of_the_server_is_waited_out() -> None:
    down: list[Exception] = [httpx.ConnectError("down")] * 12
    server = Server(going(), *down, going(status=502), going(status=503), going(), manifest(FILE))
    with server.bulk() as bulk:
        assert bulk.wait(STATUS_URL) == READY


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(500),
        outcome(500),
        outcome(503),
        httpx.Response(504),
        httpx.Response(408),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(200, content=b'{"transactionTime":"2025'),
    ],
)
def test_single_failure_is_survived(failure: httpx.Response | Exception) -> None:
    server = Server(going(), failure, going(), failure, going(), failure, manifest(FILE))
    with server.bulk(policy=RetryPolicy(attempts=2)) as bulk:
        assert bulk.wait(STATUS_URL) == READY


def test_export_that_failed_is_refused_with_its_codes() -> None:
    server = Server(going(), outcome(500))
    with server.bulk() as bulk, pytest.raises(Refused, match=r"answered 500 \(error/exception\)$"):
        bulk.wait(STATUS_URL)

    assert len(server.seen) == 1 + 4


def test_500_that_says_nothing_ends_unavailable() -> None:
    server = Server(httpx.Response(500))
    with server.bulk() as bulk, pytest.raises(Unavailable, match="answered 500, after 4 attempts"):
        bulk.wait(STATUS_URL)


def test_500_that_says_it_passes_is_waited_out() -> None:
    server = Server(*[outcome(500, "transient")] * 20, manifest(FILE))
    with server.bulk() as bulk:
        assert bulk.wait(STATUS_URL) == READY


def test_server_that_stays_away_ends_unavailable_within_an_hour_of_waiting() -> None:
    server = Server(httpx.ConnectError("down"))
    with server.bulk() as bulk, pytest.raises(Unavailable, match=r"no answer \(ConnectError\)"):
        bulk.wait(STATUS_URL)

    assert 1800 < sum(server.waits) <= 3600


def test_failures_without_waits_end_too() -> None:
    server = Server(going(status=429))
    with server.bulk(policy=RetryPolicy(first_wait=0)) as bulk, pytest.raises(Unavailable, match="after 100 attempts"):
        bulk.wait(STATUS_URL)


def test_budget_of_the_run_ends_the_failures_and_not_the_export() -> None:
    budget = RunBudget(25)
    server = Server(*[going(Retry_After="100")] * 3, going(status=429, Retry_After="10"))
    with server.bulk(jitter=0, budget=budget) as bulk, pytest.raises(Unavailable, match="retry_budget is used up") as e:
        bulk.wait(STATUS_URL)

    assert server.waits == [100.0, 100.0, 100.0, 10.0, 10.0]
    assert (budget.waited, budget.left) == (20, 5)
    assert e.value.retry_after == 10


def test_export_that_never_ends_is_given_up() -> None:
    server = Server(going(Retry_After="120"))
    with server.bulk(jitter=0) as bulk, pytest.raises(Unavailable, match="not ready after 1 h"):
        bulk.wait(STATUS_URL, patience=3600)

    assert sum(server.waits) == 3600


@pytest.mark.parametrize("status", [404, 410])
def test_export_that_is_gone_is_not_found(status: int) -> None:
    server = Server(going(), outcome(status, "not-found"))
    with server.bulk() as bulk, pytest.raises(NotFound):
        bulk.wait(STATUS_URL)


def test_token_refused_while_polling_is_renewed() -> None:
    server = Server(going(), httpx.Response(401), going(), httpx.Response(401), manifest(FILE))
    with server.bulk(auth=RenewedAuth()) as bulk:
        assert bulk.wait(STATUS_URL) == READY

    assert server.tokens == ["Bearer 1", "Bearer 1", "Bearer 2", "Bearer 2", "Bearer 3"]


def test_token_refused_for_good_is_refused() -> None:
    server = Server(httpx.Response(401))
    with server.bulk() as bulk, pytest.raises(Refused, match="answered 401"):
        bulk.wait(STATUS_URL)

    assert len(server.seen) == 1


@pytest.mark.parametrize("told", ["202 Accepted", "202", "in-progress", "IN-PROGRESS"])
def test_status_of_the_export_apart_says_that_it_goes_on(told: str) -> None:
    server = Server(going(status=200, X_Export_Status=told, Retry_After="7", X_Progress="half"), manifest(FILE))
    with server.bulk(jitter=0) as bulk:
        assert bulk.wait(STATUS_URL) == READY

    assert server.waits == [7.0]


@pytest.mark.parametrize("told", ["200 OK", "200", "complete", "as it may be"])
def test_status_of_the_export_apart_says_that_it_is_ready(told: str) -> None:
    server = Server(manifest(FILE, headers={"X-Export-Status": told}))
    with server.bulk() as bulk:
        assert bulk.wait(STATUS_URL) == READY


@pytest.mark.parametrize("told", ["500 Internal Server Error", "error", "422"])
def test_status_of_the_export_apart_says_that_it_failed(told: str) -> None:
    server = Server(outcome(200, headers={"X-Export-Status": told}))
    with server.bulk() as bulk, pytest.raises(Refused, match="error/exception"):
        bulk.wait(STATUS_URL)

    assert len(server.seen) == 1


def test_status_of_the_export_apart_says_that_it_is_gone() -> None:
    server = Server(outcome(200, "not-found", headers={"X-Export-Status": "404 Not Found"}))
    with server.bulk() as bulk, pytest.raises(NotFound):
        bulk.wait(STATUS_URL)


def test_partial_manifest_of_an_export_that_goes_on_is_not_taken_for_all() -> None:
    partial = httpx.Response(202, content=manifest("https://files.example.org:8443/0").content)
    server = Server(partial, manifest(FILE))
    with server.bulk() as bulk:
        assert bulk.wait(STATUS_URL) == READY


def test_error_in_the_place_of_the_manifest_is_refused() -> None:
    server = Server(outcome(200))
    with server.bulk() as bulk, pytest.raises(Refused, match="error/exception"):
        bulk.wait(STATUS_URL)


@pytest.mark.parametrize("status", [204, 304])
def test_answer_that_is_none_of_all_this_is_unusable(status: int) -> None:
    server = Server(httpx.Response(status))
    with server.bulk() as bulk, pytest.raises(UnusableAnswer, match=f"answered {status}"):
        bulk.wait(STATUS_URL)


def test_manifest_that_is_none_is_unusable_after_some_looks() -> None:
    server = Server(httpx.Response(200, content=b"<html>"))
    with server.bulk() as bulk, pytest.raises(UnusableAnswer, match="not whole JSON"):
        bulk.wait(STATUS_URL)

    assert len(server.seen) == 4


def test_status_at_another_host_is_not_asked_for() -> None:
    server = Server(manifest())
    with server.bulk() as bulk, pytest.raises(ForeignHost):
        bulk.wait("https://elsewhere.example.org/exports/7")

    assert not server.seen


def test_addresses_in_a_manifest_may_be_relative() -> None:
    server = Server(manifest("1.ndjson", link=[{"relation": "next", "url": "?page=2"}]))
    with server.bulk() as bulk:
        found = bulk.wait(STATUS_URL)

    assert found.files[0].url == f"{BASE_URL}/exports/1.ndjson"
    assert found.next == f"{STATUS_URL}?page=2"


def test_all_pages_are_read() -> None:
    one = manifest("https://files.example.org:8443/1", link=[{"relation": "next", "url": f"{STATUS_URL}/2"}])
    two = manifest("https://files.example.org:8443/2", link=[{"relation": "next", "url": f"{STATUS_URL}/3"}])
    three = manifest("https://files.example.org:8443/3")
    server = Server(one, two, going(), going(status=503, Retry_After="3"), three)
    with server.bulk() as bulk:
        pages = list(bulk.pages(bulk.wait(STATUS_URL)))

    assert [file.url[-1] for page in pages for file in page.files] == ["1", "2", "3"]
    assert [request.url.path[-2:] for request in server.seen] == ["/7", "/2", "/3", "/3", "/3"]


def test_pages_that_lead_back_are_refused() -> None:
    server = Server(manifest(link=[{"relation": "next", "url": f"{STATUS_URL}/2"}]))
    with server.bulk() as bulk, pytest.raises(LoopingPages):
        list(bulk.pages(bulk.wait(STATUS_URL)))


def test_page_at_another_host_is_refused_before_it_is_asked_for() -> None:
    server = Server(manifest(link=[{"relation": "next", "url": "https://elsewhere.example.org/2"}]))
    with server.bulk() as bulk, pytest.raises(ForeignHost):
        bulk.wait(STATUS_URL)

    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [202, 200, 404])
def test_cancelled_export_is_deleted(status: int, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(httpx.Response(status))
    with server.bulk() as bulk:
        bulk.cancel(STATUS_URL)

    assert [(request.method, str(request.url)) for request in server.seen] == [("DELETE", STATUS_URL)]
    assert not caplog.text


@pytest.mark.parametrize("reply", [httpx.Response(500), httpx.ConnectError("down"), httpx.Response(403)])
def test_cancelling_never_fails(reply: httpx.Response | Exception, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(reply)
    with server.bulk() as bulk:
        bulk.cancel(STATUS_URL)
        bulk.cancel("https://elsewhere.example.org/exports/7")

    assert len(server.seen) == 1
    assert caplog.text.count("not cancelled") == 2
