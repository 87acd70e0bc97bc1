"""In: a site's address. Out: its capability, its resources as the bytes that were sent, and what became of our writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from adapter.client.capability import Capability, parse_capability
from adapter.client.errors import LoopingPages, Refused, UnusableAnswer
from adapter.client.found import Found, Head, Identifier, batches, head_of, identifier_search, version_of
from adapter.client.retry import Clock, Failed, RetryPolicy
from adapter.client.search import (
    SearchPage,
    Searchset,
    next_url,
    parse_searchset,
    utc_instant,
)
from adapter.client.transaction import EntryOutcome, TransactionEntry, parse_transaction_response, transaction_bundle
from adapter.client.transport import Body, SiteAddress, Transport, without_query
from adapter.errors import UsageError

__all__ = ["SiteClient"]

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
# R4 datatypes.html#id; "." and ".." would be taken for path segments.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_TIME_SEARCH = "_lastUpdated"
_FORM = "application/x-www-form-urlencoded"
# 50 ids of 64 characters, or 10 identifiers, keep an address below the 4,000 characters that servers commonly take.
_BATCH = 50
_BATCH_IN_URL = 10
# How a server says that it has no search by POST.
_NO_POST_SEARCH = frozenset({404, 405, 501})
# Few resources share a business identifier: one page holds a batch's.
_COUNT = 200


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
            known = client.find("Patient", identifiers=[("urn:oid:1.2.3", "42")])
            outcomes = client.transact([TransactionEntry("PUT", "Basic/1", resource, if_match='W/"2"')])
    """

    def __init__(
        self,
        address: SiteAddress,
        *,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        via: httpx.BaseTransport | None = None,
    ) -> None:
        self._base_url = address.base_url
        self._root = address.root
        self._transport = Transport(address, policy=policy, clock=clock, via=via)
        self._capability: Capability | None = None
        # Types that this server was seen not to search by POST.
        self._no_post_search: set[str] = set()

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
        url = f"{self._root}/{resource_type}/{resource_id}"
        return self._transport.get(url, lambda answer: _read_resource(answer, resource_id))

    def read_many(self, resource_type: str, ids: Iterable[str]) -> dict[str, bytes]:
        """Resources of one type by their ids on this server: the bytes of each that it has.

        Raises:
            UsageError: no type or id as FHIR knows them.
            RemoteError: refused, unavailable, or an answer that says it is not whole.
        """
        wanted = list(dict.fromkeys(ids))
        if not _TYPE.fullmatch(resource_type) or not all(map(_ID.fullmatch, wanted)):
            raise UsageError("a resource type and ids as FHIR knows them are wanted")
        raws: dict[str, bytes] = {}
        for batch in batches(wanted, _BATCH):
            query = urlencode({"_id": ",".join(batch), "_count": str(_BATCH)}, safe=",")
            for head, raw in self._matches(resource_type, f"{self._root}/{resource_type}?{query}"):
                if head.id in batch:
                    raws[head.id] = raw
        return raws

    def find(
        self, resource_type: str, *, identifiers: Iterable[Identifier], may_be_in_url: bool = False
    ) -> dict[Identifier, list[Found]]:
        """Resources of one type that carry any of these business identifiers.

        Asked by POST: a patient's number in an address ends up in the logs of every proxy on the way.

        Args:
            resource_type: to search for.
            identifiers: pairs of system and value; the empty system for identifiers without one.
            may_be_in_url: none of them tells of a patient: where the server has no search by POST, ask by GET.

        Returns:
            for each identifier, every resource that carries exactly it, each once; none where the server has none.

        Raises:
            UsageError: no type as FHIR knows it, or an identifier without value.
            Refused: the server does not answer such searches.
            RemoteError: unavailable, or an answer that says it is not whole.
        """
        found: dict[Identifier, dict[str, Found]] = {identifier: {} for identifier in identifiers}
        if not _TYPE.fullmatch(resource_type) or not all(value for _, value in found):
            raise UsageError("a resource type as FHIR knows it, and identifiers with a value are wanted")
        for batch in batches(list(found), _BATCH):
            for head, raw in self._identified(resource_type, batch, may_be_in_url=may_be_in_url):
                etag = None if head.version is None else f'W/"{head.version}"'
                for identifier in head.identifiers.intersection(batch):
                    # Of one that came twice, the later reading holds.
                    found[identifier][head.id] = Found(raw, etag, head.id, head.version)
        return {identifier: list(by_id.values()) for identifier, by_id in found.items()}

    def referring(self, resource_type: str, *, by: str, references: Iterable[str]) -> list[Found]:
        """Resources of one type that refer to any of these by a search parameter, e.g. ``by="subject"``.

        Args:
            resource_type: to search for.
            by: name of a search parameter of type reference.
            references: ``Type/id`` on this server.

        Raises:
            UsageError: no type or references as FHIR knows them.
            RemoteError: refused, unavailable, or an answer that says it is not whole.
        """
        wanted = list(dict.fromkeys(references))
        parts = [reference.partition("/") for reference in wanted]
        if not _TYPE.fullmatch(resource_type) or not all(_TYPE.fullmatch(t) and _ID.fullmatch(i) for t, _, i in parts):
            raise UsageError("a resource type and references as FHIR knows them are wanted")
        return self._any_of(resource_type, by, wanted, safe=",/")

    def tagged(self, resource_type: str, *, system: str, codes: Iterable[str]) -> list[Found]:
        """Resources of one type whose ``meta.tag`` has any of these codes of a system.

        Args:
            resource_type: to search for.
            system: of the tags, a URI without commas and bars.
            codes: letters, digits, ``.`` and ``-``; they stand in addresses, and must tell nothing of a patient.

        Raises:
            UsageError: no type or codes of that form.
            RemoteError: refused, unavailable, or an answer that says it is not whole.
        """
        wanted = list(dict.fromkeys(codes))
        if not _TYPE.fullmatch(resource_type) or not all(map(_ID.fullmatch, wanted)):
            raise UsageError("a resource type as FHIR knows it, and plain codes are wanted")
        return self._any_of(resource_type, "_tag", [f"{system}|{code}" for code in wanted], safe=",:|")

    def _any_of(self, resource_type: str, parameter: str, values: Sequence[str], *, safe: str) -> list[Found]:
        found: dict[str, Found] = {}
        for batch in batches(values, _BATCH_IN_URL):
            query = urlencode({parameter: ",".join(batch), "_count": str(_COUNT)}, safe=safe)
            for head, raw in self._matches(resource_type, f"{self._root}/{resource_type}?{query}"):
                etag = None if head.version is None else f'W/"{head.version}"'
                found[head.id] = Found(raw, etag, head.id, head.version)
        return list(found.values())

    def transact(self, entries: Sequence[TransactionEntry]) -> list[EntryOutcome]:
        """Carry out all of the entries or none of them, in one transaction.

        Sent again, as the policy allows, only after what surely left nothing done.

        Returns:
            what became of each entry, in their order. One that a server reports as not done is told by its status.

        Raises:
            Refused: nothing was done: 409 and 412 say that a version or a condition does not hold any more.
            Unavailable: nothing was done, and may be later.
            Uncertain: it may have been done: read back (`find`) before sending again.
            RemoteError: it was led to another host, or nowhere; nothing was done.
        """
        if not entries:
            return []
        body = Body(transaction_bundle(entries), prefer="return=minimal")
        # As it was configured, last slash included: a redirect to the other spelling would not be followed.
        return self._transport.post(self._base_url, body, lambda answer: _read_outcomes(answer, entries))

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

    def _identified(
        self, resource_type: str, batch: Sequence[Identifier], *, may_be_in_url: bool
    ) -> Iterator[tuple[Head, bytes]]:
        """Matches of a search for identifiers: by POST, else by GET where that is allowed."""
        url = f"{self._root}/{resource_type}"
        # Seen once is no leave: identifiers that must not stand in addresses are asked for by POST, or not at all.
        if not (may_be_in_url and resource_type in self._no_post_search):
            form = identifier_search(batch, count=_COUNT)
            try:
                yield from self._matches(resource_type, f"{url}/_search", form=form)
                return
            except Refused as refusal:
                if not may_be_in_url or refusal.status not in _NO_POST_SEARCH:
                    raise
                self._no_post_search.add(resource_type)
        for part in batches(batch, _BATCH_IN_URL):
            yield from self._matches(resource_type, f"{url}?{identifier_search(part, count=_COUNT)}")

    def _matches(self, resource_type: str, url: str, *, form: str | None = None) -> Iterator[tuple[Head, bytes]]:
        """Each resource of the type on all pages of a search, which must say of itself that it is whole."""
        for page in self._pages(resource_type, url, form=form):
            where = without_query(url, method="GET" if form is None else "POST")
            # What is missing here would be taken for absent, and created a second time.
            if any(issue.is_error for issue in page.issues):
                told = ", ".join(str(issue) for issue in page.issues if issue.is_error)
                raise UnusableAnswer(where, f"says that matches may be missing ({told})")
            for entry in page.entries:
                head = head_of(entry.raw)
                if head is None or not head.id:
                    raise UnusableAnswer(where, "an entry is no resource with an id")
                if head.resource_type == resource_type:
                    yield head, entry.raw

    def _pages(self, resource_type: str, url: str, *, form: str | None = None) -> Iterator[SearchPage]:
        """The pages of a search; the first is asked for by POST where there is a form."""

        def read(answer: httpx.Response) -> _Read:
            return _read_searchset(answer, resource_type)

        seen: set[str] = set()
        while True:
            if form is not None and not seen:
                body = Body(form.encode(), _FORM, prefer="handling=strict")
                answered = self._transport.post(url, body, read, repeatable=True)
            else:
                answered = self._transport.get(url, read)
            seen.add(url)
            found = answered.found
            yield SearchPage(
                url=without_query(url).removeprefix("GET "),
                number=len(seen),
                entries=found.entries,
                issues=found.issues,
                transaction_time=found.last_updated or utc_instant(answered.date),
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


def _read_resource(answer: httpx.Response, resource_id: str) -> Found:
    etag = answer.headers.get("ETag")
    head = head_of(answer.content) or Head()
    return Found(answer.content, etag, head.id or resource_id, head.version or version_of(etag))


def _read_outcomes(answer: httpx.Response, entries: Sequence[TransactionEntry]) -> list[EntryOutcome]:
    try:
        return parse_transaction_response(answer.content, sent=entries)
    except ValueError as error:
        raise UnusableAnswer(_where(answer), str(error)) from None


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
    return without_query(str(answer.request.url), method=answer.request.method)
