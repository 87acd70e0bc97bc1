"""In: the rows of the views on a subject and their visits. Out: the subject's facts, the elements they went through, their visits.

Everything here is read from what happened (ResearchSubject, Encounter, Patient); what is to happen stands in study.yaml.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from adapter.datasets.sdtm.dates import certainly_before, iso_day, iso_time, plus_days
from adapter.datasets.sdtm.documents import Design, ElementDesign, VisitDesign
from adapter.datasets.sdtm.frame import Element, SubjectFacts, Value, Visit
from adapter.datasets.sdtm.notes import Notes, Place
from adapter.datasets.sdtm.rows import at_row

__all__ = ["Event", "Stay", "Told", "put_elements", "put_facts", "put_visits", "stay_of"]


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the view ``subject_event``."""

    resource: str
    position: int
    kind: str
    on: str
    reason: str | None
    cycle: int | None
    arm: str | None
    visit: int | None
    row: str | None = None

    def source(self, paths: Mapping[str, str], column: str) -> tuple[str, str]:
        """Resource and path of one of its columns."""
        return self.resource, at_row(paths[column], self.row)


@dataclass(frozen=True, slots=True)
class Stay:
    """A row of the view ``encounter`` that is a visit of the trial."""

    resource: str
    status: str
    kind: str
    visit: int
    start: str
    end: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """The rows of one subject, with the paths of the views' columns."""

    events: tuple[Event, ...]
    stays: tuple[Stay, ...]
    patient: Mapping[str, Value]
    patient_resource: str | None
    paths: Mapping[str, str]


#: Facts that are the day of the first event of a kind.
_DAYS: Final = {
    "consented_on": "consented",
    "death_event_on": "died",
    "ended_on": "ended",
    "progression_on": "progression",
    "randomised_on": "randomised",
    "registered_on": "registered",
    "treatment_over_on": "treatment-over",
    "withdrawn_on": "withdrawn",
}
#: Statuses of an encounter that says nothing of a visit: it never was one, or is still to come.
_NO_VISIT: Final = ("entered-in-error", "planned")
#: Events with which a participation is over.
_ENDING: Final = ("withdrawn", "randomisation-failed", "died", "ended", "ineligible", "not-registered")


def put_facts(facts: SubjectFacts, told: Told, design: Design, notes: Notes) -> None:
    """Write what is known of a subject before any row is made; findings for what contradicts itself."""
    values, place = facts.values, Place("DM", facts.usubjid)
    for name, kind in _DAYS.items():
        event = next((one for one in told.events if one.kind == kind), None)
        if event is not None:
            _put(facts, name, event.on, event.source(told.paths, "on"))
    cycle = next((one for one in told.events if one.kind == "cycle"), None)
    values["first_cycle_on"] = cycle.on if cycle is not None else None
    _put_patient(facts, told)
    _put_arm(facts, told, design, notes)
    start = next((one for one in told.events if one.kind == design.treatment_from), None)
    values["study_treatment_from"] = start.on if start is not None else None
    values["rfstdtc"] = next((values[name] for name in design.reference_start if values.get(name) is not None), None)
    if "rfstdtc" not in facts.sources:
        origin = next((name for name in design.reference_start if values.get(name) is not None), None)
        if origin is not None and origin in facts.sources:
            facts.sources["rfstdtc"] = facts.sources[origin]
    ending = [one for one in told.events if one.kind in _ENDING]
    if values.get("died_on") is not None:
        _put(facts, "participation_ended_on", values["died_on"], facts.sources.get("died_on"))
    # Of a death with two days the record's holds (finding death-days-differ).
    if ending and not (ending[-1].kind == "died" and values.get("died_on") is not None):
        _put(facts, "participation_ended_on", ending[-1].on, ending[-1].source(told.paths, "on"))
    _order(told, values, notes, place)


def _put(facts: SubjectFacts, name: str, value: Value, source: tuple[str, str] | None) -> None:
    facts.values[name] = value
    if source is not None:
        facts.sources[name] = source


def _put_patient(facts: SubjectFacts, told: Told) -> None:
    patient, resource = told.patient, told.patient_resource
    for name, column in (("sex", "gender"), ("age", "age")):
        value = patient.get(column)
        if value is not None and resource is not None:
            _put(facts, name, value, (resource, told.paths[column]))
    day = iso_day(str(patient["deceased_date"])) if patient.get("deceased_date") is not None else None
    event = next((one for one in told.events if one.kind == "died"), None)
    if day is not None and resource is not None:
        _put(facts, "died_on", day, (resource, told.paths["deceased_date"]))
        _put(facts, "death_known", "Y", (resource, told.paths["deceased_date"]))
    elif event is not None:
        _put(facts, "died_on", event.on, event.source(told.paths, "on"))
        _put(facts, "death_known", "Y", event.source(told.paths, "kind"))
    elif patient.get("deceased") == "true" and resource is not None:
        _put(facts, "death_known", "Y", (resource, told.paths["deceased"]))


def _put_arm(facts: SubjectFacts, told: Told, design: Design, notes: Notes) -> None:
    """The planned arm; without one, why (ARMNRS)."""
    values, place = facts.values, Place("DM", facts.usubjid)
    randomised = next((one for one in told.events if one.kind == "randomised"), None)
    arm = design.arm(randomised.arm) if randomised is not None else None
    if arm is not None and randomised is not None:
        for name, value in (("arm", arm.name), ("arm_code", arm.code), ("arm_label", arm.label)):
            _put(facts, name, value, randomised.source(told.paths, "arm"))
        return
    kinds = {one.kind for one in told.events}
    # Who is still in screening has failed nothing yet.
    values["no_arm_reason"] = "SCREEN FAILURE" if _is_failure(kinds) else "NOT ASSIGNED"
    if randomised is not None:
        notes.record("arm-unknown", place, "ARMCD", text=_ARM_UNKNOWN)
    elif "registered" in kinds:
        notes.record("subject-without-arm", place, "ARMCD", text=_WITHOUT_ARM)
    elif not _is_failure(kinds):
        notes.record("screening-not-closed", place, "ARMNRS", text=_NOT_CLOSED)


_ARM_UNKNOWN: Final = (
    "The arm of the randomisation is none of the study's; the arm variables are empty and ARMNRS says NOT ASSIGNED."
)
_WITHOUT_ARM: Final = (
    "The subject was registered and has no arm; the arm variables are empty and ARMNRS says NOT ASSIGNED."
)
_NOT_CLOSED: Final = (
    "The subject consented and was neither registered nor refused yet; ARMNRS says NOT ASSIGNED until that is told."
)


def _is_failure(kinds: set[str]) -> bool:
    """Never registered, and it is told that they will not be."""
    return "registered" not in kinds and bool(kinds & {"ineligible", "not-registered", "withdrawn", "died", "ended"})


def _order(told: Told, values: Mapping[str, Value], notes: Notes, place: Place) -> None:
    days = [one.on for one in told.events]
    if any(certainly_before(later, earlier) for earlier, later in pairwise(days)):
        notes.record("dates-out-of-order", place, text="The events of the subject are not in the order of their days.")
    died = values.get("died_on")
    if died is not None and any(certainly_before(str(died), one.on) for one in told.events if one.kind != "ended"):
        notes.record("event-after-death", place, "DTHDTC", text="An event of the subject is dated after the death.")


# --- elements ----------------------------------------------------------------------------------------------------------


def put_elements(facts: SubjectFacts, told: Told, design: Design) -> None:
    """Write the elements that the subject went through: each begins with one of its events, and ends where the next begins."""
    over = facts.values.get("participation_ended_on")
    begun: list[tuple[str, int, ElementDesign, tuple[str, str] | None]] = []
    for place, element in enumerate(design.elements):
        for at, event in enumerate(told.events):
            days = _starts(element, event, {one.kind for one in told.events[:at]})
            if days is None:
                continue
            start = plus_days(event.on, days)
            if over is None or start <= str(over):
                # A day that is counted from another one stands in no resource.
                begun.append((start, place, element, event.source(told.paths, "on") if days == 0 else None))
            break
    begun.sort(key=lambda one: one[:2])
    for at, (start, _, element, source) in enumerate(begun):
        following = begun[at + 1] if at + 1 < len(begun) else None
        ended = facts.sources.get("participation_ended_on") if over is not None else None
        facts.elements.append(
            Element(
                element.code,
                element.name,
                design.order(element.code, facts.values.get("arm")),
                element.epoch,
                start,
                following[0] if following is not None else str(over) if over is not None else None,
                following is None,
                (source, following[3] if following is not None else ended),
            )
        )


def _starts(element: ElementDesign, event: Event, before: Container[str]) -> int | None:
    """How many days after the event the element begins; None where the event, after those kinds, is not what it begins with."""
    for start in element.starts:
        if start.after is not None and start.after not in before:
            continue
        if start.event == event.kind and start.cycle in (None, event.cycle) and start.arm in (None, event.arm):
            return start.days
    return None


# --- visits ------------------------------------------------------------------------------------------------------------


def put_visits(facts: SubjectFacts, told: Told, design: Design, notes: Notes) -> None:
    """Write the subject's visits: their encounters; where there is none, the event that tells of the visit."""
    planned = {(one.kind, one.visit): one for one in design.visits}
    found: dict[tuple[str, int], Visit] = {}
    keys: list[tuple[tuple[str, int], str]] = []
    for stay in sorted(told.stays, key=lambda one: (one.start, one.resource)):
        visit = planned.get((stay.kind, stay.visit))
        if visit is None:
            place = Place("SV", facts.usubjid, stay.resource)
            notes.record(
                "visit-not-planned", place, "VISITNUM", text="The visit is none of the planned ones; it is left out."
            )
            continue
        known = found.get((stay.kind, stay.visit))
        occurred = stay.status != "cancelled"
        if occurred:
            keys.append(((stay.kind, stay.visit), stay.resource.partition("/")[2]))
        if known is None or (occurred and not known.occurred):
            paths = (told.paths["visit"], told.paths["start"], told.paths["end"])
            made = _visit(visit, stay.start, stay.end, stay.resource, paths)
            found[stay.kind, stay.visit] = made._replace(occurred=occurred)
        elif not occurred:
            continue
        else:
            place = Place("SV", facts.usubjid, stay.resource)
            notes.record(
                "visit-repeated",
                place,
                "VISITNUM",
                text="The visit has two encounters; it lasts from the first start to the last end.",
            )
            last = max(stay.end or stay.start, known.end or known.start)
            found[stay.kind, stay.visit] = known._replace(end=last)
    for event in told.events:
        for key in _visits_of(event, design.visits):
            if key not in found or not found[key].occurred:
                kind, on = event.source(told.paths, "kind")[1], event.source(told.paths, "on")[1]
                paths = (kind, on, on)
                found[key] = _visit(planned[key], event.on, event.on, event.resource, paths)
    facts.visits = sorted(found.values(), key=lambda one: (one.start, one.number))
    facts.by_encounter = {encounter: found[key] for key, encounter in keys}


def _visit(design: VisitDesign, start: str, end: str | None, resource: str, paths: tuple[str, str, str]) -> Visit:
    return Visit(
        number=design.number,
        name=design.name,
        day=design.day,
        start=start,
        end=end,
        before=design.before,
        after=design.after,
        resource=resource,
        paths=paths,
        occurred=True,
    )


def _visits_of(event: Event, visits: Iterable[VisitDesign]) -> Iterable[tuple[str, int]]:
    """The visits that an event tells of: its own number where it has one, else the one visit that the design ties to it."""
    for one in visits:
        number = event.cycle if event.kind == "cycle" else event.visit if event.kind == "visit" else one.visit
        if one.event == event.kind and one.visit == number:
            yield one.kind, one.visit


def stay_of(row: Mapping[str, Any]) -> Stay | None:
    """The visit that an encounter is; None for a stay that is none of the trial's, or has no start, and for an appointment."""
    start = iso_time(str(row["start"])) if row.get("start") is not None else None
    if row.get("visit_kind") is None or row.get("visit") is None or start is None or row.get("status") in _NO_VISIT:
        return None
    end = iso_time(str(row["end"])) if row.get("end") is not None else None
    return Stay(f"Encounter/{row['id']}", str(row.get("status")), str(row["visit_kind"]), int(row["visit"]), start, end)
