"""In: Retry-After headers of all kinds, made up. Out: proof that each is read as meant or as nothing, and never waited for too long."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.client.retry import Attempt, RetryPolicy, retry_after_seconds, wait_seconds
from tests.unit.client.conftest import NOW

POLICY = RetryPolicy()
# Seconds since 1970, up to the year 9000.
MOMENTS = st.floats(86_400, 221_845_392_000).map(lambda at: datetime.fromtimestamp(at, UTC))
THIS_CENTURY = st.floats(1_009_843_200, 7_258_118_400).map(lambda at: datetime.fromtimestamp(at, UTC))
JITTERS = st.floats(0, 1)


def _waited(asked: float | None, *, jitter: float = 0.0) -> float:
    wait = wait_seconds(POLICY, Attempt(1, 0, asked), jitter=jitter)

    assert wait is not None
    return wait


@given(st.text(), MOMENTS)
def test_whatever_is_sent_is_nothing_or_a_time_to_wait(header: str, now: datetime) -> None:
    seconds = retry_after_seconds(header, now=now)

    assert seconds is None or 0 <= seconds < math.inf


@given(st.one_of(st.integers(), st.floats()).map(str), MOMENTS)
def test_whatever_number_is_sent_is_nothing_or_a_time_to_wait(header: str, now: datetime) -> None:
    seconds = retry_after_seconds(header, now=now)

    assert seconds is None or 0 <= seconds < math.inf


@given(st.integers(0, 999_999_999))
def test_seconds_are_seconds(seconds: int) -> None:
    assert retry_after_seconds(str(seconds), now=NOW) == seconds


@given(st.floats(max_value=0, exclude_max=True, allow_nan=False))
def test_negative_number_says_nothing(number: float) -> None:
    assert retry_after_seconds(repr(number), now=NOW) is None


@pytest.mark.parametrize(
    "header", ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", "-0x1", "--1", "1,5", "5 s"]
)
def test_what_is_no_number_of_seconds_says_nothing(header: str) -> None:
    assert retry_after_seconds(header, now=NOW) is None


@given(MOMENTS, st.integers(0, 10**8), st.integers(-12, 14))
def test_http_date_is_the_time_until_then(now: datetime, ahead: int, zone: int) -> None:
    now = now.replace(microsecond=0)
    then = min(now + timedelta(seconds=ahead), datetime(9998, 1, 1, tzinfo=UTC))
    header = format_datetime(then.astimezone(timezone(timedelta(hours=zone))))

    assert retry_after_seconds(header, now=now) == (then - now).total_seconds()


@given(MOMENTS, st.integers(1, 10**8))
def test_http_date_that_has_passed_is_no_wait(now: datetime, ago: int) -> None:
    then = max(now - timedelta(seconds=ago), datetime(1970, 1, 1, tzinfo=UTC))

    assert retry_after_seconds(format_datetime(then, usegmt=True), now=now) == 0


@given(THIS_CENTURY, st.integers(-1000, 10**6))
def test_moment_since_1970_is_the_time_until_then_in_seconds_and_milliseconds(now: datetime, ahead: int) -> None:
    then = int(now.timestamp()) + ahead
    expected = pytest.approx(max(0.0, then - now.timestamp()), abs=0.01)

    assert retry_after_seconds(str(then), now=now) == expected
    assert retry_after_seconds(str(then * 1000), now=now) == expected


@given(st.text(), JITTERS)
def test_wait_stays_within_its_bounds_whatever_is_sent(header: str, jitter: float) -> None:
    asked = retry_after_seconds(header, now=NOW)

    assert 0 <= _waited(asked, jitter=jitter) <= POLICY.longest_asked + POLICY.first_wait


@given(st.floats(0, allow_nan=False, allow_infinity=False), JITTERS)
def test_wait_is_never_shorter_than_asked_but_by_the_clamp(asked: float, jitter: float) -> None:
    assert _waited(asked, jitter=jitter) >= min(asked, POLICY.longest_asked)


@given(st.integers(1, 2000), st.floats(0, 1e6), JITTERS)
def test_own_wait_is_bounded_for_every_attempt(number: int, elapsed: float, jitter: float) -> None:
    policy = RetryPolicy(attempts=5000, budget=math.inf)
    wait = wait_seconds(policy, Attempt(number, elapsed), jitter=jitter)

    assert wait is not None
    assert 0 <= wait <= policy.longest_wait
