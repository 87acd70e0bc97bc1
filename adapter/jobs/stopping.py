"""In: SIGTERM or SIGINT. Out: `Stopped` in the main thread, after a commit that is under way; a second signal kills.

Work may be cut anywhere else: what a killed run leaves is made good by the next one, and what is cut here is less than that.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from adapter.observe import logger, when_interruptible

__all__ = ["Stopped", "stop_if_asked", "stop_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: An exception that comes up in a finalizer, or in a callback of a library, is lost: it is raised again after so many seconds.
_AGAIN = 3.0
_asked: list[int] = []


class Stopped(KeyboardInterrupt):
    """This process was asked to end; a KeyboardInterrupt, so that whoever tidies up after Ctrl-C does so now.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


@contextmanager
def stop_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `Stopped` for the length of the block; main thread only."""
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _asked:
            # Not by the handler: it may have come while a line was being written, and a writer cannot be entered twice.
            logger("jobs").info("stopping", signal=signal.Signals(_asked[0]).name)
        _asked.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked() -> None:
    """Raise `Stopped` where a signal came and its exception was lost; called between one thing and the next."""
    if _asked and threading.current_thread() is threading.main_thread():
        raise Stopped(_asked[0])


def _stop(number: int, _frame: FrameType | None) -> None:
    # Whoever asks twice does not want to wait: a kill is survived as well.
    signal.signal(number, signal.SIG_DFL)
    _asked.append(number)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
    when_interruptible(stop_if_asked)


def _again(_number: int, _frame: FrameType | None) -> None:
    when_interruptible(stop_if_asked)
