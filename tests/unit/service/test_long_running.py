"""In: a block of a long-running service. Out: that what was loaded is left alone, and what is made in it is still collected."""

from __future__ import annotations

import gc
import weakref

from adapter.service.long_running import long_running


class Ring:
    """Refers to itself: only the collector of cycles takes it away."""

    def __init__(self) -> None:
        self.me = self


def test_block_leaves_what_was_loaded_alone_and_ends_as_it_began() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()

    with long_running():
        assert gc.get_freeze_count() > frozen + 1000
        assert gc.get_threshold() > before

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_block_that_fails_ends_as_it_began() -> None:
    before = gc.get_threshold()
    try:
        with long_running():
            raise OSError
    except OSError:
        pass

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_what_is_made_in_the_block_is_collected() -> None:
    with long_running():
        seen = weakref.ref(Ring())
        gc.collect()

        assert seen() is None
