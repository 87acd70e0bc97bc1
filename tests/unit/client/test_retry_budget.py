"""In: waits of many requests. Out: proof that a run as a whole waits no longer than its budget, and counts what it waited."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.client import Unavailable
from adapter.client.retry import Failed, RetryPolicy, RunBudget, attempting, is_retryable, lasting_trouble
from tests.unit.client.conftest import RecordedClock
from tests.unit.client.test_retry import failing

POLICY = RetryPolicy(attempts=4, first_wait=8, longest_wait=8)


def test_budget_is_taken_until_it_is_used_up() -> None:
    budget = RunBudget(10)

    assert [budget.take(4), budget.take(7), budget.take(6), budget.take(0.1), budget.take(0)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert (budget.left, budget.waited) == (0, 10)


@given(st.floats(0, 1000), st.lists(st.floats(0, 100)))
def test_budget_is_never_overdrawn(seconds: float, waits: list[float]) -> None:
    budget = RunBudget(seconds)
    taken = [wait for wait in waits if budget.take(wait)]

    assert budget.left >= 0
    assert budget.waited == sum(taken) == pytest.approx(seconds - budget.left)


def test_budget_is_shared_by_threads() -> None:
    budget = RunBudget(1000)
    with ThreadPoolExecutor(8) as workers:
        taken = list(workers.map(lambda _: budget.take(1), range(4000)))

    assert (sum(taken), budget.left, budget.waited) == (1000, 0, 1000)


def test_budget_without_an_end_only_counts() -> None:
    budget = RunBudget(math.inf)

    assert budget.take(1e9)
    assert (budget.left, budget.waited) == (math.inf, 1e9)


def test_attempts_take_their_waits_from_the_budget(recorded: RecordedClock) -> None:
    budget = RunBudget(100)
    answer = attempting(POLICY, recorded.clock(jitter=1), failing(2), where="GET h/x", budget=budget)

    assert (answer, recorded.waits, budget.left, budget.waited) == ("answer", [8, 8], 84, 16)


def test_attempts_end_when_the_budget_of_the_run_is_used_up(recorded: RecordedClock) -> None:
    budget = RunBudget(20)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            attempting(POLICY, recorded.clock(jitter=1), failing(99), where="GET h/x", budget=budget)

    assert recorded.waits == [8, 8]
    assert str(caught.value) == "GET h/x: answered 503 (the run's retry_budget is used up), after 1 attempts"
    assert caught.value.exit_code == 75


def test_attempts_that_are_used_up_take_no_wait(recorded: RecordedClock) -> None:
    budget = RunBudget(1000)
    with pytest.raises(Unavailable) as caught:
        attempting(POLICY, recorded.clock(jitter=1), failing(99), where="GET h/x", budget=budget)

    assert len(recorded.waits) == POLICY.attempts - 1
    assert budget.waited == sum(recorded.waits) == 24
    assert "retry_budget" not in str(caught.value)


def test_attempt_that_succeeds_at_once_takes_nothing(recorded: RecordedClock) -> None:
    budget = RunBudget(0)

    assert attempting(POLICY, recorded.clock(), failing(0), where="GET h/x", budget=budget) == "answer"
    assert (recorded.waits, budget.waited) == ([], 0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "certificate not trusted"),
        *(
            (f"[SSL: {reason}] alert", "the server refuses our certificate, or wants one")
            for reason in (
                "TLSV13_ALERT_CERTIFICATE_REQUIRED",
                "TLSV1_ALERT_UNKNOWN_CA",
                "SSLV3_ALERT_BAD_CERTIFICATE",
                "SSLV3_ALERT_CERTIFICATE_EXPIRED",
                "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            )
        ),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] alert", "the server breaks off the TLS handshake"),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] alert", "the server breaks off the TLS handshake"),
    ],
)
def test_trouble_with_a_certificate_is_put_in_words_and_not_retried(said: str, words: str) -> None:
    failure = httpx.ConnectError("handshake")
    failure.__cause__ = OSError(said)

    assert lasting_trouble(failure) == words
    assert not is_retryable(failure)


def test_broken_connection_is_no_trouble_with_a_certificate() -> None:
    assert lasting_trouble(httpx.ReadError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF")) is None
    assert lasting_trouble(Failed("answered 503")) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("407 Proxy Authentication Required", "the proxy does not take our name and password, or wants some, 407"),
        ("403 Forbidden", "the proxy refuses to connect to the server, 403"),
        ("407", "the proxy does not take our name and password, or wants some, 407"),
        ("502 Bad Gateway", None),
        ("429 Too Many Requests", None),
        ("no tunnel", None),
    ],
)
def test_proxy_that_refuses_for_good_is_put_in_words_and_not_asked_again(said: str, words: str | None) -> None:
    by_requests = OSError("Cannot connect to proxy.")
    by_requests.__cause__ = OSError(f"Tunnel connection failed: {said}")

    assert lasting_trouble(httpx.ProxyError(said)) == words
    assert lasting_trouble(by_requests) == words
    assert is_retryable(httpx.ProxyError(said)) is (words is None)
