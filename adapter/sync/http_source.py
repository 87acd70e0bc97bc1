"""In: a client of one hospital's FHIR server. Out: its resources by type, by search, from the bookmark on.

Pages skip and repeat where many resources share one ``_lastUpdated`` (hapi-fhir#3086), and clocks differ: an overlap
window is read again, and the store takes each version once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from adapter.store import Origin
from adapter.sync.sources import Item, Missing, Problem

__all__ = ["HttpSource", "SearchClient"]

DEFAULT_OVERLAP = timedelta(minutes=5)


class _Entry(Protocol):
    @property
    def raw(self) -> bytes: ...
    @property
    def mode(self) -> str: ...


class _Issue(Protocol):
    @property
    def is_error(self) -> bool: ...


class _Page(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def entries(self) -> Sequence[_Entry]: ...
    @property
    def issues(self) -> Sequence[_Issue]: ...
    @property
    def transaction_time(self) -> str | None: ...
    @property
    def total(self) -> int | None: ...


class _Capability(Protocol):
    @property
    def types(self) -> Mapping[str, object]: ...


class SearchClient(Protocol):
    """What a pull needs of `adapter.client.SiteClient`."""

    def capability(self) -> _Capability:
        """What the server says it can do."""

    def search(self, resource_type: str, *, since: str | None = None, count: int = 500) -> Iterator[_Page]:
        """All resources of a type, page by page."""


class HttpSource:
    """Resources searched for, type by type.

    Args:
        client: open for as long as the source is used.
        types: what to read; a type that the server does not serve is missing, and named.
        count: resources wanted a page.
        overlap: how long before a bookmark to begin again.
    """

    def __init__(
        self,
        client: SearchClient,
        types: Collection[str],
        *,
        count: int = 500,
        overlap: timedelta = DEFAULT_OVERLAP,
    ) -> None:
        self._client = client
        self._wanted = sorted(set(types), key=lambda type_: (type_ != "Patient", type_))
        self._count = count
        self._overlap = overlap
        self._transaction_time: str | None = None

    def types(self) -> list[str]:
        """The types that are wanted and served."""
        served = self._client.capability().types
        return [type_ for type_ in self._wanted if type_ in served]

    def missing(self) -> list[Missing]:
        """The types that are wanted and not served."""
        served = self._client.capability().types
        return [Missing(type_, "the server does not serve this type") for type_ in self._wanted if type_ not in served]

    def notices(self) -> list[str]:
        """Nothing: what was not asked for is not there."""
        return []

    def since(self, bookmark: str) -> str | None:
        """The bookmark less the overlap; everything where the bookmark is no time."""
        try:
            moment = datetime.fromisoformat(bookmark)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        return (moment.astimezone(UTC) - self._overlap).strftime("%Y-%m-%dT%H:%M:%SZ")

    def fetch(self, type_: str, since: str | None) -> Iterator[Item | Problem]:
        """The resources of a type, and those included with them."""
        matches = 0
        announced: int | None = None
        url = type_
        for page in self._client.search(type_, since=since, count=self._count):
            url = page.url
            if announced is None:
                announced = page.total
            if self._transaction_time is None:
                # Of the very first page: whatever changes while the pull runs is read again the next time.
                self._transaction_time = page.transaction_time
            for issue in page.issues:
                if issue.is_error:
                    yield Problem(
                        b"", Origin(url, is_url=True), f"the server reports {issue}: matches may be missing", True
                    )
            for entry in page.entries:
                matches += entry.mode == "match"
                yield Item(entry.raw, Origin(url, is_url=True))
        if announced is not None and matches < announced:
            reason = f"{matches} of {announced} announced resources came"
            yield Problem(b"", Origin(url, is_url=True), reason, incomplete=True)

    @property
    def transaction_time(self) -> str | None:
        """The server's time at the first page."""
        return self._transaction_time
