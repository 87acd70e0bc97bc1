"""In: bytes of a resource that are no JSON as it should be. Out: what they say all the same, to name it and not to decide on it.

A line in Windows-1252, half a surrogate pair where a text was cut, or a number without end spoil a whole resource. Whose result it is
stands beside it, and has to be known: an older result would be taken for the latest.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["as_far_as_told"]


def as_far_as_told(raw: bytes) -> Any:
    """What JSON says; where it is none, what it would say without its faults of encoding and its numbers; None where that is nothing.

    >>> as_far_as_told(b'{"id":"1","text":"Z\\xe9","value":1e999,"note":"\\\\ud83d"}')["id"]
    '1'
    >>> as_far_as_told(b'{"id":"1"')
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text = raw.decode(errors="replace")
        # As text, since a number may have thousands of digits; half a surrogate could not be written again.
        body = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
        return msgspec.json.decode(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
