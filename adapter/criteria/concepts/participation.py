"""In: ResearchSubjects and the studies they refer to. Out: whether the person takes part in another interventional study; which study is our own.

clarifications.md 3: a running status has an open end; observational participation is ignored; a study of unknown kind,
and a status from before the start, leave it open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.periods import InForce, bounds, in_force
from adapter.criteria.scene import Scene, evidence_of
from adapter.criteria.tree import OtherStudy
from adapter.criteria.truth import Truth
from adapter.fhir import PatientRecord
from adapter.fhir.resources import ResearchStudy, ResearchSubject

__all__ = ["answer_other_study", "is_of_study", "names_study"]

#: R4 ResearchSubject.status by what it says of the participation.
_RUNNING = frozenset({"on-study", "on-study-intervention", "on-study-observation"})
_ENDED = frozenset({"follow-up", "off-study", "withdrawn"})
_BEFORE = frozenset({"candidate", "potential-candidate", "eligible", "screening", "pending-on-study"})
#: Never took part. ``entered-in-error`` is no status of R4, yet feeds send it.
_NEVER = frozenset({"ineligible", "not-registered", "entered-in-error"})

#: What a reason tells of who closes it: the first of these that is found is given.
_ORDER = (Reason.CONFLICT, Reason.IMPRECISE_DATE, Reason.STATUS, Reason.ASKS)


def _plain(text: str) -> str:
    # The sponsor's code is written with a space, and without.
    return "".join(text.split()).casefold()


def names_study(text: str | None, identifiers: Iterable[str]) -> bool:
    """Whether a text is one of a study's identifiers, spaces and case ignored.

    >>> names_study("PROICM 2021-04REL", ["PROICM 2021-04 REL"])
    True
    """
    return text is not None and _plain(text) in {_plain(identifier) for identifier in identifiers}


def is_of_study(subject: ResearchSubject, record: PatientRecord, identifiers: Iterable[str]) -> bool:
    """Whether a ResearchSubject is of the study that has these identifiers.

    Args:
        subject: one of the record's.
        record: knows the ResearchStudy that the subject refers to, when it was pulled.
        identifiers: of the study; ``trial.identifiers`` for our own.

    Returns:
        True when the study's own identifier, or the one that stands in the reference, is among them.
    """
    known = tuple(identifiers)
    study = record.study(subject)
    named = subject.study.identifier if subject.study else None
    stated = (*(study.identifier if study else ()), *((named,) if named else ()))
    return any(names_study(item.value, known) for item in stated)


class _Kind(Enum):
    INTERVENTIONAL = ("interventional", "interventionnel")
    OBSERVATIONAL = ("observational", "observationnel")


def _kind(study: ResearchStudy | None) -> _Kind | None:
    """What the study's category says; None when it says nothing that is known, or both."""
    texts = [
        text.strip().casefold()
        for category in (study.category if study else ())
        for text in (category.text, *(coding.code for coding in category.coding))
        if text
    ]
    found = {kind for kind in _Kind for text in texts if text.startswith(kind.value)}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Participation:
    """What one ResearchSubject says: T, F for nothing, or U with its reason."""

    truth: Truth
    reason: Reason | None
    evidence: Evidence


def answer_other_study(node: OtherStudy, scene: Scene) -> Answer:
    """Participation in another interventional study on the reference date or in the days before it.

    Nothing found is F, presumed, where the site declares participations complete over the whole window, else open.
    """
    found: list[_Participation] = []
    changes: frozenset[date] = frozenset()
    for subject in scene.record.subjects:
        begun = in_force(subject.period, scene.on).begun
        if begun is Truth.F or is_of_study(subject, scene.record, scene.trial.identifiers):
            continue
        found.append(_participation(subject, node, scene))
        changes |= bounds(subject.period).changes(days=node.within_days)
    proving = tuple(item.evidence for item in found if item.truth is Truth.T)
    if proving:
        return Answer(Truth.T, evidence=proving, changes=changes)
    open_ = [(item.reason, item.evidence) for item in found if item.reason is not None]
    changes |= _declared(node, scene)
    wanted = (Wanted("other-studies"),)
    past = tuple(item.evidence for item in found if item.truth is Truth.F)
    if open_:
        reason = min((reason for reason, _ in open_), key=_ORDER.index)
        evidence = tuple(evidence for _, evidence in open_)
        return Answer(Truth.U, reason, evidence, attestable=True, context=past, changes=changes, wanted=wanted)
    if scene.site.complete_until(node.complete, scene.window(node.within_days), scene.on) is not None:
        return Answer(Truth.F, evidence=past, presumed=True, changes=changes)
    return Answer(Truth.U, Reason.NO_DATA, attestable=True, context=past, changes=changes, wanted=wanted)


def _participation(subject: ResearchSubject, node: OtherStudy, scene: Scene) -> _Participation:
    kind = _kind(scene.record.study(subject))
    end = bounds(subject.period).end
    until = end.text() if end else None
    said = (subject.status, f"..{until}" if until else None)
    evidence = evidence_of(subject, ", ".join(item for item in said if item))
    if kind is _Kind.OBSERVATIONAL:
        return _Participation(Truth.F, None, evidence)
    truth, reason = _overlap(subject, node.within_days, scene)
    if kind is None and truth is not Truth.F and reason is not Reason.STATUS:
        return _Participation(Truth.U, Reason.ASKS, evidence)
    return _Participation(truth, reason, evidence)


def _overlap(subject: ResearchSubject, days: int, scene: Scene) -> tuple[Truth, Reason | None]:
    """Whether it reaches into the window, were the study interventional."""
    status = subject.status
    if status in _NEVER:
        return Truth.F, None
    if status in _BEFORE:
        return Truth.U, Reason.ASKS
    if status not in _RUNNING | _ENDED:
        return Truth.U, Reason.STATUS
    force = in_force(subject.period, scene.on, days=days)
    if status in _RUNNING:
        return _running(force)
    if bounds(subject.period).end is None:
        return Truth.U, Reason.ASKS
    return force.lasts, Reason.IMPRECISE_DATE if force.lasts is Truth.U else None


def _running(force: InForce) -> tuple[Truth, Reason | None]:
    if force.lasts is Truth.F:
        # The status says that it goes on, the period that it is over.
        return Truth.U, Reason.CONFLICT
    if Truth.U in (force.begun, force.lasts):
        return Truth.U, Reason.IMPRECISE_DATE
    return Truth.T, None


def _declared(node: OtherStudy, scene: Scene) -> frozenset[date]:
    """Days on which a declared completeness begins to cover the window, and no longer does."""
    return frozenset(
        day
        for item in scene.site.completeness
        if item.domain == node.complete
        for day in (item.start + timedelta(days=node.within_days), item.end + timedelta(days=1))
    )
