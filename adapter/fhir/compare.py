"""In: a resource as two sides have it. Out: whether both say the same, and field by field what they do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from adapter.fhir.versions import Json

__all__ = ["Difference", "decode_resource", "differences", "digest_of", "encode_resource", "is_same", "shown_value"]

#: What a server writes by itself: no side says anything by it (R4 resource.html#Meta, narrative.html).
_SERVERS_OWN = frozenset({"id", "meta", "text"})
_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Difference(msgspec.Struct, frozen=True):
    """A path at which two resources differ: what stands on each side, None where nothing does."""

    path: str
    left: Any
    right: Any


def encode_resource(resource: Json) -> bytes:
    """JSON with its decimals as they are."""
    return _encoder.encode(resource)


def shown_value(value: Any) -> str | None:
    """An element as JSON text, its decimals as they are; None for nothing.

    >>> shown_value({"value": Decimal("12.10")}), shown_value(None)
    ('{"value":12.10}', None)
    """
    return None if value is None else _encoder.encode(value).decode()


def decode_resource(raw: bytes) -> Json:
    """A resource with exact decimals.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        found = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def digest_of(resource: Json) -> str:
    """The same for the same content, in whatever order its keys stand."""
    return hashlib.sha256(encode_resource(resource)).hexdigest()


def is_same(one: Json, other: Json) -> bool:
    """Both say the same, but for what a server writes by itself.

    >>> is_same({"status": "final", "id": "1"}, {"status": "final", "meta": {"versionId": "2"}})
    True
    """
    return next(_differences(_content(one), _content(other), ""), None) is None


def differences(one: Json, other: Json) -> list[Difference]:
    """Where the content of two resources differs, path by path.

    >>> differences({"status": "final", "note": [{"text": "a"}]}, {"status": "amended"})
    [Difference(path='note', left=[{'text': 'a'}], right=None), Difference(path='status', left='final', right='amended')]
    """
    return sorted(_differences(_content(one), _content(other), ""), key=lambda found: found.path)


def _content(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key not in _SERVERS_OWN}


def _differences(one: Any, other: Any, path: str) -> Iterator[Difference]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{path}[{at}]")
    elif not _equal(one, other):
        yield Difference(path, one, other)


def _equal(one: Any, other: Any) -> bool:
    # 7400 and 7400.0 are the same amount; a server may write it either way. True and 1 are not the same.
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
