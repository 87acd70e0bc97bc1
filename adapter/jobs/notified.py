"""In: marks that something of a site changed. Out: pulls and screenings of it, soon, each once; and at intervals, marked or not.

A mark may be lost (this process ends, the hospital's server gives up): the pull at the start and those at intervals
find what it was about. How a pull or a screening is done is the caller's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from adapter.errors import BusyError
from adapter.jobs.parts import Kind, Outcome, Part, run_part
from adapter.observe import logger

__all__ = ["Marks", "Pace", "SiteSteps", "Taken", "Worker"]

_LATER: Final = 75
_MOST_DOUBLINGS: Final = 16
#: How long quiet hours are taken for granted.
_LOOK_AGAIN: Final = 60.0

Types = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon and how often; all in seconds.

    Args:
        settle: silence after a mark before the pull: many marks within it are one pull.
        longest: but no later than this after the first of them.
        rest: from the end of a pull to the next, at least; and never less than it took.
        every: pulls that nobody asked for.
        again: after another run held the site, or the server did not answer; that doubles, up to ``every``.
    """

    settle: float = 0.5
    longest: float = 5.0
    rest: float = 1.0
    every: float = 900.0
    again: float = 5.0


class Taken(NamedTuple):
    """What is to be pulled now: ``types`` None for all."""

    types: Types


class Marks:
    """The marks of one site that no pull has taken yet; any thread may set them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._closed = False
        self._all = False
        self._types: set[str] = set()
        self._first: float | None = None
        self._last = 0.0

    def mark(self, types: Collection[str] | None) -> None:
        """Something of these types changed; None: of any. Returns at once."""
        with self._changed:
            self._add(types)
            self._changed.notify_all()

    def put_back(self, types: Collection[str] | None) -> None:
        """What was taken could not be pulled: it waits again, and is due as soon as a pull may be."""
        with self._changed:
            self._add(types)

    def close(self) -> None:
        """Nothing is taken any more; who waits is woken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, *, due: float, not_before: float = 0.0, pace: Pace) -> Taken | None:
        """Wait for marks to settle, or for ``due``.

        Args:
            due: moment of the clock at which everything is to be pulled, marked or not.
            not_before: moment before which nothing is.
            pace: how long marks settle.

        Returns:
            what was marked, whose marks are taken with it; None once closed.
        """
        with self._changed:
            while not self._closed:
                now = self._clock()
                ready = max(due, not_before)
                if now >= ready:
                    self._clear()
                    return Taken(None)
                if self._first is not None:
                    settled = max(min(self._last + pace.settle, self._first + pace.longest), not_before)
                    if now >= settled:
                        return Taken(self._clear())
                    ready = min(ready, settled)
                self._changed.wait(ready - now)
            return None

    def pause(self, seconds: float) -> bool:
        """Wait, marked or not; True once closed."""
        until = self._clock() + seconds
        with self._changed:
            while not self._closed and (left := until - self._clock()) > 0:
                self._changed.wait(left)
            return self._closed

    def _add(self, types: Collection[str] | None) -> None:
        self._last = self._clock()
        if self._first is None:
            self._first = self._last
        if types is None:
            self._all = True
        else:
            self._types |= set(types)

    def _clear(self) -> Types:
        found = None if self._all else frozenset(self._types)
        self._all, self._types, self._first = False, set(), None
        return found


class SiteSteps(Protocol):
    """What the worker of a site does; each may raise."""

    def pull(self, site: str, types: Types) -> Outcome:
        """The hospital's changes into the store; ``types`` None for all."""

    def changed(self, site: str) -> frozenset[str] | None:
        """Persons whose records changed since this was last asked; None where everybody's may have."""

    def screen(self, site: str, patients: frozenset[str] | None) -> Outcome:
        """Verdicts anew: of these patients, or of all candidates."""

    def quiet_seconds(self, site: str) -> float:
        """How long the hospital's server is to be left alone from now on; 0 where it is not."""


class Worker:
    """Pulls and screens one site whenever it is marked, and at intervals.

    Args:
        site: whose.
        marks: of the site.
        steps: how a pull and a screening are done.
        pace: how soon and how often.
        clock: of the marks.
    """

    def __init__(
        self, site: str, marks: Marks, steps: SiteSteps, *, pace: Pace, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._site = site
        self._marks = marks
        self._steps = steps
        self._pace = pace
        self._clock = clock
        self._failures = 0
        # Whoever ended before this may have pulled and not screened.
        self._everybody = True
        self._due = clock()
        self._not_before = self._due

    def run(self) -> None:
        """Go on until the marks are closed."""
        while (taken := self._marks.take(due=self._due, not_before=self._not_before, pace=self._pace)) is not None:
            quiet = self._steps.quiet_seconds(self._site)
            if quiet > 0:
                self._marks.put_back(taken.types)
                self._not_before = self._clock() + min(quiet, _LOOK_AGAIN)
            # What is stored is screened in quiet hours too: that asks the hospital for nothing.
            if quiet > 0 or self._pull(taken.types):
                self._screen()

    def _pull(self, types: Types) -> bool:
        """Pull, and say when the next may be; False where another run holds the site."""
        begun = self._clock()
        busy, part = self._run_alone("pull", lambda site: self._steps.pull(site, types))
        ended = self._clock()
        self._not_before = ended + max(self._pace.rest, ended - begun)
        if busy:
            self._marks.put_back(types)
            self._not_before = ended + self._pace.again
            return False
        if part.exit_code == _LATER:
            self._marks.put_back(types)
            wait = self._pace.again * 2 ** min(self._failures, _MOST_DOUBLINGS)
            self._failures += 1
            self._not_before = ended + min(wait, max(self._pace.every, self._pace.again))
            return True
        self._failures = 0
        if types is None:
            self._due = begun + self._pace.every
        return True

    def _screen(self) -> None:
        """Screen who changed, or everybody where that cannot be told or is owed since a screening failed."""
        try:
            people = self._steps.changed(self._site)
        except Exception as error:  # noqa: BLE001 - who changed is not known then: everybody may have
            logger("jobs").warning("changes unknown", site=self._site, error=type(error).__name__)
            people = None
        if self._everybody:
            people = None
        if people is not None and not people:
            return
        while True:
            busy, part = self._run_alone("screen", lambda site: self._steps.screen(site, people))
            # Without a summary nobody knows whom it reached.
            self._everybody = part.summary is None
            if not busy or self._marks.pause(self._pace.again):
                return

    def _run_alone(self, kind: Kind, work: Callable[[str], Outcome]) -> tuple[bool, Part]:
        """Do one part, and whether another run held the site."""
        busy = False

        def noting(site: str) -> Outcome:
            nonlocal busy
            try:
                return work(site)
            except BusyError:
                busy = True
                raise

        part = run_part(self._site, kind, noting)
        return busy, part
