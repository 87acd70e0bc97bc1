"""In: the body of one answer to a search. Out: its resources as exact slices of those bytes, and the next link.

Numbers keep their digits and strings their escapes, as nothing is parsed and written again. Nothing relies on the order
of pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import msgspec

from adapter.client.errors import Issue, issues_of
from adapter.client.slices import decoded

__all__ = [
    "Link",
    "SearchEntry",
    "SearchPage",
    "Searchset",
    "next_link_of",
    "next_url",
    "parse_searchset",
    "utc_instant",
]

_WITHHELD = Issue("error", "incomplete", "an entry without a resource")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One resource of a searchset.

    Args:
        raw: the resource's bytes, as they stood in the answer.
        mode: ``match`` or ``include``.
    """

    raw: bytes
    mode: str = "match"


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of a search.

    Args:
        url: scheme, host and path it came from, without the query.
        number: 1 for the first page.
        entries: matches and includes, in the order of the page.
        issues: what OperationOutcomes among the entries say; `Issue.is_loss` means that matches may be missing.
        transaction_time: the server's time: Bundle.meta.lastUpdated, else the Date header (UTC, whole seconds), else
            None; that of a search's first page is what a bookmark may move to.
        total: Bundle.total, where the server counts.
        next: absolute address of the next page, on an allowed host; None on the last, and where the link leads elsewhere
            (then the search ends with the error that says so, and not with this page).
    """

    url: str
    number: int
    entries: tuple[SearchEntry, ...]
    issues: tuple[Issue, ...] = ()
    transaction_time: str | None = None
    total: int | None = None
    # It may hold a patient's id.
    next: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Searchset:
    """What one body holds, before it is known which page it is."""

    entries: tuple[SearchEntry, ...]
    issues: tuple[Issue, ...]
    last_updated: str | None
    total: int | None
    next_link: str | None


class _Mode(msgspec.Struct):
    mode: object = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    search: _Mode | None = None


class Link(msgspec.Struct):
    """One link of a Bundle, as sent."""

    relation: object = None
    url: object = None


class _Meta(msgspec.Struct):
    lastUpdated: object = None


class _Bundle(msgspec.Struct):
    resourceType: object = None
    type: object = None
    total: object = None
    meta: _Meta | None = None
    link: list[Link] | None = None
    entry: list[_Entry] | None = None


class _Typed(msgspec.Struct):
    resourceType: object = None


def parse_searchset(body: bytes, *, resource_type: str) -> Searchset:
    """Read a searchset Bundle.

    Args:
        body: of the answer.
        resource_type: searched for; an OperationOutcome that is not searched for is an outcome, whatever its mode says.

    Raises:
        msgspec.DecodeError: not JSON, or cut off.
        ValueError: JSON, but no searchset Bundle.
    """
    body = body.removeprefix(_BOM)
    try:
        bundle, slices = decoded(body, _Bundle)
    except msgspec.ValidationError:
        raise ValueError("not a Bundle") from None
    if bundle.resourceType != "Bundle" or bundle.type != "searchset":
        raise ValueError("not a searchset Bundle")
    entries: list[SearchEntry] = []
    issues: list[Issue] = []
    for entry in bundle.entry or []:
        raw = slices.of(entry.resource)
        mode = entry.search.mode if entry.search else None
        if not raw:
            # R4 bundle.html, bdl-5: a match that is withheld, or cannot be read there, is missing all the same.
            issues += [] if mode == "outcome" else [_WITHHELD]
            continue
        if mode == "outcome" or (resource_type != "OperationOutcome" and _type_of(raw) == "OperationOutcome"):
            issues += issues_of(raw)
        else:
            entries.append(SearchEntry(raw, mode if isinstance(mode, str) else "match"))
    last_updated = bundle.meta.lastUpdated if bundle.meta else None
    return Searchset(
        entries=tuple(entries),
        issues=tuple(issues),
        last_updated=last_updated if isinstance(last_updated, str) else None,
        total=bundle.total if isinstance(bundle.total, int) else None,
        next_link=next_link_of(bundle.link or []),
    )


def next_link_of(links: list[Link]) -> str | None:
    """The address of the next page as given, None on the last."""
    for link in links:
        if link.relation == "next" and isinstance(link.url, str) and link.url:
            return link.url
    return None


def _type_of(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw, type=_Typed).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not an object: the caller puts it aside with its address.
        return None


def next_url(link: str, *, page: str, root: str) -> str:
    """The absolute address of a next link, which may be relative.

    Args:
        link: as given.
        page: address of the page that gave it.
        root: FHIR base URL without a slash at its end.

    >>> next_url("?page=2", page="https://h/r4/Patient?page=1", root="https://h/r4")
    'https://h/r4/Patient?page=2'
    >>> next_url("Patient?page=2", page="https://h/r4?_getpages=1", root="https://h/r4")
    'https://h/r4/Patient?page=2'
    """
    # R4 bundle.html#link: relative to the base, which for a bare query can only mean the page's own address.
    return urljoin(page if link.startswith("?") else f"{root}/", link)


def utc_instant(http_date: str | None) -> str | None:
    """A Date header as a FHIR instant in UTC, None when there is none that can be read.

    >>> utc_instant("Sun, 01 Jun 2025 10:00:00 GMT")
    '2025-06-01T10:00:00Z'
    """
    try:
        moment = parsedate_to_datetime(http_date or "")
    except (ValueError, TypeError):
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
