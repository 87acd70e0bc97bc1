"""In: events of a subject, or the R5 element ``progress``. Out: ``progress``, or the events that it tells.

Each event has its entry. Where it changes the state of the subject the entry tells that state (type Enrollment), and where it
is one of FHIR's milestones it tells that (type Milestone); an event that does both has a second entry for the milestone, as in
the example of clinical-spec.md section 8. Our extension of an entry holds what it has no element for: kind, position, cycle,
arm and visit; that of a second entry, ``urn:reluth:extension:milestone-for`` (positiveInt), the position of its event.

An entry without our extension is of somebody else: it tells an event where the subject was not in that state on that day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from adapter.fhir import FhirVersion, Json
from mappings.elements import OURS, concept, extension, without_empty
from mappings.entities import Coding, EntityError, EventKind, SubjectEvent
from mappings.foreign import Element
from mappings.subject_history import (
    EVENT,
    Recorded,
    day_in,
    event_extension,
    in_order,
    kind_in,
    position_in,
    read_event,
)
from mappings.subject_status import STATUSES, UNTOLD, Events, Make, Told, follow, shown, states

__all__ = ["REASONS", "progress_of", "read_progress"]

#: System of our reasons: ids of criteria, and the reason codes of decisions.
REASONS: Final = f"{OURS}reason"
# R5 ValueSet/research-subject-state (required).
_STATES: Final = "http://terminology.hl7.org/CodeSystem/research-subject-state"
# R5 ValueSet/research-subject-state-type and ValueSet/research-subject-milestone (examples).
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/research-subject-state-type"
_MILESTONES: Final = "http://terminology.hl7.org/CodeSystem/research-subject-milestone"

# SignedUp is not among them: HL7 defines it as an interest shown before any assessment or consent.
_MILESTONE_OF: Final[Mapping[EventKind, str]] = {EventKind.SCREENED: "Screened", EventKind.RANDOMISED: "Randomized"}
_INTERVENTION: Final = {"on-study-intervention": True, "on-study-observation": False}
#: Extension of a second entry: the position of the event whose milestone it tells.
_MILESTONE_FOR: Final = "milestone-for"
#: Fields of an event that an entry has elements for.
_ELSEWHERE: Final = frozenset({"on", "reason", "intervention"})


def progress_of(events: Sequence[SubjectEvent]) -> list[Json]:
    """``ResearchSubject.progress`` of R5, oldest first; a state that is over has the day on which the next one began."""
    after = states(events)
    begins = [at for at, state in enumerate(after) if at == 0 or after[at - 1] != state]
    ends = {at: events[later].on for at, later in pairwise(begins)}
    found: list[Json] = []
    for at, event in enumerate(events):
        milestone = _milestone(event)
        own: Json = {"extension": [event_extension(event, at + 1, without=_ELSEWHERE)]}
        if at not in begins:
            own |= milestone
        else:
            own |= {"type": _coded(_TYPES, "Enrollment"), "subjectState": _coded(_STATES, after[at])}
            if milestone:
                place = extension(_MILESTONE_FOR, "PositiveInt", at + 1)
                found.append({"extension": [place], **milestone, "startDate": event.on})
        own |= {
            "reason": _coded(REASONS, event.reason) if event.reason is not None else None,
            "startDate": event.on,
            "endDate": ends.get(at),
        }
        found.append(without_empty(own))
    return found


def read_progress(resource: Element, make: Make, *, arm: str | None, changed: str | None) -> Events:
    """The events that ``progress`` tells; none where it is not there.

    Args:
        resource: the R5 ResearchSubject.
        make: checks the order of events.
        arm: name of the assigned arm, for a randomisation that somebody else recorded.
        changed: the day of an entry of somebody else that has none; None where such an entry is refused.

    Raises:
        MappingError: an entry is not as FHIR has it, or tells what no event stands for.
    """
    entries = resource.children("progress")
    own = in_order(recorded for entry in entries for recorded in _own(entry))
    _check_order(resource, make, own)
    _check_open(entries, own)
    written = _written(own)
    claims = (claim for entry in entries if not _is_second(entry, own) for claim in _claims(entry, changed))
    others = sorted(claims, key=lambda one: one.place)
    events: Events = ()
    for one in own:
        while others and others[0].on < one.event.on:
            events = _with_claim(events, others.pop(0), make, arm)
        events = (*events, one.event)
        state = _state(one.element)
        if state not in (None, written[one.element.path], *shown(events, FhirVersion.R5)):
            # Somebody changed the state in our own entry.
            events = _with_claim(events, Claim(one.event.on, one.element, state=state), make, arm)
    for claim in others:
        events = _with_claim(events, claim, make, arm)
    return events


class Claim(NamedTuple):
    """A state or a milestone that an entry tells of a day."""

    on: str
    element: Element
    state: str | None = None
    milestone: EventKind | None = None

    @property
    def place(self) -> tuple[str, bool, bool]:
        """By day; within a day who was screened gets a state, and the state tells what the randomisation led to."""
        return self.on, self.milestone is not EventKind.SCREENED, self.milestone is EventKind.RANDOMISED


def _own(entry: Element) -> Iterator[Recorded]:
    """The event of an entry of ours."""
    found = entry.extension(EVENT)
    if found is None:
        return
    on = day_in(entry, "startDate")
    if on is None:
        raise entry.fail("startDate", "is missing")
    elsewhere: dict[str, str | bool | None] = {"reason": _reason(entry)}
    if kind_in(found) is EventKind.RANDOMISED:
        elsewhere["intervention"] = _INTERVENTION.get(_state(entry) or "")
    event = read_event(found, on=on, **elsewhere)
    yield Recorded(position_in(found), event, entry)


def _check_order(resource: Element, make: Make, own: Sequence[Recorded]) -> None:
    """Refuse days of ours that somebody changed into an order that the protocol does not know."""
    if own:
        try:
            make(tuple(one.event for one in own))
        except EntityError as error:
            raise resource.fail(error.field, error.problem) from None


def _written(own: Sequence[Recorded]) -> dict[str, str]:
    """By its path, the state after each of our entries when it was written, whatever day it has been given since."""
    written = sorted(own, key=lambda one: one.position)
    after = states([one.event for one in written])
    return {one.element.path: state for one, state in zip(written, after, strict=True)}


def _is_second(entry: Element, own: Sequence[Recorded]) -> bool:
    """It is our second entry for an event, and says the same as the first."""
    place = entry.extension(_MILESTONE_FOR)
    position = place.whole("valuePositiveInt") if place else None
    first = next((one.event for one in own if one.position == position), None)
    if first is None or _code(entry, "milestone", _MILESTONES) != _MILESTONE_OF.get(first.kind):
        return False
    if day_in(entry, "startDate") != first.on:
        # Somebody corrected the day of one of the two.
        raise entry.fail("startDate", "differs from the day of the other entry of this event")
    return True


def _claims(entry: Element, changed: str | None) -> Iterator[Claim]:
    """What an entry tells in FHIR's own words; the state of one of ours is read with its event."""
    is_own = entry.extension(EVENT) is not None
    state, milestone = _state(entry), _code(entry, "milestone", _MILESTONES)
    if state is None and milestone is None:
        if is_own:
            return
        raise entry.fail("subjectState", "neither a state nor a milestone is told")
    on = day_in(entry, "startDate") or changed
    if on is None:
        raise entry.fail("startDate", "is missing")
    if state is not None and not is_own:
        yield Claim(on, entry, state=state)
    if milestone is not None:
        kind = next((kind for kind, code in _MILESTONE_OF.items() if code == milestone), None)
        if kind is None:
            raise entry.fail("milestone", "no event stands for it")
        yield Claim(on, entry, milestone=kind)


def _with_claim(events: Events, claim: Claim, make: Make, arm: str | None) -> Events:
    """The events, and one more where those known do not say the same."""
    if claim.milestone is not None:
        if any(event.kind is claim.milestone and event.on == claim.on for event in events):
            return events
        if claim.milestone is EventKind.RANDOMISED:
            raise claim.element.fail("milestone", "whether something is given after the randomisation is not told")
        return (*events, SubjectEvent(kind=claim.milestone, on=claim.on))
    told = Told(claim.state or "", claim.on, FhirVersion.R5, arm, _reason(claim.element))
    is_own = claim.element.extension(EVENT) is not None
    if not is_own and told.status in _in_force(events, claim.on):
        return events
    try:
        return follow(make, events, told)
    except EntityError as error:
        raise claim.element.fail("subjectState" if error.field == "status" else error.field, error.problem) from None


def _in_force(events: Events, day: str) -> set[str]:
    """The states that a subject was in on a day, at whatever hour."""
    before = sum(event.on < day for event in events)
    until = sum(event.on <= day for event in events)
    return {code for count in range(max(before, 1), until + 1) for code in shown(events[:count], FhirVersion.R5)}


def _check_open(entries: Sequence[Element], own: Sequence[Recorded]) -> None:
    """Refuse a last state that is over, where nothing tells what came after.

    Of our own entries the one written last speaks, whatever day it has been given since.
    """
    ours = [one.element for one in sorted(own, key=lambda one: one.position) if one.element.has("subjectState")]
    others = [entry for entry in entries if entry.has("subjectState") and entry.extension(EVENT) is None]
    told = [(day_in(entry, "startDate") or "", entry) for entry in (*ours[-1:], *others)]
    latest = [entry for on, entry in told if on == max(day for day, _ in told)]
    if latest and all(entry.has("endDate") for entry in latest):
        raise latest[-1].fail("endDate", "the state is over, and nothing tells what came after it")


def _milestone(event: SubjectEvent) -> Json:
    code = _MILESTONE_OF.get(event.kind)
    if code is None:
        return {}
    return {"type": _coded(_TYPES, "Milestone"), "milestone": _coded(_MILESTONES, code)}


def _coded(system: str, code: str) -> Json:
    return concept(Coding(system=system, code=code))


def _state(entry: Element) -> str | None:
    state = _code(entry, "subjectState", _STATES)
    if state is not None and state not in STATUSES:
        raise entry.fail("subjectState", "is no state of a ResearchSubject")
    return state


def _code(entry: Element, name: str, system: str) -> str | None:
    """The code of a CodeableConcept in its system; None where the element is not there."""
    found = entry.child(name)
    if found is None:
        return None
    codes = [one.text("code") for one in found.children("coding") if one.text("system") == system]
    if not codes or codes[0] is None:
        raise entry.fail(name, "a code of its system is wanted")
    return codes[0]


def _reason(entry: Element) -> str | None:
    """The code of the reason, ours before others; words are not read, for they may name a person."""
    found = entry.child("reason")
    if found is None:
        return None
    codings = sorted(found.children("coding"), key=lambda one: one.text("system") != REASONS)
    return next((code for one in codings if (code := one.text("code")) is not None), UNTOLD)
