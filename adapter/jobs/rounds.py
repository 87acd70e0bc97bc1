"""In: sites, an interval, what does one cycle. Out: cycles for ever, each site at its own time, until a signal ends them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from adapter.jobs.schedule import next_try
from adapter.jobs.stopping import stop_if_asked
from adapter.observe import logger

__all__ = ["Rounds"]

_LATER: Final = 75
#: Waited for at once: a machine that slept, or whose clock was set, is noticed after this long.
_LONGEST_SLEEP: Final = 30.0
#: Less is what keeps a clock right.
_NOTABLE: Final = timedelta(minutes=1)
#: The sites of a start begin this far apart at most.
_SPREAD: Final = timedelta(seconds=30)


@dataclass(slots=True)
class _Site:
    due: datetime
    failures: int = 0


class Rounds:
    """Runs the cycles of some sites, one at a time, in the order in which they fall due.

    Args:
        quiet_hours: of each site, by its name.
        run: does one cycle of a site and returns its exit code.
        every: interval.
        now: aware time.
        chance: from 0 to 1, for the jitter.
        between: is called after each cycle, and each time that is waited; for what is short (`adapter.jobs.mail.Postman`).
    """

    def __init__(
        self,
        quiet_hours: Mapping[str, Sequence[str]],
        run: Callable[[str], int],
        *,
        every: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        self._quiet_hours = quiet_hours
        self._run = run
        self._every = every
        self._now = now
        self._chance = chance
        self._between = between
        #: The clock when it was last looked at.
        self._seen = begin = now()
        self._sites = {
            name: _Site(begin if not at else begin + min(_SPREAD, every) * chance())
            for at, name in enumerate(quiet_hours)
        }

    def run(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Go on until `Stopped` (or whatever ``sleep`` raises) ends it."""
        for wait in self.waits():
            sleep(wait)

    def waits(self) -> Iterator[float]:
        """Do what is due, and give the seconds to wait before asking again; never ends."""
        while True:
            stop_if_asked()
            now = self._moment()
            name = min(self._sites, key=lambda one: self._sites[one].due)
            wait = (self._sites[name].due - now).total_seconds()
            if wait <= 0:
                self._once(name)
            self._between()
            if wait > 0:
                yield min(wait, _LONGEST_SLEEP)

    def _moment(self) -> datetime:
        """The time now; where the clock was set back, what is due comes so much sooner, and not when it shows that time again."""
        now = self._now()
        back = self._seen - now
        if back > timedelta(0):
            for site in self._sites.values():
                site.due -= back
            if back > _NOTABLE:
                logger("jobs").warning("clock set back", seconds=round(back.total_seconds()))
        self._seen = now
        return now

    def _once(self, name: str) -> None:
        site = self._sites[name]
        begun = self._moment()
        code = self._run(name)
        ended = self._moment()
        site.failures = site.failures + 1 if code == _LATER else 0
        found = next_try(
            self._every,
            begun=min(begun, ended),
            ended=ended,
            failures=site.failures,
            quiet_hours=self._quiet_hours[name],
            chance=self._chance(),
        )
        site.due = found.at
        logger("jobs").info("next try", site=name, at=found.at.isoformat(timespec="seconds"), reason=found.reason)
