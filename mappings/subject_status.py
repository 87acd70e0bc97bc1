"""In: what happened to a subject, or a status that a hospital set. Out: the status after each event, or the event that a status stands for.

The table of clinical-spec.md section 8: one code follows from each kind of event, and the last event that has one decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from adapter.fhir import FhirVersion
from mappings.entities import EntityError, EventKind, Subject, SubjectEvent

__all__ = [
    "STATUSES",
    "UNTOLD",
    "Events",
    "Make",
    "Told",
    "event_for",
    "follow",
    "shown",
    "states",
    "status_of",
    "statuses",
]

Events = tuple[SubjectEvent, ...]
#: Makes a subject of events, or raises `EntityError`.
Make = Callable[[Events], Subject]

#: Reason of an event that needs one and was told without:
#: http://terminology.hl7.org/CodeSystem/data-absent-reason#unknown.
UNTOLD: Final = "unknown"

# http://hl7.org/fhir/ValueSet/research-subject-status (R4), http://hl7.org/fhir/ValueSet/research-subject-state (R5).
_PENDING, _ON_STUDY = "pending-on-study", "on-study"
_INTERVENTION, _OBSERVATION = "on-study-intervention", "on-study-observation"
_FOLLOW_UP, _OFF_STUDY = "follow-up", "off-study"

_AFTER: Final[Mapping[EventKind, str]] = {
    EventKind.PRE_SCREENED: "potential-candidate",
    EventKind.REVIEWED: "candidate",
    EventKind.SCREENING: "screening",
    EventKind.ELIGIBLE: "eligible",
    EventKind.INELIGIBLE: "ineligible",
    EventKind.NOT_REGISTERED: "not-registered",
    EventKind.REGISTERED: _PENDING,
    EventKind.RANDOMISATION_FAILED: _OFF_STUDY,
    EventKind.TREATMENT_OVER: _FOLLOW_UP,
    EventKind.PROGRESSION: _FOLLOW_UP,
    EventKind.WITHDRAWN: "withdrawn",
    EventKind.DIED: _OFF_STUDY,
    EventKind.ENDED: _OFF_STUDY,
}

#: The kinds that a status told by somebody else may stand for, the likelier first. A consent, a progression and a death
#: are facts that nobody may conclude from a status: they are never among these.
_STANDS_FOR: Final[Mapping[str, tuple[EventKind, ...]]] = {
    "potential-candidate": (EventKind.PRE_SCREENED,),
    "candidate": (EventKind.REVIEWED,),
    "screening": (EventKind.SCREENING,),
    "eligible": (EventKind.ELIGIBLE,),
    "ineligible": (EventKind.INELIGIBLE,),
    "not-registered": (EventKind.NOT_REGISTERED,),
    _PENDING: (EventKind.REGISTERED,),
    _ON_STUDY: (EventKind.REGISTERED, EventKind.CYCLE),
    _INTERVENTION: (EventKind.RANDOMISED,),
    _OBSERVATION: (EventKind.RANDOMISED,),
    _FOLLOW_UP: (EventKind.TREATMENT_OVER,),
    "withdrawn": (EventKind.WITHDRAWN,),
    _OFF_STUDY: (EventKind.ENDED,),
}
#: The 13 codes, the same in R4 and R5.
STATUSES: Final = frozenset(_STANDS_FOR)
_NEEDS_REASON: Final = frozenset(
    {EventKind.INELIGIBLE, EventKind.NOT_REGISTERED, EventKind.RANDOMISATION_FAILED, EventKind.ENDED}
)
#: `research_subject_status` of the states that a decision on the worklist may have.
_DECISIONS: Final[Mapping[str, EventKind]] = {
    status: _STANDS_FOR[status][0]
    for status in (
        "potential-candidate",
        "candidate",
        "screening",
        "eligible",
        "ineligible",
        "not-registered",
        _ON_STUDY,
        "withdrawn",
    )
}


class Told(NamedTuple):
    """A status that a hospital set.

    Attributes:
        status: one of the 13 codes.
        on: the day, YYYY-MM-DD.
        version: R5 has one state for what are two statuses in R4 (registered, and begun).
        arm: name of the arm, where it is told.
        reason: code, where it is told.
    """

    status: str
    on: str
    version: FhirVersion
    arm: str | None = None
    reason: str | None = None


def status_of(subject: Subject) -> str:
    """The code of R4 research-subject-status that holds now.

    >>> from mappings.entities import Identifier
    >>> patient = Identifier(system="urn:oid:1.2.250.1.999", value="0042")
    >>> found = SubjectEvent(kind=EventKind.PRE_SCREENED, on="2025-02-01")
    >>> status_of(Subject(study="nct04954820", site="05", number="RELUTH-05-0001", patient=patient, events=(found,)))
    'potential-candidate'
    """
    return statuses(subject.events)[-1]


def statuses(events: Sequence[SubjectEvent]) -> list[str]:
    """The R4 status after each event."""
    found: list[str] = []
    for at, event in enumerate(events):
        registered = any(one.kind is EventKind.REGISTERED for one in events[:at])
        found.append(_after(event, before=found[-1] if found else None, registered=registered))
    return found


def states(events: Sequence[SubjectEvent]) -> list[str]:
    """The R5 subjectState after each event.

    As the R4 status, but who is registered is on-study before the first cycle (HL7: "enrolled or registered on a study");
    who has only consented is pending-on-study in both ("pre-registered for a study").
    """
    registered = [any(one.kind is EventKind.REGISTERED for one in events[: at + 1]) for at in range(len(events))]
    return [
        _ON_STUDY if status == _PENDING and is_registered else status
        for status, is_registered in zip(statuses(events), registered, strict=True)
    ]


def shown(events: Sequence[SubjectEvent], version: FhirVersion) -> tuple[str, ...]:
    """The codes that say where the subject stands: in R5 the narrower status of R4 says the same."""
    status = statuses(events)[-1]
    return (status, states(events)[-1]) if version is FhirVersion.R5 else (status,)


def event_for(decision_status: str, on: str, reason: str | None = None) -> SubjectEvent:
    """The event that a decision on the worklist stands for.

    Args:
        decision_status: `research_subject_status` of the decision's state in the trial's document.
        on: the day of the decision, YYYY-MM-DD.
        reason: its reason code; wanted for ineligible and not-registered.

    Raises:
        EntityError: no decision has that status, or the event cannot be so.

    >>> event_for("ineligible", "2025-02-03", "E07").kind
    <EventKind.INELIGIBLE: 'ineligible'>
    """
    kind = _DECISIONS.get(decision_status)
    if kind is None:
        raise EntityError("status", "is no status of a decision")
    return SubjectEvent(kind=kind, on=on, reason=reason)


def follow(make: Make, events: Events, told: Told) -> Events:
    """The events, and the one more that leads to the status told.

    Args:
        make: checks the order of events.
        events: what is known; none for a subject that somebody else recorded.
        told: the status that stands at the hospital, and is not the one that the events come to.

    Raises:
        EntityError: no event that may follow stands for that status.
    """
    for event in _candidates(told):
        longer = (*events, event)
        try:
            make(longer)
        except EntityError as error:
            if not error.field.startswith("events"):
                raise
            continue
        if told.status in shown(longer, told.version):
            return longer
    raise EntityError("status", "no event that may follow here stands for it; what led to it has to be told")


def _after(event: SubjectEvent, *, before: str | None, registered: bool) -> str:
    match event.kind:
        case EventKind.SCREENED:
            # A milestone: who was screened is at least in screening, and stays what has been found since.
            return "screening" if before in (None, "potential-candidate", "candidate") else before or ""
        case EventKind.CONSENTED:
            # Signed again after the registration: nothing changes.
            return before or _PENDING if registered else _PENDING
        case EventKind.CYCLE:
            return _ON_STUDY if (event.cycle or 0) <= 2 else _INTERVENTION
        case EventKind.RANDOMISED:
            return _INTERVENTION if event.intervention else _OBSERVATION
        case EventKind.VISIT:
            return before or _OBSERVATION
        case kind:
            return _AFTER[kind]


def _candidates(told: Told) -> Iterator[SubjectEvent]:
    for kind in _STANDS_FOR.get(told.status, ()):
        if kind is EventKind.CYCLE:
            yield SubjectEvent(kind=kind, on=told.on, reason=told.reason, cycle=1)
        elif kind is EventKind.RANDOMISED:
            if told.arm is not None:
                given = told.status == _INTERVENTION
                yield SubjectEvent(kind=kind, on=told.on, reason=told.reason, arm=told.arm, intervention=given)
        else:
            reason = told.reason or (UNTOLD if kind in _NEEDS_REASON else None)
            yield SubjectEvent(kind=kind, on=told.on, reason=reason)
