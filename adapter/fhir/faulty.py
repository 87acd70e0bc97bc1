"""In: bytes of a resource that are no JSON as it should be. Out: what they say all the same, to name it and not to decide on it.

A line in Windows-1252, half a surrogate pair where a text was cut, a number without end or a line that was cut itself spoil a whole
resource. Whose result it is stands beside it, and has to be known: an older result would be taken for the latest.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

__all__ = ["as_far_as_told"]

#: Signs that tell the structure, and whole texts, in which they tell nothing; one that was cut has no end, and hides the rest.
_SIGNS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)
#: No resource is nested deeper; a line of brackets only would take its square in time.
_DEEPEST = 500


def as_far_as_told(raw: bytes) -> Any:
    """What JSON says; where it is none, what it would say without its faults of encoding, its numbers, and what it breaks off in.

    Returns:
        None where that is nothing.

    >>> as_far_as_told(b'{"id":"1","text":"Z\\xe9","value":1e999,"note":"\\\\ud83d"}')["id"]
    '1'
    >>> as_far_as_told(b'{"id":"1","subject":{"reference":"Patient/2"},"valueQuan')
    {'id': '1', 'subject': {'reference': 'Patient/2'}}
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = raw.decode(errors="replace")
    body = _read(text)
    return _read(_closed(text)) if body is None else body


def _read(text: str) -> Any:
    try:
        # As text, since a number may have thousands of digits; half a surrogate could not be written again.
        body = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
        return msgspec.json.decode(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def _closed(text: str) -> str:
    """A text that breaks off, as far as its last whole member, and closed there.

    What stands in an object or a list before the last comma, or before a closing bracket, is whole.
    """
    open_: list[str] = []
    whole, closing = 0, ""
    for found in _SIGNS.finditer(text):
        sign = found[0]
        if sign in "{[":
            open_.append("}" if sign == "{" else "]")
            if len(open_) > _DEEPEST:
                return ""
        elif sign in "}]":
            if not open_ or open_.pop() != sign:
                break
            whole, closing = found.end(), "".join(reversed(open_))
        elif sign == ",":
            whole, closing = found.start(), "".join(reversed(open_))
    return text[:whole] + closing
