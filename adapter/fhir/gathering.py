"""In: the raw resources of one person, those put aside as faulty among them. Out: what of it is read, and what only stands in the record.

A newer version that cannot be read takes the place of an older one that can; nothing takes that of a newer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain

import msgspec

from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.modifiers import is_modified
from adapter.fhir.names import is_shared
from adapter.fhir.resources import READ_TYPES, ProductResource, Resource, decode
from adapter.fhir.stamps import order, stamp_of
from adapter.fhir.stand_ins import remains_of, stand_in_of, stand_ins_within
from adapter.fhir.summary import name_of

__all__ = ["Gathered"]


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str = ""


_HEAD = msgspec.json.Decoder(_Head)
_TYPE_FIRST = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')


class Gathered:
    """What is read of a person's resources, one after the other."""

    def __init__(self, held_back: Iterable[bytes]) -> None:
        self.by_type: dict[str, list[Resource]] = {}
        self.known: dict[str, Resource] = {}
        self.unreadable: list[str] = []
        self.unread: set[str] = set()
        self.remains: dict[str, tuple[CodeableConcept, ...]] = {}
        self._faulty: list[bytes] = []
        self._within: list[Resource] = []
        self._aside: dict[str, list[bytes]] = {}
        # One may be given for each of two ids of the person.
        for raw in dict.fromkeys(held_back):
            self._aside.setdefault(name_of(raw) or "", []).append(raw)

    def own(self, raw: bytes, *, people: tuple[str, ...]) -> None:
        """A resource of the person."""
        if self._aside and self._is_replaced(raw):
            return
        self._within += stand_ins_within(raw, people=people)
        try:
            resource = _decoded(raw)
            if resource is not None and is_modified(raw, resource.resource_type):
                self._fault(resource.reference, raw)
            elif resource is not None:
                if isinstance(resource, ProductResource):
                    resource.contained_medications()
                self.by_type.setdefault(resource.resource_type, []).append(resource)
        except (msgspec.MsgspecError, ArithmeticError):
            self._fault(_name(raw), raw)

    def shared(self, reference: str, raw: bytes) -> None:
        """A resource that the person's refer to."""
        if self._aside and self._is_replaced(raw):
            return
        try:
            self.known[reference] = decode(reference.partition("/")[0], raw)
        except (msgspec.MsgspecError, ArithmeticError):
            self._fault(reference, raw)

    def stand_in(self) -> None:
        """What stands for what could not be read; when all has been."""
        faulty = (*chain.from_iterable(self._aside.values()), *self._faulty)
        for name, concepts in map(remains_of, faulty):
            self.remains[name] = (*self.remains.get(name, ()), *concepts)
        for found in (*self._within, *map(stand_in_of, faulty)):
            if found is None:
                continue
            self.unread.add(found.reference)
            if is_shared(found.reference):
                self.known[found.reference] = found
            else:
                self.by_type.setdefault(found.resource_type, []).append(found)

    def _fault(self, reference: str, raw: bytes) -> None:
        self.unreadable.append(reference)
        self._faulty.append(raw)

    def _is_replaced(self, raw: bytes) -> bool:
        """A version of it that may be the newer one was put aside; what was put aside of older ones is forgotten.

        A correction or a withdrawal that cannot be read must not leave standing what it corrects.
        """
        reference = _name(raw)
        stamp = stamp_of(raw)
        newer = [aside for aside in self._aside.pop(reference, []) if order(stamp, stamp_of(aside)) != 1]
        if newer:
            self._aside[reference] = newer
        return bool(newer)


def _decoded(raw: bytes) -> Resource | None:
    """A resource of a type that is read, None of another type.

    Raises:
        msgspec.MsgspecError: it is faulty.
        ArithmeticError: one of its numbers is.
    """
    # Nearly every resource begins with its type: it is not decoded once more to find that out.
    begins = _TYPE_FIRST.match(raw)
    if begins is not None and (name := begins[1].decode()) in READ_TYPES:
        resource = decode(name, raw)
        if resource.resource_type == name:
            return resource
    head = _HEAD.decode(raw)
    return decode(head.resource_type, raw) if head.resource_type in READ_TYPES else None


def _name(raw: bytes) -> str:
    try:
        head = _HEAD.decode(raw)
    except msgspec.MsgspecError:
        return "(unreadable)"
    return f"{head.resource_type}/{head.id}"
