"""In: a chart and the day of a visit. Out: its Encounter, blood pressure, weight and performance status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from adapter.simulate.chart import Chart, When
from adapter.simulate.enrolment.codes import CYCLE_VISIT, FOLLOW_UP_VISIT, SCREENING_VISIT, VISIT_NUMBER, ours
from adapter.simulate.moments import written
from adapter.simulate.terms import (
    ACT,
    BP_PANEL,
    DIASTOLIC,
    ECOG,
    ECOG_ANSWERS,
    LOCAL_RECORD,
    LOCAL_STAY,
    LOINC,
    SYSTOLIC,
    UCUM,
    WEIGHT,
    coding,
)

_WORDS: Final = {SCREENING_VISIT: "Bilan d'inclusion", CYCLE_VISIT: "Cycle", FOLLOW_UP_VISIT: "Visite de suivi"}
_PRESSURE: Final = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


@dataclass(slots=True)
class Bedside:
    """What changes slowly from visit to visit: weight in kg, systolic pressure, performance status."""

    weight: Decimal
    systolic: int
    ecog: int


def encounter(chart: Chart, kind: str, number: int, day: date, *, cancelled: bool = False) -> str:
    """Write a visit's Encounter, and give its id; a cycle is a night in hospital."""
    stays = kind == CYCLE_VISIT and not cancelled
    end = written(day + timedelta(days=1), 660) if stays else written(day, 690 if cancelled else 1020)
    identity = chart.name("visit")
    body: dict[str, Any] = {
        "extension": [{"url": VISIT_NUMBER, "valueInteger": number}],
        "identifier": [{"system": LOCAL_STAY, "value": f"8{int(chart.key[1:7]):08d}{chart.count:04d}"}],
        "status": "cancelled" if cancelled else "finished",
        "class": coding(ACT, "IMP", "inpatient encounter") if stays else coding(ACT, "AMB", "ambulatory"),
        "type": [ours(kind, f"{_WORDS[kind]} {number}")],
        "subject": chart.subject(),
        "period": {"start": written(day, 450), "end": end},
        "serviceProvider": {"reference": "Organization/org-centre"},
    }
    return chart.add("Encounter", body, day=day, identity=identity)


def examine(chart: Chart, state: Bedside, day: date, visit: str) -> None:
    """Write what is measured at a visit."""
    within = {"encounter": {"reference": f"Encounter/{visit}"}}
    _pressure(chart, state, day, within)
    state.weight += Decimal(chart.rng.randrange(-12, 11)) / 10
    kilograms = {"value": state.weight, "unit": "kg", "system": UCUM, "code": "kg"}
    weight = {"coding": [coding(LOINC, WEIGHT)], "text": "Poids"}
    chart.observe(weight, {"valueQuantity": kilograms, **within}, when=When(day, 575, category="vital-signs"))
    if chart.chance(0.15):
        state.ecog = min(max(state.ecog + chart.rng.choice((-1, 1)), 0), 2)
    code = {"coding": [coding(LOCAL_RECORD, "OMS", "Indice OMS"), coding(LOINC, ECOG)], "text": "Indice OMS"}
    answer: dict[str, Any] = {"valueInteger": state.ecog}
    if chart.chance(0.2):
        answer = {"valueCodeableConcept": {"coding": [coding(LOINC, ECOG_ANSWERS[state.ecog])]}}
    chart.observe(code, {**answer, **within}, when=When(day, 600, category="exam"))


def _pressure(chart: Chart, state: Bedside, day: date, within: dict[str, Any]) -> None:
    systolic = state.systolic + chart.rng.randrange(-12, 13)
    figures = ((SYSTOLIC, systolic), (DIASTOLIC, systolic * 6 // 10 + chart.rng.randrange(-6, 7)))
    components = [
        {"code": {"coding": [coding(LOINC, loinc)]}, "valueQuantity": {"value": figure, **_PRESSURE}}
        for loinc, figure in figures
    ]
    panel = {"coding": [coding(LOINC, BP_PANEL), coding(LOCAL_RECORD, "TA", "Tension artérielle")]}
    chart.observe(panel, {"component": components, **within}, when=When(day, 570, category="vital-signs"))
