"""In: a filtration rate and which body a story wants. Out: height and weight, and E07.a once the rate is looked at per
minute as well as per 1.73 m2.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import sqrt

from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth
from adapter.simulate.terms import HEIGHT, LOINC, UCUM, WEIGHT, coding

LIMIT = 40.0
REFERENCE = 1.73
# So near the limit that rounding could decide: such a body is not told.
_MARGIN = 0.1
# Kind: weight, height in cm and weight in kg.
KINDS: dict[str, tuple[int, int, int]] = {
    "usual": (40, 168, 66),
    "none": (40, 0, 0),
    "large": (6, 192, 112),
    "small": (6, 150, 42),
    "height-alone": (3, 150, 0),
    "weight-changed": (3, 150, 42),
    "weight-later": (2, 168, 66),
}


def told(size: str) -> tuple[int, int, int]:
    """Weight of the kind (none), height and weight of a body that a story tells (`172/81`)."""
    height, _, weight = size.partition("/")
    return 0, int(height), int(weight)


def surface(height: int, weight: int) -> float:
    """Body surface by Mosteller, m2; height in cm, weight in kg."""
    return sqrt(height * weight / 3600)


def de_indexed(rate: float, height: int, weight: int) -> float:
    """mL/min of a rate in mL/min/1.73 m2."""
    return rate * surface(height, weight) / REFERENCE


def with_body(chart: Chart, wishes: Mapping[str, str], slow: Truth, *, rate: float | None) -> Truth:
    """E07.a with the body known: U where the two readings of the limit disagree.

    Args:
        chart: the record.
        wishes: `size` asks for a kind, or tells height and weight (`172/81`).
        slow: is the computed rate below 40 mL/min/1.73 m2?
        rate: the one rate that was computed; None where there is none, or where age or sex leave several.
    """
    kind = wishes.get("size") or _kind(chart)
    _, height, weight = KINDS[kind] if kind in KINDS else told(kind)
    if rate is None or kind == "none":
        return slow
    if weight and abs(de_indexed(rate, height, weight) - LIMIT) < _MARGIN:
        return slow
    _measure(chart, HEIGHT, height, 24)
    if not weight:
        return slow
    if kind == "weight-changed":
        _measure(chart, WEIGHT, 96, 200)
    _measure(chart, WEIGHT, weight, 20)
    if kind == "weight-later":
        _measure(chart, WEIGHT, 140, -3)
    below = de_indexed(rate, height, weight) < LIMIT
    return slow if below == (slow == "T") else "U"


def _kind(chart: Chart) -> str:
    if chart.calm:
        return "usual" if chart.near else "none"
    if not chart.near and not chart.chance(0.3 if chart.neuroendocrine else 0.02):
        return "none"
    return chart.rng.choices(list(KINDS), [weight for weight, _, _ in KINDS.values()])[0]


def _measure(chart: Chart, loinc: str, figure: int, before: int) -> None:
    unit = "cm" if loinc == HEIGHT else "kg"
    code = {"coding": [coding(LOINC, loinc)], "text": "Taille" if loinc == HEIGHT else "Poids"}
    value = {"valueQuantity": {"value": Decimal(figure), "unit": unit, "system": UCUM, "code": unit}}
    chart.observe(code, value, when=When(chart.day(before), 590, category="vital-signs"))
