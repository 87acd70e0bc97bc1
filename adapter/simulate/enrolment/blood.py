"""In: a chart, the infusions given and the days of blood samples. Out: laboratory Observations as French laboratories
send them, and the cytopenias that they show.

Each subject has levels of their own; counts fall by the fourth or fifth week after an infusion and come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from adapter.simulate import analytes as lab
from adapter.simulate.analytes import Analyte, Spelling
from adapter.simulate.bloodwork import mdrd
from adapter.simulate.chart import Chart, When
from adapter.simulate.results import Written, emit
from adapter.simulate.terms import LOCAL_LAB, LOINC, UCUM, coding

D = Decimal
# Reference ranges as printed by the laboratory, canonical units; those of `relative` analytes are their upper limit's.
_NORMAL: Final = {
    "hemoglobin": ("12", "16"),
    "neutrophils": ("1.8", "7.5"),
    "platelets": ("150", "400"),
    "leukocytes": ("4", "10"),
    "lymphocytes": ("1", "4"),
    "creatinine": ("50", "104"),
    "albumin": ("35", "50"),
    "tp_percent": ("70", "120"),
    "inr": ("0.8", "1.2"),
}
# Analyte, usual levels, and how deep an infusion makes it fall.
_LEVELS: Final[tuple[tuple[Analyte, float, float, float], ...]] = (
    (lab.HEMOGLOBIN, 11.2, 14.8, 0.06),
    (lab.PLATELETS, 150, 320, 0.34),
    (lab.NEUTROPHILS, 2.4, 5.6, 0.24),
    (lab.LYMPHOCYTES, 1.1, 2.3, 0.5),
    (lab.CREATININE, 55, 92, 0.0),
    (lab.ALT, 14, 46, 0.0),
    (lab.AST, 15, 42, 0.0),
    (lab.BILIRUBIN, 4, 15, 0.0),
    (lab.ALBUMIN, 36, 46, 0.02),
    (lab.FASTING, 4.4, 6.2, 0.0),
    (lab.TP, 80, 108, 0.0),
    (lab.INR, 0.95, 1.12, 0.0),
)
#: CTCAE 5.0 (clinical-spec.md section 4): below these the grade is 2, 3, 4; haemoglobin has no grade 4 by a number.
GRADES: Final = {
    "platelets": ("75", "50", "25"),
    "neutrophils": ("1.5", "1.0", "0.5"),
    "lymphocytes": ("0.8", "0.5", "0.2"),
    "hemoglobin": ("10", "8"),
}
_LOWEST: Final = {"platelets": 21.0, "neutrophils": 0.55, "lymphocytes": 0.16, "hemoglobin": 8.2}
_CHILDBEARING: Final = 55
_HCG: Final = {"unit": "UI/L"}


@dataclass(slots=True)
class Low:
    """A count below the limit of grade 2: when it began, and the worst grade so far."""

    analyte: str
    since: date
    grade: int
    last: date
    over: bool = False


@dataclass(slots=True)
class Blood:
    """One subject's levels, and the cytopenias seen.

    `deep` multiplies how far the counts fall, `thin` is a day on which platelets are too low for an infusion.
    """

    levels: dict[str, float]
    deep: float
    infusions: list[date]
    usual: dict[str, Spelling] = field(default_factory=dict)
    lows: list[Low] = field(default_factory=list)
    thin: date | None = None

    def load(self, day: date) -> float:
        """How much of an infusion's effect is felt on that day: most by the fifth week, little after ten weeks."""
        felt = 0.0
        for given in self.infusions:
            weeks = (day - given).days / 7
            if weeks >= 0:
                felt += max(0.0, 1 - abs(weeks - 4.5) / 5) + 0.06
        return min(felt, 1.3)


def creatinine_for(rate: float, *, age: int, female: bool) -> float:
    """The creatinine (umol/L) at which MDRD gives that filtration rate."""
    return float(88.4 * (mdrd(88.4, age, female=female) / rate) ** (1 / 1.154))


def levels_of(chart: Chart, infusions: list[date], *, creatinine: float) -> Blood:
    """The levels of a subject: those of the screening results where these tell, else usual ones."""
    levels = {lab.CREATININE.name: creatinine}
    for analyte, low, high, _ in _LEVELS:
        if analyte.name in levels:
            continue
        known = chart.latest.get(analyte.name)
        span = known.span if known is not None else None
        level = chart.rng.uniform(low, high)
        if span is not None and span.low is not None and span.low == span.high:
            level = float(span.low)
        levels[analyte.name] = level
    deep = 1.9 if chart.chance(0.12) else chart.rng.uniform(0.7, 1.2)
    usual = {
        analyte.name: analyte.spellings[0] if chart.chance(0.7) else chart.rng.choice(analyte.spellings)
        for analyte, *_ in _LEVELS
    }
    return Blood(levels, deep, infusions, usual)


def sample(chart: Chart, blood: Blood, day: date, visit: str | None, *, tumour_marker: bool = False) -> None:
    """Write the results of one blood sample.

    Args:
        chart: the record.
        blood: the subject's levels; notes what is low.
        day: of the sample.
        visit: id of the Encounter that it was taken for; None outside the trial.
        tumour_marker: chromogranin A too.
    """
    load = blood.load(day)
    within = {"encounter": {"reference": f"Encounter/{visit}"}} if visit is not None else {}
    found: dict[str, float] = {}
    for analyte, _, _, fall in _LEVELS:
        level = blood.levels[analyte.name] * chart.rng.gauss(1, 0.05) * (1 - min(fall * blood.deep * load, 0.85))
        if analyte is lab.PLATELETS and blood.thin == day:
            level = chart.rng.uniform(56, 72)
        level = max(level, _LOWEST.get(analyte.name, level * 0.9))
        found[analyte.name] = _result(chart, blood, analyte, level, When(day, 480), within)
    _sums(chart, blood, found, day, within)
    if visit is not None:
        for name, limits in GRADES.items():
            _note(blood, name, sum(found[name] < float(limit) for limit in limits), day)
        _pregnancy(chart, day, within)
    if tumour_marker:
        _marker(chart, blood, day, within)


def _sums(chart: Chart, blood: Blood, found: dict[str, float], day: date, within: dict[str, Any]) -> None:
    """What follows from the others: leukocytes, and the filtration rate as the laboratory reports it."""
    when = When(day, 480)
    if lab.LEUKOCYTES.name not in blood.usual:
        # The counts of a laboratory share their unit; a spelling also has the LOINC of its own count.
        unit = blood.usual[lab.NEUTROPHILS.name].text
        own = lab.LEUKOCYTES.spellings
        blood.usual[lab.LEUKOCYTES.name] = next((spelling for spelling in own if spelling.text == unit), own[0])
    total = found["neutrophils"] + found["lymphocytes"] + chart.rng.uniform(0.4, 0.9)
    _result(chart, blood, lab.LEUKOCYTES, total, when, within)
    ages = chart.ages(day)
    if ages:
        rate = mdrd(found["creatinine"], ages[0], female=chart.gender == "female")
        blood.usual.setdefault(lab.MDRD.name, lab.MDRD.spellings[0])
        _result(chart, blood, lab.MDRD, rate, when, within)


def _result(
    chart: Chart, blood: Blood, analyte: Analyte, level: float, when: When, within: dict[str, Any]
) -> float:  # one result, in one of the ways of the feed
    spelling = blood.usual[analyte.name]
    if chart.chance(0.08):
        spelling = chart.rng.choice(analyte.spellings)
    limit = spelling.printed(analyte.uln) if analyte.relative else D(0)
    canonical = D(f"{level:.4f}")
    printed = Written(spelling, spelling.printed(canonical), limit)
    if analyte is lab.BILIRUBIN and canonical < D(5):
        printed = Written(spelling, spelling.printed(D(5)), limit, "<")
    options: dict[str, Any] = {
        "form": "text" if chart.chance(0.05) else "quantity",
        "ranges": "text" if chart.chance(0.05) else "numeric",
        "local_only": chart.chance(0.01),
        "more": within,
    }
    if analyte.name in _NORMAL:
        options["fixed"] = _limits(spelling, *_NORMAL[analyte.name])
    _spoil(chart, options, printed.figure)
    if chart.chance(0.006):
        _corrected(chart, analyte, printed, when, options)
    else:
        emit(chart, analyte, printed, when=when, options=options)
    return float(printed.figure * spelling.factor)


def _spoil(chart: Chart, options: dict[str, Any], figure: Decimal) -> None:
    """A few results that no reader may use: without a unit, without a value, not final."""
    draw = chart.rng.random()
    if draw < 0.01:
        options["value"] = {"valueQuantity": {"value": figure}}
    elif draw < 0.014:
        options["value"] = {"valueString": chart.rng.choice(("hémolysé", "prélèvement coagulé", "non fait"))}
    elif draw < 0.018:
        options["status"] = chart.rng.choice(("preliminary", "entered-in-error", "cancelled"))


def _corrected(chart: Chart, analyte: Analyte, printed: Written, when: When, options: dict[str, Any]) -> None:
    """The same resource sent twice: first preliminary, then corrected."""
    identity = chart.name("obs")
    first = Written(printed.spelling, printed.figure + printed.figure / 10, printed.limit)
    rounded = first.figure.quantize(D(1).scaleb(-printed.spelling.digits))
    once, twice = (When(when.day, when.minute, identity=identity, version=version) for version in (1, 2))
    preliminary = {**options, "status": "preliminary"}
    emit(chart, analyte, Written(printed.spelling, rounded, printed.limit), when=once, options=preliminary)
    emit(chart, analyte, printed, when=twice, options={**options, "status": "corrected"})


def _limits(spelling: Spelling, low: str, high: str) -> dict[str, Any]:
    def quantity(figure: str) -> dict[str, Any]:
        written: dict[str, Any] = {"value": spelling.printed(D(figure)), "unit": spelling.text}
        return written if spelling.code is None else {**written, "system": UCUM, "code": spelling.code}

    return {"low": quantity(low), "high": quantity(high)}


def _note(blood: Blood, name: str, steps: int, day: date) -> None:
    """Open, deepen or close a cytopenia: `steps` limits are undercut, the first of them is grade 2's."""
    grade = steps + 1 if steps else 0
    current = next((low for low in blood.lows if low.analyte == name and not low.over), None)
    if current is None:
        if grade:
            blood.lows.append(Low(name, day, grade, day))
        return
    current.last = day
    if grade:
        current.grade = max(current.grade, grade)
    else:
        current.over = True


def _pregnancy(chart: Chart, day: date, within: dict[str, Any]) -> None:
    if chart.gender != "female" or min(chart.ages(day), default=_CHILDBEARING) >= _CHILDBEARING:
        return
    code = {"coding": [coding(LOCAL_LAB, "BHCG", "bêta-hCG"), coding(LOINC, "21198-7")], "text": "bêta-hCG"}
    body: dict[str, Any] = {"valueQuantity": {"value": 1, "comparator": "<", **_HCG}}
    body["referenceRange"] = [{"high": {"value": 5, **_HCG}, "text": "< 5"}]
    chart.observe(code, {**body, **within}, when=When(day, 480))


def _marker(chart: Chart, blood: Blood, day: date, within: dict[str, Any]) -> None:
    level = blood.levels.setdefault("cga", chart.rng.uniform(70, 420))
    blood.levels["cga"] = level * chart.rng.uniform(0.82, 1.2)
    code = {"coding": [coding(LOCAL_LAB, "CGA", "Chromogranine A")], "text": "Chromogranine A"}
    value = {"valueQuantity": {"value": round(level), "unit": "ng/mL"}}
    chart.observe(code, {**value, **within}, when=When(day, 470))
