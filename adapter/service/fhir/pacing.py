"""In: requests as they come. Out: how long who asks too often has to wait. In memory: a restart forgives."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Looks", "Rate"]

_WINDOW: Final = 60.0
#: Statuses that are looked at; a client asks for few at once.
_MOST_JOBS: Final = 10_000


class Rate:
    """At most so many requests of a client in any minute.

    Args:
        most: requests in a minute.
        clock: seconds that only go forward.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def wait(self, client: str) -> int:
        """Seconds that a client has to wait; 0 where its request is taken, and counted."""
        moment = self._clock()
        with self._lock:
            times = self._times.setdefault(client, deque())
            while times and times[0] <= moment - _WINDOW:
                times.popleft()
            if len(times) < self._most:
                times.append(moment)
                return 0
            return max(1, int(times[0] + _WINDOW - moment) + 1)


class Looks:
    """How often the status of an export is looked at: no sooner than half of what Retry-After asked for.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: dict[str, tuple[float, int]] = {}

    def is_too_soon(self, job: str, *, asked: int) -> bool:
        """Note a look, which is answered by asking to come back after ``asked`` seconds; whether it came too soon."""
        moment = self._clock()
        with self._lock:
            before = self._looks.pop(job, None)
            # The oldest first: a look moves its job to the end.
            while len(self._looks) >= _MOST_JOBS:
                self._looks.pop(next(iter(self._looks)))
            self._looks[job] = (moment, asked)
        return before is not None and moment - before[0] < before[1] / 2
