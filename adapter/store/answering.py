"""In: what a database's driver raises. Out: whether the database was not there, or gave up, so that trying again is right."""

from __future__ import annotations

import sqlite3

__all__ = ["DISK_FULL", "gave_up", "is_passing"]

#: Of PostgreSQL (appendix A of its manual): no connection, a serialization failure or deadlock, no resources, an operator or a
#: timeout, the system; a lock that was waited for too long, a transaction that idled too long, a server that only reads (a standby
#: after a failover).
_CLASSES = ("08", "40", "53", "57", "58")
_STATES = frozenset({"55P03", "25P03", "25P04", "25006"})
#: The server's disk is full: that is told as of this machine's.
DISK_FULL = "53100"
#: A connection that breaks off has no state of its own.
_BROKEN = frozenset({"OperationalError", "InterfaceError"})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def gave_up(error: BaseException | None) -> str | None:
    """What to call it where the database was not there, or gave up; None for other errors.

    >>> gave_up(ValueError("anything")) is None
    True
    """
    if isinstance(error, sqlite3.Error):
        # The extended code has the plain one in its last byte (sqlite.org/rescode.html).
        code = getattr(error, "sqlite_errorcode", None)
        return "database is locked" if code is not None and code & 0xFF in _LOCKED else None
    if error is None or not type(error).__module__.startswith("psycopg"):
        return None
    state = getattr(error, "sqlstate", None)
    if state is None:
        return type(error).__name__ if type(error).__name__ in _BROKEN else None
    return type(error).__name__ if is_passing(state) else None


def is_passing(state: str) -> bool:
    """An SQLSTATE of PostgreSQL says that the same may go well later.

    >>> is_passing("53300"), is_passing("28P01")
    (True, False)
    """
    return state.startswith(_CLASSES) or state in _STATES
