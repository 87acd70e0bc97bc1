"""In: a site. Out: the right to change it, held by one process at a time; who holds it, and how it is taken from who is gone.

The lock is a row that names its owner. It outlives a killed owner, so the next run takes it over when that process is
gone.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapter.errors import BusyError, UsageError
from adapter.store.models import RunRow, SiteLockRow
from adapter.store.processes import start_of
from adapter.store.state import State, now

__all__ = ["LockInfo", "SiteLock", "check_site", "holder_of", "unlock"]

_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Tokens of the locks that this process holds.
_held: set[str] = set()


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


class LockInfo(NamedTuple):
    """Who holds a site: process and machine, since when, and whether that process is known to live on this machine."""

    host: str
    pid: int
    taken_at: datetime
    lives_here: bool
    token: str


class SiteLock:
    """A site that is held.

    Attributes:
        token: that only its owner knows.
    """

    def __init__(self, site: str) -> None:
        self.token = secrets.token_hex(16)
        self._site = site

    def take(self, state: State) -> None:
        """Take the site; from an owner who is gone, too.

        Raises:
            BusyError: another living process holds it.
        """
        # Before its row is there: another thread must not take it for one that was left behind.
        _held.add(self.token)
        try:
            _take(state, self._site, self.token)
        except BaseException:
            self.end()
            raise

    def check(self, session: Session) -> None:
        """See that it is held still: somebody may have taken this process for dead (`unlock`), and two runs at once must not both write.

        Raises:
            BusyError: it is not.
        """
        # Written, not read: until the commit nobody else can take the row.
        held = session.execute(update(SiteLockRow).where(*self._mine).values(token=self.token))
        if cast("CursorResult[Any]", held).rowcount != 1:
            raise BusyError(f"site {self._site}: its lock was taken from this run; nothing of it is kept, run it again")

    def end(self) -> None:
        """From now on its row, where it could not be removed, is one that was left behind."""
        _held.discard(self.token)

    def remove(self, session: Session) -> None:
        """Let the site go."""
        session.execute(delete(SiteLockRow).where(*self._mine))

    @property
    def _mine(self) -> tuple[Any, ...]:
        return SiteLockRow.site == self._site, SiteLockRow.token == self.token


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


def _take(state: State, site: str, token: str) -> None:
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
