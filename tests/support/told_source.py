"""In: what a server is to bring and to say. Out: a source of a pull that does just that, for what no real server does when it is asked to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from adapter.client import Unavailable
from adapter.store import Origin
from adapter.sync.sources import Gone, Item, Missing, Mode, Problem, Progress, Requests

__all__ = ["PAGE", "Server"]

PAGE = Origin("https://fhir.hospital.example/r4/Observation", is_url=True)


@dataclass
class Server:
    """What a source brings, by type, and what the server says when it is asked.

    Attributes:
        brings: resources by type.
        said_gone: what it says that it deleted.
        has: ids that it still has when asked, and what they are then.
        asks: it can be asked.
        fails: it does not answer when asked.
    """

    brings: Mapping[str, list[bytes]]
    said_gone: list[Gone] = field(default_factory=list)
    has: Mapping[str, bytes] = field(default_factory=dict)
    asks: bool = True
    fails: bool = False
    problem: Problem | None = None
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    closed: bool = False
    has_all: bool = True
    mode: Mode = "search"
    server: str | None = None
    transaction_time: str | None = "2025-06-01T08:00:00Z"

    def types(self) -> list[str]:
        return list(self.brings)

    def missing(self) -> list[Missing]:
        return []

    def notices(self) -> list[str]:
        return []

    def since(self, bookmark: str) -> str | None:
        return bookmark

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        pass

    def fetch(self, type_: str) -> Iterator[Item | Problem | Gone]:
        yield from (Item(raw, PAGE) for raw in self.brings[type_])
        if type_ == next(iter(self.brings)):
            yield from self.said_gone
            if self.problem is not None:
                yield self.problem

    def can_confirm(self, type_: str) -> bool:
        return self.asks

    def confirm(self, type_: str, ids: Collection[str]) -> tuple[set[str], list[Item]]:
        self.asked.append((type_, list(ids)))
        if self.fails:
            raise Unavailable("GET https://fhir.hospital.example/r4", "answered 503", attempts=6)
        return set(ids) - self.has.keys(), [Item(self.has[id_], PAGE) for id_ in ids if id_ in self.has]

    def requests(self) -> Requests:
        return Requests(3, 1)

    def close(self) -> None:
        self.closed = True
