"""In: the draft orders of an order-select call. Out: whether the trial's own treatment is among those just chosen.

Decided as a record's infusions are: by a code of the trial's value set, after the site's ConceptMaps; a text decides
only where no code of the same system says that it is something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from adapter.criteria import Trial
from adapter.fhir import normalise_reference, person_of
from adapter.service.cards.reading import HookCall, MalformedCall
from adapter.terminology import Site

__all__ = ["orders_the_treatment"]

_ORDERS: Final = ("MedicationRequest", "ServiceRequest")
_CONCEPTS: Final = ("medicationCodeableConcept", "medication", "code")

Json = Mapping[str, Any]
#: The bytes of shared resources of the store, by reference.
Shared = Callable[[set[str]], Mapping[str, bytes]]


def orders_the_treatment(call: HookCall, trial: Trial, site: Site, *, shared: Shared) -> bool:
    """Whether one of the orders just chosen is of the treatment that the trial is about.

    Args:
        call: of the hook order-select.
        trial: its courses name the product.
        site: whose codes these are.
        shared: looks up Medications that an order refers to.

    Raises:
        MalformedCall: draftOrders is no Bundle.
    """
    bundle = _object(call.drafts)
    if bundle is None or bundle.get("resourceType") != "Bundle":
        raise MalformedCall("context.draftOrders is not a Bundle.")
    listed = bundle.get("entry")
    entries = listed if isinstance(listed, list) else []
    drafts = [one["resource"] for one in entries if isinstance(one, dict) and isinstance(one.get("resource"), dict)]
    orders = [one for one in drafts if one.get("resourceType") in _ORDERS and _is_of(one, call.patient)]
    chosen = [one for one in orders if f"{one['resourceType']}/{one.get('id')}" in call.selections]
    medications = {f"Medication/{one.get('id')}": one for one in drafts if one.get("resourceType") == "Medication"}
    # A client that does not name its drafts as it names what was chosen: all of them are looked at.
    for order in chosen or orders:
        concepts = [*_concepts(order), *_referred(order, medications, shared)]
        if _is_treatment(concepts, trial, site):
            return True
    return False


def _is_of(order: Json, patient: str) -> bool:
    # A draft need not say whose it is: that of somebody else does.
    return person_of(msgspec.json.encode(order)) in (None, patient)


def _concepts(order: Json) -> Iterator[Json]:
    for name in _CONCEPTS:
        told = order.get(name)
        if isinstance(told, dict):
            yield told
            # R5: CodeableReference.
            if isinstance(told.get("concept"), dict):
                yield told["concept"]


def _referred(order: Json, medications: Mapping[str, Json], shared: Shared) -> Iterator[Json]:
    """The concept of the Medication that an order refers to: contained, another draft, or known to the store."""
    for name in ("medicationReference", "medication"):
        node = order.get(name)
        if isinstance(node, dict) and isinstance(node.get("reference"), dict):
            node = node["reference"]
        literal = node.get("reference") if isinstance(node, dict) else None
        if not isinstance(literal, str):
            continue
        found = _contained(order, literal[1:]) if literal.startswith("#") else _known(literal, medications, shared)
        if found is not None:
            yield from _concepts(found)


def _contained(order: Json, identity: str) -> Json | None:
    listed = order.get("contained")
    inside = listed if isinstance(listed, list) else []
    return next((one for one in inside if isinstance(one, dict) and one.get("id") == identity), None)


def _known(literal: str, medications: Mapping[str, Json], shared: Shared) -> Json | None:
    target = normalise_reference(literal)
    if target is None or not target.startswith("Medication/"):
        return None
    if target in medications:
        return medications[target]
    raw = shared({target}).get(target)
    return None if raw is None else _object(raw)


def _is_treatment(concepts: list[Json], trial: Trial, site: Site) -> bool:
    courses = trial.concepts.courses
    if courses is None:
        return False
    codes: list[tuple[str, str]] = []
    texts: list[object] = []
    for concept in concepts:
        texts.append(concept.get("text"))
        listed = concept.get("coding")
        for coding in listed if isinstance(listed, list) else []:
            if not isinstance(coding, dict):
                continue
            texts.append(coding.get("display"))
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                codes += site.standard(system, code)
    if any(courses.medication.has(*code) for code in codes):
        return True
    if any(system == courses.medication.system for system, _ in codes):
        return False
    return any(isinstance(text, str) and courses.text.search(text) for text in texts)


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
