"""In: how far a pull is. Out: events of the log: how much was fetched, now and then; each type that was stored, with count and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from adapter.fhir import RESOURCE_TYPES
from adapter.jobs.stopping import stop_if_asked
from adapter.observe import logger

__all__ = ["LoggedTypes"]

_SECONDS_BETWEEN: Final = 60.0


class LoggedTypes:
    """A `Progress` of a pull that writes to the log.

    Args:
        site: whose pull.
        clock: seconds.
    """

    def __init__(self, site: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = logger("jobs").bind(site=site, kind="pull")
        self._clock = clock
        self._told = clock()
        self._begun: dict[str, float] = {}
        self._read: dict[str, int] = {}

    def fetching(self, what: str, done: int, parts: int) -> None:
        """So many parts are on disk; once a minute at most. A server's own words stay out: nobody knows what they hold."""
        stop_if_asked()
        if self._clock() - self._told < _SECONDS_BETWEEN:
            return
        self._told = self._clock()
        more = {"type": what} if what in RESOURCE_TYPES else {}
        self._log.info("fetching", done=done, parts=parts, **more)

    def start(self, type_: str) -> None:
        """A type begins to be stored."""
        stop_if_asked()
        self._begun[type_] = self._clock()
        self._read[type_] = 0

    def advance(self, type_: str, resources: int) -> None:
        """So many more of it."""
        stop_if_asked()
        self._read[type_] += resources

    def finish(self, type_: str) -> None:
        """A type is done."""
        seconds = round(self._clock() - self._begun[type_], 3)
        self._log.info("type read", type=type_, read=self._read[type_], seconds=seconds)
