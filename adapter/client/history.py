"""In: the body of one page of a type's history. Out: which resource each entry is a version of, and whether it was deleted.

R4 http.html#history. What a history says of a deletion is a reason to look, not a proof: the resource may be there again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from adapter.client.errors import Issue, issues_of
from adapter.client.found import head_of, version_of
from adapter.client.search import Link, next_link_of
from adapter.client.slices import decoded

__all__ = ["HistoryEntry", "HistoryPage", "parse_history"]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version of a resource, or its deletion.

    Args:
        type: of the resource.
        id: on that server.
        version: None where the server tells none.
        deleted: it was deleted then; ``raw`` is empty.
        raw: the version's bytes, as they stood in the answer.
    """

    type: str
    id: str
    version: str | None
    deleted: bool
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What one body holds."""

    entries: tuple[HistoryEntry, ...]
    issues: tuple[Issue, ...] = ()
    next_link: str | None = None


class _Request(msgspec.Struct):
    method: object = None
    url: object = None


class _Response(msgspec.Struct):
    etag: object = None
    location: object = None


class _Entry(msgspec.Struct):
    fullUrl: object = None
    resource: msgspec.Raw = msgspec.Raw()
    request: _Request | None = None
    response: _Response | None = None


class _Bundle(msgspec.Struct):
    resourceType: object = None
    type: object = None
    link: list[Link] | None = None
    entry: list[_Entry] | None = None


def parse_history(body: bytes, *, resource_type: str) -> HistoryPage:
    """Read a history Bundle.

    Args:
        body: of the answer.
        resource_type: whose history was asked for.

    Raises:
        msgspec.DecodeError: not JSON, or cut off.
        ValueError: JSON, but no history Bundle; or an entry does not tell which resource it is about.
    """
    try:
        bundle, slices = decoded(body.removeprefix(_BOM), _Bundle)
    except msgspec.ValidationError:
        raise ValueError("not a Bundle") from None
    if bundle.resourceType != "Bundle" or bundle.type != "history":
        raise ValueError("not a history Bundle")
    entries: list[HistoryEntry] = []
    issues: list[Issue] = []
    for entry in bundle.entry or []:
        raw = slices.of(entry.resource)
        told = issues_of(raw)
        if told and resource_type != "OperationOutcome":
            issues += told
        else:
            entries.append(_version(entry, raw, resource_type))
    return HistoryPage(tuple(entries), tuple(issues), next_link_of(bundle.link or []))


def _version(entry: _Entry, raw: bytes, resource_type: str) -> HistoryEntry:
    request, response = entry.request or _Request(), entry.response or _Response()
    # R4 http.html#history: an entry of PUT and POST has the resource; without one there is nothing left to be had.
    deleted = request.method == "DELETE" or not raw
    head = head_of(raw) if raw else None
    if head is not None and head.id:
        return HistoryEntry(head.resource_type, head.id, head.version, deleted, b"" if deleted else raw)
    # ``Type/id``, an absolute address, or that of the version; HAPI tells of a deletion by its version's address.
    for address in (request.url, entry.fullUrl, response.location):
        named = _named(address, resource_type)
        if named is not None:
            version = named[1] or version_of(response.etag if isinstance(response.etag, str) else None)
            return HistoryEntry(resource_type, named[0], version, deleted, b"" if deleted else raw)
    raise ValueError("an entry of the history does not tell which resource it is about")


def _named(address: object, resource_type: str) -> tuple[str, str | None] | None:
    """Id and version that an address names, None where it is no such address."""
    if not isinstance(address, str):
        return None
    found = re.search(
        rf"(?:^|/){re.escape(resource_type)}/([A-Za-z0-9\-.]{{1,64}})(?:/_history/([A-Za-z0-9\-.]{{1,64}}))?/?$",
        address,
    )
    return None if found is None else (found[1], found[2])
