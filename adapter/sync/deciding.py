"""In: an entity as both sides have it. Out: what to do: nothing, write, take the hospital's change, or leave it to a person.

A pure comparison of three states: what we would have at the server, what is there, and what was there when both sides last
agreed. Never last writer wins: where both moved, a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, differences, is_same, shown_value
from adapter.store import Counterpart, FieldChange
from adapter.sync.rendering import Rendered, owned_elements, read_entity, with_resolved
from mappings.entities import Entity, entity_key
from mappings.foreign import Element, MappingError
from mappings.updating import carry_over, exceeded

__all__ = ["Agreed", "Clash", "Decision", "Name", "Send", "TakeBack", "There", "View", "Write", "decide", "there_of"]

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


def there_of(raw: bytes) -> There:
    """A resource as it stands at the server, from its bytes."""
    resource = decode_resource(raw)
    return There(str(resource.get("id", "")), str(resource.get("meta", {}).get("versionId", "")), resource)


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
        past: earlier versions of ours, of which one may have arrived where ``uncertain``.
        uncertain: something was sent, and whether it arrived is not known.
    """

    kind: str
    entity: Entity
    version: FhirVersion
    rendered: Sequence[Rendered]
    bodies: Mapping[Name, Json]
    known: Mapping[Name, Counterpart]
    now: Mapping[Name, There | None]
    found: Mapping[Name, Sequence[There]]
    past: Sequence[Entity] = ()
    uncertain: bool = False


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
    """Something is to be written, and ``then`` something taken away; ``there`` is what stands and stays."""

    writes: Sequence[Write]
    there: Mapping[Name, There]
    then: Sequence[Write] = ()


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
    ours = {one.name for one in view.rendered}
    # Another one under our identifier takes the place of the one deleted; what we no longer tell may well be gone.
    if any(there is None and name in ours and not view.found.get(name) for name, there in view.now.items()):
        return Clash("deleted", [(name[0], there) for name, there in view.now.items() if there is not None])
    there = {name: one for name, one in view.now.items() if one is not None}
    there |= {name: found[0] for name, found in view.found.items() if found and name not in there}
    # Within a transaction resources refer to each other by fullUrl; to one that is there already, as the server does.
    urls = {one.full_url: f"{one.type}/{there[one.name].id}" for one in view.rendered if one.name in there}
    view = replace(view, bodies={name: with_resolved(body, urls) for name, body in view.bodies.items()})
    strange = _strange(view, there)
    if strange:
        judged = _judge(view, there, strange)
        if judged is not None:
            return judged
    writes = _writes(view, there)
    # What the entity no longer tells is ours to take away again: nobody else wrote it.
    gone = [Write(name[0], name, None, None, at) for name, at in there.items() if name not in ours]
    if writes:
        # In a transaction of its own, once nothing of ours refers to it: HAPI 8.8.0 fails over the links to what it deletes.
        return Send(writes, there, then=gone)
    return Send(gone, there) if gone else Agreed(there)


def _strange(view: View, there: Mapping[Name, There]) -> list[Name]:
    """Names under which there stands neither what both sides agreed on nor what we would have there.

    Resource by resource: of a transaction that a server carried out in half, each one is the old or the new.
    """
    rendered = {one.name: one for one in view.rendered}
    return [
        name
        for name, at in there.items()
        if not (name in view.known and is_same(at.resource, decode_resource(view.known[name].base)))
        and not (name in rendered and not _is_modified(at) and is_same(_update(view, rendered[name], at), at.resource))
    ]


def _is_modified(at: There) -> bool:
    """A modifierExtension, which no mapper writes, may turn into its opposite what we would carry it over with."""
    try:
        Element(at.resource).refuse_modifiers()
    except MappingError:
        return True
    return False


def _judge(view: View, there: Mapping[Name, There], strange: Sequence[Name]) -> Clash | TakeBack | None:
    """What the hospital did: a change to take, a clash, or nothing of meaning to us."""
    main = view.rendered[0].name
    if main not in there:
        # Resources of ours without the one that they belong to: somebody else made them, or took it away.
        return _clash("other-content", view, there)
    try:
        theirs = read_entity(view.kind, _entries(view, there))
    except MappingError:
        return _clash("unreadable", view, there)
    agreed = _agreed(view)
    if theirs in (view.entity, agreed):
        # Nothing that we could take; but an element of ours may say what our reading does not see.
        return _clash("both-changed", view, there) if _undoes(view, there, strange) else None
    if view.uncertain and theirs in view.past:
        return None
    if agreed is None or _is_another(theirs, view.entity):
        return _clash("other-content", view, there)
    return TakeBack(theirs, there) if _we_stayed(view, agreed) else _clash("both-changed", view, there)


def _agreed(view: View) -> Entity | None:
    """What both sides last agreed on; None where they never did, or where it could not be read."""
    if view.rendered[0].name not in view.known:
        return None
    try:
        return read_entity(view.kind, _entries(view, _base(view)))
    except MappingError:
        return None


def _undoes(view: View, there: Mapping[Name, There], strange: Sequence[Name]) -> bool:
    """An update would put back what the hospital has changed since."""
    if view.uncertain:
        # Ours may have arrived, in whatever form the server gave it.
        return False
    for one in view.rendered:
        if one.name in strange and one.name in view.known:
            at = there[one.name]
            ours = {found.path for found in differences(_update(view, one, at), at.resource)}
            if ours & {found.path for found in differences(decode_resource(view.known[one.name].base), at.resource)}:
                return True
    return False


def _is_another(theirs: Entity, ours: Entity) -> bool:
    """It speaks of another thing or person than ours: no change that could be taken unseen."""
    return entity_key(theirs) != entity_key(ours) or getattr(theirs, "patient", None) != getattr(ours, "patient", None)


def _we_stayed(view: View, agreed: Entity) -> bool:
    """Ours is what was agreed on: as an entity, or as its resources were sent."""
    sent = {name: known.sent_hash for name, known in view.known.items()}
    return view.entity == agreed or {one.name: one.digest for one in view.rendered} == sent


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
    return writes


def _update(view: View, one: Rendered, at: There) -> Json:
    owned = owned_elements(view.kind, view.version, one.type)
    ours, theirs = view.bodies[one.name], at.resource
    body = carry_over(ours, theirs, owned=owned)
    more = exceeded(ours, theirs)
    if more and not _reads_as_ours(view, one, body):
        # What the server says beyond ours stays only where it does not say something else by it.
        body = carry_over(ours, theirs, owned=owned, exact=more)
        for name in sorted(more):
            more -= {name}
            with_more = carry_over(ours, theirs, owned=owned, exact=more)
            if _reads_as_ours(view, one, with_more):
                body = with_more
            else:
                more |= {name}
    meta = {key: value for key, value in body.get("meta", {}).items() if key not in _NOT_SENT}
    body = {key: value for key, value in body.items() if key != "meta"} | ({"meta": meta} if meta else {})
    return {**body, "id": at.id}


def _reads_as_ours(view: View, one: Rendered, body: Json) -> bool:
    """Read back with this body for one of its resources, the entity is the same."""
    urls = {}
    for other in view.rendered:
        at = view.now.get(other.name) or next(iter(view.found.get(other.name, ())), None)
        if at is not None:
            urls[f"{other.type}/{at.id}"] = other.full_url
    entries = [(other.full_url, with_resolved(body, urls) if other is one else other.body) for other in view.rendered]
    try:
        return read_entity(view.kind, entries) == view.entity
    except MappingError:
        return False


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
            FieldChange(f"{one.type}.{found.path}", shown_value(found.left), shown_value(found.right))
            for found in differences(_update(view, one, at), at.resource)
        ]
    return Clash(cause, [(name[0], one) for name, one in there.items()], fields)
