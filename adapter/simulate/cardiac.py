"""In: which events of heart and vessels a story wants. Out: Conditions, revascularisation procedures, and the truth of
E10.

Two lists (clarification 7): events that decide by their date, and diagnoses that only ask whether they are controlled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Days, Diagnosis, newest_of, the_day, the_year
from adapter.simulate.kleene import Truth, some
from adapter.simulate.moments import plus_months
from adapter.simulate.terms import TERMS, coding

DECIDING = ("I60", "I61", "I63", "I64", "I26", "I200")
ASKING = ("I50", "I21", "I22", "I62", "I442", "I47", "I48", "I49", "R001", "Z951", "Z955")
OVER = ("inactive", "remission", "resolved")
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Revascularisation:
    """A procedure with its day."""

    days: Days
    status: str = "completed"


Event = Diagnosis | Revascularisation


def uncontrolled(
    on: date, diagnoses: Sequence[Diagnosis], procedures: Sequence[Revascularisation] = (), *, controlled: Truth = "U"
) -> Truth:
    """E10: an event of the last twelve months.

    Args:
        on: reference date.
        diagnoses: everything coded; other codes have nothing to say.
        procedures: revascularisations.
        controlled: the attested answer to what the asking diagnoses ask.
    """
    start = plus_months(on, -MONTHS)
    found: list[Truth] = []
    for procedure in procedures:
        if procedure.status == "completed":
            found += _dated(procedure.days, start, on)
    asked = False
    for diagnosis in diagnoses:
        if diagnosis.dropped or diagnosis.later_than(on):
            continue
        if diagnosis.icd.startswith(DECIDING):
            told = _dated(_known(diagnosis), start, on)
            found += told if diagnosis.confirmed else ["U" for _ in told]
        elif diagnosis.icd.startswith(ASKING) and not _over(diagnosis, start):
            asked = asked or diagnosis.confirmed
            found += [] if diagnosis.confirmed else ["U"]
    if asked:
        found.append({"T": "F", "F": "T", "U": "U"}[controlled])  # type: ignore[arg-type]
    return some(*found) if found else "U"


def _known(diagnosis: Diagnosis) -> Days | None:
    """The day of the event: onset; the day of recording only says that it was not later."""
    if diagnosis.onset is not None or diagnosis.recorded is None:
        return diagnosis.onset
    return Days(date.min, diagnosis.recorded)


def _dated(days: Days | None, start: date, on: date) -> list[Truth]:
    if days is None:
        return ["U"]
    if days.last < start or days.first > on:
        return []
    return ["T" if days.within(start, on) else "U"]


def _over(diagnosis: Diagnosis, start: date) -> bool:
    if diagnosis.abatement is not None:
        return diagnosis.abatement.last < start
    begun = _known(diagnosis)
    return begun is not None and begun.last < start and diagnosis.clinical in OVER


def _ago(code: str, days: int = 0, *, months: int = 0, **more: Any) -> Callable[[date], tuple[Event, ...]]:
    def built(on: date) -> tuple[Event, ...]:
        day = plus_months(on, -months) - timedelta(days=days)
        return (Diagnosis(code, onset=the_day(day), recorded=day, **more),)

    return built


def _recorded(code: str, days: int, **more: Any) -> Callable[[date], tuple[Event, ...]]:
    return lambda on: (Diagnosis(code, recorded=on - timedelta(days=days), **more),)


def _procedure(days: int, **more: Any) -> Callable[[date], tuple[Event, ...]]:
    return lambda on: (Revascularisation(the_day(on - timedelta(days=days)), **more),)


def _both(*kinds: Callable[[date], tuple[Event, ...]]) -> Callable[[date], tuple[Event, ...]]:
    return lambda on: tuple(event for kind in kinds for event in kind(on))


def _ended(code: str, begun: int, over: int) -> Callable[[date], tuple[Event, ...]]:
    def built(on: date) -> tuple[Event, ...]:
        days = (the_day(on - timedelta(days=before)) for before in (begun, over))
        onset, abatement = days
        return (Diagnosis(code, clinical="resolved", onset=onset, recorded=onset.first, abatement=abatement),)

    return built


def _stroke_year(on: date) -> tuple[Event, ...]:
    return (Diagnosis("I63.9", onset=the_year(plus_months(on, -MONTHS)), recorded=on - timedelta(days=30)),)


_FIBRILLATION = _recorded("I48", 600)

# Kind: weight, what is written, and how `E10.controlled` is attested.
KINDS: dict[str, tuple[int, Callable[[date], tuple[Event, ...]], str]] = {
    "none": (50, lambda on: (), "none"),
    "stroke": (3, _ago("I63.9", months=3), "none"),
    "haemorrhage": (2, _ago("I61", 200), "none"),
    "angina": (2, _ago("I20.0", 60), "none"),
    "embolism-old": (3, _ago("I26.9", months=36), "none"),
    "embolism-first-day": (2, _ago("I26.9", months=12), "none"),
    "embolism-day-before": (2, _ago("I26.9", 1, months=12), "none"),
    "stroke-year": (2, _stroke_year, "none"),
    "stroke-recorded": (2, _recorded("I64", 90), "none"),
    "stroke-recorded-long-ago": (2, _recorded("I64", 800), "none"),
    "stroke-provisional": (2, _ago("I63.9", 60, verification="provisional"), "none"),
    "stroke-refuted": (2, _ago("I63.9", 60, verification="refuted"), "none"),
    "stroke-error": (2, _ago("I63.9", 60, verification="entered-in-error"), "none"),
    "stroke-later": (2, _ago("I63.9", -4), "none"),
    "sequelae": (2, _ago("I69", 100), "none"),
    "revascularised": (3, _procedure(150), "none"),
    "revascularised-long-ago": (2, _procedure(500), "none"),
    "revascularisation-planned": (2, _procedure(150, status="not-done"), "none"),
    "fibrillation": (5, _FIBRILLATION, "none"),
    "fibrillation-controlled": (4, _FIBRILLATION, "yes"),
    "fibrillation-uncontrolled": (3, _FIBRILLATION, "by-role-no"),
    "controlled-by-patient": (2, _FIBRILLATION, "by-patient-yes"),
    "infarction-undated": (3, _recorded("I21.9", 100), "none"),
    "failure-over": (2, _ended("I50", 1500, 700), "none"),
    "failure-resolved": (2, _ago("I50", 900, clinical="resolved"), "none"),
    "failure-over-lately": (2, _ended("I50", 1500, 100), "none"),
    "bradycardia": (2, _ago("R00.1", 200), "none"),
    "stent": (2, _ago("Z95.5", 120), "yes"),
    "stroke-beside-controlled": (2, _both(_ago("I63.9", 100), _FIBRILLATION), "yes"),
    "old-stroke-beside-controlled": (2, _both(_ago("I63.9", 900), _FIBRILLATION), "yes"),
}


def heart(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's events, and give E10 with what is attested; reads every diagnosis of the chart."""
    _, build, controlled = KINDS[kind]
    events = build(chart.on)
    procedures = [event for event in events if isinstance(event, Revascularisation)]
    for event in events:
        if isinstance(event, Diagnosis):
            diagnose(chart, event)
    for procedure in procedures:
        _procedure_of(chart, procedure)
    told = attest(chart, "E10.controlled", wishes.get("E10.controlled", controlled))
    asked = [d for d in chart.diagnoses if d.icd.startswith(DECIDING + ASKING) and not d.later_than(chart.on)]
    newest = newest_of(*(d.newest() for d in asked), *(procedure.days.last for procedure in procedures))
    coded = uncontrolled(chart.on, chart.diagnoses, procedures, controlled=told)
    return answer(chart, wishes, "E10", coded=coded, newest=newest)


def _procedure_of(chart: Chart, procedure: Revascularisation) -> None:
    body = {
        "status": procedure.status,
        "code": {"coding": [coding(TERMS, "revascularisation")], "text": "Revascularisation"},
        "subject": chart.subject(),
        "performedDateTime": procedure.days.text(),
    }
    chart.add("Procedure", body, day=procedure.days.last, identity=chart.name("proc"))
