"""In: trial entities as they were loaded, or came back from a hospital. Out: each with all its versions, and its outbox entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapter.errors import BusyError, DefectError
from adapter.store.models import ConflictRow, EntityRow, OutboxRow
from adapter.store.state import State, now
from mappings.entities import KINDS, Entity, entity_key, kind_of

__all__ = ["Entities", "PutCounts", "StoredEntity"]

#: SQLite allows 32,766 variables in a statement.
_AT_ONCE = 500


class StoredEntity(msgspec.Struct, frozen=True):
    """One version of an entity; ``version`` counts from 1."""

    site: str
    kind: str
    key: str
    version: int
    entity: Entity
    source: str
    by: str
    at: datetime

    @property
    def is_hospitals(self) -> bool:
        """It was changed at the hospital, and taken back."""
        return self.source == _hospital(self.site)


@dataclass(frozen=True, slots=True)
class PutCounts:
    """How many entities were new, changed, or the same as before."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


class Entities:
    """Entities of all sites in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def put_all(self, site: str, entities: Iterable[Entity], *, source: str, by: str) -> PutCounts:
        """Keep entities and enter what is new or changed into the outbox: all of it, or on an error nothing.

        Args:
            site: whose they are.
            entities: each at most once.
            source: where they came from, e.g. ``labs.csv``.
            by: who brought them.

        Raises:
            BusyError: somebody else keeps a new version of one of them at the same moment; nothing was kept.
        """
        try:
            with self._state.session() as session:
                return self._put(session, site, list(entities), how={"source": source, "put_by": by})
        except IntegrityError:
            raise BusyError(
                f"site {site}: the same entities are being loaded by somebody else; load them again"
            ) from None

    def put_over(self, over: StoredEntity, entity: Entity, *, by: str) -> bool:
        """Keep what a hospital made of an entity, where ours is still the version that was compared with it.

        Args:
            over: ours, as it was compared.
            entity: the hospital's, of the same kind and key.
            by: who brought it.

        Returns:
            whether it was kept; False where ours has changed since: nobody has compared that with the hospital's.
        """
        kind, key = kind_of(entity), entity_key(entity)
        if (kind, key) != (over.kind, over.key):
            raise DefectError("what comes back is another entity than the one that it was compared with")
        try:
            with self._state.session() as session:
                standing = _known(session, over.site, kind, [key]).get(key)
                if standing is None or standing.version != over.version:
                    return False
                self._put(session, over.site, [entity], how={"source": _hospital(over.site), "put_by": by})
        except IntegrityError:
            return False
        return True

    def get(self, site: str, kind: str, key: str) -> StoredEntity | None:
        """The current version of an entity."""
        query = _current(site, kind).where(EntityRow.key == key)
        with self._state.session() as session:
            row = session.scalar(query)
            return None if row is None else _stored(row)

    def all(self, site: str, kind: str) -> list[StoredEntity]:
        """The current versions of a kind, by key."""
        with self._state.session() as session:
            return [_stored(row) for row in session.scalars(_current(site, kind).order_by(EntityRow.key))]

    def some(self, site: str, kind: str, keys: Iterable[str]) -> dict[str, StoredEntity]:
        """The current versions of those that there are, by key."""
        found: dict[str, StoredEntity] = {}
        with self._state.session() as session:
            for part in _parts(list(keys)):
                for row in session.scalars(_current(site, kind).where(EntityRow.key.in_(part))):
                    found[row.key] = _stored(row)
        return found

    def versions(self, site: str, kind: str, key: str) -> list[StoredEntity]:
        """All versions of an entity, oldest first."""
        query = select(EntityRow).where(EntityRow.site == site, EntityRow.kind == kind, EntityRow.key == key)
        with self._state.session() as session:
            return [_stored(row) for row in session.scalars(query.order_by(EntityRow.version))]

    def _put(self, session: Session, site: str, entities: list[Entity], *, how: Mapping[str, str]) -> PutCounts:
        counts = PutCounts()
        by_kind: dict[str, dict[str, Entity]] = {}
        for entity in entities:
            by_kind.setdefault(kind_of(entity), {})[entity_key(entity)] = entity
        for kind, of_kind in by_kind.items():
            known = _known(session, site, kind, of_kind)
            rows: list[dict[str, Any]] = []
            replaced: list[int] = []
            new = 0
            for key, entity in of_kind.items():
                content = msgspec.json.encode(entity)
                digest = hashlib.sha256(content).hexdigest()
                standing = known.get(key)
                if standing is not None and standing.content_hash == digest:
                    continue
                if standing is None:
                    new += 1
                else:
                    replaced.append(standing.number)
                version = 1 if standing is None else standing.version + 1
                rows.append(
                    {"site": site, "kind": kind, "key": key, "version": version, "is_current": True}
                    | {"content": content.decode(), "content_hash": digest, "put_at": now(), **how}
                )
            self._write(session, rows, replaced)
            changed = len(rows) - new
            counts = PutCounts(counts.new + new, counts.changed + changed, counts.unchanged + len(of_kind) - len(rows))
        return counts

    def _write(self, session: Session, rows: list[dict[str, Any]], replaced: list[int]) -> None:
        for part in _parts(replaced):
            session.execute(update(EntityRow).where(EntityRow.number.in_(part)).values(is_current=False))
        if rows:
            session.execute(insert(EntityRow), rows)
        entries = [
            {"site": row["site"], "kind": row["kind"], "key": row["key"], "version": row["version"]}
            | {"state": "pending", "uncertain": False, "mapping": "", "reason": "", "detail": "", "attempts": 0}
            | {"changed_at": row["put_at"]}
            for row in rows
        ]
        # What was sent and not heard of stays uncertain: a newer version does not tell what became of the older one.
        kept = ("version", "state", "reason", "detail", "attempts", "changed_at")
        self._state.upsert(session, OutboxRow, entries, keys=("site", "kind", "key"), update=kept)
        self._leave_conflicts(session, rows)

    def _leave_conflicts(self, session: Session, rows: list[dict[str, Any]]) -> None:
        """A new version of ours settles no conflict: its entry is looked at with it, and not as if nothing stood there."""
        kept = {(row["site"], row["kind"], row["key"]) for row in rows}
        sites = {site for site, _, _ in kept}
        query = select(ConflictRow).where(ConflictRow.site.in_(sites), ConflictRow.closed_at.is_(None))
        for conflict in session.scalars(query):
            entry = session.get(OutboxRow, (conflict.site, conflict.kind, conflict.key))
            if entry is not None and (entry.site, entry.kind, entry.key) in kept:
                session.refresh(entry)
                entry.state, entry.reason = "conflict", conflict.cause


def _hospital(site: str) -> str:
    """Source of what a site's server made of an entity."""
    return f"hospital {site}"


def _current(site: str, kind: str) -> Any:
    return select(EntityRow).where(EntityRow.site == site, EntityRow.kind == kind, EntityRow.is_current.is_(True))


def _known(session: Session, site: str, kind: str, keys: Iterable[str]) -> dict[str, EntityRow]:
    found: dict[str, EntityRow] = {}
    for part in _parts(list(keys)):
        for row in session.scalars(_current(site, kind).where(EntityRow.key.in_(part))):
            found[row.key] = row
    return found


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _stored(row: EntityRow) -> StoredEntity:
    entity = msgspec.json.decode(row.content, type=KINDS[row.kind])
    return StoredEntity(row.site, row.kind, row.key, row.version, entity, row.source, row.put_by, row.put_at)
