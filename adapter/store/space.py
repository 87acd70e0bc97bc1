"""In: a block that writes to this machine's disk. Out: the same, and one clear error where there is no room."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from adapter.errors import StorageError

__all__ = ["no_room", "writing"]

#: What the machine's owner can mend, and running again will not.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
#: SQLite and DuckDB say it in words only.
_WORDS = ("disk is full", "disk i/o error", "no space left", "readonly database", "too many open files")


def no_room(error: BaseException) -> str | None:
    """What the system, SQLite or DuckDB say where there is no room, or the disk cannot be written; None for other errors.

    >>> no_room(OSError(errno.ENOSPC, "anything")), no_room(ValueError("disk is full"))
    ('No space left on device', None)
    """
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno in _NO_ROOM else None
    if isinstance(error, duckdb.Error | sqlite3.Error):
        told = str(error).lower()
        return next((words for words in _WORDS if words in told), None)
    return None


@contextmanager
def writing(where: str) -> Iterator[None]:
    """Turn the ways in which files, SQLite and DuckDB say that there is no room into one; the state does so by itself.

    Args:
        where: what is written, a name without its path.

    Raises:
        StorageError: there is no room, or the disk cannot be written.
    """
    try:
        yield
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        problem = no_room(error)
        if problem is None:
            raise
        raise StorageError(where, problem) from None
