"""In: entities of the outbox, and a server. Out: of each what both sides have, ready to be decided; or why it cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapter.client import SiteClient
from adapter.fhir import FhirVersion, Json, problems
from adapter.store import Counterpart, OutboxEntry, OutboxState, Store, StoredEntity
from adapter.sync.deciding import Name, There, View, there_of
from adapter.sync.finding import Finder
from adapter.sync.looking import Looked
from adapter.sync.references import References, Unresolved
from adapter.sync.rendering import Rendered, Unidentified, render
from mappings.entities import Entity, Study

__all__ = ["Aside", "Comparer", "Item", "Standing"]

_SHOWN_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Item:
    """One entity under way."""

    entry: OutboxEntry
    stored: StoredEntity
    rendered: Sequence[Rendered]
    known: Mapping[Name, Counterpart]


@dataclass(frozen=True, slots=True)
class Aside:
    """One that is not told: held or refused, why, and codes or paths that say more."""

    entry: OutboxEntry
    state: OutboxState
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a server throughout a push: its version of FHIR, where our resources are there, and what changed."""

    version: FhirVersion
    counterparts: dict[tuple[str, str], list[Counterpart]]
    looked: Looked


class Comparer:
    """Brings both sides of entities together.

    Args:
        store: open.
        client: of the site.
        site: its name.
        trials: studies by id, for the references of subjects.
        references: targets of references at the site.
    """

    def __init__(
        self, store: Store, client: SiteClient, *, site: str, trials: Mapping[str, Study], references: References
    ) -> None:
        self._store = store
        self._client = client
        self._site = site
        self._trials = trials
        self._references = references
        self._finder = Finder(client)

    def _items(self, kind: str, entries: Sequence[OutboxEntry], site: Standing) -> Iterator[Item | Aside]:
        """Entities with their resources; or what our own check refuses."""
        stored = self._store.entities.some(self._site, kind, [entry.key for entry in entries])
        for entry in entries:
            entity = stored[entry.key]
            trial = self._trials.get(getattr(entity.entity, "study", ""))
            try:
                rendered = render(entity.entity, version=site.version, trial=trial)
            except Unidentified as error:
                yield Aside(entry, OutboxState.REFUSED, "no-identifier", error.type)
                continue
            wrong = [found for one in rendered for found in problems(one.body, site.version)]
            if wrong:
                detail = ", ".join(f"{found.path}: {found.code}" for found in wrong[:_SHOWN_PROBLEMS])
                yield Aside(entry, OutboxState.REFUSED, "invalid", detail)
                continue
            known = {(one.type, one.system, one.value): one for one in site.counterparts.get((kind, entry.key), [])}
            yield Item(entry, entity, rendered, known)

    def views(
        self, kind: str, entries: Sequence[OutboxEntry], site: Standing, *, fresh: bool
    ) -> Iterator[tuple[Item, View] | Aside]:
        """What both sides have of each entity; or why one cannot be told: it is not valid, or its references have no target.

        Args:
            kind: of the entities.
            entries: theirs.
            site: what is known of the server.
            fresh: read anew what stands there, whatever is known.

        Raises:
            RemoteError: refused or unavailable.
        """
        items: list[Item] = []
        for found in self._items(kind, entries, site):
            if isinstance(found, Aside):
                yield found
            else:
                items.append(found)
        self._references.look_up(one.body for item in items for one in item.rendered)
        ready: list[tuple[Item, dict[Name, Json]]] = []
        for item in items:
            try:
                bodies = {one.name: self._references.resolved(one.body) for one in item.rendered}
            except Unresolved as open_:
                yield Aside(item.entry, OutboxState.HELD, open_.reason)
                continue
            ready.append((item, bodies))
        standing = self._standing([item for item, _ in ready], site, fresh=fresh)
        under = self._found(ready, fresh=fresh)
        for item, bodies in ready:
            yield (
                item,
                View(
                    kind=item.entry.kind,
                    entity=item.stored.entity,
                    version=site.version,
                    rendered=item.rendered,
                    bodies=bodies,
                    known=item.known,
                    now={name: standing[name] for name in item.known},
                    found={name: _under(name, under, site.looked) for name in {*bodies, *item.known}},
                    past=self._past(item),
                    uncertain=item.entry.uncertain,
                ),
            )

    def _past(self, item: Item) -> list[Entity]:
        """Earlier versions of ours that may be what arrived, where that is not known."""
        if not item.entry.uncertain or item.stored.version == 1:
            return []
        versions = self._store.entities.versions(self._site, item.entry.kind, item.entry.key)
        return [one.entity for one in versions if one.version < item.stored.version]

    def _standing(self, items: Sequence[Item], site: Standing, *, fresh: bool) -> dict[Name, There | None]:
        """What stands at the server of those known: as it was, as the look found it, or read anew where that is in doubt."""
        standing: dict[Name, There | None] = {}
        doubtful: dict[str, list[tuple[Name, Counterpart]]] = {}
        for item in items:
            for name, one in item.known.items():
                if _is_doubtful(item.entry, one, fresh=fresh):
                    doubtful.setdefault(one.type, []).append((name, one))
                elif name in site.looked.now:
                    standing[name] = site.looked.now[name]
                else:
                    standing[name] = There(one.server_id, one.server_version, there_of(one.base).resource)
        for type_, known in doubtful.items():
            raws = self._client.read_many(type_, [one.server_id for _, one in known])
            for name, one in known:
                standing[name] = there_of(raws[one.server_id]) if one.server_id in raws else None
        return standing

    def _found(self, items: Iterable[tuple[Item, Mapping[Name, Json]]], *, fresh: bool) -> dict[Name, list[There]]:
        """What stands at the server under the identifiers of what we do not know to be there, or not to be there once."""
        return self._finder.find(
            (name, body)
            for item, bodies in items
            for name, body in bodies.items()
            if name not in item.known or _is_doubtful(item.entry, item.known[name], fresh=fresh)
        )


def _under(name: Name, found: Mapping[Name, list[There]], looked: Looked) -> list[There]:
    """All that stands under an identifier: as it was searched for, else as the look met it beside the one known."""
    if name in found:
        return found[name]
    known = looked.now.get(name)
    strays = looked.strays.get(name, [])
    return [*([known] if known and strays else []), *strays]


def _is_doubtful(entry: OutboxEntry, known: Counterpart, *, fresh: bool) -> bool:
    """What was kept of the server is not enough to decide by; without a version, it may have moved unseen."""
    return fresh or entry.uncertain or entry.state is OutboxState.CONFLICT or not known.server_version
