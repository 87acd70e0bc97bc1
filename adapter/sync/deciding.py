"""In: an entity as both sides have it. Out: what to do: nothing, write, take the hospital's change, or leave it to a person.

A pure comparison of three states: what we would have at the server, what is there, and what was there when both sides last
agreed. Never last writer wins: where both moved, a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, differences, encode_resource, is_same
from adapter.store import Counterpart, FieldChange
from adapter.sync.rendering import Rendered, owned_elements, read_entity, with_resolved
from mappings.elements import MappingError, carry_over
from mappings.entities import Entity

__all__ = ["Agreed", "Clash", "Decision", "Name", "Send", "TakeBack", "There", "View", "Write", "decide"]

#: Type, system and value of the identifier.
Name = tuple[str, str, str]

#: Written by us, and never anybody else's: R4 http.html#versioning.
_NOT_SENT: Final = frozenset({"versionId", "lastUpdated"})


@dataclass(frozen=True, slots=True)
class There:
    """A resource as it stands at the server."""

    id: str
    version: str
    resource: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class View:
    """One entity and its resources on both sides.

    Attributes:
        kind: of the entity.
        entity: ours.
        version: of FHIR at the server.
        rendered: our resources as the mappers make them, the main one first.
        bodies: the same with literal references to others, and by fullUrl among themselves, by name.
        known: where both sides last agreed, by name.
        now: what stands at the server of those known; None where it is deleted.
        found: what stands at the server under an identifier of those not known.
    """

    kind: str
    entity: Entity
    version: FhirVersion
    rendered: Sequence[Rendered]
    bodies: Mapping[Name, Json]
    known: Mapping[Name, Counterpart]
    now: Mapping[Name, There | None]
    found: Mapping[Name, Sequence[There]]


@dataclass(frozen=True, slots=True)
class Write:
    """One write: POST without ``there``, PUT on it, or DELETE of it without ``body``."""

    type: str
    name: Name
    rendered: Rendered | None
    body: Json | None = field(repr=False)
    there: There | None

    @property
    def method(self) -> str:
        """POST, PUT or DELETE."""
        if self.body is None:
            return "DELETE"
        return "POST" if self.there is None else "PUT"


@dataclass(frozen=True, slots=True)
class Agreed:
    """The server has it all."""

    there: Mapping[Name, There]


@dataclass(frozen=True, slots=True)
class Send:
    """Something is to be written; ``there`` is what stands and stays."""

    writes: Sequence[Write]
    there: Mapping[Name, There]


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The hospital changed it and we did not: theirs becomes ours."""

    entity: Entity
    there: Mapping[Name, There]


@dataclass(frozen=True, slots=True)
class Clash:
    """A person has to look at it; see `adapter.store.Conflict`."""

    cause: str
    there: Sequence[tuple[str, There]]
    fields: Sequence[FieldChange] = ()


Decision = Agreed | Send | TakeBack | Clash


def decide(view: View) -> Decision:
    """What to do with one entity."""
    doubled = [(name[0], one) for name, found in view.found.items() if len(found) > 1 for one in found]
    if doubled:
        return Clash("duplicate", doubled)
    if any(there is None for there in view.now.values()):
        return Clash("deleted", [(name[0], there) for name, there in view.now.items() if there is not None])
    there = {name: one for name, one in view.now.items() if one is not None}
    there |= {name: found[0] for name, found in view.found.items() if found and name not in there}
    # Within a transaction resources refer to each other by fullUrl; to one that is there already, as the server does.
    urls = {one.full_url: f"{one.type}/{there[one.name].id}" for one in view.rendered if one.name in there}
    view = replace(view, bodies={name: with_resolved(body, urls) for name, body in view.bodies.items()})
    moved = any(not is_same(there[name].resource, decode_resource(known.base)) for name, known in view.known.items())
    adopted = any(name not in view.known for name in there)
    if moved or adopted:
        clash = _judge(view, there, moved=moved)
        if clash is not None:
            return clash
    writes = _writes(view, there)
    return Send(writes, there) if writes else Agreed(there)


def _judge(view: View, there: Mapping[Name, There], *, moved: bool) -> Clash | TakeBack | None:
    """What the hospital did: a change to take, a clash, or nothing of meaning to us."""
    if _holds_ours(view, there):
        return None
    main = view.rendered[0].name
    if main not in there:
        # Resources of ours without the one that they belong to: somebody else made them, or took it away.
        return _clash("other-content", view, there)
    try:
        theirs = read_entity(view.kind, _entries(view, there))
        agreed = read_entity(view.kind, _entries(view, _base(view))) if main in view.known else None
    except MappingError:
        return _clash("unreadable", view, there)
    if theirs == view.entity or (moved and theirs == agreed):
        return None
    if agreed is None:
        return _clash("other-content", view, there)
    return _clash("both-changed", view, there) if _we_moved(view) else TakeBack(theirs, there)


def _holds_ours(view: View, there: Mapping[Name, There]) -> bool:
    """An update would change nothing of what is there."""
    return all(
        one.name not in there or is_same(_update(view, one, there[one.name]), there[one.name].resource)
        for one in view.rendered
    ) and not any(name not in {one.name for one in view.rendered} for name in there)


def _we_moved(view: View) -> bool:
    ours = {one.name: one.digest for one in view.rendered}
    return ours != {name: known.sent_hash for name, known in view.known.items()}


def _writes(view: View, there: Mapping[Name, There]) -> list[Write]:
    writes = []
    for one in view.rendered:
        at = there.get(one.name)
        if at is None:
            writes.append(Write(one.type, one.name, one, view.bodies[one.name], None))
            continue
        body = _update(view, one, at)
        if not is_same(body, at.resource):
            writes.append(Write(one.type, one.name, one, body, at))
    ours = {one.name for one in view.rendered}
    # What the entity no longer tells is ours to take away again: nobody else wrote it.
    return writes + [Write(name[0], name, None, None, at) for name, at in there.items() if name not in ours]


def _update(view: View, one: Rendered, at: There) -> Json:
    owned = owned_elements(view.kind, view.version, one.type)
    body = carry_over(view.bodies[one.name], at.resource, owned=owned)
    meta = {key: value for key, value in body.get("meta", {}).items() if key not in _NOT_SENT}
    body = {key: value for key, value in body.items() if key != "meta"} | ({"meta": meta} if meta else {})
    return {**body, "id": at.id}


def _base(view: View) -> dict[Name, There]:
    return {
        name: There(known.server_id, known.server_version, decode_resource(known.base))
        for name, known in view.known.items()
    }


def _entries(view: View, there: Mapping[Name, There]) -> list[tuple[str, Json]]:
    """(fullUrl, resource) with the links among them as the mappers write them, the main one first."""
    urls = {one.name: one.full_url for one in view.rendered}
    order = {one.name: place for place, one in enumerate(view.rendered)}
    names = sorted(there, key=lambda name: order.get(name, len(order)))
    known = {f"{name[0]}/{there[name].id}": urls.get(name, f"{name[0]}/{there[name].id}") for name in names}
    return [(known[f"{name[0]}/{there[name].id}"], with_resolved(there[name].resource, known)) for name in names]


def _clash(cause: str, view: View, there: Mapping[Name, There]) -> Clash:
    fields: list[FieldChange] = []
    for one in view.rendered:
        at = there.get(one.name)
        if at is None:
            continue
        fields += [
            FieldChange(f"{one.type}.{found.path}", _shown(found.left), _shown(found.right))
            for found in differences(_update(view, one, at), at.resource)
        ]
    return Clash(cause, [(name[0], one) for name, one in there.items()], fields)


def _shown(value: object) -> str | None:
    return None if value is None else encode_resource({"": value})[4:-1].decode()
