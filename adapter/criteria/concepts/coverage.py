"""In: Coverages and the person's identifiers. Out: whether a compulsory health cover is in force.

clarifications.md "Coverage": AMO or public policy by code or text, or a payor of the general or agricultural scheme. State
medical aid (AME) never decides; an INS identifies a person and proves no rights (eligibility.yaml I16).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.periods import InForce, bounds, in_force
from adapter.criteria.scene import Scene, code_text, evidence_of
from adapter.criteria.tree import Coverage
from adapter.criteria.truth import Truth
from adapter.fhir.datatypes import Identifier
from adapter.fhir.resources import Coverage as CoverageResource

__all__ = ["answer_coverage"]

_DROPPED = frozenset({"cancelled", "entered-in-error"})

#: The reason nearest to a decision is given: what a date or a status would settle, before what asks a person.
_ORDER = (Reason.IMPRECISE_DATE, Reason.STATUS, Reason.ASKS, Reason.TOO_OLD)


def answer_coverage(node: Coverage, scene: Scene) -> Answer:
    """An active compulsory cover whose period surely holds the reference date proves; nothing refutes."""
    proving: list[Evidence] = []
    open_: list[tuple[Reason, Evidence]] = []
    changes: frozenset[date] = frozenset()
    for resource in scene.record.of_type("Coverage"):
        if not isinstance(resource, CoverageResource) or resource.status in _DROPPED:
            continue
        asks = _asks(resource, node, scene)
        force = in_force(resource.period, scene.on)
        if not (asks or _is_compulsory(resource, node, scene)) or force.begun is Truth.F:
            continue
        changes |= bounds(resource.period).changes()
        reason = Reason.ASKS if asks else _standing(resource, force)
        evidence = evidence_of(resource, _said(resource, scene))
        if reason is None:
            proving.append(evidence)
        else:
            open_.append((reason, evidence))
    if proving:
        return Answer(Truth.T, evidence=tuple(proving), changes=changes)
    hints = _hints(node, scene)
    nothing = Reason.ASKS if hints else Reason.NO_DATA
    return Answer(
        Truth.U,
        min((reason for reason, _ in open_), key=_ORDER.index, default=nothing),
        tuple(evidence for _, evidence in open_),
        attestable=True,
        # A hint is as old as the person: as evidence it would reopen every attestation.
        context=hints,
        changes=changes,
        wanted=(Wanted("coverage"),),
    )


def _standing(resource: CoverageResource, force: InForce) -> Reason | None:
    """Why a compulsory cover leaves it open; None when it proves."""
    if resource.status != "active":
        return Reason.STATUS
    if force.lasts is Truth.F:
        return Reason.TOO_OLD
    if bounds(resource.period).start is None or Truth.U in (force.begun, force.lasts):
        return Reason.IMPRECISE_DATE
    return None


def _is_compulsory(resource: CoverageResource, node: Coverage, scene: Scene) -> bool:
    if _says(node.excludes, _codes(resource, scene), _texts(resource)):
        return False
    text = resource.type.text if resource.type else None
    if _says(node.types, _codes(resource, scene), [text]):
        return True
    return any(_word(word).search(payor.display) for payor in resource.payor if payor.display for word in node.payors)


def _asks(resource: CoverageResource, node: Coverage, scene: Scene) -> bool:
    """State medical aid, wherever it says so: the local fund is its payor too."""
    return _says(node.asks, _codes(resource, scene), _texts(resource))


def _texts(resource: CoverageResource) -> list[str | None]:
    """The words of its type and payors."""
    texts = [resource.type.text, *(item.display for item in resource.type.coding)] if resource.type else []
    return [*texts, *(payor.display for payor in resource.payor)]


def _codes(resource: CoverageResource, scene: Scene) -> set[tuple[str | None, str]]:
    """The codes of its type, as sent and in standard systems."""
    sent = {(item.system, item.code.strip()) for item in (resource.type.coding if resource.type else ()) if item.code}
    return sent | set(scene.codes(resource.type))


def _says(entries: Iterable[str], codes: set[tuple[str | None, str]], texts: Iterable[str | None]) -> bool:
    """Whether a code or a text is one of the entries: ``system|code``, or a code or a word of any system."""
    whole = {f"{system}|{code}" for system, code in codes}
    bare = {code.casefold() for _, code in codes}
    words = [text for text in texts if text]
    for entry in entries:
        if "|" in entry:
            if entry in whole:
                return True
        elif entry.casefold() in bare or any(_word(entry).search(text) for text in words):
            return True
    return False


@lru_cache(maxsize=64)
def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _said(resource: CoverageResource, scene: Scene) -> str:
    """Code, status and end, as sent: the type's text and the payor's name stay where they are."""
    period = bounds(resource.period)
    end = period.end.text() if period.end else None
    found = (code_text(scene, resource.type), resource.status, f"..{end}" if end else None)
    return ", ".join(item for item in found if item)


def _hints(node: Coverage, scene: Scene) -> tuple[Evidence, ...]:
    """The identities that carry an INS, never the number itself."""
    return tuple(
        Evidence(reference=person.reference, version=person.meta.version_id)
        for person in scene.record.identities
        if any(_is_hint(identifier, node) for identifier in person.identifier)
    )


def _is_hint(identifier: Identifier, node: Coverage) -> bool:
    # Two publications print other OIDs: the type's code says it too (clinical-spec.md section 9).
    kinds = {coding.code for coding in identifier.type.coding} if identifier.type else set()
    return identifier.system in node.hints or not kinds.isdisjoint(node.hints)
