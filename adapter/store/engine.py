"""In: the store's folder. Out: DuckDB in memory with bounded memory, for set queries over Parquet files.

Never a DuckDB database file: a writer would lock out even readers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

__all__ = ["SetEngine"]

_MEMORY_LIMIT = "300MB"
_THREADS = 2


class SetEngine:
    """One embedded DuckDB; each user of it gets a connection with temporary tables of its own.

    Args:
        spill: folder where a query larger than memory writes, inside the store since it then holds personal data.
    """

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._root: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one question, closed at the end with its temporary tables."""
        with self._lock:
            if self._root is None:
                self._root = self._open()
            cursor = self._root.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the database; the next question opens it again."""
        with self._lock:
            if self._root is not None:
                self._root.close()
                self._root = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(
            ":memory:",
            config={
                "memory_limit": _MEMORY_LIMIT,
                "threads": _THREADS,
                "temp_directory": str(self._spill),
                "preserve_insertion_order": False,
                # Nothing is downloaded at run time: json, parquet and icu are in the wheel.
                "autoinstall_known_extensions": False,
                "parquet_metadata_cache": True,
            },
        )
