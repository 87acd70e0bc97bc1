"""In: which results a story wants. Out: the blood results of one patient, and the truths of I11, E07 (parts a, c,
d), E08 and E09 that they support.

Thresholds are those of `clinical-spec.md` section 10, written here a second time on purpose: this side never asks
the criteria engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from adapter.simulate import analytes as lab
from adapter.simulate.analytes import Analyte
from adapter.simulate.body import with_body
from adapter.simulate.chart import Chart, When
from adapter.simulate.kleene import Truth, every, negate, some
from adapter.simulate.labs import Draft, levels, plot_name, run, spelled
from adapter.simulate.results import Result, Written, choose, emit
from adapter.simulate.terms import LOCAL_LAB, LOINC, coding

D = Decimal
Wishes = Mapping[str, str]
_HB_LEVELS = (("good", "mid", "bad", "edge-good", "edge-bad"), (83, 8, 4, 3, 2))
_GOOD_LEVELS = (("good", "bad", "edge-good", "edge-bad"), (91, 4, 3, 2))
_ENZYME_LEVELS = (("good", "mid", "bad", "edge-good", "edge-mid"), (88, 4, 3, 3, 2))
_RATIO_LEVELS = (("good", "bad", "edge-good"), (92, 5, 3))
_BILIRUBIN_LEVELS = (("good", "mid", "bad", "edge-good"), (86, 6, 5, 3))
_CELL_LEVELS = (("good", "bad", "edge-good"), (84, 12, 4))
CLASHES = ("clash", "day-clashes")


def _measure(chart: Chart, analyte: Analyte, wishes: Wishes, menu: tuple[tuple[str, ...], tuple[int, ...]]) -> Result:
    wish = wishes.get(analyte.name, "")
    plot, _, level = wish.partition(":")
    level = level or ("good" if chart.calm else chart.rng.choices(menu[0], menu[1])[0])
    plot = plot or plot_name(chart)
    if plot in CLASHES and level in ("mid", "edge-mid", "edge-good"):
        level = "bad"  # a clash stands on both sides of every threshold of the sentence
    wanted, opposite = levels(chart, analyte, level)
    result = run(Draft(chart, analyte, wanted, opposite), plot)
    chart.latest[analyte.name] = result
    return result


def marrow(chart: Chart, wishes: Wishes) -> Truth:
    """I11: haemoglobin above 8 g/dL, neutrophils at least 1.5 and platelets at least 80 10*9/L."""
    first = len(chart.resources)
    hemoglobin = _measure(chart, lab.HEMOGLOBIN, wishes, _HB_LEVELS)
    neutrophils = _measure(chart, lab.NEUTROPHILS, wishes, _GOOD_LEVELS)
    platelets = _measure(chart, lab.PLATELETS, wishes, _GOOD_LEVELS)
    for cells in (lab.LEUKOCYTES, lab.LYMPHOCYTES):
        if cells.name in wishes or (chart.neuroendocrine and not chart.calm and chart.chance(0.5)):
            _measure(chart, cells, wishes, _CELL_LEVELS)
    if wishes.get("panel") == "yes" or chart.chance(0.25):
        _panel(chart, first)
    return every(
        hemoglobin.above(D(8)),
        negate(neutrophils.below(D("1.5"))),
        negate(platelets.below(D(80))),
    )


def _panel(chart: Chart, first: int) -> None:
    members = sorted({r["id"] for r in chart.resources[first:] if r["resourceType"] == "Observation"})
    if members:
        code = {"coding": [coding(LOCAL_LAB, "NFS", "Numération formule sanguine")], "text": "NFS"}
        body = {"hasMember": [{"reference": f"Observation/{member}"} for member in members]}
        chart.observe(code, body, when=When(chart.day(chart.draw), 480))


def mdrd(creatinine: float, age: int, *, female: bool) -> float:
    """Four-variable MDRD, IDMS coefficient, no ethnicity factor (Levey et al., Ann Intern Med 2006;145:247-254)."""
    return float(175 * (creatinine / 88.4) ** -1.154 * max(age, 1) ** -0.203 * (0.742 if female else 1))


def _creatinine_for(chart: Chart, rate: float) -> Decimal:
    age = max(chart.ages(chart.on) or (60,))
    factor = 175 * max(age, 1) ** -0.203 * (0.742 if chart.gender == "female" else 1)
    return D(round(88.4 * (factor / rate) ** (1 / 1.154), 3)).quantize(D("0.001"))


def _creatinine(chart: Chart, *, good: bool) -> Written:
    while True:
        rate = chart.rng.uniform(45, 108) if good else chart.rng.uniform(11, 36)
        if chart.chance(0.1):
            rate = chart.rng.uniform(40.2, 42) if good else chart.rng.uniform(38, 39.8)
        printed = choose(chart, lab.CREATININE, "", _creatinine_for(chart, rate))
        rates = _rates(chart, printed.figure * printed.spelling.factor, chart.day(chart.draw).toordinal())
        if all(abs(value - 40) > 0.03 for value in rates):
            return printed


def _rates(chart: Chart, creatinine: Decimal, ordinal: int) -> list[float]:
    day = chart.on.fromordinal(ordinal)
    sexes = {"male": (False,), "female": (True,)}.get(str(chart.gender), (False, True))
    return [mdrd(float(creatinine), age, female=sex) for age in chart.ages(day) for sex in sexes]


def _slow(chart: Chart, result: Result) -> Truth:
    """Is the filtration rate below 40, whatever age and sex the record leaves open?"""
    if result.span is None or result.day is None or chart.born is None:
        return "U"
    low, high = result.span.low, result.span.high
    ordinal = result.day.toordinal()
    if high is not None and all(rate >= 40 for rate in _rates(chart, high, ordinal)):
        return "F"
    if low is not None and low > 0 and all(rate < 40 for rate in _rates(chart, low, ordinal)):
        return "T"
    return "U"


def _rate(chart: Chart, result: Result) -> float | None:
    """The one rate that the record gives; None where it gives none or several."""
    if result.span is None or result.day is None or result.span.low is None or result.span.low != result.span.high:
        return None
    rates = _rates(chart, result.span.low, result.day.toordinal())
    return rates[0] if len(rates) == 1 else None


def _filtration(chart: Chart, wishes: Wishes) -> Truth:
    """E07.a: MDRD below 40, computed; the reported one is a cross-check, or decides alone."""
    plot, _, level = wishes.get("creatinine", "").partition(":")
    fixed = chart.calm or "creatinine" in wishes
    reported = wishes.get("mdrd") or ("none" if fixed else chart.rng.choices(REPORTED, _REPORT_WEIGHTS)[0])
    if reported.startswith("only"):
        plot = "absent"
    good = level == "good" if level in ("good", "bad") else chart.calm or chart.chance(0.95)
    plot = plot or plot_name(chart)
    draft = Draft(
        chart,
        lab.CREATININE,
        lambda: _creatinine(chart, good=good),
        lambda: _creatinine(chart, good=not good),
    )
    if level not in ("", "good", "bad"):
        figure, unit = level.split(" ")
        printed = Written(spelled(lab.CREATININE, unit), D(figure), D(0))
        draft.wanted = lambda: printed
    result = run(draft, plot)
    computed = with_body(chart, wishes, _slow(chart, result), rate=_rate(chart, result))
    return _reported(chart, reported, computed, plain=plot in ("plain", "absent"))


REPORTED = ("none", "beside", "only-good", "only-bad", "only-over-90", "other-formula", "disagrees", "beside-stale")
_REPORT_WEIGHTS = (60, 15, 5, 3, 4, 5, 3, 3)


def _reported(chart: Chart, kind: str, computed: Truth, *, plain: bool) -> Truth:
    when = When(chart.day(chart.draw), 480)
    stale = When(chart.day(70), 480)
    if kind == "only-over-90":
        printed = Written(chart.rng.choice(lab.MDRD.spellings), D(90), D(0), ">")
        emit(chart, lab.MDRD, printed, when=when)
        return "F"
    if kind.startswith("only"):
        return emit(chart, lab.MDRD, choose(chart, lab.MDRD, kind.removeprefix("only-")), when=when).below(D(40))
    if kind == "other-formula":
        # CKD-EPI or Cockcroft-Gault: never a substitute, so it may say anything.
        loinc, title = chart.rng.choice(
            (("62238-1", "DFG estimé (CKD-EPI)"), ("35591-7", "Clairance (Cockcroft-Gault)"))
        )
        value = {"valueQuantity": {"value": chart.rng.randrange(20, 110), "unit": "mL/min/1,73m²"}}
        chart.observe({"coding": [coding(LOCAL_LAB, "DFG2", title), coding(LOINC, loinc)]}, value, when=when)
        return computed
    if not plain or computed == "U" or kind == "none":
        return computed
    slow = computed == "T"
    if kind == "disagrees":
        emit(chart, lab.MDRD, choose(chart, lab.MDRD, "good" if slow else "bad"), when=when)
        return "U"
    if kind == "beside-stale":
        emit(chart, lab.MDRD, choose(chart, lab.MDRD, "good" if slow else "bad"), when=stale)
        return computed
    emit(chart, lab.MDRD, choose(chart, lab.MDRD, "bad" if slow else "good"), when=when)
    return computed


def liver_and_kidney(chart: Chart, wishes: Wishes, *, due: Truth) -> tuple[Truth, Truth, Truth]:
    """E07 parts a (filtration), c (transaminases) and d (bilirubin).

    Args:
        chart: the record.
        wishes: plots wanted by quantity.
        due: attested cause of raised transaminases: is it the malignancy?
    """
    slow = _filtration(chart, wishes)
    alt = _measure(chart, lab.ALT, wishes, _ENZYME_LEVELS)
    ast = _measure(chart, lab.AST, wishes, _ENZYME_LEVELS)
    five = some(alt.over("5"), ast.over("5"))
    half = some(alt.over("2.5"), ast.over("2.5"))
    raised = some(five, every(half, negate(due)))
    bilirubin = _measure(chart, lab.BILIRUBIN, wishes, _BILIRUBIN_LEVELS)
    return slow, raised, bilirubin.over("2.5")


CLOTTING = ("tp", "inr", "seconds", "tp-and-inr", "tp-disagrees-inr", "tp-no-range", "tp-stale", "tp-latest", "none")
_CLOT_WEIGHTS = (24, 10, 4, 5, 3, 3, 3, 8, 40)


def nutrition(chart: Chart, wishes: Wishes) -> Truth:
    """E08: albumin below 30 g/L, unless prothrombin is within its normal range."""
    albumin = _measure(chart, lab.ALBUMIN, wishes, (("good", "bad", "edge-good", "edge-bad"), (84, 10, 3, 3)))
    kind, _, level = wishes.get("prothrombin", "").partition(":")
    if not kind:
        kind = "none" if chart.calm else chart.rng.choices(CLOTTING, _CLOT_WEIGHTS)[0]
        level = chart.rng.choices(("good", "bad", "edge-good", "edge-bad", "high"), (5, 5, 1, 1, 1))[0]
    return every(albumin.below(D(30)), negate(_clotting(chart, kind, level)))


def _clotting(chart: Chart, kind: str, level: str) -> Truth:
    """Is prothrombin normal? The French TP is low when abnormal; seconds and INR are high."""
    sample = When(chart.day(chart.draw), 480)
    if kind == "none":
        return "U"
    if kind in ("inr", "seconds"):
        analyte = lab.INR if kind == "inr" else lab.QUICK
        level = "good" if level == "high" else level
        _clot(chart, analyte, level, sample)
        return "T" if level.endswith("good") else "F"
    normal: Truth = "F" if level.endswith("bad") else "T"
    if kind == "tp-no-range":
        emit(chart, lab.TP, choose(chart, lab.TP, level), when=sample)
        return "U"
    if kind == "tp-stale":
        _clot(chart, lab.TP, level, When(chart.day(40), 480))
        return "U"
    if kind == "tp-latest":
        _clot(chart, lab.TP, "bad" if normal == "T" else "good", When(chart.day(chart.draw + 2), 480))
    _clot(chart, lab.TP, level, sample)
    if kind == "tp-and-inr":
        _clot(chart, lab.INR, "good" if normal == "T" else "bad", sample)
    if kind == "tp-disagrees-inr":
        _clot(chart, lab.INR, "bad" if normal == "T" else "good", sample)
        return "U"
    return normal


_LIMITS: dict[str, tuple[tuple[str, str], ...]] = {
    "tp_percent": (("low", "70"), ("high", "120")),
    "inr": (("low", "0.8"), ("high", "1.2")),
    "prothrombin_seconds": (("low", "10.5"), ("high", "14")),
}


def _clot(chart: Chart, analyte: Analyte, level: str, when: When) -> None:
    spelling = analyte.spellings[0]
    fixed = {
        side: {"value": D(figure), "unit": spelling.text, "system": "http://unitsofmeasure.org", "code": spelling.code}
        for side, figure in _LIMITS[analyte.name]
    }
    emit(chart, analyte, choose(chart, analyte, level), when=when, options={"fixed": fixed, "form": "quantity"})


SUGARS = ("fasting", "plain-good", "plain-bad", "both", "none")
_SUGARS_WEIGHTS = (45, 18, 5, 8, 24)


def sugar(chart: Chart, wishes: Wishes) -> Truth:
    """E09: fasting glucose above twice its upper limit; a plain one can only clear the patient."""
    kind = wishes.get("sugar") or ("fasting" if chart.calm else chart.rng.choices(SUGARS, _SUGARS_WEIGHTS)[0])
    sample = When(chart.day(chart.draw), 480)
    numeric = {"ranges": "numeric"}
    if kind == "none":
        return "U"
    if kind.startswith("plain"):
        level = kind.removeprefix("plain-")
        truth = emit(chart, lab.GLUCOSE, choose(chart, lab.GLUCOSE, level), when=sample, options=numeric).over("2")
        return "U" if truth == "T" else truth
    if kind == "both":
        level = chart.rng.choice(("good", "bad"))
        emit(chart, lab.GLUCOSE, choose(chart, lab.GLUCOSE, level), when=When(chart.day(1), 900), options=numeric)
        return emit(chart, lab.FASTING, choose(chart, lab.FASTING, "good"), when=sample, options=numeric).over("2")
    return _measure(chart, lab.FASTING, wishes, _RATIO_LEVELS).over("2")
