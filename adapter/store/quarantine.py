"""In: bytes that could not be read. Out: the same bytes, kept, each item once, with where it came from and why.

The release that failed on an item is kept with it, so that a later one can try again.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from adapter.observe import release
from adapter.store.models import QuarantineRow
from adapter.store.runs import Run
from adapter.store.segments import Origin, digest_of
from adapter.store.state import State, now, private_file, private_folder

__all__ = ["Quarantine", "QuarantinedItem"]

_FLUSH_EVERY = 500


class QuarantinedItem(msgspec.Struct, frozen=True):
    """One item put aside. ``key`` names it in the store; ``source`` is a file's name or an address without query."""

    site: str
    key: str
    source: str
    line: int | None
    reference: str | None
    reason: str
    adapter_version: str
    seen_at: datetime


class Quarantine:
    """The bytes in ``quarantine/<site>/<key>``, what is known of them in the state."""

    def __init__(self, state: State, folder: Path) -> None:
        self._state = state
        self._folder = folder
        self._waiting: dict[tuple[int, str], dict[str, object]] = {}

    def add(self, run: Run, raw: bytes, *, origin: Origin, reason: str, reference: str | None = None) -> None:
        """Put bytes aside; the same bytes again are the same item, seen again."""
        key = sha256(raw or f"{origin.source}\n{origin.line}\n{reason}".encode()).hexdigest()
        if raw:
            self._keep(run.site, key, raw)
        self._waiting[run.number, key] = {
            "site": run.site,
            "key": key,
            "has_bytes": bool(raw),
            "origin": origin.source,
            "line": origin.line,
            "reference": reference,
            "reason": reason,
            "adapter_version": release(),
            "first_run": run.number,
            "last_run": run.number,
            "seen_at": now(),
        }
        if len(self._waiting) >= _FLUSH_EVERY:
            self.flush(run)

    def flush(self, run: Run) -> None:
        """List what this run has put aside so far."""
        mine = [key for key in self._waiting if key[0] == run.number]
        rows = [self._waiting[key] for key in mine]
        with self._state.session() as session:
            self._state.upsert(
                session,
                QuarantineRow,
                rows,
                keys=("site", "key"),
                update=("origin", "line", "reference", "reason", "adapter_version", "last_run", "seen_at"),
            )
        for key in mine:
            del self._waiting[key]

    def items(self, site: str) -> list[QuarantinedItem]:
        """All items of a site, oldest first."""
        with self._state.session() as session:
            rows = session.scalars(
                select(QuarantineRow).where(QuarantineRow.site == site).order_by(QuarantineRow.number)
            )
            return [_item(row) for row in rows]

    def newest(self, site: str, *, limit: int) -> list[QuarantinedItem]:
        """The items of a site that were seen last, newest first."""
        query = select(QuarantineRow).where(QuarantineRow.site == site)
        query = query.order_by(QuarantineRow.seen_at.desc(), QuarantineRow.number).limit(limit)
        with self._state.session() as session:
            return [_item(row) for row in session.scalars(query)]

    def reasons(self, site: str) -> list[tuple[str, int]]:
        """Why items of a site were put aside, and how many for each reason, most frequent first."""
        number = func.count()
        query = select(QuarantineRow.reason, number).where(QuarantineRow.site == site).group_by(QuarantineRow.reason)
        with self._state.session() as session:
            found = session.execute(query.order_by(number.desc(), QuarantineRow.reason))
            return [(reason, count) for reason, count in found]

    def counts(self) -> dict[str, int]:
        """Number of items, by site."""
        with self._state.session() as session:
            rows = session.execute(select(QuarantineRow.site, func.count()).group_by(QuarantineRow.site))
            return dict(rows.all())

    def raw(self, item: QuarantinedItem) -> bytes:
        """The bytes of an item; empty when nothing could be read at all."""
        path = self._folder / item.site / item.key
        return path.read_bytes() if path.exists() else b""

    def damaged(self, site: str) -> list[str]:
        """Keys of items whose bytes are gone, or are not those that were put aside."""
        with self._state.session() as session:
            keys = session.scalars(
                select(QuarantineRow.key)
                .where(QuarantineRow.site == site, QuarantineRow.has_bytes.is_(True))
                .order_by(QuarantineRow.number)
            ).all()
        paths = ((key, self._folder / site / key) for key in keys)
        # The key is their hash.
        return [key for key, path in paths if not path.is_file() or digest_of(path) != key]

    def forget(self, item: QuarantinedItem) -> None:
        """Remove the bytes of an item that a run took off the list with its commit."""
        (self._folder / item.site / item.key).unlink(missing_ok=True)

    def clear_leftovers(self, site: str) -> None:
        """Remove bytes that no item lists: what takes an item off the list was killed before it had removed them.

        Only the holder of the site's lock may call this, and before it puts anything aside.
        """
        with self._state.session() as session:
            listed = set(session.scalars(select(QuarantineRow.key).where(QuarantineRow.site == site)))
        for path in (self._folder / site).glob("*"):
            if path.name not in listed:
                path.unlink(missing_ok=True)

    def _keep(self, site: str, key: str, raw: bytes) -> None:
        path = private_folder(self._folder / site) / key
        if path.exists() and path.stat().st_size == len(raw):
            return
        temporary = path.with_name(f".{key}.tmp")
        with open(temporary, "wb", opener=private_file) as out:
            # Not synced one by one, a broken feed has many thousands: what a power cut takes, a rerun writes again.
            out.write(raw)
        temporary.replace(path)


def _item(row: QuarantineRow) -> QuarantinedItem:
    return QuarantinedItem(
        site=row.site,
        key=row.key,
        source=row.origin,
        line=row.line,
        reference=row.reference,
        reason=row.reason,
        adapter_version=row.adapter_version,
        seen_at=row.seen_at,
    )
