"""In: a site's address. Out: its capability, its resources as the bytes that were sent, and what became of our writes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx

from adapter.client.address import SiteAddress
from adapter.client.bulk import BulkExport
from adapter.client.capability import Capability, parse_capability
from adapter.client.errors import NotFound, UnusableAnswer
from adapter.client.found import Found, Head, Identifier, batches, head_of, version_of
from adapter.client.history import HistoryEntry
from adapter.client.retry import Clock, RetryPolicy, RunBudget
from adapter.client.search import SearchPage
from adapter.client.searching import Question, Searching, where_of
from adapter.client.transaction import EntryOutcome, TransactionEntry, parse_transaction_response, transaction_bundle
from adapter.client.transport import Body, Traffic, Transport
from adapter.errors import UsageError

__all__ = ["SiteClient"]

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
# R4 datatypes.html#id; "." and ".." would be taken for path segments.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
LAST_UPDATED = "_lastUpdated"
# 50 ids of 64 characters, or 10 identifiers, keep an address below the 4,000 characters that servers commonly take.
_BATCH = 50
_BATCH_IN_URL = 10
# Few resources share a business identifier: one page holds a batch's.
_COUNT = 200

#: Search parameters and their values.
SearchParams = Mapping[str, str] | Sequence[tuple[str, str]]


class SiteClient:
    """What we ask of one hospital's FHIR server; use it as a context manager.

    Args:
        address: the site.
        policy: bounds of retrying.
        clock: sleep, time and jitter of retrying.
        via: the httpx transport, where it is not the network.
        budget: of a whole run, for waiting to try again.

    Attributes:
        root: the base URL without a slash at its end.

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
        budget: RunBudget | None = None,
    ) -> None:
        self._base_url = address.base_url
        self.root = address.root
        self._transport = Transport(address, policy=policy, clock=clock, via=via, budget=budget)
        self._searching = Searching(self._transport, self.root)
        self._capability: Capability | None = None
        # Types are searched for in threads, and the first of them asks for all.
        self._asking = threading.Lock()

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

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._transport.traffic

    def capability(self) -> Capability:
        """What the server says it can do; asked once.

        Raises:
            RemoteError: refused, unavailable or no CapabilityStatement.
        """
        with self._asking:
            if self._capability is None:
                self._capability = self._transport.get(f"{self.root}/metadata", _read_capability)
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
        url = f"{self.root}/{resource_type}/{resource_id}"
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
            for head, raw in self._searching.matches(Question(resource_type, f"{self.root}/{resource_type}?{query}")):
                if head.id in batch:
                    raws[head.id] = raw
        return raws

    def remaining(self, resource_type: str, ids: Iterable[str]) -> dict[str, bytes]:
        """Of these resources, those that are still there; what is not among them is surely gone.

        What a search for a list of ids does not bring is read by itself: there are servers that look at the first id
        only, and indexes that lag behind.

        Raises:
            UsageError: no type or ids as FHIR knows them.
            RemoteError: refused, unavailable, or an answer that says it is not whole.
        """
        wanted = list(dict.fromkeys(ids))
        raws = self.read_many(resource_type, wanted)
        stated = self.capability().of(resource_type).interactions
        if stated and "read" not in stated:
            return raws
        for resource_id in wanted:
            if resource_id not in raws:
                try:
                    raws[resource_id] = self.read(resource_type, resource_id).raw
                except NotFound:
                    continue
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
            for head, raw in self._searching.identified(resource_type, batch, may_be_in_url=may_be_in_url):
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
            for head, raw in self._searching.matches(Question(resource_type, f"{self.root}/{resource_type}?{query}")):
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

    def search(
        self,
        resource_type: str,
        *,
        since: str | None = None,
        count: int = 500,
        params: SearchParams = (),
        post: bool = False,
    ) -> Iterator[SearchPage]:
        """All resources of a type, page by page; one may come twice, and none must be taken for the newest.

        Sorted by ``_lastUpdated`` where the server knows it, which makes pages skip less while records change; the
        overlap that makes up for the rest is the caller's.

        Args:
            resource_type: to search for.
            since: FHIR instant: what was updated at or after it. A server that does not know it may send all.
            count: resources wanted a page; servers may send fewer or more.
            params: further parameters, e.g. ``{"patient": "1,2"}`` or pairs, where one comes several times.
            post: ask by POST, so that no address holds the parameters; a query of more than 2,000 characters always is.

        Raises:
            RemoteError: refused, unavailable, or a page that cannot be used. What was yielded before holds, but the
                type is incomplete.
        """
        _check_type(resource_type)
        asked = [("_count", str(count)), *_restrictions(since, params)]
        if LAST_UPDATED in self.capability().of(resource_type).search_params:
            asked.append(("_sort", LAST_UPDATED))
        return self._searching.pages(self._searching.question(resource_type, asked, post=post))

    def continue_search(self, resource_type: str, next_url: str) -> Iterator[SearchPage]:
        """The pages of a search from a page's ``next`` on, its number counted from 1 again.

        Raises:
            ForeignHost: the address is not on an allowed host; nothing was sent.
            Refused: the server does not know the address any more (often 404 or 410): search anew.
            RemoteError: as `search`.
        """
        _check_type(resource_type)
        return self._searching.onward(resource_type, next_url)

    def count(
        self, resource_type: str, *, since: str | None = None, params: SearchParams = (), post: bool = False
    ) -> int | None:
        """How many resources a search finds, without reading them; None where the server does not say.

        Raises:
            RemoteError: refused, unavailable, or no answer to a search.
        """
        _check_type(resource_type)
        # R4 search.html#summary
        asked = [*_restrictions(since, params), ("_summary", "count")]
        page = next(self._searching.pages(self._searching.question(resource_type, asked, post=post)))
        return None if any(issue.is_loss for issue in page.issues) else page.total

    def history(self, resource_type: str, since: str | None = None, *, count: int = 500) -> Iterator[HistoryEntry]:
        """The versions of all resources of a type, deletions among them, in no order that may be relied on.

        Args:
            resource_type: whose.
            since: FHIR instant: versions made at or after it.
            count: versions wanted a page.

        Raises:
            UsageError: no type as FHIR knows it.
            Refused: the server keeps no such history.
            RemoteError: unavailable, or an answer that says it is not whole.
        """
        _check_type(resource_type)
        asked = [("_count", str(count))] + ([] if since is None else [("_since", since)])
        return (entry for page in self._searching.history(resource_type, asked) for entry in page.entries)

    def bulk(self) -> BulkExport:
        """Bulk Data export from this server."""
        return BulkExport(self._transport, self.root)


def _check_type(resource_type: str) -> None:
    if not _TYPE.fullmatch(resource_type):
        raise UsageError("a resource type as FHIR knows it is wanted")


def _restrictions(since: str | None, params: SearchParams) -> list[tuple[str, str]]:
    further = list(params.items() if isinstance(params, Mapping) else params)
    return further if since is None else [(LAST_UPDATED, f"ge{since}"), *further]


def _read_capability(answer: httpx.Response) -> Capability:
    try:
        return parse_capability(answer.content)
    except ValueError as error:
        raise UnusableAnswer(where_of(answer), str(error)) from None


def _read_resource(answer: httpx.Response, resource_id: str) -> Found:
    etag = answer.headers.get("ETag")
    head = head_of(answer.content) or Head()
    return Found(answer.content, etag, head.id or resource_id, head.version or version_of(etag))


def _read_outcomes(answer: httpx.Response, entries: Sequence[TransactionEntry]) -> list[EntryOutcome]:
    try:
        return parse_transaction_response(answer.content, sent=entries)
    except ValueError as error:
        raise UnusableAnswer(where_of(answer), str(error)) from None
