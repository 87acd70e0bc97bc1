"""In: the bytes of an NDJSON file as they arrive, plain or gzip. Out: how many lines it holds, and whether it is whole.

Nothing is kept of a file but the line at hand, and nothing is unpacked without bounds. Lines are counted, and the last one
is parsed: a file that was cut ends within one. What is wrong within the others is for whoever stores them, line by line.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

__all__ = ["Absurd", "Spoiled", "Tally"]

_GZIP_MAGIC: Final = b"\x1f\x8b"
#: For zlib: a gzip header, the largest window.
_GZIP_FORMAT: Final = 31
_BOM: Final = b"\xef\xbb\xbf"
_STEP: Final = 2**20
#: A longer line is no resource that anybody means to send.
MAX_LINE: Final = 64 * 2**20
#: A file may unpack to this without questions; beyond, to so many times its packed size (real NDJSON packs 10 to 30 times).
FREE_UNPACKED: Final = 256 * 2**20
MAX_RATIO: Final = 200


class Spoiled(Exception):
    """What came is not whole: another attempt may bring it."""


class Absurd(Exception):
    """What comes is not meant to be read: another attempt would bring the same."""


class _Resource(msgspec.Struct):
    resourceType: str


_decoder = msgspec.json.Decoder(_Resource)


class Tally:
    """Counts one file.

    Attributes:
        lines: that are not empty, ended so far.
        is_packed: the file is gzip, known by its first bytes: a server's label may be missing, or wrong.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.is_packed = False
        self._begun = b""
        self._packed = 0
        self._unpacked = 0
        self._member: zlib._Decompress | None = None
        # Of the line at hand, and the last one before it.
        self._open: list[bytes] = []
        self._length = 0
        self._last = b""

    def feed(self, data: bytes) -> None:
        """The next bytes.

        Raises:
            Spoiled: the gzip data is damaged.
            Absurd: it unpacks beyond the bounds, or a line does not end.
        """
        if self._packed < len(_GZIP_MAGIC):
            # The first bytes, however small the pieces in which they come.
            self._begun += data
            self._packed += len(data)
            if self._packed < len(_GZIP_MAGIC):
                return
            data, self._begun = self._begun, b""
            self.is_packed = data.startswith(_GZIP_MAGIC)
        else:
            self._packed += len(data)
        if self.is_packed:
            self._unpack(data)
        else:
            self._count(data)

    def close(self, *, type_: str | None = None) -> int:
        """The end of the file; how many lines it holds that are not empty.

        Args:
            type_: of its resources, where it is known.

        Raises:
            Spoiled: it ends early, or holds an error in the place of resources.
        """
        if self._begun:
            self._count(self._begun)
        if self._member is not None:
            raise Spoiled("the gzip data ends early")
        rest = b"".join(self._open)
        if rest.removeprefix(_BOM).strip():
            self.lines += 1
            self._last = rest
        if self._last:
            self._parse(self._last, type_)
        return self.lines

    def _parse(self, line: bytes, type_: str | None) -> None:
        try:
            resource = _decoder.decode(line.removeprefix(_BOM))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Spoiled("the last line is no whole resource") from None
        # A server that fails while it sends can say so in no other way than by a line of another type.
        if resource.resourceType == "OperationOutcome" and type_ not in {None, "OperationOutcome"}:
            raise Spoiled("it ends with an OperationOutcome in the place of a resource")

    def _unpack(self, data: bytes) -> None:
        while data:
            if self._member is None:
                # RFC 1952 2.2: members follow each other; tape tools fill up with zeros.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=_GZIP_FORMAT)
            try:
                out = self._member.decompress(data, _STEP)
            except zlib.error:
                raise Spoiled("the gzip data is damaged") from None
            self._unpacked += len(out)
            if self._unpacked > max(FREE_UNPACKED, MAX_RATIO * self._packed):
                raise Absurd(f"the gzip data unpacks to more than {MAX_RATIO} times its size")
            if out:
                self._count(out)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if self._member.eof:
                self._member = None

    def _count(self, data: bytes) -> None:
        first, *more = data.split(b"\n")
        self._length += len(first)
        if self._length > MAX_LINE:
            raise Absurd(f"a line is longer than {MAX_LINE >> 20} MiB")
        self._open.append(first)
        if not more:
            return
        ended = b"".join(self._open) if len(self._open) > 1 else first
        rest = more.pop()
        # Only the line feed ends a line: JSON may hold U+2028 and the like unescaped.
        full = [line for line in (ended.removeprefix(_BOM), *more) if line and not line.isspace()]
        self.lines += len(full)
        if full:
            self._last = full[-1]
        self._open = [rest]
        self._length = len(rest)
