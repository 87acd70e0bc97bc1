"""In: bytes under keys, in any order. Out: the same in the order of keys; memory holds a key and two numbers each.

The lake gives patients bucket by bucket, the contract wants them in order, and ten thousand verdicts do not belong in
memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["Spool"]


class Spool:
    """A file without a name that sorts by key; use it as a context manager.

    Args:
        folder: where the file lies while it is open: inside the store, for it holds personal data.
    """

    def __init__(self, folder: Path) -> None:
        self._places: list[tuple[str, int, int]] = []
        self._end = 0
        # Unlinked as soon as it is made (POSIX): nothing stays behind, whatever happens to this process.
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        """The spool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The file is gone."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: str, content: bytes) -> None:
        """Keep ``content`` under ``key``."""
        self._file.write(content)
        self._places.append((key, self._end, len(content)))
        self._end += len(content)

    def __iter__(self) -> Iterator[bytes]:
        """All contents, by key."""
        for _key, start, length in sorted(self._places):
            self._file.seek(start)
            yield self._file.read(length)
