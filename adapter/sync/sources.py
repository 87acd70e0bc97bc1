"""In: nothing. Out: what a pull reads from: a source of resources by type, and what it yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from adapter.store import Origin

__all__ = ["Item", "Missing", "Problem", "Progress", "Silent", "Source"]


class Item(NamedTuple):
    """One resource as it came; ``ended`` is False for the last line of a file without a line end."""

    raw: bytes
    origin: Origin
    ended: bool = True


class Problem(NamedTuple):
    """What came and is no resource, or did not come; ``incomplete``: more is missing than these bytes."""

    raw: bytes
    origin: Origin
    reason: str
    incomplete: bool = False


class Missing(NamedTuple):
    """A type that was asked for and cannot be had at all."""

    type: str
    reason: str


class Source(Protocol):
    """Where resources come from."""

    def types(self) -> list[str]:
        """What there is to read, in a fixed order."""

    def missing(self) -> list[Missing]:
        """What was asked for and is not there."""

    def notices(self) -> list[str]:
        """What is there and is not read, one sentence each."""

    def since(self, bookmark: str) -> str | None:
        """From when to read, given where the last whole read of a type stood; None for everything."""

    def fetch(self, type_: str, since: str | None) -> Iterator[Item | Problem]:
        """The resources of a type.

        Raises:
            RemoteError: the other side refused or failed; what was yielded before holds, the type is incomplete.
        """

    @property
    def transaction_time(self) -> str | None:
        """The server's time before anything was read, None where there is no server (then no bookmark moves)."""


class Progress(Protocol):
    """Who wants to show how far a pull is."""

    def start(self, type_: str) -> None:
        """A type begins."""

    def advance(self, type_: str, resources: int) -> None:
        """So many more resources of the type were read."""

    def finish(self, type_: str) -> None:
        """A type is done."""


class Silent:
    """Shows nothing."""

    def start(self, type_: str) -> None:
        """Nothing."""

    def advance(self, type_: str, resources: int) -> None:
        """Nothing."""

    def finish(self, type_: str) -> None:
        """Nothing."""
