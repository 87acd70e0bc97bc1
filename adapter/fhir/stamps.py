"""In: ``meta`` of two versions of a resource. Out: which of them is the newer one, as far as they tell.

The store itself tells it in SQL, of all versions of an id together (`adapter.store.versions`); this is the same rule for two that
are at hand: by ``versionId`` where both are numbers, else, or where these are alike, by ``lastUpdated``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from adapter.fhir.faulty import as_far_as_told

__all__ = ["Stamp", "instant", "order", "stamp_of", "version_number"]

_MAX_VERSION_DIGITS = 18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Stamp(NamedTuple):
    """What a version of a resource says of its order: ``meta.versionId`` and ``meta.lastUpdated``."""

    version: str | None = None
    updated: str | None = None


class _Meta(msgspec.Struct):
    versionId: object = None
    lastUpdated: object = None


class _Head(msgspec.Struct):
    meta: _Meta | None = None


_decode = msgspec.json.Decoder(_Head).decode


def stamp_of(raw: bytes) -> Stamp:
    """The stamp of a resource; of one that cannot be read, as far as it can.

    >>> stamp_of(b'{"meta":{"versionId":"3"}}'), stamp_of(b'{"meta":7}')
    (Stamp(version='3', updated=None), Stamp(version=None, updated=None))
    """
    try:
        meta = _decode(raw).meta or _Meta()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # What is no JSON may tell it all the same; of one of the wrong shape nothing is told.
        body = as_far_as_told(raw)
        told = body.get("meta") if isinstance(body, dict) else None
        meta = _Meta(told.get("versionId"), told.get("lastUpdated")) if isinstance(told, dict) else _Meta()
    version, updated = meta.versionId, meta.lastUpdated
    return Stamp(version if isinstance(version, str) else None, updated if isinstance(updated, str) else None)


def order(one: Stamp, other: Stamp) -> int | None:
    """1 where the first is the newer one, -1 where it is the older one, 0 where they are alike; None where nothing tells.

    >>> order(Stamp("3"), Stamp("2")), order(Stamp("2"), Stamp("10")), order(Stamp(), Stamp("2"))
    (1, -1, None)
    """
    found: int | None = None
    for left, right in (
        (version_number(one.version), version_number(other.version)),
        (instant(one.updated), instant(other.updated)),
    ):
        if left is not None and right is not None:
            found = (left > right) - (left < right)
            if found:
                return found
    return found


def version_number(version: str | None) -> int | None:
    """A numeric ``meta.versionId`` as a number, else None.

    >>> version_number("10"), version_number("a1"), version_number(None)
    (10, None, None)
    """
    if version is None or not version.isascii() or not version.isdigit() or len(version) > _MAX_VERSION_DIGITS:
        return None
    return int(version)


def instant(text: str | None) -> int | None:
    """``meta.lastUpdated`` as microseconds since 1970 UTC, None where it is no date and time.

    >>> instant("2024-01-01T01:00:00+01:00") == instant("2024-01-01T00:00:00Z")
    True
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        # R4 datatypes.html#instant requires the zone; a server that leaves it out does so everywhere.
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError:
        return None
