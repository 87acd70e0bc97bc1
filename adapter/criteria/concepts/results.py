"""In: laboratory nodes and a scene. Out: their answers: value, multiple of the upper limit of normal, MDRD, prothrombin, hCG."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Context, Decimal

from adapter.criteria.answer import Answer, Converted, Evidence, Reason, Wanted
from adapter.criteria.concepts.laboratory import compare, latest, no_data, replaced
from adapter.criteria.concepts.limits import limits_of_normal
from adapter.criteria.concepts.person import ages_on, birth, genders
from adapter.criteria.concepts.reading import Reading, display
from adapter.criteria.concepts.renal import egfr_mdrd_interval
from adapter.criteria.scene import FLAG_ONLY, USABLE, Scene, within
from adapter.criteria.tree import Comparison, DeIndexed, Hcg, Laboratory, Prothrombin, Scale
from adapter.criteria.truth import Truth
from adapter.fhir import EXACT, NumberInterval

__all__ = ["answer_de_indexed", "answer_hcg", "answer_laboratory", "answer_prothrombin", "judge_reading"]

#: For what has no end of digits: a square root, and a ratio that is shown. Compared is what is exact.
_RATES = Context(prec=28)

#: Words of a qualitative pregnancy test (clarifications.md 19), French and English.
_NEGATIVE = frozenset({"négatif", "negatif", "négative", "negative", "neg", "nég"})
_POSITIVE = frozenset({"positif", "positive", "pos"})
_LOINC, _SNOMED = "http://loinc.org", "http://snomed.info/sct"
#: Where R4 and STU3 code an interpretation (valueset-observation-interpretation).
_INTERPRETATIONS = (
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "http://terminology.hl7.org/CodeSystem/v2-0078",
    "http://hl7.org/fhir/v3/ObservationInterpretation",
    "http://hl7.org/fhir/v2/0078",
)
#: The same as codes: answer list LL360-9 of LOINC, SNOMED CT qualifiers as HL7 guides list them.
_PRESENT = {
    **{(system, "POS"): Truth.T for system in _INTERPRETATIONS},
    **{(system, "NEG"): Truth.F for system in _INTERPRETATIONS},
    (_LOINC, "LA6576-8"): Truth.T,
    (_SNOMED, "10828004"): Truth.T,
    (_LOINC, "LA6577-6"): Truth.F,
    (_SNOMED, "260385009"): Truth.F,
}


def _evidence(reading: Reading, value: NumberInterval | None = None, unit: str | None = None) -> tuple[Evidence, ...]:
    """The reading as evidence with what it was converted to, rounded for display."""
    converted = value if value is not None else reading.value
    if converted is None:
        return (reading.evidence,)
    unit = unit or reading.analyte.unit
    found = reading.shown.get(unit)
    if found is None:
        ready = reading.measured.converted if value is None and unit == reading.analyte.unit else None
        shown = ready or Converted(display(converted), unit)
        found = reading.shown[unit] = reading.evidence.but(converted=shown)
    return (found,)


def answer_laboratory(node: Laboratory, scene: Scene) -> Answer:
    """The latest usable result in the window satisfies the comparison."""
    readings = scene.readings.of(node.analyte)
    if not readings:
        return no_data(node.analyte.id)
    return latest(
        readings,
        lambda reading: judge_reading(node, reading, scene),
        scene=scene,
        window_days=node.window_days,
        what=node.analyte.id,
    )


def judge_reading(node: Laboratory, reading: Reading, scene: Scene) -> Answer:
    """The answer that one reading gives alone; its evidence holds the value in what is compared."""
    if reading.value is None:
        return _unreadable(reading)
    match node.scale:
        case Scale.VALUE:
            low = Truth.T if node.comparison.operator in ("lt", "le") else Truth.F
            found = _judged(reading, compare(reading.value, node.comparison), _evidence(reading), low=low)
        case Scale.ULN:
            found = _multiple(reading, node.comparison, scene)
        case Scale.MDRD:
            found = _mdrd(reading, node.comparison, scene)
    return found


def _unreadable(reading: Reading) -> Answer:
    assert reading.problem is not None
    return Answer(Truth.U, reading.problem, (reading.evidence,), wanted=(Wanted(reading.analyte.id),))


def _judged(
    reading: Reading,
    truth: Truth,
    evidence: tuple[Evidence, ...],
    *,
    reason: Reason = Reason.COMPARATOR,
    low: Truth = Truth.F,
) -> Answer:
    """The answer of one reading; ``low`` is the truth that a low value has."""
    wanted = (Wanted(reading.analyte.id),)
    if truth is Truth.U:
        return Answer(truth, reason, evidence, wanted=wanted)
    if truth is low and reading.artefact:
        # clarifications.md 9: clumped platelets count too low; a normal count stands all the same.
        return Answer(Truth.U, Reason.ASKS, evidence, wanted=wanted)
    return Answer(truth, evidence=evidence)


def _agreed(truths: Iterable[Truth]) -> Truth:
    found = set(truths)
    return found.pop() if len(found) == 1 else Truth.U


def _multiple(reading: Reading, comparison: Comparison, scene: Scene) -> Answer:
    assert reading.value is not None
    limits = [limit for limit in limits_of_normal(reading, scene, upper=True) if limit > 0]
    if not limits:
        return Answer(Truth.U, Reason.NO_REFERENCE_RANGE, _evidence(reading), wanted=(Wanted(reading.analyte.id),))
    truths = [compare(reading.value, comparison, factor=limit) for limit in limits]
    if len(limits) > 1:
        reason = Reason.NO_REFERENCE_RANGE if Truth.U not in truths else Reason.COMPARATOR
        return _judged(reading, _agreed(truths), _evidence(reading), reason=reason)
    shown = reading.shown.get("{ULN}")
    return _judged(reading, truths[0], _ratio(reading, reading.value, limits[0]) if shown is None else (shown,))


def _ratio(reading: Reading, value: NumberInterval, limit: Decimal) -> tuple[Evidence, ...]:
    low, high = _RATES.divide(value.low, limit), _RATES.divide(value.high, limit)
    return _evidence(reading, NumberInterval(low, high, value.low_open, value.high_open), "{ULN}")


def _mdrd(reading: Reading, comparison: Comparison, scene: Scene) -> Answer:
    assert reading.value is not None
    ages = ages_on(scene, reading.when.earliest, reading.when.latest)
    if ages is None:
        return Answer(Truth.U, Reason.NO_DATA, _evidence(reading), wanted=(Wanted("birth-date"),))
    rates = [
        egfr_mdrd_interval(reading.value, ages=ages, female=gender == "female") for gender in sorted(genders(scene))
    ]
    truths = [compare(rate, comparison) for rate in rates]
    truth = _agreed(truths)
    if truth is not Truth.U or len(rates) == 1:
        born = birth(scene)
        by_age = born is not None and not born.is_one_day and reading.value.is_point
        reason = Reason.IMPRECISE_DATE if by_age else Reason.COMPARATOR
        shown = rates[0] if len(rates) == 1 else None
        return _judged(reading, truth, _evidence(reading, shown, "mL/min/{1.73_m2}" if shown else None), reason=reason)
    return Answer(Truth.U, Reason.NO_DATA, _evidence(reading), wanted=(Wanted("sex"),))


def answer_de_indexed(node: DeIndexed, scene: Scene) -> Answer:
    """The latest MDRD for the person's own body surface satisfies the comparison; open without height and weight.

    Height and weight are the latest on record, however old; the surface is Mosteller's, sqrt(cm x kg / 3600) m2.
    """
    height, weight = (_latest_value(scene.readings.of(analyte), scene) for analyte in (node.height, node.weight))
    if height is None or weight is None:
        return Answer(Truth.U, Reason.NO_DATA)
    if height[0].low <= 0 or weight[0].low <= 0:
        return Answer(Truth.U, Reason.IMPLAUSIBLE, (height[1], weight[1]))
    measured = (height[1], weight[1])
    low, high = (
        _surface(tall, heavy) for tall, heavy in zip(*(_ends(item[0]) for item in (height, weight)), strict=True)
    )

    def judge(reading: Reading) -> Answer:
        if reading.value is None:
            return _unreadable(reading)
        ages = ages_on(scene, reading.when.earliest, reading.when.latest)
        if ages is None:
            return Answer(Truth.U, Reason.NO_DATA, _evidence(reading))
        rates = [
            egfr_mdrd_interval(reading.value, ages=ages, female=gender == "female").scaled_between(low, high)
            for gender in sorted(genders(scene))
        ]
        truth = _agreed(compare(rate, node.comparison) for rate in rates)
        shown = _evidence(reading, rates[0], "mL/min") if len(rates) == 1 else _evidence(reading)
        return _judged(reading, truth, shown + measured)

    return latest(
        scene.readings.of(node.creatinine), judge, scene=scene, window_days=node.window_days, what=node.creatinine.id
    )


def _ends(value: NumberInterval) -> tuple[Decimal, Decimal]:
    return value.low, value.high


def _surface(height: Decimal, weight: Decimal) -> Decimal:
    """Body surface over 1.73 m2."""
    square = EXACT.divide(EXACT.multiply(height, weight), Decimal(3600))
    return _RATES.divide(_RATES.sqrt(square), Decimal("1.73"))


def _latest_value(readings: Iterable[Reading], scene: Scene) -> tuple[NumberInterval, Evidence] | None:
    """The latest readable value up to the reference date, None where that one cannot be told or read."""
    usable = [
        item
        for item in readings
        if item.is_result and item.observation.status in USABLE and item.when.latest <= scene.on
    ]
    newest = max(usable, key=lambda item: item.when.end, default=None)
    if newest is None or newest.value is None or not (newest.value.low.is_finite() and newest.value.high.is_finite()):
        return None
    rivals = {
        (item.value.low, item.value.high) for item in usable if item.value and not newest.when.surely_after(item.when)
    }
    return (newest.value, _evidence(newest)[0]) if len(rivals) == 1 else None


def answer_prothrombin(node: Prothrombin, scene: Scene) -> Answer:
    """The latest prothrombin result, of whichever variant, is in the normal range.

    The percentage (TP) is low when abnormal; seconds and INR are high. Variants of one instant that disagree are open
    (clarifications.md 18).
    """

    def judge(reading: Reading) -> Answer:
        if reading.value is None:
            return _unreadable(reading)
        percent = reading.analyte.id == node.percent.id
        limits = limits_of_normal(reading, scene, upper=not percent)
        if not limits:
            return Answer(Truth.U, Reason.NO_REFERENCE_RANGE, _evidence(reading), wanted=(Wanted("prothrombin"),))
        normal = [compare(reading.value, Comparison("ge" if percent else "le", limit)) for limit in limits]
        return _judged(reading, _agreed(normal), _evidence(reading))

    readings = [item for analyte in (node.percent, *node.others) for item in scene.readings.of(analyte)]
    return latest(readings, judge, scene=scene, window_days=node.window_days, what="prothrombin")


def answer_hcg(node: Hcg, scene: Scene) -> Answer:
    """A pregnancy test of the window is positive (negative): one positive outweighs any negative.

    Positive: its lower bound is above the range's high, or coded or printed positive. Negative: its upper bound is at
    most the range's high, or coded or printed negative. Else open (clarifications.md 19).
    """
    readings = scene.readings.of(node.analyte)
    if not readings:
        return no_data("hcg")
    start = scene.window(node.window_days)
    usable = [item for item in readings if within(item.when, start, scene.on) is not Truth.F]
    taken_back = {id(item): replaced(item, usable, scene) for item in usable}
    usable = [item for item in usable if taken_back[id(item)] is not Truth.T]
    tests = [(item, _test(item, scene)) for item in usable if item.observation.status not in FLAG_ONLY]
    tests = [
        (item, Truth.U if taken_back[id(item)] is Truth.U else positive)
        for item, positive in tests
        if positive is not None
    ]
    wanted = (Wanted("hcg"),)
    if not tests:
        # No test in the window: what there is instead is said as for every other result.
        return latest(readings, lambda _: Answer(Truth.T), scene=scene, window_days=node.window_days, what="hcg")
    # The window closes behind each test: a positive one outweighs a later negative only as long as it is inside.
    ends = {day for item, _ in tests if item.when.is_bounded for day in (item.when.earliest, item.when.latest)}
    arrives = {item.when.latest for item, _ in tests if item.when.earliest <= scene.on < item.when.latest}
    changes = frozenset({day + timedelta(days=node.window_days + 1) for day in ends} | arrives)
    sure = [(item, positive) for item, positive in tests if within(item.when, start, scene.on) is Truth.T]
    for wished, truth in ((Truth.T, Truth.T), (Truth.U, Truth.U), (Truth.F, Truth.F)):
        found = [item for item, positive in tests if positive is wished]
        if not found:
            continue
        evidence = tuple(entry for item in found for entry in _evidence(item))
        if truth is Truth.U or not any(positive is wished for _, positive in sure):
            unread = next((item.problem for item in found if item.problem), None)
            unread = Reason.CONFLICT if any(taken_back[id(item)] is Truth.U for item in found) else unread
            reason = Reason.IMPRECISE_DATE if truth is not Truth.U else unread or Reason.NO_REFERENCE_RANGE
            return Answer(Truth.U, reason, evidence, changes=changes, wanted=wanted)
        held = truth if node.positive else (Truth.F if truth is Truth.T else Truth.T)
        return Answer(held, evidence=evidence, changes=changes)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)  # pragma: no cover - tests is not empty


def _test(reading: Reading, scene: Scene) -> Truth | None:
    """Positive, negative, open; None when there is no result."""
    said = _said(reading.words) | _coded(reading, scene)
    counted = _counted(reading, scene) if reading.value is not None else None
    if not said and counted is None:
        return Truth.U if reading.is_result else None
    if len(said) == 1 and counted in (None, Truth.U):
        found = next(iter(said))
    else:
        # A number and a word beside it, or two words: they decide when they agree.
        found = _agreed(said | ({counted} if counted is not None else set()))
    # A note decides nothing, but one that says the opposite is a question.
    return Truth.U if _said(reading.notes) - {found} else found


def _said(texts: tuple[str, ...]) -> set[Truth]:
    """What words of presence say: positive, negative, or both."""
    words = {word.strip(" .").casefold() for word in texts}
    return {truth for truth, known in ((Truth.T, _POSITIVE), (Truth.F, _NEGATIVE)) if words & known}


def _coded(reading: Reading, scene: Scene) -> set[Truth]:
    """What codes of presence say."""
    carrier = reading.carrier
    codes = scene.codes(carrier.value_codeable_concept, *carrier.interpretation)
    return {_PRESENT[code] for code in codes if code in _PRESENT}


def _counted(reading: Reading, scene: Scene) -> Truth:
    """What the number says of a pregnancy test."""
    highs = limits_of_normal(reading, scene, upper=True)
    if reading.value is None or not highs:
        return Truth.U
    return _agreed(compare(reading.value, Comparison("gt", high)) for high in highs)
