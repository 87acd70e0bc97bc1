"""Promises of the schedule: when a site is tried next, and why then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import UsageError
from adapter.jobs import next_try, parse_every
from adapter.sync.quiet_hours import quiet_until

QUARTER = timedelta(minutes=15)
NOON = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("7d", 604800)]
)
def test_interval_is_read_with_its_unit(text: str, seconds: int) -> None:
    assert parse_every(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "9s", "0m", "8d", "1.5h", "-15m", "15 m", "15M", "99999999d", "1w"])
def test_interval_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"from 10s to 7d.*15m"):
        parse_every(text)


def test_next_try_is_one_interval_after_the_beginning() -> None:
    found = next_try(QUARTER, begun=NOON, ended=NOON + timedelta(minutes=4), failures=0)

    assert found == (NOON + QUARTER, "interval")


def test_next_try_of_a_cycle_longer_than_its_interval_is_at_once() -> None:
    ended = NOON + timedelta(hours=1)

    assert next_try(QUARTER, begun=NOON, ended=ended, failures=0).at == ended


def test_next_try_is_spread_by_a_tenth_of_the_interval_and_five_minutes_at_most() -> None:
    by_quarter = next_try(QUARTER, begun=NOON, ended=NOON, failures=0, chance=1.0)
    by_day = next_try(timedelta(days=1), begun=NOON, ended=NOON, failures=0, chance=1.0)

    assert by_quarter.at - NOON == timedelta(minutes=16, seconds=30)
    assert by_day.at - NOON == timedelta(days=1, minutes=5)


def test_next_try_after_try_again_later_doubles_from_a_minute_up_to_the_interval() -> None:
    waits = [next_try(QUARTER, begun=NOON, ended=NOON, failures=times).at - NOON for times in range(1, 7)]

    assert [wait.total_seconds() / 60 for wait in waits] == [1, 2, 4, 8, 15, 15]


def test_next_try_after_a_weekend_of_failures_is_no_longer_than_the_interval() -> None:
    found = next_try(QUARTER, begun=NOON, ended=NOON, failures=5000)

    assert found == (NOON + QUARTER, "try again later")


def test_next_try_never_falls_into_quiet_hours() -> None:
    # 12:00 UTC is 14:00 in Paris.
    found = next_try(QUARTER, begun=NOON, ended=NOON, failures=1, quiet_hours=["07:30-18:00"])

    assert found == (datetime(2025, 6, 2, 16, 0, tzinfo=UTC), "quiet hours")


@given(
    minutes=st.integers(1, 7 * 24 * 60),
    took=st.integers(0, 100_000),
    failures=st.integers(0, 10_000),
    chance=st.floats(0, 1),
    quiet=st.sampled_from([[], ["07:30-18:00"], ["22:00-06:00"], ["07:30-12:00", "12:00-18:00"]]),
)
def test_next_try_is_never_before_the_end_and_its_wait_is_bounded(
    minutes: int, took: int, failures: int, chance: float, quiet: list[str]
) -> None:
    every, ended = timedelta(minutes=minutes), NOON + timedelta(seconds=took)

    found = next_try(every, begun=NOON, ended=ended, failures=failures, chance=chance, quiet_hours=quiet)

    assert ended <= found.at <= ended + every * 1.1 + timedelta(days=1, minutes=5)
    assert found.reason == "quiet hours" or quiet_until(quiet, found.at) is None
