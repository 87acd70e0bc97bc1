"""In: a scene. Out: whether a Condition, or any coded record, of a value set is there; what its absence means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.attestation import Validity
from adapter.criteria.concepts.tumours import is_unconfirmed
from adapter.criteria.scene import Scene, code_text, evidence_of, within
from adapter.criteria.tree import Coded, Condition
from adapter.criteria.truth import Truth, negate
from adapter.fhir import ALWAYS, abated, when_of
from adapter.fhir.resources import Condition as ConditionResource

__all__ = ["answer_coded", "answer_condition", "clinical_status"]


def answer_condition(node: Condition, scene: Scene) -> Answer:
    """A confirmed, current Condition of the value set proves; an unsure or stale one leaves it open; none is open.

    Absence refutes only where the site declares the domain complete on the reference date (then presumed), or where the
    node says so.
    """
    matching = scene.conditions_in(node.value_set)
    if not matching and node.complete is None:
        return _none(node.absent, node.wanted, node.attestable)
    wanted = _wanted(node)
    sorted_out = [
        (_standing(item, node, scene), evidence_of(item, code_text(scene, item.code)), item) for item in matching
    ]
    sure = [(evidence, item) for standing, evidence, item in sorted_out if standing is None]
    past = tuple(evidence for standing, evidence, _ in sorted_out if standing is _PAST)
    open_ = [(standing, evidence) for standing, evidence, _ in sorted_out if isinstance(standing, Reason)]
    dated = frozenset(day for item in matching for day in _arrivals(item, scene.on))
    if sure:
        changes = _ends(sure, node.current_days) | dated
        return Answer(Truth.T, evidence=tuple(evidence for evidence, _ in sure), changes=changes)
    if open_:
        evidence_open = tuple(evidence for _, evidence in open_)
        attestable = node.attestable
        return Answer(Truth.U, open_[0][0], evidence_open, attestable=attestable, changes=dated, wanted=wanted)
    if node.complete is not None:
        window = Validity(days=node.complete_days)
        until, changes = scene.declared(node.complete, window)
        unread, read_later = scene.unread_condition(window, node.value_set)
        changes |= read_later
        if until is not None and not unread:
            return Answer(Truth.F, evidence=past, presumed=True, changes=changes)
        reason = Reason.NO_DATA if until is None else Reason.NOT_READ
        return Answer(Truth.U, reason, past, attestable=node.attestable, changes=changes, wanted=wanted)
    if node.absent is not Truth.U:
        return Answer(node.absent, evidence=past)
    return Answer(Truth.U, Reason.NO_DATA, past, attestable=node.attestable, wanted=wanted)


@lru_cache(maxsize=256)
def _none(absent: Truth, what: str | None, attestable: bool) -> Answer:
    """Nothing is on record, and nothing declares that this is all there is."""
    if absent is not Truth.U:
        return Answer(absent)
    wanted = (Wanted(what, attestation=attestable),) if what else ()
    return Answer(Truth.U, Reason.NO_DATA, attestable=attestable, wanted=wanted)


def _wanted(node: Condition) -> tuple[Wanted, ...]:
    return (Wanted(node.wanted, attestation=node.attestable),) if node.wanted else ()


def _arrivals(item: ConditionResource, on: date) -> Iterator[date]:
    """Later days on which a partial onset has passed, or on which a known end has come."""
    for when in (when_of(item), abated(item)):
        if when is not None and when.is_bounded and when.latest > on:
            yield from (when.earliest, when.latest)


#: Refuted by time: it was so, and no longer is.
_PAST = "past"


def _standing(item: ConditionResource, node: Condition, scene: Scene) -> Reason | str | None:
    """None when the Condition proves the statement, why it leaves it open, or that it is past."""
    if is_unconfirmed(item):
        return Reason.STATUS
    onset = when_of(item)
    if onset.is_bounded and onset.latest > scene.on:
        return Reason.IMPRECISE_DATE
    if node.clinical:
        status = clinical_status(item)
        if status is None:
            # A billing code says that it was treated in a stay, not that it lasts.
            return Reason.STATUS
        if status not in node.clinical:
            return _PAST
    if node.current_days is None:
        return None
    return {Truth.T: None, Truth.U: Reason.TOO_OLD, Truth.F: _PAST}[_is_current(item, node.current_days, scene)]


def _ends(sure: list[tuple[Evidence, ConditionResource]], days: int | None) -> frozenset[date]:
    """Days on which one that is current today no longer surely is."""
    if days is None:
        return frozenset()
    return frozenset(when_of(item).earliest + timedelta(days=days + 1) for _, item in sure)


def clinical_status(condition: ConditionResource) -> str | None:
    """The code of its clinical status."""
    concept = condition.clinical_status
    return next((coding.code for coding in concept.coding if coding.code), None) if concept else None


def _is_current(condition: ConditionResource, days: int, scene: Scene) -> Truth:
    """Whether it still holds on the reference date: not ended, and begun at most ``days`` before it."""
    ended = _ended(condition, scene)
    if ended is not Truth.F:
        return negate(ended)
    when = when_of(condition)
    if when == ALWAYS or when.earliest < scene.window(days):
        return Truth.U
    return Truth.T


def _ended(condition: ConditionResource, scene: Scene) -> Truth:
    """Whether it had ended by the reference date; a later end, known by now, had not come (clarifications.md 27)."""
    when = abated(condition)
    if when is not None:
        return within(when, None, scene.on)
    over = condition.abatement_boolean or clinical_status(condition) in ("inactive", "remission", "resolved")
    return Truth.T if over else Truth.F


def answer_coded(node: Coded, scene: Scene) -> Answer:
    """A Condition or Procedure with a code of the value set, up to the reference date; absence is open."""
    found = tuple(_coded(node, scene))
    return Answer(Truth.T, evidence=found) if found else Answer(Truth.U, Reason.NO_DATA)


def _coded(node: Coded, scene: Scene) -> Iterator[Evidence]:
    for condition in scene.conditions_in(node.value_set):
        if not is_unconfirmed(condition):
            yield evidence_of(condition, code_text(scene, condition.code, node.value_set.system))
    for procedure in scene.record.procedures:
        done = procedure.status == "completed" and when_of(procedure).earliest <= scene.on
        if done and scene.has(node.value_set, procedure.code):
            yield evidence_of(procedure, code_text(scene, procedure.code, node.value_set.system))
