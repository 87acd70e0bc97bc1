"""In: AllergyIntolerances. Out: whether a confirmed, active allergy to a substance of the study is on record, or that there is none.

clarifications.md 2: confirmed ones decide, unconfirmed ones leave it open. An intolerance is no hypersensitivity, and an empty
list is no "no known allergy" (eligibility.yaml E15).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.scene import Scene, evidence_of, within
from adapter.criteria.tree import Allergy
from adapter.criteria.truth import Truth
from adapter.fhir import parse_when, when_of
from adapter.fhir.datatypes import CodeableConcept, Coding
from adapter.fhir.resources import AllergyIntolerance
from adapter.terminology import ValueSet

__all__ = ["answer_allergy"]

_OVER = frozenset({"inactive", "resolved"})

#: What a date or a status would settle comes before what asks a person.
_ORDER = (Reason.IMPRECISE_DATE, Reason.STATUS, Reason.ASKS)


@dataclass(slots=True)
class _Sorted:
    """The allergies on record by what they say."""

    proving: list[Evidence] = field(default_factory=list)
    open: list[tuple[Reason, Evidence]] = field(default_factory=list)
    #: Statements that there is no known allergy, and those of them that are not sure.
    none: list[Evidence] = field(default_factory=list)
    unsure_none: list[tuple[Reason, Evidence]] = field(default_factory=list)
    past: list[Evidence] = field(default_factory=list)
    changes: set[date] = field(default_factory=set)


def answer_allergy(node: Allergy, scene: Scene) -> Answer:
    """A confirmed active allergy to a substance proves; a confirmed statement of none refutes; both are a conflict.

    Nothing on record is F, presumed, where the site declares allergies complete on the reference date, else open.
    """
    found = _sort(node, scene)
    changes = frozenset(found.changes) | _declared(node, scene)
    if found.proving:
        if found.none:
            return _open(Reason.CONFLICT, (*found.proving, *found.none), found.past, changes)
        return Answer(Truth.T, evidence=tuple(found.proving), changes=changes)
    if found.open:
        reason = min((reason for reason, _ in found.open), key=_ORDER.index)
        evidence = (*(evidence for _, evidence in found.open), *found.none)
        return _open(reason, evidence, found.past, changes)
    if found.none:
        return Answer(Truth.F, evidence=tuple(found.none), changes=changes)
    if scene.site.complete_until(node.complete, scene.on, scene.on) is not None:
        return Answer(Truth.F, evidence=tuple(found.past), presumed=True, changes=changes)
    unsure = found.unsure_none
    reason = min((reason for reason, _ in unsure), key=_ORDER.index, default=Reason.NO_DATA)
    return _open(reason, tuple(evidence for _, evidence in unsure), found.past, changes)


def _open(
    reason: Reason, evidence: tuple[Evidence, ...], context: Iterable[Evidence], changes: frozenset[date]
) -> Answer:
    return Answer(
        Truth.U,
        reason,
        evidence,
        attestable=True,
        # What is over or refuted does not keep it open, nor reopen an attestation.
        context=tuple(context),
        changes=changes,
        wanted=(Wanted("allergies"),),
    )


def _sort(node: Allergy, scene: Scene) -> _Sorted:
    found = _Sorted()
    for item in scene.record.of_type("AllergyIntolerance"):
        if not isinstance(item, AllergyIntolerance) or "entered-in-error" in _codes(item.verification_status):
            continue
        known = _known_by(item, scene.on)
        if known is Truth.F:
            continue
        concepts = [concept for concept in (item.code, *(reaction.substance for reaction in item.reaction)) if concept]
        evidence = evidence_of(item, _code(concepts, (*node.substances, *node.asking, node.none), scene))
        if known is Truth.U:
            found.changes |= _days(item)
        is_none = scene.has(node.none, item.code)
        if is_none:
            _sort_none(item, evidence, known, found)
        if any(scene.has(value_set, *concepts) for value_set in node.substances):
            _sort_substance(item, evidence, _to_substance(item, known), found)
        elif not is_none and _may_be_meant(node, concepts, scene):
            _sort_substance(item, evidence, Reason.ASKS, found)
    return found


def _sort_none(item: AllergyIntolerance, evidence: Evidence, known: Truth, found: _Sorted) -> None:
    if _is_over(item):
        return
    clinical = _codes(item.clinical_status)
    if "confirmed" not in _codes(item.verification_status) or (clinical and "active" not in clinical):
        found.unsure_none.append((Reason.STATUS, evidence))
    elif known is Truth.U:
        found.unsure_none.append((Reason.IMPRECISE_DATE, evidence))
    else:
        found.none.append(evidence)


def _sort_substance(item: AllergyIntolerance, evidence: Evidence, reason: Reason | None, found: _Sorted) -> None:
    if _is_over(item) or _kind(item) == "intolerance":
        found.past.append(evidence)
    elif reason is None:
        found.proving.append(evidence)
    else:
        found.open.append((reason, evidence))


def _kind(item: AllergyIntolerance) -> str | None:
    """``allergy`` or ``intolerance``, as R4 and R5 write it."""
    if isinstance(item.type, CodeableConcept):
        return next((coding.code for coding in item.type.coding if coding.code), None)
    return item.type


def _is_over(item: AllergyIntolerance) -> bool:
    return bool(_codes(item.clinical_status) & _OVER) or "refuted" in _codes(item.verification_status)


def _to_substance(item: AllergyIntolerance, known: Truth) -> Reason | None:
    """Why an allergy to a substance leaves it open; None when it proves."""
    if "confirmed" not in _codes(item.verification_status) or "active" not in _codes(item.clinical_status):
        return Reason.STATUS
    if _kind(item) != "allergy":
        return Reason.ASKS
    return Reason.IMPRECISE_DATE if known is Truth.U else None


def _may_be_meant(node: Allergy, concepts: list[CodeableConcept], scene: Scene) -> bool:
    """Another product of the class, one of its names, or an allergy to something that is in no classification we read.

    Free text never refutes: it may name a product by any of its brands.
    """
    if any(scene.has(value_set, *concepts) for value_set in node.asking):
        return True
    texts = [
        text for concept in concepts for text in (concept.text, *(item.display for item in concept.coding)) if text
    ]
    if any(node.asking_text.search(text) for text in texts):
        return True
    # The system of "no known allergy" is none in which we know the substances: any code of it may be one of them.
    read = {item.system for item in (*node.substances, *node.asking)}
    return not any(system in read for system, _ in scene.codes(*concepts))


def _codes(concept: CodeableConcept | None) -> frozenset[str]:
    return frozenset(coding.code for coding in concept.coding if coding.code) if concept else frozenset()


def _code(concepts: list[CodeableConcept], value_sets: Iterable[ValueSet], scene: Scene) -> str | None:
    """The code as sent that was looked for, else the first there is: never words."""
    codings = [coding for concept in concepts for coding in concept.coding if coding.code]
    known = tuple(value_sets)

    def is_looked_for(coding: Coding) -> bool:
        return any(value_set.has(*standard) for value_set in known for standard in scene.standard(coding))

    return next((item.code for item in (*filter(is_looked_for, codings), *codings)), None)


def _known_by(item: AllergyIntolerance, on: date) -> Truth:
    """Whether it counts on a day: by onset, else by recordedDate (clarifications.md 27); without either it does."""
    recorded = parse_when(item.recorded_date)
    by_record = Truth.T if recorded is None else within(recorded, None, on)
    if item.onset_date_time is None and item.onset_period is None:
        return by_record
    onset = when_of(item)
    if onset.is_bounded or onset.earliest > on:
        begun = within(onset, None, on)
        # Recorded in time, it had begun.
        return Truth.T if begun is Truth.U and recorded is not None and by_record is Truth.T else begun
    # An onset that cannot be read, or that is open, says nothing: what was recorded later may have begun before.
    return Truth.U if by_record is Truth.F else by_record


def _days(item: AllergyIntolerance) -> set[date]:
    """The days on which a partial date has surely come."""
    stated = (when_of(item), parse_when(item.recorded_date))
    return {when.latest for when in stated if when is not None and when.is_bounded}


def _declared(node: Allergy, scene: Scene) -> frozenset[date]:
    """Days on which a declared completeness begins and no longer holds."""
    return frozenset(
        day
        for item in scene.site.completeness
        if item.domain == node.complete
        for day in (item.start, item.end + timedelta(days=1))
    )
