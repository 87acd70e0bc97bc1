"""In: to be written. Out: to be written."""

from __future__ import annotations

from adapter.store.state import State

__all__ = ["Accounts"]


class Accounts:
    """Accounts, roles and sessions in the state."""

    def __init__(self, state: State) -> None:
        self._state = state
