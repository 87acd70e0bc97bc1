"""In: an open conflict and what a person chose. Out: that side as the state from which both go on; the next push carries it out."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.errors import UsageError
from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, encode_resource
from adapter.store import Conflict, Counterpart, OutboxState, Store
from adapter.sync.rendering import MAPPING, Rendered, read_entity, render, with_resolved
from mappings.elements import MappingError, business_identifiers
from mappings.entities import Study

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
    rendered = _rendered(store, conflict)
    if keep == "hospital":
        try:
            entity = read_entity(conflict.kind, _with_urls(theirs, rendered))
        except MappingError as error:
            raise UsageError(
                f"conflict {number}: the hospital's cannot be read ({error.path}: {error.problem})"
            ) from None
        store.entities.put_all(conflict.site, [entity], source=f"hospital {conflict.site}", by=by)
    counterparts = [
        _counterpart(conflict, one, resource) for one in rendered for resource in theirs if _is_that(one, resource)
    ]
    store.outbox.settle(number, kept=keep, by=by, counterparts=counterparts)
    return conflict


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
        store.outbox.put_aside(entry, OutboxState.REFUSED, reason="deleted-at-hospital", mapping=MAPPING)
    return conflict


def _rendered(store: Store, conflict: Conflict) -> list[Rendered]:
    stored = store.entities.get(conflict.site, conflict.kind, conflict.key)
    if stored is None:
        raise UsageError(f"conflict {conflict.number}: the entity is no longer there")
    studies = {one.key: one.entity for one in store.entities.all(conflict.site, "study")}
    trial: Any = studies.get(getattr(stored.entity, "study", ""))
    # Types and identifiers are the same in all versions; the bodies are not used.
    return render(stored.entity, version=FhirVersion.R4, trial=trial if isinstance(trial, Study) else None)


def _is_that(one: Rendered, resource: Json) -> bool:
    return resource.get("resourceType") == one.type and one.identifier in business_identifiers(resource)


def _with_urls(theirs: list[Json], rendered: list[Rendered]) -> list[tuple[str, Json]]:
    """(fullUrl, resource) with the links among them as the mappers write them, the main one first."""
    paired = [(one, resource) for one in rendered for resource in theirs if _is_that(one, resource)]
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
