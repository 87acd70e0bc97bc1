"""In: a site and a kind of work. Out: a run that holds the site alone, and becomes visible by its commit.

The lock is a row that names its owner. It outlives a killed owner, so the next run takes it over when that process is
gone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapter.errors import (
    BusyError,
    DefectError,
    ReluthError,
    StateUnavailableError,
    StorageError,
    UsageError,
)
from adapter.observe import logger
from adapter.store.models import (
    BookmarkRow,
    QuarantineRow,
    RetiredSegmentRow,
    RunRow,
    SegmentRow,
    SiteLockRow,
    TombstoneRow,
)
from adapter.store.processes import start_of
from adapter.store.state import State, now
from adapter.store.versions import Tombstone

__all__ = [
    "LockInfo",
    "Run",
    "RunInfo",
    "SegmentInfo",
    "begin_run",
    "check_site",
    "holder_of",
    "last_whole_run",
    "note_failed_run",
    "note_run",
    "recent_runs",
    "seqs_after",
    "unlock",
]

_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Seconds between attempts to let a site go where the database does not answer.
_AGAIN = (1.0, 2.0, 4.0, 8.0)
#: Tokens of the runs that this process has under way.
_held: set[str] = set()
#: A run may read this many lines; sequence numbers of a later run are all above those of an earlier one.
_SEQ_BITS = 32


def check_site(site: str) -> str:
    """A site's name is a folder's name too.

    Raises:
        UsageError: other signs than letters, digits, ``.``, ``_`` and ``-``.
    """
    if not _SITE.fullmatch(site):
        raise UsageError(
            "a site's name is made of letters, digits, '.', '_' and '-', and begins with a letter or digit"
        )
    return site


class RunInfo:
    """What is known of a run: name, site, kind, state (open, committed, failed), complete, summary (JSON).

    The summary of a run that failed holds ``exit_code`` and ``problem``, and ``begun`` false where it failed before it
    held the site; one that was killed has none.
    """

    def __init__(self, row: RunRow) -> None:
        self.name = row.name
        self.site = row.site
        self.kind = row.kind
        self.state = row.state
        self.complete = row.complete
        self.summary = row.summary
        self.started_at: datetime = row.started_at
        self.ended_at: datetime | None = row.ended_at


class LockInfo(NamedTuple):
    """Who holds a site: process and machine, since when, and whether that process is known to live on this machine."""

    host: str
    pid: int
    taken_at: datetime
    lives_here: bool
    token: str


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

    Leaving the block without `commit` makes the run failed, with what an error of ours says of it; what it wrote stays
    unseen.
    """

    def __init__(self, state: State, row: RunRow, token: str) -> None:
        self._state = state
        self._token = token
        self.number = row.number
        self.name = row.name
        self.site = row.site
        self.kind = row.kind
        self.server: str | None = None
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
            self._check_lock(session)
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
            self._check_lock(session)
            gone = list(session.scalars(select(SegmentRow).where(*ours)))
            if len(gone) != len(names) or sum(row.rows for row in gone) != into.rows:
                raise DefectError(f"segments of {type_} changed while they were merged")
            at = now()
            session.add_all(RetiredSegmentRow(site=row.site, type=row.type, name=row.name, at=at) for row in gone)
            session.add(_row(into, run=max(row.run for row in gone), site=self.site))
            session.execute(delete(SegmentRow).where(*ours))

    def leave_out(self, type_: str, name: str, into: SegmentInfo | None) -> None:
        """Put in the place of a segment one without some of its rows, or none where no row is left.

        Args:
            type_: of the segment.
            name: of the one that goes; its files are the caller's to delete, once this is committed.
            into: the one that comes, written.

        Raises:
            DefectError: it is not visible, or holds no more rows than what comes.
            BusyError: the site was given to another run meanwhile.
        """
        ours = (SegmentRow.site == self.site, SegmentRow.type == type_, SegmentRow.name == name)
        with self._state.session() as session:
            self._check_lock(session)
            gone = session.scalars(select(SegmentRow).where(*ours)).one_or_none()
            if gone is None or gone.rows <= (0 if into is None else into.rows):
                raise DefectError(f"a segment of {type_} changed while rows were taken out of it")
            if into is not None:
                session.add(_row(into, run=gone.run, site=self.site))
            session.execute(delete(SegmentRow).where(*ours))

    def _check_lock(self, session: Session) -> None:
        """Somebody may have taken this process for dead (`unlock`): two runs at once must not both write."""
        # Written, not read: until the commit nobody else can take the row.
        mine = update(SiteLockRow).where(SiteLockRow.site == self.site, SiteLockRow.token == self._token)
        held = session.execute(mine.values(token=self._token))
        if cast("CursorResult[Any]", held).rowcount != 1:
            raise BusyError(f"site {self.site}: its lock was taken from this run; nothing of it is kept, run it again")

    def close(self, error: ReluthError | None = None) -> None:
        """Let the site go; a run that was not committed has failed, by this error where there is one."""
        _held.discard(self._token)
        failed: dict[str, Any] = {"state": "failed", "ended_at": now()}
        if error is not None:
            failed["summary"] = _failure(self.site, error, run=self.name)
        with self._state.session() as session:
            session.execute(update(RunRow).where(RunRow.number == self.number, RunRow.state == "open").values(**failed))
            session.execute(delete(SiteLockRow).where(SiteLockRow.site == self.site, SiteLockRow.token == self._token))


def seqs_after(run: int) -> int:
    """The lowest sequence number of any run that came after the one of this number."""
    return (run + 1) << _SEQ_BITS


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
    token = secrets.token_hex(16)
    check_site(site)
    # Before its row is there: another thread must not take it for one that was left behind.
    _held.add(token)
    try:
        _take_lock(state, site, token)
    except BaseException:
        _held.discard(token)
        raise
    try:
        with state.session() as session:
            # A run still open here belonged to the owner whose lock was taken over.
            session.execute(
                update(RunRow).where(RunRow.site == site, RunRow.state == "open").values(state="failed", ended_at=now())
            )
            row = RunRow(name=token, site=site, kind=kind, state="open", started_at=now())
            session.add(row)
            session.flush()
            row.name = _name(row)
        return Run(state, row, token)
    except BaseException:
        _held.discard(token)
        with suppress(StorageError), state.session() as session:
            session.execute(delete(SiteLockRow).where(SiteLockRow.site == site, SiteLockRow.token == token))
        raise


def note_run(
    state: State, site: str, kind: str, *, begun: datetime, summary: str | None, complete: bool | None = None
) -> str:
    """Note a run that has ended and did not hold the site: it changed nothing of the lake.

    Args:
        state: the database.
        site: whose.
        kind: of work.
        begun: when.
        summary: closing object (JSON); None for one that failed.
        complete: whether all was done.

    Returns:
        its name.
    """
    # Never open: the next run that takes the site would take it for one that was left behind.
    ended = "failed" if summary is None else "committed"
    row = RunRow(site=check_site(site), kind=kind, state=ended, complete=complete, started_at=begun)
    return _note(state, row, summary)


def note_failed_run(state: State, site: str, kind: str, *, begun: datetime, error: ReluthError) -> str:
    """Note a run that failed before it held the site: nobody was reached, or nobody could be asked.

    Args:
        state: the database.
        site: whose.
        kind: of work.
        begun: when.
        error: what it failed by.

    Returns:
        its name.
    """
    row = RunRow(site=check_site(site), kind=kind, state="failed", started_at=begun)
    return _note(state, row, _failure(site, error, begun=False))


def _note(state: State, row: RunRow, summary: str | None) -> str:
    with state.session() as session:
        row.name, row.summary, row.ended_at = secrets.token_hex(16), summary, now()
        session.add(row)
        session.flush()
        row.name = _name(row)
        return row.name


def _failure(site: str, error: ReluthError, **more: object) -> str:
    """What is kept of an error: its text names resources and addresses at most."""
    return json.dumps({"site": site, **more, "exit_code": error.exit_code, "problem": str(error)}, ensure_ascii=False)


def _name(row: RunRow) -> str:
    return f"{row.started_at:%Y%m%dT%H%M%SZ}-{row.number:06d}"


def recent_runs(
    state: State, kind: str | None, *, site: str | Collection[str] | None, limit: int, offset: int = 0
) -> list[RunInfo]:
    """The newest runs, of a kind and of a site (or of some sites) where these are given, whatever became of them.

    Args:
        state: the database.
        kind: pull, screen, push, attest; None for all.
        site: one site or several; None for all.
        limit: at most so many.
        offset: after so many of the newest were passed over.
    """
    query = select(RunRow).order_by(RunRow.number.desc()).limit(limit).offset(offset)
    if kind is not None:
        query = query.where(RunRow.kind == kind)
    if site is not None:
        query = query.where(RunRow.site.in_([site] if isinstance(site, str) else list(site)))
    with state.session() as session:
        return [RunInfo(row) for row in session.scalars(query)]


def last_whole_run(state: State, kind: str, *, site: str) -> RunInfo | None:
    """The newest run of a kind and a site that did all it was to, however many have failed since."""
    query = (
        select(RunRow)
        .where(RunRow.site == site, RunRow.kind == kind, RunRow.state == "committed", RunRow.complete.is_(True))
        .order_by(RunRow.number.desc())
        .limit(1)
    )
    with state.session() as session:
        row = session.scalars(query).first()
        return None if row is None else RunInfo(row)


def holder_of(state: State, site: str) -> LockInfo | None:
    """Who holds a site; None where nobody does."""
    with state.session() as session:
        held = session.get(SiteLockRow, site)
        if held is None:
            return None
        lives_here = held.host == socket.gethostname() and _is_alive(held)
        return LockInfo(held.host, held.pid, held.taken_at, lives_here, held.token)


def unlock(state: State, site: str, held: LockInfo) -> bool:
    """Let a site go whose owner is gone, though this machine cannot see that; the run that it left open has failed.

    Args:
        state: the database.
        site: that is held.
        held: by whom, as a person was told.

    Returns:
        False where somebody else holds it by now, or nobody.

    Raises:
        BusyError: the owner lives on this machine.
    """
    if held.lives_here:
        raise BusyError(f"site {site}: process {held.pid} works on it on this machine; end that first")
    failed = update(RunRow).where(RunRow.site == site, RunRow.state == "open").values(state="failed", ended_at=now())
    with state.session() as session:
        gone = session.execute(delete(SiteLockRow).where(SiteLockRow.site == site, SiteLockRow.token == held.token))
        if cast("CursorResult[Any]", gone).rowcount != 1:
            return False
        session.execute(failed)
        return True


def _take_lock(state: State, site: str, token: str) -> None:
    mine = {
        "token": token,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": start_of(os.getpid()) or "",
        "taken_at": now(),
    }
    with state.session() as session:
        held = session.get(SiteLockRow, site)
    if held is None:
        try:
            with state.session() as session:
                session.add(SiteLockRow(site=site, **mine))
        except IntegrityError:
            raise BusyError(f"site {site}: another run has just begun") from None
        return
    if _is_alive(held):
        minutes = int((now() - held.taken_at).total_seconds() // 60)
        raise BusyError(f"site {site}: process {held.pid} on {held.host} has worked on it for {minutes} min")
    with state.session() as session:
        taken = session.execute(
            update(SiteLockRow).where(SiteLockRow.site == site, SiteLockRow.token == held.token).values(**mine)
        )
        if cast("CursorResult[Any]", taken).rowcount != 1:
            raise BusyError(f"site {site}: another run has just begun")


def _is_alive(held: SiteLockRow) -> bool:
    if held.host != socket.gethostname():
        # Another machine's processes cannot be seen from here.
        return True
    start = start_of(held.pid)
    if start is None:
        return False
    # The number of a dead process is given again; the time it started is not. Where the system does not tell it (hidepid,
    # ProtectProc=), whoever lives under that number is taken for the owner.
    if start and held.process_start not in ("", start):
        return False
    # A run of ours that has ended, and whose row could not be deleted for want of room.
    return held.pid != os.getpid() or held.token in _held
