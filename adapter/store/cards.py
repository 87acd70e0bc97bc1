"""In: to be written. Out: to be written."""

from __future__ import annotations

from adapter.store.state import State

__all__ = ["Cards"]


class Cards:
    """Cards of CDS Hooks in the state, what was answered to them, and tokens used."""

    def __init__(self, state: State) -> None:
        self._state = state
