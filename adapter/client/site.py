"""In: a site's address. Out: its capability, and its resources by search or by id, as the bytes that were sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from adapter.client.capability import Capability, parse_capability
from adapter.client.errors import LoopingPages, UnusableAnswer
from adapter.client.retry import Clock, Failed, RetryPolicy
from adapter.client.search import (
    SearchPage,
    Searchset,
    next_url,
    parse_searchset,
    utc_instant,
)
from adapter.client.transport import SiteAddress, Transport, without_query
from adapter.errors import UsageError

__all__ = ["Found", "SiteClient"]

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
# R4 datatypes.html#id; "." and ".." would be taken for path segments.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_TIME_SEARCH = "_lastUpdated"


@dataclass(frozen=True, slots=True)
class Found:
    """A resource read by its id.

    Args:
        raw: bytes as sent.
        etag: for If-Match, None when the server sends none.
    """

    raw: bytes
    etag: str | None


@dataclass(frozen=True, slots=True)
class _Read:
    """One searchset, and the server's time as its header says it."""

    found: Searchset
    date: str | None


class SiteClient:
    """What we ask of one hospital's FHIR server; use it as a context manager.

    Args:
        address: the site.
        policy: bounds of retrying.
        clock: sleep, time and jitter of retrying.
        via: the httpx transport, where it is not the network.

    ::

        with SiteClient(SiteAddress("https://fhir.example.org/r4")) as client:
            for page in client.search("Observation", since="2025-06-01T00:00:00Z", count=500):
                for entry in page.entries: ...
    """

    def __init__(
        self,
        address: SiteAddress,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        via: httpx.BaseTransport | None = None,
    ) -> None:
        self._root = address.root
        self._transport = Transport(address, policy=policy, clock=clock, via=via)
        self._capability: Capability | None = None

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def capability(self) -> Capability:
        """What the server says it can do; asked once.

        Raises:
            RemoteError: refused, unavailable or no CapabilityStatement.
        """
        if self._capability is None:
            self._capability = self._transport.get(f"{self._root}/metadata", _read_capability)
        return self._capability

    def read(self, resource_type: str, resource_id: str) -> Found:
        """One resource by its id.

        Raises:
            UsageError: no type or id as FHIR knows them.
            NotFound: the server does not have it.
            RemoteError: refused, or unavailable.
        """
        if not _TYPE.fullmatch(resource_type) or not _ID.fullmatch(resource_id):
            raise UsageError("a resource type and an id as FHIR knows them are wanted")
        return self._transport.get(f"{self._root}/{resource_type}/{resource_id}", _read_resource)

    def search(self, resource_type: str, *, since: str | None = None, count: int = 500) -> Iterator[SearchPage]:
        """All resources of a type, page by page; one may come twice, and none must be taken for the newest.

        Sorted by ``_lastUpdated`` where the server knows it, which makes pages skip less while records change; the
        overlap that makes up for the rest is the caller's.

        Args:
            resource_type: to search for.
            since: FHIR instant: what was updated at or after it. A server that does not know it may send all.
            count: resources wanted a page; servers may send fewer or more.

        Raises:
            RemoteError: refused, unavailable, or a page that cannot be used. What was yielded before holds, but the
                type is incomplete.
        """
        if not _TYPE.fullmatch(resource_type):
            raise UsageError("a resource type as FHIR knows it is wanted")
        params = {"_count": str(count)}
        if since is not None:
            params[_TIME_SEARCH] = f"ge{since}"
        if _TIME_SEARCH in self.capability().of(resource_type).search_params:
            params["_sort"] = _TIME_SEARCH
        return self._pages(resource_type, f"{self._root}/{resource_type}?{urlencode(params)}")

    def _pages(self, resource_type: str, url: str) -> Iterator[SearchPage]:
        seen: set[str] = set()
        while True:
            seen.add(url)
            read = self._transport.get(url, lambda answer: _read_searchset(answer, resource_type))
            found = read.found
            yield SearchPage(
                url=without_query(url).removeprefix("GET "),
                number=len(seen),
                entries=found.entries,
                issues=found.issues,
                transaction_time=found.last_updated or utc_instant(read.date),
                total=found.total,
            )
            if found.next_link is None:
                return
            url = self._onward(found.next_link, url, seen)

    def _onward(self, link: str, url: str, seen: set[str]) -> str:
        try:
            onward = next_url(link, page=url, root=self._root)
            urlsplit(onward)
        except ValueError:
            raise UnusableAnswer(without_query(url), "the next link is no address") from None
        self._transport.check(onward, told_by=url)
        if onward in seen:
            raise LoopingPages(without_query(url))
        return onward


def _read_capability(answer: httpx.Response) -> Capability:
    try:
        return parse_capability(answer.content)
    except ValueError as error:
        raise UnusableAnswer(_where(answer), str(error)) from None


def _read_resource(answer: httpx.Response) -> Found:
    return Found(answer.content, answer.headers.get("ETag"))


def _read_searchset(answer: httpx.Response, resource_type: str) -> _Read:
    try:
        found = parse_searchset(answer.content, resource_type=resource_type)
    except msgspec.DecodeError:
        if "html" in answer.headers.get("Content-Type", ""):
            # A login page or a proxy's notice: asking again brings the same.
            raise UnusableAnswer(_where(answer), "a web page instead of a Bundle") from None
        # Cut off, most likely: a connection closed early looks like the end where no length was announced.
        raise Failed("answered with what is not whole JSON") from None
    except ValueError as error:
        raise UnusableAnswer(_where(answer), str(error)) from None
    return _Read(found, answer.headers.get("Date"))


def _where(answer: httpx.Response) -> str:
    return without_query(str(answer.request.url))
