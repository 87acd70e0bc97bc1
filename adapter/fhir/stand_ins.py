"""In: a resource that cannot be read, or one that holds others. Out: what stands for it in a record: that there is one, and its code.

What stands in has no value, so it decides nothing; but a question about it stays open, and an older result is not taken
for the latest.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from adapter.fhir.datatypes import CodeableConcept, Coding, Identifier, Period
from adapter.fhir.faulty import as_far_as_told
from adapter.fhir.resources import (
    AdverseEvent,
    AllergyIntolerance,
    Condition,
    Consent,
    ConsentPolicy,
    MedicationAdministration,
    Observation,
    ObservationComponent,
    Procedure,
    ResearchSubject,
    Resource,
)
from adapter.fhir.summary import ID_FORM, person_of_body

_E = TypeVar("_E", Identifier, ConsentPolicy)

__all__ = ["DROPPED", "stand_in_of", "stand_ins_within"]

#: Statuses of what did not happen or was written by mistake, of any resource type.
DROPPED = frozenset({"entered-in-error", "cancelled", "not-done"})


def stand_in_of(raw: bytes) -> Resource | None:
    """What can be told of a faulty resource: that there is one, and its code; never its time, status or value."""
    body = as_far_as_told(raw)
    identity = body.get("id") if isinstance(body, dict) else None
    return _stand_in(body, identity) if isinstance(identity, str) else None


def stand_ins_within(raw: bytes, *, people: Collection[str]) -> list[Resource]:
    """What stands for the resources in ``contained``, as ``Type/id#id``, by number where they have no id; an Observation has its own time.

    Args:
        people: the person's references; what names somebody else is not of this record.
    """
    if b'"contained"' not in raw:
        return []
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if not isinstance(body, dict) or not isinstance(body.get("contained"), list) or _is_dropped(body):
        return []
    own = f"{body.get('resourceType')}/{body.get('id')}"
    found = []
    for number, item in enumerate(body["contained"], start=1):
        if isinstance(item, dict):
            identity = item.get("id")
            # What is no id is shown to nobody: its place tells as well which it is.
            is_id = isinstance(identity, str) and ID_FORM.fullmatch(identity)
            found.append(_stand_in_within(item, f"{own}#{identity if is_id else number}", people))
    return [item for item in found if item is not None]


def _stand_in_within(body: dict[str, Any], reference: str, people: Collection[str]) -> Resource | None:
    named = person_of_body(body)
    if _is_dropped(body) or (named is not None and named not in people):
        return None
    found = _stand_in(body, reference)
    return msgspec.structs.replace(found, **_times(body)) if isinstance(found, Observation) else found


def _is_dropped(body: dict[str, Any]) -> bool:
    status = body.get("status")
    return isinstance(status, str) and status in DROPPED


def _times(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(day := body.get("effectiveDateTime"), str):
        found["effective_date_time"] = day
    if isinstance(period := body.get("effectivePeriod"), dict):
        ends = {name: period.get(name) for name in ("start", "end")}
        found["effective_period"] = Period(**{name: end for name, end in ends.items() if isinstance(end, str)})
    return found


def _stand_in(body: dict[str, Any], identity: str) -> Resource | None:
    match body.get("resourceType"):
        case "Observation":
            # A value without any content: there is a result, and it cannot be read.
            return Observation(
                resource_type="Observation",
                id=identity,
                status="final",
                code=_concept(body.get("code")),
                value_codeable_concept=CodeableConcept(),
                component=_components(body.get("component")),
            )
        case "MedicationAdministration":
            concept = _concept(body.get("medicationCodeableConcept"))
            return MedicationAdministration(
                resource_type="MedicationAdministration", id=identity, medication_codeable_concept=concept
            )
        case "Condition":
            unsure = CodeableConcept(coding=(Coding(code="unconfirmed"),))
            code = _concept(body.get("code"))
            return Condition(resource_type="Condition", id=identity, verification_status=unsure, code=code)
        case "AllergyIntolerance":
            unsure = CodeableConcept(coding=(Coding(code="unconfirmed"),))
            code = _concept(body.get("code"))
            return AllergyIntolerance(
                resource_type="AllergyIntolerance", id=identity, verification_status=unsure, code=code, type="allergy"
            )
        case "Consent":
            # Of what it is must be known: a withdrawal that cannot be read must not leave an older consent the latest.
            return Consent(
                resource_type="Consent",
                id=identity,
                scope=_concept(body.get("scope")),
                identifier=_each(body.get("identifier"), Identifier),
                policy=_each(body.get("policy"), ConsentPolicy),
            )
        case "AdverseEvent":
            return AdverseEvent(resource_type="AdverseEvent", id=identity, event=_concept(body.get("event")))
        case "ResearchSubject":
            return ResearchSubject(resource_type="ResearchSubject", id=identity, status="candidate")
        case "Procedure":
            return Procedure(resource_type="Procedure", id=identity, code=_concept(body.get("code")))
    return None


def _components(node: object) -> tuple[ObservationComponent, ...]:
    """The results of a panel: that there is one of each, and nothing of it."""
    items = node if isinstance(node, list) else []
    concepts = [_concept(item.get("code")) for item in items if isinstance(item, dict)]
    return tuple(ObservationComponent(code=code, value_codeable_concept=CodeableConcept()) for code in concepts)


def _each(node: object, kind: type[_E]) -> tuple[_E, ...]:
    """Those of some elements that can be read."""
    found = []
    for item in node if isinstance(node, list) else []:
        with suppress(msgspec.ValidationError):
            found.append(msgspec.convert(item, kind))
    return tuple(found)


def _concept(node: object) -> CodeableConcept:
    try:
        return msgspec.convert(node, CodeableConcept)
    except msgspec.ValidationError:
        return CodeableConcept()
