"""In: which bedside findings a story wants. Out: performance status and blood pressures, and the truths of I07 and
E11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.simulate.attestations import attest
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth
from adapter.simulate.terms import (
    BP_PANEL,
    DIASTOLIC,
    ECOG,
    ECOG_ANSWERS,
    ECOG_SNOMED,
    LOCAL_RECORD,
    LOINC,
    SCT,
    SYSTOLIC,
    UCUM,
    coding,
)

Wishes = Mapping[str, str]

ECOGS = (
    ("integer:fit", 40),
    ("integer:unfit", 6),
    ("answer:fit", 6),
    ("answer:unfit", 3),
    ("interpretation:fit", 4),
    ("snomed:fit", 4),
    ("snomed:unfit", 2),
    ("text:fit", 4),
    ("range:1-2", 3),
    ("range:2-3", 3),
    ("range:3-4", 1),
    ("stale", 5),
    ("first-day:fit", 2),
    ("improved", 3),
    ("worse", 3),
    ("not-done-last", 3),
    ("not-done-only", 2),
    ("karnofsky", 3),
    ("clash", 2),
    ("preliminary", 2),
    ("none", 14),
)


def performance(chart: Chart, wishes: Wishes) -> Truth:
    """I07: latest ECOG of the window is 0, 1 or 2."""
    wish = wishes.get("ecog") or (
        "integer:fit" if chart.calm else chart.rng.choices([n for n, _ in ECOGS], [w for _, w in ECOGS])[0]
    )
    kind, _, detail = wish.partition(":")
    if kind in ("integer", "answer", "interpretation", "snomed", "text"):
        return _score(chart, kind, fit=detail == "fit", before=chart.draw)
    if kind == "exact":
        return _write_score(chart, "integer", int(detail), When(chart.day(chart.draw), 600, category="exam"))
    if kind == "range":
        _ecog(chart, {"valueString": detail}, When(chart.day(chart.draw), 600, category="exam"))
        return {"1-2": "T", "2-3": "U", "3-4": "F"}[detail]  # type: ignore[return-value]
    return _course(chart, kind)


def _course(chart: Chart, kind: str) -> Truth:
    """Scores whose place in time or standing decides."""
    if kind == "stale":
        _score(chart, "integer", fit=True, before=29 + chart.rng.randrange(180))
        return "U"
    if kind == "first-day":
        return _score(chart, "integer", fit=True, before=28)
    if kind == "improved":
        _score(chart, "integer", fit=False, before=chart.draw + 3)
        return _score(chart, "integer", fit=True, before=chart.draw)
    if kind == "worse":
        _score(chart, "integer", fit=True, before=chart.draw + 3)
        return _score(chart, "answer", fit=False, before=chart.draw)
    if kind == "not-done-last":
        truth = _score(chart, "integer", fit=True, before=chart.draw)
        _ecog(chart, {"valueString": "ND"}, When(chart.day(1), 600, category="exam"))
        return truth
    if kind == "not-done-only":
        _ecog(chart, {"valueString": "ND"}, When(chart.day(chart.draw), 600, category="exam"))
    if kind == "karnofsky":
        code = {"coding": [coding(LOCAL_RECORD, "KARNOFSKY", "Indice de Karnofsky")]}
        chart.observe(code, {"valueInteger": 80}, when=When(chart.day(chart.draw), 600, category="exam"))
    if kind == "clash":
        _score(chart, "integer", fit=True, before=chart.draw)
        _score(chart, "integer", fit=False, before=chart.draw)
    if kind == "preliminary":
        _ecog(chart, {"valueInteger": 1}, When(chart.day(chart.draw), 600, category="exam"), status="preliminary")
    return "U"


def _score(chart: Chart, kind: str, *, fit: bool, before: int) -> Truth:
    score = chart.rng.choice((0, 1, 1, 2)) if fit else chart.rng.choice((3, 3, 4))
    return _write_score(chart, kind, score, When(chart.day(before), 600, category="exam"))


def _write_score(chart: Chart, kind: str, score: int, when: When) -> Truth:
    answers: dict[str, dict[str, Any]] = {
        "integer": {"valueInteger": score},
        "text": {"valueString": str(score)},
        "answer": {"valueCodeableConcept": {"coding": [coding(LOINC, ECOG_ANSWERS[score])]}},
        "snomed": {"valueCodeableConcept": {"coding": [coding(SCT, ECOG_SNOMED[score])]}},
        "interpretation": {"interpretation": [{"coding": [coding(LOINC, ECOG_ANSWERS[score])]}]},
    }
    _ecog(chart, answers[kind], when)
    return "T" if score <= 2 else "F"


def _ecog(chart: Chart, body: dict[str, Any], when: When, status: str = "final") -> None:
    code = {"coding": [coding(LOCAL_RECORD, "OMS", "Indice OMS"), coding(LOINC, ECOG)], "text": "Indice OMS"}
    chart.observe(code, body, when=when, status=status)


PRESSURES = (
    ("low", 46),
    ("low-twice", 10),
    ("high-once", 4),
    ("high-and-low", 3),
    ("high-twice", 3),
    ("high-twice-optimal", 3),
    ("high-twice-not-optimal", 2),
    ("below-limit-twice", 3),
    ("systolic-only-low", 2),
    ("stale", 4),
    ("none", 20),
)


def pressure(chart: Chart, wishes: Wishes) -> Truth:
    """E11: at or above 160 or 95 on the latest two days, despite therapy attested optimal."""
    kind = wishes.get("pressure") or (
        "low" if chart.calm else chart.rng.choices([n for n, _ in PRESSURES], [w for _, w in PRESSURES])[0]
    )
    last, earlier = chart.draw, chart.draw + 5
    if kind == "none":
        return "U"
    if kind == "stale":
        _reading(chart, "low", 35)
        return "U"
    if kind == "systolic-only-low":
        code = {"coding": [coding(LOINC, SYSTOLIC)]}
        when = When(chart.day(last), 600, category="vital-signs")
        chart.observe(code, {"valueQuantity": _mmhg(chart, 128)}, when=when)
        return "U"
    if kind == "high-and-low":
        pair = ("high", "low") if chart.chance(0.5) else ("low", "high")
        _reading(chart, pair[0], earlier)
        _reading(chart, pair[1], last)
        return "U"
    level = "limit" if kind.startswith("below-limit") else kind.split("-")[0]
    if "twice" in kind:
        _reading(chart, level, earlier)
    elif chart.chance(0.2):
        _reading(chart, "low" if level == "low" else "high", 120)
    _reading(chart, level, last)
    if level in ("low", "limit"):
        return "F"
    if kind == "high-twice-optimal":
        return "T" if attest(chart, "E11.optimal-therapy", "today-yes") == "T" else "U"
    if kind == "high-twice-not-optimal":
        return "F" if attest(chart, "E11.optimal-therapy", "today-no") == "F" else "U"
    return "U"


_HIGH = ((172, 98), (168, 96), (160, 80), (150, 95), (181, 104))


def _reading(chart: Chart, level: str, before: int) -> None:
    if level == "high":
        systolic, diastolic = chart.rng.choice(_HIGH)
    elif level == "limit":
        systolic, diastolic = 159, 94
    else:
        systolic, diastolic = chart.rng.randrange(104, 150), chart.rng.randrange(58, 90)
    when = When(chart.day(before), 600, category="vital-signs")
    if chart.chance(0.75):
        components = [
            {"code": {"coding": [coding(LOINC, SYSTOLIC)]}, "valueQuantity": _mmhg(chart, systolic)},
            {"code": {"coding": [coding(LOINC, DIASTOLIC)]}, "valueQuantity": _mmhg(chart, diastolic)},
        ]
        panel = {"coding": [coding(LOINC, BP_PANEL), coding(LOCAL_RECORD, "TA", "Tension artérielle")]}
        chart.observe(panel, {"component": components}, when=when)
        return
    for loinc, figure in ((SYSTOLIC, systolic), (DIASTOLIC, diastolic)):
        chart.observe({"coding": [coding(LOINC, loinc)]}, {"valueQuantity": _mmhg(chart, figure)}, when=when)


def _mmhg(chart: Chart, figure: int) -> dict[str, Any]:
    if chart.chance(0.25):
        return {"value": figure, "unit": chart.rng.choice(("mmHg", "mm Hg"))}
    return {"value": figure, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
