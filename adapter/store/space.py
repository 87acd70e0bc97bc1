"""In: a block that writes to this machine's disk. Out: the same, and one clear error where there is no room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlalchemy.exc import OperationalError

from adapter.errors import StorageError

__all__ = ["writing"]

#: What the machine's owner can mend, and running again will not.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
#: SQLite and DuckDB say it in words only.
_WORDS = ("disk is full", "disk i/o error", "no space left", "readonly database")


@contextmanager
def writing(where: str) -> Iterator[None]:
    """Turn the many ways in which libraries say that there is no room into one.

    Args:
        where: what is written, a name without its path.

    Raises:
        StorageError: there is no room, or the disk cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageError(where, os.strerror(error.errno or 0)) from None
        raise
    except (OperationalError, duckdb.Error) as error:
        told = str(error.orig if isinstance(error, OperationalError) else error).lower()
        said = next((words for words in _WORDS if words in told), None)
        if said is None:
            raise
        raise StorageError(where, said) from None
