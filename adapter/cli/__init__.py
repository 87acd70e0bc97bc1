"""In: the command line. Out: what `reluth` does, on stdout; everything else on stderr; an exit code of the contract.

Nothing else is read before `main` is called: what Ctrl-C meets while the program is being read is told by nobody else.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `reluth`, see `adapter.cli.app.main`; Ctrl-C ends it with 130 and without a traceback, from the first moment on."""
    try:
        with _ended_at_once():
            from adapter.cli.app import main as run
        return run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Nothing is begun yet that would have to be tidied up, and a library that is being read may turn the exception into another one."""
    before = signal.getsignal(signal.SIGINT)
    # One that is ignored (nohup) stays so; and a program that calls this one has handlers of its own.
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
