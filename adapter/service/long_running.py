"""In: nothing. Out: a block in which a service runs for long, and is not stopped again and again by the collector of cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["long_running"]

#: Objects made and not given back before the youngest are looked through, and how often the older ones are then.
_THRESHOLDS: Final = (10_000, 20, 20)


@contextmanager
def long_running() -> Iterator[None]:
    """Within the block the collector leaves alone what was loaded before it, and looks less often at what came since.

    Looking through all modules and documents of a service takes 0.2 s, in which every caller waits; it was a tenth of the
    work. What is made in the block is collected as ever.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        # Else it would be said at the end of the process to have leaked.
        gc.unfreeze()
