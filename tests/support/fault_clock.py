"""In: waits that the product asks for. Out: time that jumps over them, for the product and the fault server alike.

The seam is `adapter.client.Clock`: what of the world its defaults take (sleep, monotonic, now, jitter) is put in for every client that is made
without a clock of its own. A wait costs no time, and yet a server that shares the clock sees a client that comes too early.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from adapter.client import Clock

__all__ = ["SkippingClock"]


class SkippingClock:
    """Real time, and on top of it all that was slept.

    Args:
        real: seconds that a sleep really takes at most, where a real server needs them to go on.
        seed: of the jitter.

    Attributes:
        waits: every sleep, in the order in which they came.
    """

    def __init__(self, *, real: float = 0.0, seed: int = 1) -> None:
        self.waits: list[float] = []
        self._real = real
        self._skipped = 0.0
        self._jitter = random.Random(seed)
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        """Be that much later; sleeps at one time pass at one time."""
        woken = self.monotonic() + seconds
        if self._real:
            time.sleep(min(self._real, seconds))
        with self._lock:
            self.waits.append(seconds)
            self._skipped = max(self._skipped, woken - time.monotonic())

    def monotonic(self) -> float:
        """Seconds, those slept counted."""
        return time.monotonic() + self._skipped

    def now(self) -> datetime:
        """The time of day that goes with it."""
        return datetime.now(UTC) + timedelta(seconds=self._skipped)

    def jitter(self) -> float:
        """From 0 to 1."""
        return self._jitter.random()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every `Clock` made from now on without arguments is this one."""
        fields = Clock.__dataclass_fields__
        own = tuple(getattr(self, name, field.default) for name, field in fields.items() if field.init)

        assert len(own) == len(Clock.__init__.__defaults__ or ())
        monkeypatch.setattr(Clock.__init__, "__defaults__", own)
