"""In: a chart and a subject's calendar. Out: the Consents, the ResearchSubject as our own mapper writes it, and the
death.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from adapter.simulate.centre import STUDY
from adapter.simulate.chart import Chart
from adapter.simulate.enrolment.journey import ARMS, SITE, Journey
from adapter.simulate.moments import written
from adapter.simulate.people import ipp
from adapter.simulate.terms import CONSENT_SCOPE, LOCAL_IPP, LOCAL_RECORD, coding
from mappings.entities import EventKind, Identifier, Subject, SubjectEvent
from mappings.subject import to_fhir

REGISTRY: Final = "NCT04954820"
TRIAL: Final = "nct04954820"
_NO_DATA: Final = "no-data"
# Events of one day, in the order in which the protocol knows them.
_RANK: Final = {
    kind: rank
    for rank, kind in enumerate(
        (
            EventKind.SCREENING,
            EventKind.CONSENTED,
            EventKind.INELIGIBLE,
            EventKind.NOT_REGISTERED,
            EventKind.REGISTERED,
            EventKind.PROGRESSION,
            EventKind.RANDOMISED,
            EventKind.RANDOMISATION_FAILED,
            EventKind.CYCLE,
            EventKind.TREATMENT_OVER,
            EventKind.VISIT,
            EventKind.WITHDRAWN,
            EventKind.DIED,
            EventKind.ENDED,
        )
    )
}


def sign(chart: Chart, day: date, *, status: str = "active", deny: bool = False) -> str:
    """Write a Consent of the trial, and give its id.

    Args:
        chart: the record.
        day: when it was signed, in the afternoon.
        status: `inactive` for one that takes the consent back.
        deny: from that day on nothing may be used at all, what was collected before included.
    """
    body: dict[str, Any] = {
        "identifier": [{"system": LOCAL_RECORD, "value": REGISTRY}],
        "status": status,
        "scope": {"coding": [coding(CONSENT_SCOPE, "research")]},
        "category": [{"text": "Consentement à la recherche"}],
        "patient": chart.subject(),
        "dateTime": written(day, 960),
        "policy": [{"uri": REGISTRY}],
        "provision": {"type": "deny" if deny else "permit"},
    }
    return chart.add("Consent", body, day=day, identity=chart.name("consent"))


def event(kind: EventKind, day: date, **more: Any) -> SubjectEvent:
    """One event of a subject's history."""
    return SubjectEvent(kind=kind, on=day.isoformat(), **more)


def history(journey: Journey, *, screened: date, signed: date) -> list[SubjectEvent]:
    """The events of an enrolled subject, in their order.

    Args:
        journey: the calendar.
        screened: first look at the record.
        signed: day of the consent.
    """
    found = [
        event(EventKind.SCREENING, screened),
        event(EventKind.CONSENTED, signed),
        event(EventKind.REGISTERED, journey.registered),
        *(event(EventKind.CYCLE, cycle.day, cycle=cycle.number) for cycle in journey.cycles if cycle.day is not None),
        *(event(EventKind.VISIT, visit.day, visit=visit.number) for visit in journey.visits),
    ]
    if journey.randomised is not None and journey.arm is not None:
        given = ARMS[journey.arm]
        found.append(event(EventKind.RANDOMISED, journey.randomised, arm=journey.arm, intervention=given))
        over = [cycle.day or cycle.refused for cycle in journey.cycles if cycle.number == 4]
        found += [event(EventKind.TREATMENT_OVER, day) for day in over if day is not None]
    if journey.progressed is not None:
        found.append(event(EventKind.PROGRESSION, journey.progressed))
    if journey.failed is not None:
        found.append(event(EventKind.RANDOMISATION_FAILED, journey.failed, reason="E02"))
    if journey.withdrawn is not None:
        reason = {"reason": _NO_DATA} if journey.no_data else {}
        found.append(event(EventKind.WITHDRAWN, journey.withdrawn, **reason))
    if journey.died is not None:
        found.append(event(EventKind.DIED, journey.died))
    if journey.ended is not None:
        found.append(event(EventKind.ENDED, journey.ended, reason="completed"))
    return sorted(found, key=lambda one: (one.on, _RANK[one.kind]))


def participate(chart: Chart, number: str, events: Iterable[SubjectEvent], *, consent: str) -> None:
    """Write the ResearchSubject, as a push leaves it on the hospital's server: with literal references beside our
    own.
    """
    told = tuple(events)
    subject = Subject(
        study=TRIAL,
        site=SITE,
        number=number,
        patient=Identifier(system=LOCAL_IPP, value=ipp(chart.key)),
        events=told,
    )
    body = {name: value for name, value in to_fhir(subject).items() if name != "resourceType"}
    body["study"] = {**body["study"], "reference": f"ResearchStudy/{STUDY}"}
    body["individual"] = {**body["individual"], **chart.subject()}
    body["consent"] = {"reference": f"Consent/{consent}"}
    day = date.fromisoformat(told[-1].on)
    chart.add("ResearchSubject", body, day=day, identity=chart.name("subj"))


def die(chart: Chart, day: date) -> None:
    """Put the death on the Patient, which the server then holds in its second version."""
    at = next(place for place, one in enumerate(chart.resources) if one["resourceType"] == "Patient")
    person = {name: value for name, value in chart.resources[at].items() if name != "deceasedBoolean"}
    person["meta"] = {"versionId": "2", "lastUpdated": written(min(day, chart.on), 1142, "utc")}
    chart.resources[at] = {**person, "deceasedDateTime": written(day, 360)}
