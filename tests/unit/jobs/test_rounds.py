"""Promises of the rounds: each site at its own time, for ever, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from adapter.jobs import Rounds
from tests.unit.jobs.events import logged

BEGIN = datetime(2025, 6, 2, 20, 0, tzinfo=UTC)


class Clock:
    """A time that moves only by what is slept and what a cycle takes."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Enough(BaseException):
    """The test has seen enough."""


def begun_at(
    run: Callable[[str], int],
    *,
    minutes: float,
    sites: Mapping[str, Sequence[str]],
    clock: Clock,
    took: float = 10,
) -> list[tuple[str, float]]:
    """Which cycle began how many minutes after the beginning, in so many minutes."""
    seen: list[tuple[str, float]] = []

    def one(site: str) -> int:
        seen.append((site, (clock.now - BEGIN).total_seconds() / 60))
        clock.pass_(took)
        return run(site)

    def sleep(seconds: float) -> None:
        assert 0 < seconds <= 30, "a clock that was set must be noticed soon"
        clock.pass_(seconds)
        if clock.now - BEGIN > timedelta(minutes=minutes):
            raise Enough

    rounds = Rounds(sites, one, every=timedelta(minutes=15), now=clock, chance=lambda: 0.0)
    with pytest.raises(Enough), logged():
        rounds.run(sleep=sleep)
    return seen


def test_rounds_run_each_site_once_an_interval() -> None:
    found = begun_at(lambda site: 0, minutes=40, sites={"icm": [], "aphp": []}, clock=Clock())

    assert [at for site, at in found if site == "icm"] == [0, 15, 30]
    assert [round(at, 1) for site, at in found if site == "aphp"] == [0.2, 15.2, 30.2]


def test_rounds_of_a_site_that_fails_leave_the_other_in_step() -> None:
    found = begun_at(lambda site: 75 if site == "icm" else 0, minutes=16, sites={"icm": [], "aphp": []}, clock=Clock())

    assert [round(at) for site, at in found if site == "aphp"] == [0, 15]
    # Tried again 1, 2, 4 and 8 minutes after each end.
    assert [round(at, 1) for site, at in found if site == "icm"] == [0.0, 1.2, 3.3, 7.5, 15.7]


def test_rounds_begin_anew_with_short_waits_once_a_site_answered() -> None:
    codes = iter([75, 75, 0, 75, 0, 0])

    found = begun_at(lambda site: next(codes), minutes=36, sites={"icm": []}, clock=Clock(), took=0)

    assert [at for _, at in found] == [0, 1, 3, 18, 19, 34]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_rounds_wait_the_interval_after_what_a_person_has_to_mend(code: int) -> None:
    found = begun_at(lambda site: code, minutes=20, sites={"icm": []}, clock=Clock())

    assert [at for _, at in found] == [0, 15]


def test_rounds_keep_out_of_quiet_hours() -> None:
    # 22:00 in Paris: three quarters of an hour to the quiet hours, which last one.
    found = begun_at(lambda site: 0, minutes=120, sites={"icm": ["22:40-23:40"]}, clock=Clock())

    assert [at for _, at in found] == [0, 15, 30, 100, 115]


@pytest.mark.parametrize("within", [False, True])
def test_rounds_go_on_at_their_interval_where_a_clock_that_was_ahead_is_set_right(*, within: bool) -> None:
    clock, slept, runs = Clock(), 0.0, list[float]()
    clock.now += timedelta(days=3650)

    def one(site: str) -> int:
        runs.append(slept)
        if within and len(runs) == 2:
            clock.now -= timedelta(days=3650)
        return 0

    def sleep(seconds: float) -> None:
        nonlocal slept
        slept += seconds
        clock.pass_(seconds)
        if not within and slept == 16 * 60:
            clock.now -= timedelta(days=3650)
        if slept > 50 * 60:
            raise Enough

    rounds = Rounds({"icm": []}, one, every=timedelta(minutes=15), now=clock, chance=lambda: 0.0)
    with pytest.raises(Enough), logged() as events:
        rounds.run(sleep=sleep)

    assert runs == pytest.approx([0, 15 * 60, 30 * 60, 45 * 60], abs=60)
    assert [one["seconds"] for one in events if one["event"] == "clock set back"] == [
        pytest.approx(3650 * 86_400, abs=60)
    ]


def test_rounds_tell_when_a_site_is_tried_next_and_why() -> None:
    clock = Clock()
    rounds = Rounds({"icm": []}, lambda site: 75, every=timedelta(minutes=15), now=clock, chance=lambda: 0.0)
    with logged() as events:
        next(rounds.waits())

    assert [(one["event"], one["site"], one["at"], one["reason"]) for one in events] == [
        ("next try", "icm", "2025-06-02T20:01:00+00:00", "try again later")
    ]
