"""In: failed attempts. Out: proof of when another is made, after how long, and when it is given up."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable

import httpx
import pytest

from adapter.client.errors import Unavailable
from adapter.client.retry import (
    Attempt,
    Failed,
    RetryPolicy,
    attempting,
    is_retryable,
    is_surely_undone,
    retry_after_seconds,
    wait_seconds,
)
from tests.unit.client.conftest import NOW, RecordedClock

POLICY = RetryPolicy(attempts=5, budget=1000, first_wait=2, longest_wait=10, longest_asked=120)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_status_that_may_pass_is_retried(status: int) -> None:
    assert is_retryable(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 410, 412, 422, 501, 505])
def test_status_that_stays_is_not_retried(status: int) -> None:
    assert not is_retryable(status)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.DecodingError("gzip broken off"),
    ],
)
def test_broken_connection_is_retried(failure: Exception) -> None:
    assert is_retryable(failure)


@pytest.mark.parametrize(
    "failure",
    [
        *(300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 425, 428, 429),
        *(501, 503, 505),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("all taken"),
        httpx.ProxyError("no tunnel"),
        httpx.UnsupportedProtocol("ftp"),
        httpx.LocalProtocolError("bad header"),
        httpx.InvalidURL("no address"),
    ],
)
def test_what_never_reached_the_server_or_was_refused_is_surely_undone(failure: int | Exception) -> None:
    assert is_surely_undone(failure)


@pytest.mark.parametrize(
    "failure",
    [
        *(200, 201, 202, 204, 303, 408, 500, 502, 504, 507, 599),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteTimeout("slow"),
        httpx.WriteError("reset"),
        httpx.CloseError("reset"),
        httpx.RemoteProtocolError("half sent"),
        httpx.DecodingError("gzip broken off"),
        ValueError("whatever else"),
    ],
)
def test_what_may_have_reached_the_server_is_not_surely_undone(failure: int | Exception) -> None:
    assert not is_surely_undone(failure)


def chained(cause: Exception) -> httpx.ConnectError:
    error = httpx.ConnectError("handshake")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
        chained(ssl.SSLCertVerificationError("self-signed")),
        httpx.UnsupportedProtocol("ftp"),
        httpx.LocalProtocolError("bad header"),
        ValueError("no matter of the network"),
    ],
)
def test_what_time_does_not_mend_is_not_retried(failure: Exception) -> None:
    assert not is_retryable(failure)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("Sun, 01 Jun 2025 12:02:00 GMT", 120.0),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0.0),
        ("1748779260", 60.0),
        ("1748779260000", 60.0),
        ("1000000000000", 0.0),
        ("999999999", 999999999.0),
    ],
)
def test_retry_after_is_read_in_every_form_seen(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, now=NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "nan", "inf", "Sun, 99 Jun 2025 12:02:00 GMT"])
def test_retry_after_that_says_nothing_is_none(header: str | None) -> None:
    assert retry_after_seconds(header, now=NOW) is None


@pytest.mark.parametrize("jitter", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("asked", [0.0, 3.0, 119.0])
def test_wait_is_never_shorter_than_asked(asked: float, jitter: float) -> None:
    wait = wait_seconds(POLICY, Attempt(1, 0, asked), jitter=jitter)

    assert wait is not None
    assert asked <= wait <= asked + POLICY.first_wait


def test_absurd_retry_after_is_clamped() -> None:
    assert wait_seconds(POLICY, Attempt(1, 0, 999999999.0), jitter=0) == POLICY.longest_asked


def test_own_wait_doubles_up_to_its_bound_with_full_jitter() -> None:
    longest = [wait_seconds(POLICY, Attempt(number, 0), jitter=1) for number in range(1, 5)]
    shortest = [wait_seconds(POLICY, Attempt(number, 0), jitter=0) for number in range(1, 5)]

    assert longest == [2, 4, 8, 10]
    assert shortest == [0, 0, 0, 0]


def test_no_attempt_after_the_last() -> None:
    assert wait_seconds(POLICY, Attempt(POLICY.attempts, 0), jitter=0) is None


def test_no_wait_beyond_the_budget() -> None:
    within = wait_seconds(POLICY, Attempt(1, POLICY.budget - 100, 100), jitter=0)
    beyond = wait_seconds(POLICY, Attempt(1, POLICY.budget - 99, 100), jitter=0)

    assert (within, beyond) == (100, None)


def failing(times: int, *, asked: float | None = None) -> Callable[[], str]:
    """An attempt that fails so many times, then answers."""
    left = iter(range(times))

    def once() -> str:
        if next(left, None) is not None:
            raise Failed("answered 503", asked)
        return "answer"

    return once


def test_attempts_end_with_the_answer(recorded: RecordedClock) -> None:
    answer = attempting(POLICY, recorded.clock(jitter=0.5), failing(3), where="GET h/x")

    assert (answer, recorded.waits) == ("answer", [1, 2, 4])


def test_attempts_end_when_used_up(recorded: RecordedClock) -> None:
    with pytest.raises(Unavailable) as caught:
        attempting(POLICY, recorded.clock(), failing(99, asked=1e15), where="GET h/x")

    assert (caught.value.attempts, len(recorded.waits)) == (POLICY.attempts, POLICY.attempts - 1)
    assert caught.value.retry_after == POLICY.longest_asked
    assert str(caught.value) == "GET h/x: answered 503, after 5 attempts; it asks to come back in 120 s"
    assert (caught.value.exit_code, caught.value.retryable) == (75, True)


def test_attempts_end_with_the_budget(recorded: RecordedClock) -> None:
    policy = RetryPolicy(attempts=100, budget=250, first_wait=0, longest_asked=120)
    with pytest.raises(Unavailable) as caught:
        attempting(policy, recorded.clock(), failing(99, asked=100), where="GET h/x")

    assert (caught.value.attempts, recorded.waits) == (3, [100, 100])


def test_wait_and_its_clamping_are_told(recorded: RecordedClock, caplog: pytest.LogCaptureFixture) -> None:
    attempting(POLICY, recorded.clock(jitter=0), failing(1, asked=5000), where="GET h/x")

    clamped, waiting = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert clamped == "GET h/x: Retry-After of 5000 s taken as 120 s"
    assert waiting.startswith("GET h/x: ")
    assert waiting.endswith(", attempt 1, again in 120.0 s")


def test_other_errors_go_straight_through(recorded: RecordedClock) -> None:
    def once() -> None:
        raise LookupError("a defect")

    with pytest.raises(LookupError):
        attempting(POLICY, recorded.clock(), once, where="GET h/x")

    assert recorded.waits == []


def test_storm_of_429_is_bounded_by_the_budget_and_not_by_attempts(recorded: RecordedClock) -> None:

    answers = iter([Failed("answered 429", 2.0, status=429)] * 20)

    def once() -> str:
        failure = next(answers, None)
        if failure is not None:
            raise failure
        return "done"

    assert attempting(RetryPolicy(attempts=3, budget=math.inf), recorded.clock(), once, where="GET h/x") == "done"
    assert len(recorded.waits) == 20
    assert min(recorded.waits) >= 2


def test_server_that_throttles_for_ever_is_unavailable_in_the_end(recorded: RecordedClock) -> None:

    def once() -> str:
        raise Failed("answered 429", 0.0, status=429)

    with pytest.raises(Unavailable) as caught:
        attempting(RetryPolicy(budget=math.inf), recorded.clock(), once, where="GET h/x")

    assert caught.value.attempts == 100
