"""In: where our resources are at a server. Out: those that changed there since both sides last agreed, and strays.

Asked by ``_lastUpdated`` where the server knows it, so that the cost is that of what changed there; by identifier and id
where it does not, at the first look, and when everything is asked for (deletions are seen only so).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapter.client import SiteClient
from adapter.fhir.compare import decode_resource
from adapter.store import Counterpart, Store
from adapter.sync.deciding import Name, There, there_of
from adapter.sync.finding import Finder
from mappings.elements import business_identifiers

__all__ = ["Looked", "look"]

#: Resources that a server writes late, or with a clock that is a little off, are met a second time.
_OVERLAP: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen.

    Attributes:
        now: of counterparts that changed, what stands there; None where it is deleted.
        strays: further resources under an identifier of ours, by name.
        bookmarks: server's time of the look, by type; to be kept once all was dealt with.
    """

    now: dict[Name, There | None] = field(default_factory=dict)
    strays: dict[Name, list[There]] = field(default_factory=dict)
    bookmarks: dict[str, str] = field(default_factory=dict)


def bookmark_name(type_: str) -> str:
    """The bookmark of a look, beside those of the pull."""
    return f"push:{type_}"


def look(store: Store, client: SiteClient, counterparts: Iterable[Counterpart], *, full: bool) -> Looked:
    """See what became of our resources.

    Args:
        store: for the bookmarks.
        client: of the site.
        counterparts: all of the site.
        full: read every one, so that deletions are seen too.

    Raises:
        RemoteError: refused or unavailable.
    """
    looked = Looked()
    by_type: dict[str, list[Counterpart]] = {}
    for one in counterparts:
        by_type.setdefault(one.type, []).append(one)
    for type_, known in sorted(by_type.items()):
        since = None if full else store.bookmark(known[0].site, bookmark_name(type_))
        if since is not None and "_lastUpdated" in client.capability().of(type_).search_params:
            _since(client, type_, known, since=since, looked=looked)
        else:
            _each(client, type_, known, looked=looked)
    return looked


def _since(client: SiteClient, type_: str, known: list[Counterpart], *, since: str, looked: Looked) -> None:
    ids = {one.server_id: one for one in known}
    identifiers = {(one.system, one.value): one for one in known}
    begin = (datetime.fromisoformat(since) - _OVERLAP).isoformat()
    for page in client.search(type_, since=begin):
        if page.transaction_time is not None and type_ not in looked.bookmarks:
            looked.bookmarks[type_] = page.transaction_time
        for entry in page.entries:
            there = there_of(entry.raw)
            if there.id in ids:
                _note(ids[there.id], there, looked)
                continue
            for one in business_identifiers(there.resource):
                if (one.system, one.value) in identifiers:
                    _note_stray(identifiers[one.system, one.value], there, looked)


def _each(client: SiteClient, type_: str, known: list[Counterpart], *, looked: Looked) -> None:
    # The time before the reading: what changes during it is seen by the next look.
    first = next(iter(client.search(type_, count=1)), None)
    if first is not None and first.transaction_time is not None:
        looked.bookmarks[type_] = first.transaction_time
    names = [((type_, one.system, one.value), decode_resource(one.base)) for one in known]
    under = Finder(client).find(names)
    standing = {there.id: there for found in under.values() for there in found}
    # One without our identifier may be deleted, or may have lost it.
    missing = client.read_many(type_, [one.server_id for one in known if one.server_id not in standing])
    standing |= {id_: there_of(raw) for id_, raw in missing.items()}
    for one in known:
        at = standing.get(one.server_id)
        if at is None:
            looked.now[type_, one.system, one.value] = None
        else:
            _note(one, at, looked)
        for stray in under.get((type_, one.system, one.value), ()):
            if stray.id != one.server_id:
                _note_stray(one, stray, looked)


def _note(one: Counterpart, there: There, looked: Looked) -> None:
    # Of the same version and without our identifier it is none of ours: a server that was filled anew gives ids again.
    is_ours = any(
        (found.system, found.value) == (one.system, one.value) for found in business_identifiers(there.resource)
    )
    if there.version != one.server_version or not there.version or not is_ours:
        looked.now[one.type, one.system, one.value] = there


def _note_stray(one: Counterpart, stray: There, looked: Looked) -> None:
    name = (one.type, one.system, one.value)
    if all(stray.id != other.id for other in looked.strays.get(name, ())):
        looked.strays.setdefault(name, []).append(stray)
    # What we have there is part of the question which of the two holds.
    looked.now.setdefault(name, There(one.server_id, one.server_version, decode_resource(one.base)))
