"""In: a node of a criterion's tree. Out: the trait and the value that it compares, as FHIR datatypes, if it is one simple comparison."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapter.criteria.tree import (
    Age,
    Comparison,
    CrossCheck,
    Fallback,
    Laboratory,
    Node,
    OnlyRefutes,
    Scale,
    Sex,
    WithAttestation,
)

__all__ = ["UCUM", "Compared", "simple_comparison"]

UCUM = "http://unitsofmeasure.org"
_GENDER = "http://hl7.org/fhir/administrative-gender"
_COMPARATORS = {"gt": ">", "lt": "<"}
_WORDS = {
    "age": {"en": "age", "fr": "âge"},
    "years": {"en": "years", "fr": "ans"},
    "sex": {"en": "administrative sex", "fr": "sexe administratif"},
    "uln": {
        "en": "{}, multiple of the upper limit of normal",
        "fr": "{}, en multiple de la borne supérieure de la normale",
    },
    "mdrd": {
        "en": "glomerular filtration rate (MDRD) computed from {}",
        "fr": "débit de filtration glomérulaire (MDRD) calculé d'après : {}",
    },
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison.

    Attributes:
        trait: what is measured, a CodeableConcept; coded where the value compared is the measured one itself.
        value: ``{"valueRange": ...}`` for limits that are in, ``{"valueQuantity": ...}`` with a comparator for limits that
            are out (a Range holds both its ends: R4 datatypes.html#range), ``{"valueCodeableConcept": ...}`` for a code.
        window_days: only a result of so many days before the reference date counts; None for what has no date.
    """

    trait: dict[str, Any]
    value: dict[str, Any]
    window_days: int | None = None


def simple_comparison(node: Node, language: str) -> Compared | None:
    """What a node compares with what.

    A cross-check, a fallback on data that can only refute and an attestation say how it is found out, not what is asked.

    Args:
        node: any node.
        language: of the texts, ``en`` or ``fr``.

    Returns:
        None when the node is more than one comparison, or asks for something else.
    """
    match node:
        case Age():
            years = _quantity(Decimal(node.at_least), "a", text=_WORDS["years"][language])
            return Compared({"text": _WORDS["age"][language]}, {"valueRange": {"low": years}})
        case Sex():
            coding = {"system": _GENDER, "code": node.gender}
            return Compared({"text": _WORDS["sex"][language]}, {"valueCodeableConcept": {"coding": [coding]}})
        case Laboratory():
            return _laboratory(node, language)
        case WithAttestation():
            return simple_comparison(node.of, language)
        case CrossCheck():
            return simple_comparison(node.decides, language)
        case Fallback(second=OnlyRefutes()):
            return simple_comparison(node.first, language)
    return None


def _laboratory(node: Laboratory, language: str) -> Compared:
    label = node.analyte.label[language]
    if node.scale is Scale.VALUE:
        codes = [{"system": system, "code": code} for system, code in sorted(node.analyte.codes)]
        value = _value(node.comparison, node.analyte.unit)
        return Compared({"coding": codes, "text": label}, value, node.window_days)
    # The codes of the analyte name another quantity than the one compared.
    text = {"text": _WORDS[node.scale.value][language].format(label)}
    unit, shown = ("{ULN}", "× ULN") if node.scale is Scale.ULN else ("mL/min/{1.73_m2}", "mL/min/1.73 m²")
    return Compared(text, _value(node.comparison, unit, text=shown), node.window_days)


def _value(comparison: Comparison, unit: str, *, text: str | None = None) -> dict[str, Any]:
    limit = _quantity(comparison.limit, unit, text=text)
    match comparison.operator:
        case "between":
            assert comparison.high is not None
            return {"valueRange": {"low": limit, "high": _quantity(comparison.high, unit, text=text)}}
        case "ge":
            return {"valueRange": {"low": limit}}
        case "le":
            return {"valueRange": {"high": limit}}
    number = {"value": limit.pop("value"), "comparator": _COMPARATORS[comparison.operator]}
    return {"valueQuantity": {**number, **limit}}


def _quantity(value: Decimal, unit: str, *, text: str | None = None) -> dict[str, Any]:
    # A unit in braces is a remark to UCUM, and reads as none.
    shown = text or (None if unit.startswith("{") else unit)
    return {"value": value, **({"unit": shown} if shown else {}), "system": UCUM, "code": unit}
