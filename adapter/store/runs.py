"""In: a site and a kind of work. Out: a run that holds the site alone, and becomes visible by its commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from adapter.errors import (
    DefectError,
    ReluthError,
    StateUnavailableError,
    StorageError,
)
from adapter.observe import logger
from adapter.store.models import (
    BookmarkRow,
    QuarantineRow,
    RetiredSegmentRow,
    RunRow,
    SegmentRow,
    TombstoneRow,
)
from adapter.store.run_history import failure_told, run_name
from adapter.store.site_lock import SiteLock, check_site
from adapter.store.state import State, now
from adapter.store.versions import Tombstone

__all__ = ["Run", "SegmentInfo", "begin_run", "run_of", "seqs_after"]

#: Seconds between attempts to let a site go where the database does not answer.
_AGAIN = (1.0, 2.0, 4.0, 8.0)
#: A run may read this many lines; sequence numbers of a later run are all above those of an earlier one.
_SEQ_BITS = 32


class SegmentInfo:
    """A visible segment, or one about to be; ``digests`` are the SHA-256 of its files of raw bytes and index, once written."""

    def __init__(self, type_: str, name: str, *, rows: int, raw_bytes: int) -> None:
        self.digests: tuple[str | None, str | None] = (None, None)
        self.type = type_
        self.name = name
        self.rows = rows
        self.raw_bytes = raw_bytes


class Run:
    """The right to change one site, until the end of the ``with`` block.

    Attributes:
        server: base URL of the server whose times the bookmarks of `commit` are, None where it is not known.
        also: what else `commit` changes, in the same transaction.

    Leaving the block without `commit` makes the run failed, with what an error of ours says of it; what it wrote stays
    unseen.
    """

    def __init__(self, state: State, row: RunRow, lock: SiteLock) -> None:
        self._state = state
        self._lock = lock
        self.number = row.number
        self.name = row.name
        self.site = row.site
        self.kind = row.kind
        self.server: str | None = None
        self.also: list[Callable[[Session], None]] = []
        self._seq = self.number << _SEQ_BITS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for wait in (*_AGAIN, None):
            try:
                self.close(error if isinstance(error, ReluthError) else None)
            except StateUnavailableError:
                # A restart of the database takes seconds. While this process lives, no other one could take the site over.
                if wait is not None:
                    time.sleep(wait)
                    continue
                self._warn()
            except StorageError:
                self._warn()
            return

    def _warn(self) -> None:
        # What went wrong before is the cause, and what was committed is; the next run clears up what is left here.
        logger("store").warning("the site could not be let go in the state", site=self.site, run=self.name)

    @property
    def first_seq(self) -> int:
        """Below every sequence number of this run, and not below any of an earlier one."""
        return self.number << _SEQ_BITS

    @property
    def last_seq(self) -> int:
        """The highest sequence number given so far."""
        return self._seq

    def next_seq(self) -> int:
        """The next number of the order in which versions came in."""
        self._seq += 1
        return self._seq

    def commit(
        self,
        segments: list[SegmentInfo],
        *,
        bookmarks: Mapping[str, str] | None = None,
        deleted: Iterable[Tombstone] = (),
        mended: Collection[str] = (),
        complete: bool = True,
        summary: str | None = None,
    ) -> None:
        """Make the segments visible, bury what was deleted, move the bookmarks and keep the closing summary (JSON), in one transaction.

        What lay aside and is ``mended`` goes in the same one: it is missing until what mends it is there.

        Raises:
            BusyError: the site was given to another run meanwhile; nothing is kept.
        """
        at = now()
        with self._state.session() as session:
            self._lock.check(session)
            session.add_all(_row(segment, run=self.number, site=self.site) for segment in segments)
            self._state.upsert(
                session,
                TombstoneRow,
                [
                    {"site": self.site, "type": one.type, "id": one.id, "seq": one.seq, "run": self.number}
                    for one in deleted
                ],
                keys=("site", "type", "id"),
                update=("seq", "run"),
            )
            self._state.upsert(
                session,
                BookmarkRow,
                [
                    {"site": self.site, "type": type_, "transaction_time": time, "set_at": at, "server": self.server}
                    for type_, time in (bookmarks or {}).items()
                ],
                keys=("site", "type"),
                update=("transaction_time", "set_at", "server"),
            )
            for change in self.also:
                change(session)
            for key in mended:
                session.execute(delete(QuarantineRow).where(QuarantineRow.site == self.site, QuarantineRow.key == key))
            session.execute(
                update(RunRow)
                .where(RunRow.number == self.number)
                .values(state="committed", complete=complete, ended_at=at, summary=summary)
            )

    def merge(self, type_: str, names: Collection[str], into: SegmentInfo) -> None:
        """Put one segment in the place of others whose rows it holds; their files stay for who is reading them.

        Args:
            type_: of the segments.
            names: of those that go, all visible.
            into: the one that comes, written.

        Raises:
            DefectError: they do not hold as many rows as it does.
            BusyError: the site was given to another run meanwhile.
        """
        ours = (SegmentRow.site == self.site, SegmentRow.type == type_, SegmentRow.name.in_(list(names)))
        with self._state.session() as session:
            self._lock.check(session)
            gone = list(session.scalars(select(SegmentRow).where(*ours)))
            if len(gone) != len(names) or sum(row.rows for row in gone) != into.rows:
                raise DefectError(f"segments of {type_} changed while they were merged")
            at = now()
            session.add_all(RetiredSegmentRow(site=row.site, type=row.type, name=row.name, at=at) for row in gone)
            session.add(_row(into, run=max(row.run for row in gone), site=self.site))
            session.execute(delete(SegmentRow).where(*ours))

    def leave_out(self, type_: str, name: str, into: SegmentInfo | None, *, is_read: bool = False) -> None:
        """Put in the place of a segment one without some of its rows, or none where no row is left.

        Args:
            type_: of the segment.
            name: of the one that goes; its files are the caller's to delete, once this is committed.
            into: the one that comes, written.
            is_read: keep the files of the one that goes for a while, for who is reading them.

        Raises:
            DefectError: it is not visible, or holds no more rows than what comes.
            BusyError: the site was given to another run meanwhile.
        """
        ours = (SegmentRow.site == self.site, SegmentRow.type == type_, SegmentRow.name == name)
        with self._state.session() as session:
            self._lock.check(session)
            gone = session.scalars(select(SegmentRow).where(*ours)).one_or_none()
            if gone is None or gone.rows <= (0 if into is None else into.rows):
                raise DefectError(f"a segment of {type_} changed while rows were taken out of it")
            if into is not None:
                session.add(_row(into, run=gone.run, site=self.site))
            if is_read:
                session.add(RetiredSegmentRow(site=self.site, type=type_, name=name, at=now()))
            session.execute(delete(SegmentRow).where(*ours))

    def close(self, error: ReluthError | None = None) -> None:
        """Let the site go; a run that was not committed has failed, by this error where there is one."""
        self._lock.end()
        failed: dict[str, Any] = {"state": "failed", "ended_at": now()}
        if error is not None:
            failed["summary"] = failure_told(self.site, error, run=self.name)
        with self._state.session() as session:
            session.execute(update(RunRow).where(RunRow.number == self.number, RunRow.state == "open").values(**failed))
            self._lock.remove(session)


def seqs_after(run: int) -> int:
    """The lowest sequence number of any run that came after the one of this number."""
    return (run + 1) << _SEQ_BITS


def run_of(seq: int) -> int:
    """The number of the run that gave a sequence number."""
    return seq >> _SEQ_BITS


def _row(segment: SegmentInfo, *, run: int, site: str) -> SegmentRow:
    return SegmentRow(
        run=run,
        site=site,
        type=segment.type,
        name=segment.name,
        rows=segment.rows,
        raw_bytes=segment.raw_bytes,
        raw_sha256=segment.digests[0],
        index_sha256=segment.digests[1],
    )


def begin_run(state: State, site: str, kind: str) -> Run:
    """Lock the site and open a run.

    Raises:
        BusyError: another living process holds the site.
        UsageError: the site's name cannot be a folder's name.
    """
    lock = SiteLock(check_site(site))
    lock.take(state)
    try:
        with state.session() as session:
            # A run still open here belonged to the owner whose lock was taken over.
            session.execute(
                update(RunRow).where(RunRow.site == site, RunRow.state == "open").values(state="failed", ended_at=now())
            )
            row = RunRow(name=lock.token, site=site, kind=kind, state="open", started_at=now())
            session.add(row)
            session.flush()
            row.name = run_name(row)
        return Run(state, row, lock)
    except BaseException:
        lock.end()
        with suppress(StorageError), state.session() as session:
            lock.remove(session)
        raise
