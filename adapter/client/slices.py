"""In: the body of a Bundle. Out: the Bundle, and its resources as exact slices of those bytes, though one of them is no JSON to a strict parser.

Half a surrogate pair (``\\ud83d`` alone) is in the grammar of JSON and stands for no character: servers send it where they cut a
text after so many of their own characters. It spoils the resource that it stands in, and no other one.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

__all__ = ["Slices", "decoded"]

T = TypeVar("T")

#: Escapes in strings: a pair of surrogates, half of one (group 1), any other.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT: Final = rb"\ufffd"


class Slices:
    """Gives the bytes as they came for slices of what was decoded, asked for in their order."""

    def __init__(self, body: bytes, read: bytes) -> None:
        self._body = body
        self._read = read
        self._at = 0

    def of(self, raw: msgspec.Raw) -> bytes:
        """The bytes of an element; a copy: a slice that is kept would hold on to the whole page."""
        found = bytes(raw)
        if self._read is self._body or not found:
            return found
        begin = self._read.index(found, self._at)
        self._at = begin + len(found)
        return self._body[begin : self._at]


def decoded(body: bytes, type_: type[T]) -> tuple[T, Slices]:
    """Decode a Bundle.

    Raises:
        msgspec.ValidationError: JSON of another shape.
        msgspec.DecodeError: not JSON, or cut off.
        ValueError: nested beyond all measure.
    """
    try:
        try:
            return msgspec.json.decode(body, type=type_), Slices(body, body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # As long as before, so that what is found in the one lies at the same place in the other.
            read = _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], body)
            return msgspec.json.decode(read, type=type_), Slices(body, read)
    except RecursionError:
        raise ValueError("nested too deep to be a Bundle") from None
