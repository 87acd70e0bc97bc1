"""In: an open conflict and what a person chose. Out: that side as the state from which both go on; the next push carries it out."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.errors import UsageError
from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, encode_resource
from adapter.store import Conflict, Counterpart, OutboxState, Store, StoredEntity
from adapter.store.outbox import DELETED_AT_HOSPITAL
from adapter.sync.rendering import MAPPING, Rendered, read_entity, render, with_resolved
from mappings.elements import business_identifiers
from mappings.entities import Entity, Study, entity_key
from mappings.foreign import MappingError

__all__ = ["settle_conflict"]

_SIDES = ("ours", "hospital")


def settle_conflict(store: Store, number: int, *, keep: str, by: str) -> Conflict:
    """Settle a conflict as a person decided.

    The server is not spoken to: should the hospital change it once more before the next push, that is a new conflict.

    Args:
        store: open.
        number: the conflict's.
        keep: ``ours`` or ``hospital``.
        by: who decided.

    Returns:
        the conflict as it was.

    Raises:
        UsageError: there is no such open conflict, or it cannot be settled so.
    """
    if keep not in _SIDES:
        raise UsageError(f"--keep {keep}: it is ours or hospital")
    conflict = next((one for one in store.outbox.conflicts() if one.number == number), None)
    if conflict is None:
        raise UsageError(f"conflict {number}: there is none open by this number")
    if conflict.cause == "duplicate":
        raise UsageError(
            f"conflict {number}: the hospital has it more than once ({', '.join(conflict.references)}): "
            "one has to go there, then push again"
        )
    if conflict.cause == "deleted":
        return _settle_deleted(store, conflict, keep=keep, by=by)
    theirs = [decode_resource(bytes(raw)) for raw in msgspec.json.decode(conflict.theirs, type=list[msgspec.Raw])]
    stored = store.entities.get(conflict.site, conflict.kind, conflict.key)
    if stored is None:
        raise UsageError(f"conflict {number}: the entity is no longer there")
    if stored.version != conflict.version:
        raise UsageError(f"conflict {number}: ours was loaded anew since: push again, then settle what is left")
    paired = _paired(store, conflict, theirs, _rendered(store, stored))
    if keep == "hospital":
        entity = _theirs(conflict, stored, paired)
        if not store.entities.put_over(stored, entity, by=by):
            raise UsageError(f"conflict {number}: ours was loaded anew since: push again, then settle what is left")
    counterparts = [_counterpart(conflict, one, resource) for one, resource in paired]
    store.outbox.settle(number, kept=keep, by=by, counterparts=counterparts)
    return conflict


def _theirs(conflict: Conflict, stored: StoredEntity, paired: list[tuple[Rendered, Json]]) -> Entity:
    """The hospital's as an entity that can take the place of ours."""
    told = f"conflict {conflict.number}: the hospital's cannot become ours"
    if not paired:
        raise UsageError(f"{told}: nothing of it is known here by its number")
    try:
        entity = read_entity(conflict.kind, _with_urls(paired))
    except MappingError as error:
        raise UsageError(
            f"conflict {conflict.number}: the hospital's cannot be read ({error.path}: {error.problem})"
        ) from None
    if entity_key(entity) != conflict.key:
        raise UsageError(f"{told}: it has another number")
    if entity == stored.entity:
        # Kept so, the next push would put back what the hospital changed.
        raise UsageError(f"{told}: what was changed there has no place in ours; keep ours, or push again")
    return entity


def _settle_deleted(store: Store, conflict: Conflict, *, keep: str, by: str) -> Conflict:
    """Ours: written anew. The hospital's: it stays away until the entity changes."""
    store.outbox.settle(conflict.number, kept=keep, by=by, counterparts=())
    gone = store.outbox.counterparts(conflict.site).get((conflict.kind, conflict.key), [])
    still = set(conflict.references)
    store.outbox.forget_counterparts([one for one in gone if one.reference not in still])
    if keep == "hospital":
        entry = next(
            one for one in store.outbox.entries(conflict.site) if (one.kind, one.key) == (conflict.kind, conflict.key)
        )
        store.outbox.put_aside(entry, OutboxState.REFUSED, reason=DELETED_AT_HOSPITAL, mapping=MAPPING)
    return conflict


def _rendered(store: Store, stored: StoredEntity) -> list[Rendered]:
    studies = {one.key: one.entity for one in store.entities.all(stored.site, "study")}
    trial: Any = studies.get(getattr(stored.entity, "study", ""))
    # Types and identifiers are the same in all versions; the bodies are not used.
    return render(stored.entity, version=FhirVersion.R4, trial=trial if isinstance(trial, Study) else None)


def _paired(
    store: Store, conflict: Conflict, theirs: list[Json], rendered: list[Rendered]
) -> list[tuple[Rendered, Json]]:
    """Each of ours with what stands there of it: by our identifier, or by its id where the hospital took that off."""
    known = store.outbox.counterparts(conflict.site).get((conflict.kind, conflict.key), [])
    ids = {(one.type, one.system, one.value): one.server_id for one in known}
    return [
        (one, resource)
        for one in rendered
        for resource in theirs
        if resource.get("resourceType") == one.type
        and (one.identifier in business_identifiers(resource) or resource.get("id") == ids.get(one.name))
    ]


def _with_urls(paired: list[tuple[Rendered, Json]]) -> list[tuple[str, Json]]:
    """(fullUrl, resource) with the links among them as the mappers write them, the main one first."""
    urls = {f"{one.type}/{resource.get('id')}": one.full_url for one, resource in paired}
    return [(one.full_url, with_resolved(resource, urls)) for one, resource in paired]


def _counterpart(conflict: Conflict, one: Rendered, resource: Json) -> Counterpart:
    return Counterpart(
        site=conflict.site,
        type=one.type,
        system=one.identifier.system,
        value=one.identifier.value,
        kind=conflict.kind,
        key=conflict.key,
        server_id=str(resource.get("id", "")),
        server_version=str(resource.get("meta", {}).get("versionId", "")),
        sent_hash="",
        base=encode_resource(resource),
    )
