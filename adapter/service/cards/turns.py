"""In: how many may work at a time. Out: turns in the order in which they were asked for.

A `threading.Semaphore` lets whoever comes by take a free place before those that wait, and sends who lost it to the end of
the line: the slowest of twenty calls then waits twice as long as most.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Turns"]


class Turns:
    """Places for some at a time; who waits longest is next.

    Args:
        at_once: how many places there are.
    """

    def __init__(self, at_once: int) -> None:
        self._guard = threading.Lock()
        self._free = at_once
        self._waiting: deque[threading.Lock] = deque()
        #: Who had a place and comes back: before all others, and among each other in the order in which they came.
        self._back: deque[threading.Lock] = deque()

    def __enter__(self) -> Self:
        self._take(self._waiting)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is waited for, while somebody else has the place; who comes back from it is next."""
        self._give()
        try:
            yield
        finally:
            self._take(self._back)

    def _take(self, line: deque[threading.Lock]) -> None:
        with self._guard:
            if self._free:
                self._free -= 1
                return
            ticket = threading.Lock()
            ticket.acquire()
            line.append(ticket)
        # Given away by `_give` with the place: nobody can come in between.
        ticket.acquire()

    def _give(self) -> None:
        with self._guard:
            line = self._back or self._waiting
            if line:
                line.popleft().release()
            else:
                self._free += 1
