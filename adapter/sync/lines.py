"""In: a file of NDJSON, plain or gzip, however it was cut. Out: its lines, byte for byte, and what is wrong with it.

Only the line feed ends a line: JSON may hold U+2028 and the like unescaped.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Line", "read_lines"]

_CHUNK = 2**20
_INFLATE_STEP = 2**18
_GZIP_MAGIC = b"\x1f\x8b"
#: For zlib: a gzip header, the largest window.
_GZIP_FORMAT = 31
_BOM = b"\xef\xbb\xbf"
#: A longer line is no resource that anybody means to send; it would not fit the memory this product promises.
MAX_LINE = 64 * 2**20


class Line(NamedTuple):
    """One line that is not empty.

    Args:
        number: from 1, empty lines counted.
        raw: without line end and byte order mark.
        ended: a line end stood after it.
        trouble: why the line cannot be what was sent, if so; ``raw`` then holds what there is.
    """

    number: int
    raw: bytes
    ended: bool = True
    trouble: str | None = None


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file that are not empty; gzip is known by its first bytes, not its name."""
    number = 1
    begun = _Begun()
    trouble: str | None = None
    for piece in _pieces(path):
        if isinstance(piece, str):
            trouble = piece
            break
        first, *whole = piece.split(b"\n")
        begun.add(first)
        if not whole:
            continue
        line = begun.line(number)
        if line is not None:
            yield line
        rest = whole.pop()
        for part in whole:
            # Whole in this piece, so not too long: nearly all lines come this way.
            number += 1
            raw = _bare(part)
            if raw is not None:
                yield Line(number, raw)
        number += 1
        begun = _Begun()
        begun.add(rest)
    last = begun.line(number)
    if trouble is not None:
        yield Line(number, b"" if last is None else last.raw, False, trouble)
    elif last is not None:
        yield last._replace(ended=False)


class _Begun:
    """A line whose end has not come yet, its beginning only where it is too long."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, part: bytes) -> None:
        room = MAX_LINE - self._length
        if part and room > 0:
            self._parts.append(part[:room] if len(part) > room else part)
        self._length += len(part)

    def line(self, number: int) -> Line | None:
        """The line so far, None for an empty one."""
        raw = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        bare = _bare(raw)
        if bare is None:
            return None
        if self._length > MAX_LINE:
            return Line(number, bare, True, f"the line is longer than {MAX_LINE >> 20} MiB; its beginning is kept")
        return Line(number, bare)


def _bare(raw: bytes) -> bytes | None:
    """Without line end and byte order mark; None when nothing is left."""
    raw = raw.removeprefix(_BOM).removesuffix(b"\r")
    return raw if raw.strip() else None


def _pieces(path: Path) -> Iterator[bytes | str]:
    """Bytes of the file, unpacked; at the end a sentence if it could not be read to its end."""
    with path.open("rb") as file:
        start = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        if start == _GZIP_MAGIC:
            yield from _unpacked(iter(lambda: file.read(_CHUNK), b""))
        else:
            yield from iter(lambda: file.read(_CHUNK), b"")


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes | str]:
    # By hand, as gzip.open loses what it had unpacked of a buffer when the file ends early.
    member = None
    for chunk in chunks:
        packed = chunk
        while packed:
            if member is None:
                # RFC 1952 2.2: members follow each other; tape tools fill up with zeros.
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                member = zlib.decompressobj(wbits=_GZIP_FORMAT)
            try:
                out = member.decompress(packed, _INFLATE_STEP)
            except zlib.error:
                yield "the gzip data is damaged"
                return
            if out:
                yield out
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    if member is not None:
        rest = member.flush()
        if rest:
            yield rest
        yield "the gzip data ends early"
