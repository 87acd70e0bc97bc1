"""In: to be written. Out: to be written."""

from __future__ import annotations

from adapter.store.state import State

__all__ = ["ListingTable"]


class ListingTable:
    """The worklist as rows in the state."""

    def __init__(self, state: State) -> None:
        self._state = state
