"""In: resources as the hospital has them now, and what is stored of a person. Out: those that are about the person and are news.

The stored record is the ground, the newer resources lie over it, by type and id: a part of a record is never taken for
the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from adapter.fhir import SHARED_TYPES, ResourceProblem, Summary, person_of, summarise
from adapter.fhir.compare import decode_resource, is_same
from adapter.fhir.stamps import order, stamp_of
from adapter.sync.addresses import Addresses

__all__ = ["Fresh", "by_reference", "read_fresh"]


@dataclass(frozen=True, slots=True)
class Fresh:
    """One resource as the hospital has it now."""

    summary: Summary
    raw: bytes


def read_fresh(
    raws: Iterable[bytes],
    *,
    ids: Iterable[str],
    stored: Mapping[str, bytes] | None = None,
    own_addresses: Collection[str] = (),
) -> tuple[list[Fresh], list[bytes]]:
    """Those resources that are about a person and are news, and shared ones; of several of one id the newest.

    Args:
        raws: JSON of resources, of whomever.
        ids: ``Patient/id`` of each of the person's records.
        stored: what the store has of the person, by reference: what is no newer is left out.
        own_addresses: base URLs of the site's server, where it has one.

    Returns:
        the resources, and raw ones that are about the person and cannot be read, or are named under another address.
    """
    theirs = frozenset(ids)
    known = stored or {}
    addresses = Addresses(own_addresses or None)
    found: dict[str, Fresh] = {}
    faulty: list[bytes] = []
    for raw in raws:
        # A record is a hundred resources that are known and one that is not: those cost a glance.
        if not _is_news(raw, known.get(_reference(_head(raw)))):
            continue
        try:
            summary = addresses.settled(summarise(raw))
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


class _Head(msgspec.Struct):
    resourceType: object = None
    id: object = None


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
    told, known = stamp_of(raw), stamp_of(stored)
    if None not in told and told == known:
        return False
    newer = order(told, known)
    if newer is not None:
        return newer > 0
    # Nothing says which is the newer: what the hospital has now is.
    return not _says_the_same(raw, stored)


def _is_older(raw: bytes, other: bytes) -> bool:
    return order(stamp_of(raw), stamp_of(other)) == -1


def _says_the_same(one: bytes, other: bytes) -> bool:
    try:
        return is_same(decode_resource(one), decode_resource(other))
    except ValueError:
        return False
