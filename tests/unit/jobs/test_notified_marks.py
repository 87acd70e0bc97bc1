"""In: marks, as notifications set them. Out: proof of which pulls and screenings they lead to, and of what is never lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapter.errors import BusyError, TransientError
from adapter.jobs.notified import Marks, Pace, Worker

SITE = "icm"
#: Far from one another, so that a slow machine does not take one for the other.
PACE = Pace(settle=0.05, longest=0.5, rest=0.0, every=600.0, again=0.05)
LIMIT = 10.0


class Summary:
    """What a part gives back."""

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code

    def as_object(self) -> dict[str, Any]:
        return {"run": "1"}


class Site:
    """Records what is asked of a site, and fails as it is told to, once each."""

    def __init__(self) -> None:
        self.pulls: list[frozenset[str] | None] = []
        self.screens: list[frozenset[str] | None] = []
        self.people: frozenset[str] | None = frozenset()
        self.pull_ends: list[Exception | int] = []
        self.screen_ends: list[Exception] = []
        self.quiet = 0.0
        self.during_pull: Callable[[], None] = lambda: None
        self.changed_ends: list[Exception] = []

    def pull(self, site: str, types: frozenset[str] | None) -> Summary:
        self.pulls.append(types)
        self.during_pull()
        end = self.pull_ends.pop(0) if self.pull_ends else 0
        if isinstance(end, Exception):
            raise end
        return Summary(end)

    def changed(self, site: str) -> frozenset[str] | None:
        if self.changed_ends:
            raise self.changed_ends.pop(0)
        return self.people

    def screen(self, site: str, patients: frozenset[str] | None) -> Summary:
        self.screens.append(patients)
        if self.screen_ends:
            raise self.screen_ends.pop(0)
        return Summary()

    def quiet_seconds(self, site: str) -> float:
        return self.quiet


class Running:
    """A worker in its thread."""

    def __init__(self) -> None:
        self.site = Site()
        self.marks = Marks()
        self._threads: list[threading.Thread] = []

    def start(self, pace: Pace = PACE) -> None:
        worker = Worker(SITE, self.marks, self.site, pace=pace)
        thread = threading.Thread(target=worker.run)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self.marks.close()
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    found = Running()
    yield found
    found.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def started(running: Running, pace: Pace = PACE) -> Site:
    """A worker that is through with its start."""
    running.start(pace)
    until(lambda: len(running.site.screens) == 1)
    return running.site


def test_start_pulls_everything_and_screens_everybody(running: Running) -> None:
    site = started(running)

    assert (site.pulls, site.screens) == ([None], [None])


def test_many_marks_are_one_pull_of_their_types(running: Running) -> None:
    site = started(running)
    for _ in range(20):
        running.marks.mark({"Observation"})
    running.marks.mark({"Condition"})
    until(lambda: len(site.pulls) == 2)
    time.sleep(0.2)

    assert site.pulls == [None, frozenset({"Observation", "Condition"})]


def test_mark_of_any_type_pulls_all(running: Running) -> None:
    site = started(running)
    running.marks.mark({"Observation"})
    running.marks.mark(None)
    until(lambda: len(site.pulls) == 2)

    assert site.pulls[1] is None


def test_marks_without_end_are_pulled_all_the_same(running: Running) -> None:
    site = started(running)
    begun = time.monotonic()
    while len(site.pulls) < 2 and time.monotonic() < begun + LIMIT:
        running.marks.mark({"Observation"})
        time.sleep(0.01)

    assert len(site.pulls) == 2
    assert time.monotonic() - begun >= PACE.longest


def test_mark_during_a_pull_is_pulled_after_it(running: Running) -> None:
    site = started(running)
    site.during_pull = lambda: running.marks.mark({"Condition"}) if len(site.pulls) == 2 else None
    running.marks.mark({"Observation"})
    until(lambda: len(site.pulls) == 3)

    assert site.pulls[1:] == [frozenset({"Observation"}), frozenset({"Condition"})]


def test_only_those_whose_records_changed_are_screened(running: Running) -> None:
    site = started(running)
    site.people = frozenset({"Patient/1"})
    running.marks.mark({"Observation"})
    until(lambda: len(site.screens) == 2)

    assert site.screens[1] == frozenset({"Patient/1"})


def test_nobody_is_screened_where_nothing_changed(running: Running) -> None:
    site = started(running)
    running.marks.mark({"Observation"})
    until(lambda: len(site.pulls) == 2)
    running.stop()

    assert site.screens == [None]


def test_lost_notification_is_caught_up_at_the_interval(running: Running) -> None:
    site = started(running, Pace(settle=0.05, rest=0.0, every=0.1, again=0.05))
    until(lambda: len(site.pulls) >= 3)

    assert set(site.pulls) == {None}


def test_site_that_another_run_holds_is_pulled_after_it(running: Running) -> None:
    running.site.pull_ends = [BusyError("site icm: process 1"), BusyError("site icm: process 1")]
    site = started(running)

    assert (site.pulls, site.screens) == ([None, None, None], [None])


def test_types_are_not_forgotten_while_the_server_is_away(running: Running) -> None:
    site = started(running)
    site.pull_ends = [TransientError("no answer"), 75]
    running.marks.mark({"Observation"})
    until(lambda: len(site.pulls) == 4)
    time.sleep(0.2)

    assert site.pulls[1:] == [frozenset({"Observation"})] * 3


def test_server_that_is_away_is_asked_at_growing_intervals(running: Running) -> None:
    moments: list[float] = []
    running.site.pull_ends = [75, 75, 75]
    running.site.during_pull = lambda: moments.append(time.monotonic())
    running.start(Pace(settle=0.01, rest=0.0, again=0.1))
    until(lambda: len(moments) == 4)
    waits = [later - sooner for sooner, later in itertools.pairwise(moments)]

    assert waits[0] >= 0.1 and waits[1] >= 0.2 and waits[2] >= 0.4


def test_what_is_stored_is_screened_though_the_server_is_away(running: Running) -> None:
    running.site.pull_ends = [75]
    site = started(running)

    assert site.screens == [None]


def test_defect_in_a_pull_does_not_end_the_worker(running: Running) -> None:
    running.site.pull_ends = [ValueError("Jeanne Martin")]
    site = started(running)
    running.marks.mark({"Observation"})
    until(lambda: len(site.pulls) == 2)

    assert site.pulls[1] == frozenset({"Observation"})


@pytest.mark.parametrize("error", [BusyError("site icm: process 1"), ValueError("defect")])
def test_screening_that_failed_is_owed_to_everybody(running: Running, error: Exception) -> None:
    site = started(running)
    site.people = frozenset({"Patient/1"})
    site.screen_ends = [error]
    running.marks.mark({"Observation"})
    until(lambda: len(site.screens) == 2)
    running.marks.mark({"Observation"})
    until(lambda: len(site.screens) >= 3)

    # While another run holds the site nothing is lost; after a defect nobody knows whom it reached.
    assert site.screens[2] == (site.people if isinstance(error, BusyError) else None)


def test_everybody_is_screened_where_changes_cannot_be_told(running: Running) -> None:
    site = started(running)
    site.changed_ends = [OSError("gone")]
    running.marks.mark({"Observation"})
    until(lambda: len(site.screens) == 2)

    assert site.screens[1] is None


def test_in_quiet_hours_the_hospital_is_asked_for_nothing(running: Running) -> None:
    running.site.quiet = 0.2
    site = started(running)
    running.marks.mark({"Observation"})
    time.sleep(0.1)
    asked_meanwhile = list(site.pulls)
    site.quiet = 0.0
    until(lambda: len(site.pulls) == 1)

    assert (asked_meanwhile, site.pulls) == ([], [None])


def test_pulls_rest_at_least_as_long_as_they_took(running: Running) -> None:
    site = started(running)
    ends: list[float] = []

    def slow() -> None:
        time.sleep(0.3)
        ends.append(time.monotonic())
        running.marks.mark({"Observation"})

    site.during_pull = slow
    running.marks.mark({"Observation"})
    until(lambda: len(ends) == 2)

    assert ends[1] - ends[0] >= 0.6


def test_closing_wakes_who_waits() -> None:
    marks = Marks()
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(marks.take(due=time.monotonic() + 600, pace=PACE)))
    waiting.start()
    marks.close()
    waiting.join(LIMIT)

    assert found == [None]
    assert marks.pause(600) is True
