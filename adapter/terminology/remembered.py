"""In: what was found once. Out: a dict of it that forgets everything before it fills the memory."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["Remembered"]

_K = TypeVar("_K")
_V = TypeVar("_V")


class Remembered(dict[_K, _V]):
    """What was found once and is the same whenever it is found again.

    Args:
        most: how many are kept; a feed that puts something new into each resource must not fill the memory.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: _K, value: _V) -> _V:
        """Remember, and give it back."""
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value
