"""In: the store's folder. Out: DuckDB in memory with bounded memory, for set queries over Parquet files.

Never a DuckDB database file: a writer would lock out even readers.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from adapter.errors import ConfigurationError
from adapter.store.processes import start_of
from adapter.store.state import private_folder

__all__ = ["SetEngine"]

_MEMORY_LIMIT = "300MB"
_THREADS = 2
#: As DuckDB says it of a file that was named to it, or of its folder.
_UNREAD = ("No files found", "Permission denied")


class SetEngine:
    """One embedded DuckDB; each user of it gets a connection with temporary tables of its own.

    Args:
        spill: folder where queries larger than memory write, inside the store since that is personal data.
    """

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._own: Path | None = None
        self._root: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one question, closed at the end with its temporary tables.

        Raises:
            ConfigurationError: a file that the state lists cannot be read: it is another user's, or gone.
        """
        with self._lock:
            if self._root is None:
                self._root = self._open()
            cursor = self._root.cursor()
        try:
            yield cursor
        except duckdb.IOException as error:
            if not any(words in str(error) for words in _UNREAD):
                raise
            problem = "a file in it cannot be read: is it another user's, or gone? `reluth store check` names it"
            raise ConfigurationError("store.path", problem) from None
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the database; the next question opens it again."""
        with self._lock:
            if self._root is not None:
                self._root.close()
                self._root = None
            if self._own is not None:
                shutil.rmtree(self._own, ignore_errors=True)
                self._own = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        self._clear_leftovers()
        # Two processes must not share one: DuckDB gives its files the same names in each.
        self._own = private_folder(self._spill / f"{os.getpid()}-{secrets.token_hex(4)}")
        return duckdb.connect(
            ":memory:",
            config={
                "memory_limit": _MEMORY_LIMIT,
                "threads": _THREADS,
                "temp_directory": str(self._own),
                "preserve_insertion_order": False,
                # Nothing is downloaded at run time: json, parquet and icu are in the wheel.
                "autoinstall_known_extensions": False,
                "parquet_metadata_cache": True,
            },
        )

    def _clear_leftovers(self) -> None:
        """Remove what killed processes spilled."""
        for folder in self._spill.glob("*-*"):
            owner = folder.name.partition("-")[0]
            if owner.isdecimal() and start_of(int(owner)) is None:
                shutil.rmtree(folder, ignore_errors=True)
