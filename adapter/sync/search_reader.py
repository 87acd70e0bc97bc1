"""In: one search, or one history, of a hospital's server. Out: all that it finds on disk, page by page, or why not.

Pages skip and repeat while records change or where many share one ``_lastUpdated`` (hapi-fhir#3086): their order tells
nothing. Where the server says how many there are, fewer different ones are a reason to read again, and then to say so.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from threading import Event
from typing import Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from adapter.client import Capability, Refused, SearchPage, UnusableAnswer
from adapter.client.found import head_of
from adapter.client.history import HistoryEntry
from adapter.client.transport import Traffic
from adapter.errors import RemoteError
from adapter.sync.search_plan import Batch, Way
from adapter.sync.spool import Part, Spool

__all__ = ["Asked", "PartReader", "SearchClient", "Stopped"]

#: A search whose pages lack some is read so many times.
_ROUNDS: Final = 3
#: Of those that came in an earlier round only, so many are asked for by id.
_MOST_LOOKED_FOR: Final = 1_000
_UNAUTHORIZED: Final = 401

Params = Sequence[tuple[str, str]]


class SearchClient(Protocol):
    """What a pull by search needs of `adapter.client.SiteClient`."""

    @property
    def root(self) -> str:
        """The base URL."""

    @property
    def traffic(self) -> Traffic:
        """How often it was asked."""

    def capability(self) -> Capability:
        """What the server says it can do."""

    def search(
        self,
        resource_type: str,
        *,
        since: str | None = None,
        count: int = 500,
        params: Mapping[str, str] | Params = (),
        post: bool = False,
    ) -> Iterator[SearchPage]:
        """All resources of a type, page by page."""

    def continue_search(self, resource_type: str, next_url: str) -> Iterator[SearchPage]:
        """The pages of a search from a page's ``next`` on."""

    def count(
        self,
        resource_type: str,
        *,
        since: str | None = None,
        params: Mapping[str, str] | Params = (),
        post: bool = False,
    ) -> int | None:
        """How many resources a search finds."""

    def history(self, resource_type: str, since: str | None = None, *, count: int = 500) -> Iterator[HistoryEntry]:
        """The versions of all resources of a type."""

    def remaining(self, resource_type: str, ids: Iterable[str]) -> dict[str, bytes]:
        """Of these resources, those that are still there."""


class Stopped(Exception):
    """Another part met what ends the whole fetch."""


class Asked:
    """One search as it is asked: of a type, in a way, for a part."""

    def __init__(self, type_: str, way: Way, batch: Batch, includes: Sequence[str] = ()) -> None:
        self.type = type_
        self.way = way
        self.batch = batch
        self.chosen, self.further = batch.params(way, includes)


class PartReader:
    """Reads parts into a spool; may be used from several threads, for one part from one.

    Args:
        client: open for as long as the reader is used.
        spool: where what arrives is kept.
        count: resources wanted a page.
        began: is told the server's time at the first page of each search.
    """

    def __init__(self, client: SearchClient, spool: Spool, *, count: int, began: Callable[[str | None], None]) -> None:
        self._client = client
        self._spool = spool
        self._count = count
        self._began = began
        self._stop = Event()
        # Types of which the server does not tell how many there are.
        self._uncounted: set[str] = set()

    def stop(self) -> None:
        """End all reading at the next page."""
        self._stop.set()

    def read(self, asked: Asked) -> None:
        """Read what is not yet there of a part, and mark it done.

        Raises:
            RemoteError: the other side refused or failed; what came is kept.
            StorageError: this machine has no room.
            Stopped: `stop` was called.
        """
        part = self._spool.part(asked.batch.name)
        assert part is not None, "a part is told of before it is read"
        part = _copy(part)
        try:
            if asked.batch.kind == "history":
                self._read_history(asked, part)
            else:
                self._read_search(asked, part)
        except RemoteError as error:
            part.state, part.reason, part.exit_code = "failed", str(error), error.exit_code
            self._spool.keep(part)
            raise

    def _read_search(self, asked: Asked, part: Part) -> None:
        try:
            self._read_rounds(asked, part)
        except Refused as refusal:
            if not part.pages or refusal.status == _UNAUTHORIZED:
                raise
            # A server knows its next links for some time only: from the start, once.
            self._spool.begin_anew(part)
            self._read_rounds(asked, part)

    def _read_history(self, asked: Asked, part: Part) -> None:
        gone: dict[str, None] = {}
        for entry in self._client.history(asked.type, asked.batch.since, count=self._count):
            self._go_on()
            if entry.deleted and entry.type == asked.type:
                gone[entry.id] = None
        self._spool.append(part, [id_.encode() for id_ in gone])
        self._finish(part)

    def _read_rounds(self, asked: Asked, part: Part) -> None:
        if not part.lines and self._spool.note(_round_note(part)) is not None:
            # Of what was read under this name before.
            self._spool.keep(notes={_round_note(part): None})
        number, first = self._round(part)
        while True:
            seen = self._seen(asked, part, first)
            for page in self._pages(asked, part):
                self._keep_page(asked, part, page, seen)
            lacking = self._lacking(part, seen)
            if lacking and number == _ROUNDS:
                self._make_up(asked, part, seen, first)
            if not lacking or number == _ROUNDS:
                self._finish(part)
                return
            number, first = number + 1, part.lines
            part.count, part.problems = None, []
            self._spool.keep(part, notes={_round_note(part): f"{number} {first}"})

    def _pages(self, asked: Asked, part: Part) -> Iterator[SearchPage]:
        """The pages that are still wanted of a round."""
        if part.next is not None:
            yield from self._client.continue_search(asked.type, part.next)
            return
        pages = self._client.search(
            asked.type,
            since=asked.batch.since,
            count=self._count,
            params=[*asked.chosen, *asked.further],
            post=asked.way.post,
        )
        for number, page in enumerate(pages):
            if number == 0:
                self._began(page.transaction_time)
                part.url = part.url or page.url
                part.count = page.total if page.total is not None else self._counted(asked, page)
            yield page

    def _counted(self, asked: Asked, first: SearchPage) -> int | None:
        """How many there are, where the server does not say it with several pages."""
        if first.next is None or asked.type in self._uncounted:
            return None
        try:
            total = self._client.count(asked.type, since=asked.batch.since, params=asked.chosen, post=asked.way.post)
        except (Refused, UnusableAnswer):
            total = None
        if total is None:
            self._uncounted.add(asked.type)
        return total

    def _keep_page(self, asked: Asked, part: Part, page: SearchPage, seen: array[int]) -> None:
        self._go_on()
        for issue in page.issues:
            if issue.is_loss:
                part.problems.append(f"the server reports {issue}: matches may be missing")
        raws = [entry.raw for entry in page.entries]
        self._spool.append(part, raws)
        matching = _matching(raws, asked.type)
        seen.extend(matching)
        part.matches += len(matching)
        part.pages += 1
        part.next = page.next
        # A last page is kept together with what follows from it: that the part is done, or what else is to be read.
        if page.next is not None:
            self._spool.keep(part)

    def _round(self, part: Part) -> tuple[int, int]:
        """The number of the round that is under way, and how many resources came before it."""
        number, _, first = (self._spool.note(_round_note(part)) or "1 0").partition(" ")
        return int(number), int(first)

    def _seen(self, asked: Asked, part: Part, first: int) -> array[int]:
        """What came of the round under way before a kill."""
        seen: array[int] = array("q")
        if part.lines > first:
            for number, raw in enumerate(self._spool.resources(part)):
                if number >= first:
                    seen.extend(_matching([raw], asked.type))
        return seen

    @staticmethod
    def _lacking(part: Part, seen: array[int]) -> int:
        """How many are missing: fewer came than announced, as pages skipped some, or there are fewer now.

        Where nothing was announced, as many as came twice: pages that repeat some skip others.
        """
        different = _different(seen)
        return len(seen) - different if part.count is None else max(0, part.count - different)

    def _make_up(self, asked: Asked, part: Part, seen: array[int], first: int) -> None:
        """Say what is missing after the last round, but for those of earlier rounds that are still there."""
        lacking = self._lacking(part, seen)
        if part.count is None:
            part.problems.append(f"{lacking} resources came twice: others may be missing, and the server counts none")
            return
        lacking -= self._still_there(asked, part, seen, first)
        if lacking > 0:
            part.problems.append(f"{part.count - lacking} of {part.count} announced resources came")

    def _still_there(self, asked: Asked, part: Part, seen: array[int], first: int) -> int:
        """How many of those that came in earlier rounds only are there: these did not lack."""
        known = set(seen)
        ids: dict[str, None] = {}
        for number, raw in enumerate(self._spool.resources(part)):
            head = head_of(raw) if number < first else None
            if head is not None and head.resource_type == asked.type and head.id and hash(head.id) not in known:
                ids[head.id] = None
        if not 0 < len(ids) <= _MOST_LOOKED_FOR:
            return 0
        return len(self._client.remaining(asked.type, ids))

    def _finish(self, part: Part) -> None:
        part.state, part.next, part.reason, part.exit_code = "done", None, "", 0
        self._spool.keep(part)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _copy(part: Part) -> Part:
    # What the spool gives is what it knows: it is not changed but by keeping.
    return msgspec.structs.replace(part, problems=list(part.problems))


def _round_note(part: Part) -> str:
    return f"round {part.name}"


def _matching(raws: Collection[bytes], type_: str) -> array[int]:
    """A number for each different resource of the type; what has no id counts by its bytes."""
    found: array[int] = array("q")
    for raw in raws:
        head = head_of(raw)
        if head is None or head.resource_type == type_:
            found.append(hash(head.id if head is not None and head.id else raw))
    return found


def _different(seen: array[int]) -> int:
    """How many different ones there are among them: eight bytes each, as there may be millions."""
    numbers = pa.Array.from_buffers(pa.int64(), len(seen), [None, pa.py_buffer(seen)])
    return int(pc.count_distinct(numbers).as_py())
