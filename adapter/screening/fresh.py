"""In: resources as the hospital has them now, and what is stored of a person. Out: those that are about the person and are news.

The stored record is the ground, the newer resources lie over it, by type and id: a part of a record is never taken for
the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from adapter.fhir import ResourceProblem, Summary, parse_when, person_of, summarise
from adapter.fhir.compare import decode_resource, is_same

__all__ = ["SHARED_TYPES", "Fresh", "by_reference", "read_fresh"]

#: Types without a patient of their own, which a record refers to.
SHARED_TYPES = frozenset({"Medication", "ResearchStudy"})
#: Digits of a version that is a number.
_LONGEST = 19


@dataclass(frozen=True, slots=True)
class Fresh:
    """One resource as the hospital has it now."""

    summary: Summary
    raw: bytes


def read_fresh(
    raws: Iterable[bytes], *, ids: Iterable[str], stored: Mapping[str, bytes] | None = None
) -> tuple[list[Fresh], list[bytes]]:
    """Those resources that are about a person and are news, and shared ones; of several of one id the newest.

    Args:
        raws: JSON of resources, of whomever.
        ids: ``Patient/id`` of each of the person's records.
        stored: what the store has of the person, by reference: what is no newer is left out.

    Returns:
        the resources, and raw ones that are about the person and cannot be read.
    """
    theirs = frozenset(ids)
    known = stored or {}
    found: dict[str, Fresh] = {}
    faulty: list[bytes] = []
    for raw in raws:
        # A record is a hundred resources that are known and one that is not: those cost a glance.
        if not _is_news(raw, known.get(_reference(_head(raw)))):
            continue
        try:
            summary = summarise(raw)
        except ResourceProblem:
            if person_of(raw) in theirs:
                faulty.append(raw)
            continue
        is_theirs = summary.reference in theirs if summary.type == "Patient" else summary.patient in theirs
        if not is_theirs and summary.type not in SHARED_TYPES:
            continue
        before = found.get(summary.reference)
        if before is None or not _is_older(raw, before.raw):
            found[summary.reference] = Fresh(summary, raw)
    return list(found.values()), faulty


class _Meta(msgspec.Struct):
    versionId: object = None
    lastUpdated: object = None


class _Head(msgspec.Struct):
    resourceType: object = None
    id: object = None
    meta: _Meta | None = None


_HEAD = msgspec.json.Decoder(_Head)


def _head(raw: bytes) -> _Head:
    try:
        return _HEAD.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Head()


def _reference(head: _Head) -> str:
    return f"{head.resourceType}/{head.id}"


def by_reference(raws: Iterable[bytes]) -> dict[str, bytes]:
    """Raw resources by ``Type/id``."""
    return {_reference(_head(raw)): raw for raw in raws}


def _is_news(raw: bytes, stored: bytes | None) -> bool:
    """Whether a resource says more than the stored one of its id."""
    if stored is None:
        return True
    if raw == stored:
        return False
    told, known = _version(raw), _version(stored)
    if None not in told and told == known:
        return False
    order = _order(told, known)
    if order is not None:
        return order > 0
    # Nothing says which is the newer: what the hospital has now is.
    return not _says_the_same(raw, stored)


def _is_older(raw: bytes, other: bytes) -> bool:
    order = _order(_version(raw), _version(other))
    return order is not None and order < 0


def _version(raw: bytes) -> tuple[object, datetime | None]:
    meta = _head(raw).meta or _Meta()
    when = parse_when(meta.lastUpdated) if isinstance(meta.lastUpdated, str) else None
    return meta.versionId, None if when is None else when.start


def _order(one: tuple[object, datetime | None], other: tuple[object, datetime | None]) -> int | None:
    """Below 0 where the first is the older, above where the newer; None where nothing tells."""
    at, other_at = one[1], other[1]
    if at is not None and other_at is not None and at != other_at:
        return -1 if at < other_at else 1
    first, second = _number(one[0]), _number(other[0])
    if first is None or second is None:
        return None
    return (first > second) - (first < second)


def _number(version: object) -> int | None:
    is_number = isinstance(version, str) and version.isascii() and version.isdecimal() and len(version) < _LONGEST
    return int(str(version)) if is_number else None


def _says_the_same(one: bytes, other: bytes) -> bool:
    try:
        return is_same(decode_resource(one), decode_resource(other))
    except ValueError:
        return False
