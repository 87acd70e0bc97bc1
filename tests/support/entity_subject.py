"""In: nothing. Out: subjects as hypothesis draws them (every event that the protocol allows next), and literal ones for examples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from mappings.entities import (
    Arm,
    ArmKind,
    EntityError,
    EventKind,
    Identifier,
    Study,
    StudyIdentifier,
    StudyStatus,
    Subject,
    SubjectEvent,
)
from tests.support.entity_laboratory import codes, identifiers, maybe

__all__ = [
    "PATIENT",
    "RELUTH",
    "event",
    "events",
    "possible_kinds",
    "road",
    "sample_subjects",
    "subject_of",
    "subjects",
]

PATIENT = Identifier(system="urn:oid:1.2.250.1.71.4.2.7", value="0001042")
#: What a subject's study has to tell to be referred to.
RELUTH = Study(
    id="nct04954820",
    title="Assessment of Retreatment With Lutathera",
    status=StudyStatus.ACTIVE,
    identifiers=(
        StudyIdentifier(value="2021-001306-30", type="EudraCT"),
        StudyIdentifier(value="NCT04954820", use="official", system="http://clinicaltrials.gov"),
    ),
    arms=(
        Arm(name="experimental", label="Experimental", kind=ArmKind.EXPERIMENTAL, description="Two more cycles."),
        Arm(name="bras témoin", label="Control", kind=ArmKind.NO_INTERVENTION, description="Visits."),
    ),
)
REASONS = ["E07", "I02.c", "patient-declined", "other", "unknown", "non éligible", "arrêt 😷"]
ARMS = ["experimental", "control", "bras témoin", "arm/1", "x" * 80]
#: What a subject that goes all the way passes through; drawn more often than chance would have it.
ROAD = (
    EventKind.PRE_SCREENED,
    EventKind.REVIEWED,
    EventKind.SCREENING,
    EventKind.SCREENED,
    EventKind.ELIGIBLE,
    EventKind.CONSENTED,
    EventKind.REGISTERED,
    EventKind.CYCLE,
    EventKind.CYCLE,
    EventKind.RANDOMISED,
    EventKind.CYCLE,
    EventKind.VISIT,
    EventKind.CYCLE,
    EventKind.VISIT,
    EventKind.TREATMENT_OVER,
    EventKind.VISIT,
    EventKind.PROGRESSION,
    EventKind.DIED,
    EventKind.ENDED,
)
WITH_REASON = {EventKind.INELIGIBLE, EventKind.NOT_REGISTERED, EventKind.RANDOMISATION_FAILED, EventKind.ENDED}


def event(kind: EventKind | str, on: str, **more: Any) -> SubjectEvent:
    """An event; a reason where its kind wants one and none is told."""
    kind = EventKind(kind)
    if kind in WITH_REASON:
        more.setdefault("reason", "E07")
    return SubjectEvent(kind=kind, on=on, **more)


def road(
    until: EventKind | str, *, intervention: bool = True, begin: date = date(2025, 2, 3)
) -> tuple[SubjectEvent, ...]:
    """The events of a subject that goes the whole way of an arm, a week apart, up to the first one of a kind."""
    found: list[SubjectEvent] = []
    for kind in ROAD:
        more: dict[str, Any] = {}
        if kind is EventKind.CYCLE:
            given = sum(one.kind is kind for one in found)
            if given >= 2 and not intervention:
                continue
            more["cycle"] = given + 1
        elif kind is EventKind.VISIT:
            more["visit"] = sum(one.kind is kind for one in found) + 1
        elif kind is EventKind.RANDOMISED:
            more |= {"arm": "experimental" if intervention else "control", "intervention": intervention}
        found.append(event(kind, str(begin + timedelta(weeks=len(found))), **more))
        if kind is EventKind(until):
            return tuple(found)
    raise ValueError(until)


def subject_of(*happened: SubjectEvent, **more: Any) -> Subject:
    """A subject with these events."""
    told = {"study": "nct04954820", "site": "05", "number": "RELUTH-05-0001", "patient": PATIENT, **more}
    return Subject(**told, events=happened)


def sample_subjects() -> Iterator[tuple[str, Subject]]:
    """A dozen and more of varied subjects, each with what it shows."""
    for kind in dict.fromkeys(ROAD):
        yield f"intervention, until {kind}", subject_of(*road(kind))
    for name in ("visit", "progression", "ended"):
        yield f"observation, until {name}", subject_of(*road(name, intervention=False))
    yield "ineligible, with an accent", subject_of(event("ineligible", "2025-02-03", reason="critère E07"))
    yield "declined", subject_of(event("reviewed", "2025-02-03"), event("not-registered", "2025-02-03", reason="other"))
    begun = road("registered")
    yield "withdrawn", subject_of(*begun, event("withdrawn", "2025-09-01", reason="consent-withdrawn"))
    yield "not randomised", subject_of(*begun, event("randomisation-failed", "2025-09-01", reason="E02"))
    yield "signed again", subject_of(*begun, event("consented", "2025-09-01"))
    odd = Identifier(system="urn:oid:1.2.250.1.71.4.2.7", value='dit « "N° 12" » 😷')
    yield (
        "odd texts",
        subject_of(
            *begun,
            event("randomised", "2025-09-01", arm="bras témoin", intervention=False),
            study="essai-é",
            site="Montpellier 05",
            number="N° 1 😷",
            patient=odd,
        ),
    )


def possible_kinds(happened: tuple[SubjectEvent, ...]) -> list[EventKind]:
    """The kinds of which some event may follow."""
    return [kind for kind in EventKind if any(True for _ in _next(happened, kind))]


@st.composite
def events(draw: st.DrawFn) -> tuple[SubjectEvent, ...]:
    """A history that the rules allow."""
    happened: tuple[SubjectEvent, ...] = ()
    day = draw(st.dates(min_value=date(2019, 1, 1), max_value=date(2035, 1, 1)))
    # Half of them go ahead step by step, for chance alone would hardly ever randomise anybody.
    kinds: list[EventKind] = list(ROAD[: draw(st.integers(0, len(ROAD)))])
    kinds += draw(st.lists(st.sampled_from(EventKind), min_size=not kinds, max_size=8))
    for kind in kinds:
        told = next(_next(happened, kind), None)
        if told is None:
            continue
        reason = draw(st.sampled_from(REASONS) | codes() if kind in WITH_REASON else maybe(codes()))
        if kind is EventKind.RANDOMISED:
            told |= {"arm": draw(st.sampled_from(ARMS) | codes()), "intervention": draw(st.booleans())}
        day += timedelta(days=draw(st.sampled_from([0, 0, 1, 7, 60])))
        happened = (*happened, SubjectEvent(kind=kind, on=str(day), reason=reason, **told))
    return happened or (event("pre-screened", str(day)),)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """A subject."""
    happened = draw(events())
    study, site, number, patient = draw(codes()), draw(codes()), draw(codes()), draw(identifiers())
    if number == patient.value:
        number += "*"
    return Subject(study=study, site=site, number=number, patient=patient, events=happened)


def _next(happened: tuple[SubjectEvent, ...], kind: EventKind) -> Iterator[dict[str, Any]]:
    """What else an event of the kind may say."""
    choices: list[dict[str, Any]] = [{}]
    if kind is EventKind.CYCLE:
        choices = [{"cycle": number} for number in range(1, 5)]
    elif kind is EventKind.VISIT:
        choices = [{"visit": number} for number in (1, 2, 3, 7, 40)]
    elif kind is EventKind.RANDOMISED:
        choices = [{"arm": "experimental", "intervention": True}]
    for choice in choices:
        last = happened[-1].on if happened else "2025-01-01"
        try:
            subject_of(*happened, event(kind, last, **choice))
        except EntityError:
            continue
        yield choice
