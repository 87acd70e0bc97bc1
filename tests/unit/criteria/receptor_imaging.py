"""In: codes, days and values of receptor imaging. Out: its FHIR resources, the nodes that ask for them, a scene of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Answer
from adapter.criteria.scene import Scene
from adapter.criteria.tree import Comparison, Examination, ExaminationValue
from adapter.terminology import Analyte, ValueSet
from tests.unit.criteria.making import ON, reluth, scene

__all__ = [
    "DAY",
    "A",
    "B",
    "C",
    "at",
    "concept",
    "krenning",
    "outcome",
    "percent",
    "procedure",
    "references",
    "report",
    "study",
    "to",
    "uptake",
    "value",
]

TERMS = "urn:reluth:terms"
SSTR = ValueSet("sstr_imaging", TERMS, frozenset({"sstr-pet-68ga", "sstr-scint-111in", "sstr-scint-99mtc"}))
ONE = Decimal(1)
PERCENT = Analyte(
    id="sstr_positive_percent",
    codes=frozenset({(TERMS, "sstr-positive-percent")}),
    unit="%",
    factors={"%": ONE},
    plausible=(Decimal(0), Decimal(100)),
    label={"fr": "p", "en": "p"},
)
UPTAKE = Analyte(
    id="krenning",
    codes=frozenset({(TERMS, "krenning-score"), (TERMS, "sstr-uptake")}),
    unit="{score}",
    factors={"{score}": ONE},
    plausible=(Decimal(0), Decimal(4)),
    label={"fr": "k", "en": "k"},
    unitless=True,
    coded_values={
        (TERMS, "below-liver"): Decimal(1),
        (TERMS, "at-liver"): Decimal(2),
        (TERMS, "above-liver"): Decimal(3),
    },
)
A = Examination(SSTR, 4)
B = ExaminationValue(SSTR, 4, PERCENT, Comparison("ge", Decimal(90)))
C = ExaminationValue(SSTR, 4, UPTAKE, Comparison("ge", Decimal(2)))
DAY = "2025-05-20"


def concept(code: str, system: str = TERMS) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def procedure(when: str | None = DAY, code: str = "sstr-pet-68ga", **more: Any) -> dict[str, Any]:
    dated = {} if when is None else {"performedDateTime": when}
    return {"resourceType": "Procedure", "status": "completed", "code": concept(code), **dated, **more}


def study(when: str = DAY, code: str = "sstr-pet-68ga", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "status": "available",
        "procedureCode": [concept(code)],
        "started": when,
        **more,
    }


def report(when: str | None = DAY, code: str = "sstr-pet-68ga", **more: Any) -> dict[str, Any]:
    dated = {} if when is None else {"effectiveDateTime": when}
    return {"resourceType": "DiagnosticReport", "status": "final", "code": concept(code), **dated, **more}


def value(code: str, when: str | None = DAY, **more: Any) -> dict[str, Any]:
    dated = {} if when is None else {"effectiveDateTime": when}
    return {"resourceType": "Observation", "status": "final", "code": concept(code), **dated, **more}


def percent(number: Any, when: str | None = DAY, **more: Any) -> dict[str, Any]:
    return value("sstr-positive-percent", when, **{"valueQuantity": {"value": number, "unit": "%"}, **more})


def krenning(score: int, when: str | None = DAY, **more: Any) -> dict[str, Any]:
    return value("krenning-score", when, valueInteger=score, **more)


def uptake(code: str, when: str | None = DAY, **more: Any) -> dict[str, Any]:
    return value("sstr-uptake", when, valueCodeableConcept=concept(code), **more)


def to(reference: str) -> list[dict[str, str]]:
    return [{"reference": reference}]


def at(*entries: Any, on: date = ON) -> Scene:
    return scene(reluth(), entries, on=on)


def outcome(found: Answer) -> tuple[Truth, Reason | None]:
    return found.truth, found.reason


def references(found: Answer) -> set[str]:
    return {item.reference for item in found.evidence}
