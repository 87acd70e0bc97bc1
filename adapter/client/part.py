"""In: the bytes of a file as they arrive. Out: the file under its name once it is whole; before that, what can be gone on with.

``X.part`` holds what came, ``X.part.meta`` what it is of: a further attempt, or a later process, asks for the rest only where
a strong ETag says that the rest belongs to it (RFC 9110 13.1.5).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from adapter.errors import StorageError

__all__ = ["Kept", "PartFile"]

_CHUNK: Final = 2**20


class Kept(msgspec.Struct, frozen=True):
    """What is there of a file that came in part.

    Attributes:
        url: digest of the address, which may hold a signature.
        etag: strong, of the whole file.
        total: bytes of the whole file, where they are known.
        bytes: that are there.
    """

    url: str
    etag: str
    total: int | None = None
    bytes: int = 0


class PartFile:
    """A file on its way to ``to``; one thread at a time.

    All of its methods but `kept` and `discard` raise StorageError: this machine has no room, or cannot write.
    """

    def __init__(self, to: Path, url: str) -> None:
        self._to = to
        self._part = to.with_name(f"{to.name}.part")
        self._meta = to.with_name(f"{to.name}.part.meta")
        self._url = hashlib.sha256(url.encode()).hexdigest()
        self._file: FileIO | None = None

    def kept(self) -> Kept | None:
        """What can be gone on with; None where there is nothing, or nothing that surely belongs to this address."""
        try:
            kept = msgspec.json.decode(self._meta.read_bytes(), type=Kept)
            there = self._part.stat().st_size
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if kept.total is not None:
            # One byte is always asked for: a range that begins at the end is refused (416).
            there = min(there, kept.total - 1)
        return msgspec.structs.replace(kept, bytes=there) if kept.url == self._url and there > 0 else None

    def begin(self, *, etag: str | None, total: int | None) -> None:
        """From the first byte; ``etag`` where it is strong."""
        with self._writing():
            # Emptied before the ETag is written: bytes of another version must never stand beside it.
            self._file = _opened(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            self._meta.unlink(missing_ok=True)
            if etag is not None:
                with _opened(self._meta, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as meta:
                    meta.write(msgspec.json.encode(Kept(self._url, etag, total)))

    def go_on(self, kept: Kept) -> None:
        """Behind what is kept."""
        with self._writing():
            self._file = _opened(self._part, os.O_RDWR)
            self._file.truncate(kept.bytes)
            self._file.seek(kept.bytes)

    def pieces(self, kept: Kept) -> Iterator[bytes]:
        """The bytes that are kept."""
        left = kept.bytes
        with self._writing():
            file = self._part.open("rb")
        with file:
            while left > 0:
                with self._writing():
                    piece = file.read(min(_CHUNK, left))
                if not piece:
                    return
                left -= len(piece)
                yield piece

    def write(self, data: bytes) -> None:
        """The next bytes."""
        assert self._file is not None
        with self._writing():
            left = memoryview(data)
            while left:
                # A disk that fills up takes some of it first, and only then refuses.
                left = left[self._file.write(left) :]

    def close(self) -> None:
        """What came so far stays."""
        file, self._file = self._file, None
        if file is not None:
            with self._writing():
                file.close()

    def finish(self) -> int:
        """It is whole: give it its name, for good; its size."""
        assert self._file is not None
        with self._writing():
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            self._file = None
            self._part.replace(self._to)
            folder = os.open(self._to.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._meta.unlink(missing_ok=True)
        return size

    def discard(self) -> None:
        """Forget what came."""
        with suppress(StorageError):
            self.close()
        for path in (self._meta, self._part):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(self._to.name, error.strerror or type(error).__name__) from None


def _opened(path: Path, flags: int) -> FileIO:
    """Raw, for its owner only: it holds patients' data."""
    return FileIO(os.open(path, flags | os.O_CLOEXEC, 0o600), "r+b")
