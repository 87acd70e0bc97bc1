"""In: to be written. Out: to be written."""

from __future__ import annotations

from adapter.store.state import State

__all__ = ["Digests"]


class Digests:
    """When which digest was sent to whom."""

    def __init__(self, state: State) -> None:
        self._state = state
