"""In: what is recorded of a subject, loaded or pulled. Out: one history of events, as far as it may leave; and the ResearchSubject of it.

Only codes of the trial's documents stay in it: a reason or an arm that a hospital wrote in words of its own goes, and is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from adapter.datasets.pseudonymising.work import Notes
from adapter.fhir import FhirVersion, Json, parse_when
from adapter.pseudonyms import shift_date
from mappings.elements import REFERENCE_SYSTEM, SUBJECT_SYSTEM
from mappings.entities import EntityError, EventKind, Identifier, Study, Subject, SubjectEvent
from mappings.foreign import Element, MappingError
from mappings.subject import from_fhir, to_fhir
from mappings.subject_history import EVENT, read_history
from mappings.subject_status import UNTOLD, Told, follow

__all__ = ["UNKNOWN_SITE", "Pulled", "leaving", "read_pulled", "research_subject"]

_TYPE: Final = "ResearchSubject"
_NO_NUMBER: Final = "none"
#: The sponsor's number of a site that nobody has told.
UNKNOWN_SITE: Final = "unknown"
_NEEDS_REASON: Final = frozenset(
    {EventKind.INELIGIBLE, EventKind.NOT_REGISTERED, EventKind.RANDOMISATION_FAILED, EventKind.ENDED}
)
#: After these nobody takes part, so a form that ended on that day is no second end.
_OVER: Final = frozenset({EventKind.NOT_REGISTERED, EventKind.DIED, EventKind.ENDED})
#: Reasons that say themselves that the person took the consent back; the form may have been changed days later.
_TAKEN_BACK: Final = frozenset({"consent-withdrawn", "patient-declined"})
#: Which of several events of one day came first, as the protocol knows them.
_ORDER: Final = {kind: at for at, kind in enumerate(EventKind)}


class Pulled(NamedTuple):
    """What a hospital's ResearchSubject tells.

    Attributes:
        subject: None for what cannot be read as a subject at all.
        has_number: it tells a number.
        doubt: finding, where the resource contradicts itself: ``history-differs`` or ``history-not-read``.
    """

    subject: Subject | None
    has_number: bool
    doubt: str | None = None


def read_pulled(body: Json, study: Study, *, site: str, consented: date | None) -> Pulled:
    """The subject that a hospital's ResearchSubject tells of.

    Args:
        body: the resource, its ``study`` naming the trial.
        study: the trial's.
        site: the sponsor's number of the site, for a resource that does not tell.
        consented: the day of the consent, where only a Consent tells it.
    """
    has_number = any(isinstance(one, dict) and one.get("value") for one in body.get("identifier") or ())
    told = dict(body)
    if not has_number:
        told["identifier"] = [{"system": SUBJECT_SYSTEM, "value": _NO_NUMBER}]
    for name in ("individual", "subject"):
        reference = told.get(name)
        if (
            isinstance(reference, dict)
            and "identifier" not in reference
            and isinstance(reference.get("reference"), str)
        ):
            literal = {"system": REFERENCE_SYSTEM, "value": reference["reference"]}
            told[name] = {**reference, "identifier": literal}
    try:
        return Pulled(from_fhir(told, study=study, site=site), has_number)
    except MappingError:
        pass
    recorded = Element(told).extensions(EVENT) if "progress" not in told else []
    if recorded:
        subject = _from_events(told, study, site=site)
        is_whole = subject is not None and len(subject.events) >= len(recorded)
        return Pulled(subject, has_number, "history-differs" if is_whole else "history-not-read")
    subject = _from_status(told, study, site=site, consented=consented)
    return Pulled(subject, has_number, "history-not-read" if "progress" in told else None)


def _from_events(body: Json, study: Study, *, site: str) -> Subject | None:
    """Of a resource whose status, period or arm is not what its own events come to, or some of whose events cannot be read.

    The events hold as far as they can be read. A withdrawal holds in any case: by the status on the day that the resource tells,
    else on the day of the last event; where one is recorded and cannot be kept, nothing may leave.
    """
    element = Element(body)
    events = _readable(element)
    try:
        patient, number = _person_of(body)
        told_site = element.extension("site")
        known = told_site.text("valueCode") if told_site is not None else None
    except (EntityError, MappingError, KeyError, TypeError):
        return None

    def make(listed: Sequence[SubjectEvent]) -> Subject | None:
        try:
            return Subject(study=study.id, site=known or site, number=number, patient=patient, events=tuple(listed))
        except EntityError:
            return None

    kept: list[SubjectEvent] = []
    for event in events or ():
        if make([*kept, event]) is not None:
            kept.append(event)
        elif event.kind is EventKind.WITHDRAWN:
            return None
    if not kept or events is None:
        return None
    if body.get("status") == "withdrawn" and not any(event.kind is EventKind.WITHDRAWN for event in kept):
        withdrawal = SubjectEvent(kind=EventKind.WITHDRAWN, on=_day_of_end(body, kept[-1].on))
        return make([*kept, withdrawal])
    return make(kept)


def _readable(element: Element) -> tuple[SubjectEvent, ...] | None:
    """The events that can be read; None where one that cannot be is a withdrawal."""
    found: list[Any] = []
    for one in element.extensions(EVENT):
        try:
            read_history(Element({"extension": [one.content]}))
        except MappingError:
            if any(part.content.get("valueCode") == EventKind.WITHDRAWN for part in one.extensions("kind")):
                return None
        else:
            found.append(one.content)
    return read_history(Element({"extension": found}))


def _day_of_end(body: Json, last: str) -> str:
    """The day on which the participation ended, as its period tells; else that of the last event, after which nothing is sure."""
    period = body.get("period")
    end = period.get("end") if isinstance(period, dict) else None
    when = parse_when(end) if isinstance(end, str) else None
    return max(when.earliest.isoformat(), last) if when is not None else last


def _person_of(body: Json) -> tuple[Identifier, str]:
    """The patient and the number.

    Raises:
        KeyError, TypeError, EntityError: one is not told.
    """
    named = [one for one in body["identifier"] if isinstance(one, dict) and isinstance(one.get("value"), str)]
    ours = [one for one in named if one.get("system") == SUBJECT_SYSTEM] or named
    reference = body.get("individual", body.get("subject"))
    if not ours or not isinstance(reference, dict):
        raise KeyError("identifier")
    system, value = reference["identifier"]["system"], reference["identifier"]["value"]
    if not isinstance(system, str) or not isinstance(value, str):
        raise TypeError("identifier")
    return Identifier(system=system, value=value), ours[0]["value"]


def _from_status(body: Json, study: Study, *, site: str, consented: date | None) -> Subject | None:
    """Of a foreign resource whose status needs what it does not tell: the consent is known, what followed is as far as it goes."""
    if consented is None:
        return None
    try:
        patient, number = _person_of(body)

        def make(events: Sequence[SubjectEvent]) -> Subject:
            return Subject(study=study.id, site=site, number=number, patient=patient, events=tuple(events))

        known = make([SubjectEvent(kind=EventKind.CONSENTED, on=consented.isoformat())])
    except (EntityError, KeyError, TypeError):
        return None
    period, status = body.get("period"), body.get("status")
    start = (
        parse_when(period.get("start")) if isinstance(period, dict) and isinstance(period.get("start"), str) else None
    )
    if start is None or not start.is_one_day or start.earliest < consented or not isinstance(status, str):
        return known
    day = start.earliest.isoformat()
    registered = (*known.events, SubjectEvent(kind=EventKind.REGISTERED, on=day))
    for events in (known.events, registered):
        try:
            return make(follow(make, events, Told(status, day, FhirVersion.R4, body.get("assignedArm"))))
        except EntityError:
            continue
    return known


def leaving(
    subject: Subject,
    notes: Notes,
    *,
    usubjid: str,
    consented: date,
    withdrawn: date | None,
    cut: date | None,
    reasons: Collection[str],
    arms: Collection[str],
) -> Subject:
    """The history as far as it may leave the site, under the trial's number.

    Args:
        subject: as recorded.
        notes: where findings go.
        usubjid: the number.
        consented: the day of the consent, which stands in it from now on.
        withdrawn: the day of a withdrawal that a Consent or a decision tells.
        cut: last day of the data.
        reasons: codes that a reason may be.
        arms: names of the arms.
    """
    events = [_cleaned(event, notes, reasons) for event in subject.events if _arm_known(event, arms, notes)]
    if not any(event.kind is EventKind.CONSENTED for event in events):
        events = _placed(events, SubjectEvent(kind=EventKind.CONSENTED, on=consented.isoformat()))
    if withdrawn is not None:
        events = _with_withdrawal(events, withdrawn.isoformat())
    if cut is not None:
        late = sum(event.on > cut.isoformat() for event in events)
        if late:
            notes.add("after-withdrawal" if cut == withdrawn else "after-cut", _TYPE, "event", late)
        events = [event for event in events if event.on <= cut.isoformat()]
    return _accepted(subject, events, notes, usubjid)


def _with_withdrawal(events: list[SubjectEvent], day: str) -> list[SubjectEvent]:
    """The events with the withdrawal of that day, which a Consent or a decision tells, unless they tell already that it was over."""
    if any(
        (event.kind is EventKind.WITHDRAWN and event.on <= day)
        or (event.kind in _OVER and event.on == day)
        or (event.kind in _OVER and event.on < day and event.reason in _TAKEN_BACK)
        for event in events
    ):
        return events
    # One that was recorded as of a later day is this one: what says that the data end first holds.
    later = next((event for event in events if event.kind is EventKind.WITHDRAWN), None)
    withdrawal = SubjectEvent(kind=EventKind.WITHDRAWN, on=day, reason=later.reason if later is not None else None)
    others = [event for event in events if event is not later]
    before = [event for event in others if event.on <= day]
    return [*before, withdrawal, *others[len(before) :]]


def _cleaned(event: SubjectEvent, notes: Notes, reasons: Collection[str]) -> SubjectEvent:
    if event.reason is None or event.reason in reasons:
        return event
    notes.add("code-blanked", _TYPE, "reason")
    return msgspec.structs.replace(event, reason=UNTOLD if event.kind in _NEEDS_REASON else None)


def _arm_known(event: SubjectEvent, arms: Collection[str], notes: Notes) -> bool:
    if event.arm is None or event.arm in arms:
        return True
    notes.add("unknown-arm", _TYPE, "assignedArm")
    return False


def _placed(events: list[SubjectEvent], event: SubjectEvent) -> list[SubjectEvent]:
    """An event among the others, by day, and before what can only follow it."""
    at = next(
        (
            place
            for place, other in enumerate(events)
            if other.on > event.on or (other.on == event.on and _ORDER[other.kind] > _ORDER[event.kind])
        ),
        len(events),
    )
    return [*events[:at], event, *events[at:]]


def _accepted(subject: Subject, events: Iterable[SubjectEvent], notes: Notes, usubjid: str) -> Subject:
    """The subject with those events that can follow one another; the person's number is taken out at once."""
    kept: list[SubjectEvent] = []
    stand_in = Identifier(system=REFERENCE_SYSTEM, value="Patient")

    def make(listed: Sequence[SubjectEvent]) -> Subject:
        return Subject(study=subject.study, site=subject.site, number=usubjid, patient=stand_in, events=tuple(listed))

    listed = list(events)
    try:
        return make(listed)
    except EntityError:
        pass
    for event in listed:
        try:
            make([*kept, event])
        except EntityError:
            notes.add("event-left-out", _TYPE, "event")
        else:
            kept.append(event)
    return make(kept)


def research_subject(subject: Subject, *, identity: str, weeks: int) -> tuple[Json, Subject]:
    """The ResearchSubject of R4 under its key, and the subject itself, both with their days moved.

    Args:
        subject: of `leaving`.
        identity: the id that the resource gets.
        weeks: by how much.
    """
    if weeks:
        moved = [
            msgspec.structs.replace(event, on=shift_date(date.fromisoformat(event.on), weeks).isoformat())
            for event in subject.events
        ]
        subject = msgspec.structs.replace(subject, events=tuple(moved))
    told = to_fhir(subject)
    told["individual"] = {"reference": f"Patient/{subject.number}"}
    ordered: Json = {"resourceType": _TYPE, "id": identity, "meta": {"versionId": "1"}}
    return ordered | {name: value for name, value in told.items() if name not in ordered}, subject
