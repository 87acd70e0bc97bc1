"""In: what is to be told to a site's server, and what became of it. Out: entries by state, counterparts, open conflicts.

::

    pending ──sent──▶ done                     the server has it
       │  ├─ held       a reference cannot be resolved yet; tried again at each push
       │  ├─ refused    the server does not take it as it is; tried again when the entity or its mapping changes
       │  └─ conflict   both sides say something else; a person settles it
       └─ (uncertain)   sent, and no answer: looked for at the server before it is sent again
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, Table, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from adapter.errors import UsageError
from adapter.store.models import ConflictRow, CounterpartRow, OutboxRow, OutboxServerRow
from adapter.store.state import State, now

__all__ = ["DELETED_AT_HOSPITAL", "Conflict", "Counterpart", "FieldChange", "Outbox", "OutboxEntry", "OutboxState"]

#: Reason of a refused entry: the hospital deleted it, and a person left it so.
DELETED_AT_HOSPITAL: Final = "deleted-at-hospital"


class OutboxState(StrEnum):
    """Where an entity stands with a site's server."""

    PENDING = "pending"
    DONE = "done"
    HELD = "held"
    REFUSED = "refused"
    CONFLICT = "conflict"


class OutboxEntry(msgspec.Struct, frozen=True):
    """One entity's entry; ``mapping`` is the version of the mapper that the server was last told by."""

    site: str
    kind: str
    key: str
    version: int
    mapping: str
    state: OutboxState
    uncertain: bool
    reason: str
    detail: str
    attempts: int
    changed_at: datetime


class Counterpart(msgspec.Struct, frozen=True):
    """One resource of ours at the server."""

    site: str
    type: str
    system: str
    value: str
    kind: str
    key: str
    server_id: str
    server_version: str
    sent_hash: str
    base: bytes

    @property
    def reference(self) -> str:
        """``Type/id`` at the server."""
        return f"{self.type}/{self.server_id}"


class FieldChange(msgspec.Struct, frozen=True):
    """One field that differs: its path, and what each side says (JSON texts; None where it says nothing)."""

    path: str
    ours: str | None
    theirs: str | None


class Conflict(msgspec.Struct, frozen=True):
    """What a person has to settle, or has settled.

    Attributes:
        version: of our entity.
        cause: ``both-changed``, ``other-content``, ``deleted``, ``duplicate`` or ``unreadable``.
        references: ``Type/id`` at the server.
        theirs: the server's resources as they were found, a JSON list.
        kept: ``ours`` or ``hospital`` once it is settled.
    """

    number: int
    site: str
    kind: str
    key: str
    version: int
    cause: str
    references: tuple[str, ...]
    theirs: bytes
    fields: tuple[FieldChange, ...]
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    kept: str | None = None


class Outbox:
    """The outbox of all sites in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def entries(self, site: str, *, states: Collection[OutboxState] | None = None) -> list[OutboxEntry]:
        """Entries of a site, by kind and key; of some states only where they are named."""
        query = select(OutboxRow).where(OutboxRow.site == site)
        if states is not None:
            query = query.where(OutboxRow.state.in_(list(states)))
        with self._state.session() as session:
            return [_entry(row) for row in session.scalars(query.order_by(OutboxRow.kind, OutboxRow.key))]

    def counts(self, site: str) -> dict[str, int]:
        """How many entries stand in each state."""
        query = select(OutboxRow.state, func.count()).where(OutboxRow.site == site).group_by(OutboxRow.state)
        with self._state.session() as session:
            return {str(state): int(number) for state, number in session.execute(query)}

    def sites(self) -> list[str]:
        """Sites with an outbox."""
        with self._state.session() as session:
            return sorted(session.scalars(select(OutboxRow.site).distinct()))

    def is_elsewhere(self, site: str, base_url: str) -> bool:
        """What was agreed was agreed with the server of another address."""
        with self._state.session() as session:
            known = session.get(OutboxServerRow, site)
            return known is not None and known.base_url != base_url

    def begin_at(self, site: str, base_url: str) -> None:
        """Note which server is told. Of another one than before nothing is known: all is pending, and looked for there by its identifier.

        Ids of the server before may belong to other persons' resources at this one, and its conflicts are none of this one's.
        """
        with self._state.session() as session:
            known = session.get(OutboxServerRow, site)
            if known is None:
                session.add(OutboxServerRow(site=site, base_url=base_url))
            elif known.base_url != base_url:
                known.base_url = base_url
                session.execute(delete(CounterpartRow).where(CounterpartRow.site == site))
                still_open = update(ConflictRow).where(ConflictRow.site == site, ConflictRow.closed_at.is_(None))
                session.execute(still_open.values(closed_at=now(), closed_by="push"))
                told = update(OutboxRow).where(OutboxRow.site == site, OutboxRow.reason != DELETED_AT_HOSPITAL)
                session.execute(told.values(state="pending", reason="", detail="", changed_at=now()))

    def renew(self, site: str, *, mapping: str) -> int:
        """Make pending again what was told, or refused, by another version of the mappers; how many that are."""
        query = (
            update(OutboxRow)
            .where(OutboxRow.site == site, OutboxRow.state.in_(["done", "refused"]), OutboxRow.mapping != mapping)
            # A person let the hospital's deletion stand; no new mapper undoes that.
            .where(OutboxRow.reason != DELETED_AT_HOSPITAL)
            .values(state="pending")
        )
        with self._state.session() as session:
            return cast("CursorResult[Any]", session.execute(query)).rowcount

    def begin_sending(self, entries: Iterable[OutboxEntry]) -> None:
        """Before anything is sent: from now on it may have arrived."""
        self._set(entries, {"uncertain": True}, attempt=True)

    def not_sent(self, entries: Iterable[OutboxEntry]) -> None:
        """It surely did not arrive: all is as before it was sent."""
        self._set(entries, {"uncertain": False})

    def put_aside(self, entry: OutboxEntry, state: OutboxState, *, reason: str, detail: str = "", mapping: str) -> None:
        """Hold or refuse an entry; ``detail`` holds codes, paths and references only.

        An entity that changed meanwhile stays pending: it is another one that was looked at. What was sent before and not heard
        of stays uncertain.
        """
        values = {"state": state.value, "reason": reason, "detail": detail, "mapping": mapping}
        with self._state.session() as session:
            self._update(session, [entry], values, same_version=True)

    def done(self, entries: Sequence[OutboxEntry], counterparts: Iterable[Counterpart], *, mapping: str) -> None:
        """The server has these; in one transaction with where. An entity that changed meanwhile stays pending."""
        with self._state.session() as session:
            self._keep(session, counterparts)
            values = {"state": "done", "reason": "", "detail": "", "mapping": mapping, "uncertain": False}
            self._update(session, entries, {"uncertain": False})
            self._update(session, entries, values, same_version=True)
            self._close(session, entries, by="push", kept=None)

    def begun(self, entry: OutboxEntry, counterparts: Iterable[Counterpart]) -> None:
        """All that is to be written of an entity is there, and something is left to be taken away; in one transaction with where."""
        with self._state.session() as session:
            self._keep(session, counterparts)
            self._update(session, [entry], {"uncertain": False})

    def counterparts(self, site: str) -> dict[tuple[str, str], list[Counterpart]]:
        """All resources of ours at a site's server, by (kind, key)."""
        query = select(CounterpartRow).where(CounterpartRow.site == site)
        found: dict[tuple[str, str], list[Counterpart]] = {}
        with self._state.session() as session:
            for row in session.scalars(query.order_by(CounterpartRow.type, CounterpartRow.value)):
                found.setdefault((row.kind, row.key), []).append(_counterpart(row))
        return found

    def keep_counterparts(self, counterparts: Iterable[Counterpart]) -> None:
        """Where resources of ours are, and what they were when both sides last agreed."""
        with self._state.session() as session:
            self._keep(session, counterparts)

    def forget_counterparts(self, counterparts: Iterable[Counterpart]) -> None:
        """They are no longer at the server."""
        with self._state.session() as session:
            for one in counterparts:
                session.execute(
                    delete(CounterpartRow).where(
                        CounterpartRow.site == one.site,
                        CounterpartRow.type == one.type,
                        CounterpartRow.system == one.system,
                        CounterpartRow.value == one.value,
                    )
                )

    # Conflicts ----------------------------------------------------------------------------------------------------

    def open_conflict(
        self,
        entry: OutboxEntry,
        cause: str,
        *,
        references: Iterable[str],
        theirs: bytes = b"[]",
        fields: Iterable[FieldChange] = (),
    ) -> None:
        """Leave an entity to a person; an open conflict of the same entity is brought up to date."""
        found = {
            "version": entry.version,
            "cause": cause,
            "references": msgspec.json.encode(sorted(references)).decode(),
            "theirs": theirs.decode(),
            "fields": msgspec.json.encode(list(fields)).decode(),
        }
        with self._state.session() as session:
            standing = session.scalar(_open_of(entry.site, entry.kind, entry.key))
            if standing is None:
                session.add(ConflictRow(site=entry.site, kind=entry.kind, key=entry.key, opened_at=now(), **found))
            else:
                for name, value in found.items():
                    setattr(standing, name, value)
            values = {"state": "conflict", "reason": cause, "detail": "", "uncertain": False}
            self._update(session, [entry], values)

    def conflicts(self, *, site: str | None = None, closed: bool = False) -> list[Conflict]:
        """What is to be settled, oldest first; with ``closed`` also what was."""
        query = select(ConflictRow)
        if site is not None:
            query = query.where(ConflictRow.site == site)
        if not closed:
            query = query.where(ConflictRow.closed_at.is_(None))
        with self._state.session() as session:
            return [_conflict(row) for row in session.scalars(query.order_by(ConflictRow.number))]

    def settle(self, number: int, *, kept: str, by: str, counterparts: Iterable[Counterpart]) -> None:
        """Close a conflict as a person decided, and make the entity pending again.

        Args:
            number: the conflict's.
            kept: ``ours`` or ``hospital``.
            by: who decided.
            counterparts: what the person saw at the server, from now on the state that both sides start from.

        Raises:
            UsageError: there is no such open conflict.
        """
        with self._state.session() as session:
            row = session.get(ConflictRow, number)
            if row is None or row.closed_at is not None:
                raise UsageError(f"conflict {number}: there is none open by this number")
            row.closed_at, row.closed_by, row.kept = now(), by, kept
            self._keep(session, counterparts)
            entry = session.get(OutboxRow, (row.site, row.kind, row.key))
            if entry is not None and entry.state == "conflict":
                entry.state, entry.reason, entry.detail, entry.changed_at = "pending", "", "", now()

    # --------------------------------------------------------------------------------------------------------------

    def _keep(self, session: Session, counterparts: Iterable[Counterpart]) -> None:
        rows = [{**msgspec.structs.asdict(one), "base": one.base.decode()} for one in counterparts]
        update_ = ("kind", "key", "server_id", "server_version", "sent_hash", "base")
        self._state.upsert(session, CounterpartRow, rows, keys=("site", "type", "system", "value"), update=update_)

    def _close(self, session: Session, entries: Iterable[OutboxEntry], *, by: str, kept: str | None) -> None:
        """Conflicts that are none any more: the sides agree again."""
        agreed = {(entry.site, entry.kind, entry.key) for entry in entries}
        sites = {site for site, _, _ in agreed}
        # Whatever the state of the entry: an entity that was loaded anew is pending, and its conflict still open.
        query = select(ConflictRow).where(ConflictRow.site.in_(sites), ConflictRow.closed_at.is_(None))
        for row in session.scalars(query):
            if (row.site, row.kind, row.key) in agreed:
                row.closed_at, row.closed_by, row.kept = now(), by, kept

    def _set(self, entries: Iterable[OutboxEntry], values: dict[str, Any], *, attempt: bool = False) -> None:
        with self._state.session() as session:
            self._update(session, entries, values, attempt=attempt)

    def _update(
        self,
        session: Session,
        entries: Iterable[OutboxEntry],
        values: dict[str, Any],
        *,
        attempt: bool = False,
        same_version: bool = False,
    ) -> None:
        keys = [{"b_site": one.site, "b_kind": one.kind, "b_key": one.key, "b_version": one.version} for one in entries]
        if not keys:
            return
        table = cast(Table, OutboxRow.__table__)
        query = update(table).where(
            table.c.site == bindparam("b_site"),
            table.c.kind == bindparam("b_kind"),
            table.c.key == bindparam("b_key"),
        )
        if same_version:
            query = query.where(table.c.version == bindparam("b_version"))
        else:
            keys = [{name: value for name, value in one.items() if name != "b_version"} for one in keys]
        more = {"attempts": table.c.attempts + 1} if attempt else {}
        session.connection().execute(query.values(changed_at=now(), **values, **more), keys)


def _open_of(site: str, kind: str, key: str) -> Any:
    return select(ConflictRow).where(
        ConflictRow.site == site, ConflictRow.kind == kind, ConflictRow.key == key, ConflictRow.closed_at.is_(None)
    )


def _entry(row: OutboxRow) -> OutboxEntry:
    names = OutboxEntry.__struct_fields__
    return OutboxEntry(**{name: getattr(row, name) for name in names} | {"state": OutboxState(row.state)})


def _counterpart(row: CounterpartRow) -> Counterpart:
    names = Counterpart.__struct_fields__
    return Counterpart(**{name: getattr(row, name) for name in names} | {"base": row.base.encode()})


def _conflict(row: ConflictRow) -> Conflict:
    return Conflict(
        number=row.number,
        site=row.site,
        kind=row.kind,
        key=row.key,
        version=row.version,
        cause=row.cause,
        references=msgspec.json.decode(row.references, type=tuple[str, ...]),
        theirs=row.theirs.encode(),
        fields=msgspec.json.decode(row.fields, type=tuple[FieldChange, ...]),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        kept=row.kept,
    )
