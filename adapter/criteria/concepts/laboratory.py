"""In: Observations and their components. Out: `Reading`s by analyte, numbers as exact intervals in the analyte's unit, and the answer of the latest one.

The rules: clinical-spec.md sections 2 and 5; clarifications.md 9, 10, 16, 17, 20, 28.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

import msgspec

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.scene import FLAG_ONLY, USABLE, Scene, evidence_of, within
from adapter.criteria.tree import Comparison
from adapter.criteria.truth import Truth
from adapter.errors import DefectError
from adapter.fhir import (
    EXACT,
    NumberInterval,
    When,
    is_no_result,
    is_usable,
    plain,
    read_printed_number,
    when_of,
)
from adapter.fhir.resources import CodeableConcept, Observation, ObservationComponent, Quantity, ReferenceRange
from adapter.terminology import Analyte, UnitProblem

__all__ = ["Judge", "Reading", "Readings", "compare", "latest", "no_data"]


# A struct of msgspec: a record holds hundreds, and they are made several times faster than frozen dataclasses.
class Reading(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One result of one analyte.

    Attributes:
        carrier: the Observation, or the component of it, that holds the result.
        value: in the analyte's unit; None when it cannot be read.
        problem: why ``value`` is None; None together with it when there is no result at all (haemolysed, pending).
        factor: what turned the sent unit into the analyte's; None where there was no number.
        printed: as sent, where it is no quantity.
        artefact: the laboratory notes something that makes a low count doubtful.
        shown: the reading as evidence, by the unit that it is shown in; filled when it is asked for.
    """

    analyte: Analyte
    observation: Observation
    carrier: Observation | ObservationComponent
    when: When
    value: NumberInterval | None
    problem: Reason | None
    factor: Decimal | None
    printed: str | None
    artefact: bool
    shown: dict[str, Evidence]

    @property
    def ranges(self) -> tuple[ReferenceRange, ...]:
        """The report's own reference ranges."""
        return self.carrier.reference_range

    @property
    def text(self) -> str | None:
        """As sent."""
        quantity = self.carrier.value_quantity
        if quantity is None or quantity.value is None:
            return self.printed
        return _quantity_text(quantity)

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the result itself."""
        return _words_of(self.carrier)

    @property
    def notes(self) -> tuple[str, ...]:
        """Words beside it."""
        return _notes_of(self.observation)

    @property
    def evidence(self) -> Evidence:
        """The result as evidence, not converted."""
        found = self.shown.get("")
        if found is None:
            found = self.shown[""] = evidence_of(self.observation, self.text, self.when)
        return found

    @property
    def is_result(self) -> bool:
        """There is a result, readable or not; otherwise an earlier one is still the latest."""
        return self.value is not None or self.problem is not None

    @property
    def corrects(self) -> bool:
        """It replaces another result of the same instant."""
        return self.observation.status in ("corrected", "amended")


Judge = Callable[[Reading], Answer]

#: What a test of presence says as a truth value.
_BOOLEAN_WORDS = {True: "positive", False: "negative", None: None}


class Readings:
    """Laboratory results of a scene by analyte; made once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._by_code: dict[tuple[str, str], list[tuple[Observation, Observation | ObservationComponent]]] = {}
        for observation in scene.record.observations:
            if observation.status not in USABLE | FLAG_ONLY:
                continue
            carriers: tuple[Observation | ObservationComponent, ...] = (observation, *observation.component)
            for carrier in carriers:
                codes = scene.codes(carrier.code)
                for coding in codes if len(codes) <= 1 else dict.fromkeys(codes):
                    self._by_code.setdefault(coding, []).append((observation, carrier))
        self._found: dict[str, tuple[Reading, ...]] = {}
        #: The limits of normal of a reading, by its identity and whether they are the upper ones; found once.
        self.limits: dict[tuple[int, bool], tuple[Decimal, ...]] = {}
        self._chosen: dict[tuple[str, int, date], Chosen] = {}
        self._nothing: dict[tuple[str, str, int, date], Answer] = {}
        self._days: dict[str, list[date] | None] = {}

    def of(self, analyte: Analyte) -> tuple[Reading, ...]:
        """All readings of an analyte, preliminary ones included, in time's order."""
        found = self._found.get(analyte.id)
        if found is None:
            readings = [self._read(analyte, *carrier) for carrier in self.carriers(self._codes(analyte))]
            readings.sort(key=lambda item: (item.when.start, item.observation.id))
            found = self._found[analyte.id] = tuple(readings)
        return found

    def has(self, analyte: Analyte) -> bool:
        """Whether there may be readings of an analyte, without reading them."""
        return not self._by_code.keys().isdisjoint(self._codes(analyte))

    def _codes(self, analyte: Analyte) -> frozenset[tuple[str, str]]:
        if analyte.id == "glucose_fasting":
            return analyte.codes | self._scene.site.fasting_codes
        return analyte.codes - self._scene.site.fasting_codes if analyte.id == "glucose" else analyte.codes

    def carriers(
        self, codes: Iterable[tuple[str, str]]
    ) -> list[tuple[Observation, Observation | ObservationComponent]]:
        """Observations that answer one of the questions, themselves or in a component, each once; shown-only ones included."""
        lists = [found for code in codes if (found := self._by_code.get(code)) is not None]
        if len(lists) <= 1:
            return lists[0] if lists else []
        return list({(item.id, id(carrier)): (item, carrier) for found in lists for item, carrier in found}.values())

    def chosen(self, readings: tuple[Reading, ...], scene: Scene, window_days: int) -> Chosen:
        """Which of some readings may be the latest of a window on the scene's day; found once for all that ask."""
        analyte = readings[0].analyte.id
        if self._found.get(analyte) is not readings:
            return _chosen(readings, scene, window_days)
        key = (analyte, window_days, scene.on)
        found = self._chosen.get(key)
        if found is None:
            days = self._plain_days(analyte, readings)
            found = _chosen(readings, scene, window_days) if days is None else _last(readings, days, scene, window_days)
            self._chosen[key] = found
        return found

    def nothing(self, readings: tuple[Reading, ...], scene: Scene, window_days: int, what: str) -> Answer:
        """The answer where no reading may be the latest of a window; found once for all that ask."""
        analyte = readings[0].analyte.id
        if self._found.get(analyte) is not readings:
            return _nothing(readings, scene.window(window_days), scene, what)
        key = (what, analyte, window_days, scene.on)
        found = self._nothing.get(key)
        if found is None:
            found = self._nothing[key] = _nothing(readings, scene.window(window_days), scene, what)
        return found

    def _plain_days(self, analyte: str, readings: tuple[Reading, ...]) -> list[date] | None:
        """The day of each reading, where all are usable results of known days and surely one after the other."""
        if analyte not in self._days:
            plain = all(
                item.is_result and item.observation.status in USABLE and item.when.is_one_day for item in readings
            ) and all(later.when.surely_after(one.when) for one, later in pairwise(readings))
            self._days[analyte] = [item.when.earliest for item in readings] if plain else None
        return self._days[analyte]

    def _read(self, analyte: Analyte, observation: Observation, carrier: Observation | ObservationComponent) -> Reading:
        value, problem, factor, printed = _value(analyte, carrier, self._scene)
        if value is not None and not _is_plausible(value, analyte):
            value, problem = None, Reason.IMPLAUSIBLE
        artefact = bool(analyte.artefact_words) and any(
            mark in word.casefold()
            for word in _words_of(carrier) + _notes_of(observation)
            for mark in analyte.artefact_words
        )
        when = when_of(observation)
        return Reading(analyte, observation, carrier, when, value, problem, factor, printed, artefact, {})


def _words_of(carrier: Observation | ObservationComponent) -> tuple[str, ...]:
    words = (
        carrier.value_string,
        _BOOLEAN_WORDS.get(carrier.value_boolean),
        *_words(carrier.value_codeable_concept),
        *(word for concept in carrier.interpretation for word in _words(concept)),
    )
    return tuple(word for word in words if word)


def _notes_of(observation: Observation) -> tuple[str, ...]:
    return tuple(note.text for note in observation.note if note.text)


def _quantity_text(quantity: Quantity) -> str | None:
    if quantity.value is None or not is_usable(quantity.value):
        return None
    parts = (f"{quantity.comparator or ''}{plain(quantity.value)}", quantity.unit or quantity.code)
    return " ".join(part for part in parts if part)


def _words(concept: CodeableConcept | None) -> tuple[str, ...]:
    if concept is None:
        return ()
    return tuple(word for word in (concept.text, *(coding.display for coding in concept.coding)) if word)


def _is_plausible(value: NumberInterval, analyte: Analyte) -> bool:
    low, high = analyte.plausible
    return not (value.surely_below(low) or value.surely_above(high))


_Value = tuple[NumberInterval | None, Reason | None, Decimal | None, str | None]


def _value(analyte: Analyte, carrier: Observation | ObservationComponent, scene: Scene) -> _Value:
    quantity = carrier.value_quantity
    if quantity is not None and quantity.value is not None:
        return _quantity(analyte, quantity, scene)
    if carrier.value_integer is not None:
        return _converted(
            analyte,
            NumberInterval.exactly(Decimal(carrier.value_integer)),
            None,
            None,
            str(carrier.value_integer),
            scene,
        )
    if carrier.value_range is not None:
        return _range(analyte, carrier.value_range.low, carrier.value_range.high, scene)
    coded = _coded(analyte, (carrier.value_codeable_concept, *carrier.interpretation), scene)
    if coded is not None:
        return coded
    if carrier.value_string is not None:
        return _printed(analyte, carrier.value_string, scene)
    concept = carrier.value_codeable_concept
    if concept is not None:
        text = concept.text or next((c.display or c.code for c in concept.coding), None)
        return _printed(analyte, text, scene) if text else (None, Reason.NOT_READ, None, None)
    others = (carrier.value_ratio, carrier.value_sampled_data, carrier.value_time, carrier.value_date_time)
    if (
        carrier.value_boolean is not None
        or carrier.value_period is not None
        or any(item is not None for item in others)
    ):
        return None, Reason.NOT_READ, None, None
    # Neither value nor component: a panel's head, or dataAbsentReason. There is no result.
    return None, None, None, None


def _quantity(analyte: Analyte, quantity: Quantity, scene: Scene) -> _Value:
    if quantity.value is None:
        return None, None, None, None
    if not is_usable(quantity.value):
        return None, Reason.IMPLAUSIBLE, None, None
    interval = NumberInterval.from_comparator(quantity.comparator, quantity.value)
    if interval is None:
        return None, Reason.COMPARATOR, None, None
    # A code of another system than UCUM is no unit (laboratories put their own numbers there).
    ucum = quantity.system in (None, "http://unitsofmeasure.org")
    return _converted(analyte, interval, quantity.code if ucum else None, quantity.unit, None, scene)


def _range(analyte: Analyte, low: Quantity | None, high: Quantity | None, scene: Scene) -> _Value:
    first, second = (_quantity(analyte, end, scene) if end else None for end in (low, high))
    text = "-".join((_quantity_text(end) if end else None) or "" for end in (low, high))
    for end in (first, second):
        if end is None or end[0] is None or not end[0].is_point:
            return None, (end[1] if end else None) or Reason.NOT_READ, None, text
    assert first
    assert second
    assert first[0]
    assert second[0]
    if first[0].low > second[0].high:
        return None, Reason.NOT_READ, None, text
    return NumberInterval(first[0].low, second[0].high), None, first[2], text


def _coded(analyte: Analyte, concepts: Iterable[CodeableConcept | None], scene: Scene) -> _Value | None:
    for concept in concepts:
        for coding in concept.coding if concept else ():
            for key in scene.standard(coding):
                if key in analyte.coded_values:
                    return NumberInterval.exactly(analyte.coded_values[key]), None, Decimal(1), coding.code
    return None


def _printed(analyte: Analyte, text: str, scene: Scene) -> _Value:
    if is_no_result(text):
        return None, None, None, text
    printed = read_printed_number(text)
    if printed is None or not all(
        is_usable(end) for end in (printed.interval.low, printed.interval.high) if end.is_finite()
    ):
        return None, Reason.NOT_READ, None, text
    return _converted(analyte, printed.interval, None, printed.unit, text, scene)


def _converted(
    analyte: Analyte, interval: NumberInterval, code: str | None, unit: str | None, text: str | None, scene: Scene
) -> _Value:
    try:
        factor = scene.units.factor(analyte, code=code, text=unit)
    except UnitProblem as problem:
        return None, Reason(problem.reason), None, text
    return interval.times(factor), None, factor, text


def compare(value: NumberInterval, comparison: Comparison, *, factor: Decimal = Decimal(1)) -> Truth:
    """Whether every, none or some of the numbers satisfy the comparison with ``limit * factor``."""
    limit = EXACT.multiply(comparison.limit, factor)
    match comparison.operator:
        case "gt":
            return _decided(value.surely_above(limit), value.surely_at_most(limit))
        case "ge":
            return _decided(value.surely_at_least(limit), value.surely_below(limit))
        case "lt":
            return _decided(value.surely_below(limit), value.surely_at_least(limit))
        case "le":
            return _decided(value.surely_at_most(limit), value.surely_above(limit))
        case "between":
            high = EXACT.multiply(comparison.high if comparison.high is not None else comparison.limit, factor)
            return _decided(
                value.surely_at_least(limit) and value.surely_at_most(high),
                value.surely_below(limit) or value.surely_above(high),
            )
    raise DefectError(f"no operator {comparison.operator}")


def _decided(holds: bool, fails: bool) -> Truth:
    if holds:
        return Truth.T
    return Truth.F if fails else Truth.U


def latest(readings: Iterable[Reading], judge: Judge, *, scene: Scene, window_days: int, what: str) -> Answer:
    """The answer of the latest usable reading in the window.

    Times are intervals, so several readings may each have been the latest; they decide only when all of them answer
    alike. A correction wins over the result of the same instant that it corrects.

    Args:
        readings: of one analyte, or of several that answer the same question.
        judge: the answer that one reading gives alone.
        scene: gives the reference date.
        window_days: calendar days before it, both ends in.
        what: what to order when there is nothing usable.
    """
    found = readings if isinstance(readings, tuple) else tuple(readings)
    if not found:
        return no_data(what)
    chosen = scene.readings.chosen(found, scene, window_days)
    rivals = chosen.rivals
    if not rivals:
        answer = scene.readings.nothing(found, scene, window_days, what)
        return answer.but(changes=chosen.changes) if chosen.changes else answer
    answers = [judge(item) for item, _ in rivals]
    changes, sure, first = chosen.changes, chosen.is_sure, answers[0]
    if len(answers) == 1 and sure:
        return first.but(changes=first.changes | changes if first.changes else changes)
    evidence = tuple(dict.fromkeys(item for answer in answers for item in answer.evidence))
    if sure and len({answer.truth for answer in answers}) == 1:
        return first.but(evidence=evidence, changes=first.changes | changes)
    faulty = next((item.problem for item, _ in rivals if item.problem and not item.when.is_bounded), None)
    if faulty is not None:
        # One of unknown time that cannot be read either: what is missing is the result, not its date.
        reason = faulty
    elif not sure or any(truth is Truth.U for _, truth in rivals) or len({item.when for item, _ in rivals}) > 1:
        reason = Reason.IMPRECISE_DATE
    else:
        decided = {answer.truth for answer in answers} - {Truth.U}
        reason = Reason.CONFLICT if len(decided) > 1 else next(a.reason for a in answers if a.reason is not None)
    return Answer(Truth.U, reason, evidence, changes=changes, wanted=(Wanted(what),))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The readings of a window that may be the latest one, and when time alone changes which.

    Attributes:
        rivals: those readings, and whether they surely lie in the window.
        is_sure: one of them surely does.
        changes: days on which the window closes behind one, or a partial date has passed.
    """

    rivals: tuple[tuple[Reading, Truth], ...]
    is_sure: bool
    changes: frozenset[date]


#: No reading lies in the window.
_NONE = Chosen((), is_sure=False, changes=frozenset())


def _last(readings: tuple[Reading, ...], days: list[date], scene: Scene, window_days: int) -> Chosen:
    """`_chosen` of readings of known days that are surely one after the other: the last of the window, if there is one."""
    at = bisect_right(days, scene.on) - 1
    if at < 0 or days[at] < scene.window(window_days):
        return _NONE
    return Chosen(((readings[at], Truth.T),), True, frozenset((days[at] + timedelta(days=window_days + 1),)))


def _chosen(readings: tuple[Reading, ...], scene: Scene, window_days: int) -> Chosen:
    start, on = scene.window(window_days), scene.on
    results = [item for item in readings if item.is_result and item.observation.status in USABLE]
    placed = [(item, within(item.when, start, on)) for item in results]
    # A partial date that reaches past the reference date is decided once it is past.
    open_dates = frozenset([item.when.latest for item in results if item.when.earliest <= on < item.when.latest])
    rivals = _possibly_latest([(item, truth) for item, truth in placed if truth is not Truth.F])
    # The window closes behind each of them; older ones do not matter, they were not the latest before either.
    changes = open_dates | _closing(rivals, window_days)
    return Chosen(tuple(rivals), any(truth is Truth.T for _, truth in rivals), changes)


@lru_cache(maxsize=256)
def no_data(what: str) -> Answer:
    """Nothing at all is on record."""
    return Answer(Truth.U, Reason.NO_DATA, wanted=(Wanted(what),))


def _closing(inside: Iterable[tuple[Reading, Truth]], window_days: int) -> frozenset[date]:
    days = timedelta(days=window_days + 1)
    ends = {day for item, _ in inside for day in (item.when.earliest, item.when.latest)}
    # The ends of an unknown time are no days on which anything happens.
    return frozenset(day + days for day in ends if date.min.year + 1 < day.year < date.max.year - 1)


def _possibly_latest(inside: list[tuple[Reading, Truth]]) -> list[tuple[Reading, Truth]]:
    sure = [item for item, truth in inside if truth is Truth.T]
    rivals = [(item, truth) for item, truth in inside if not any(other.when.surely_after(item.when) for other in sure)]
    corrected = {item.when for item, _ in rivals if item.corrects}
    return [(item, truth) for item, truth in rivals if item.corrects or item.when not in corrected]


def _nothing(readings: Iterable[Reading], start: date, scene: Scene, what: str) -> Answer:
    """No usable result in the window: say what there is instead, so that it can be looked at."""
    wanted = (Wanted(what),)
    shown = [item for item in readings if within(item.when, start, scene.on) is not Truth.F]
    if shown:
        only_flagged = all(item.observation.status in FLAG_ONLY for item in shown)
        reason = Reason.STATUS if only_flagged else Reason.NO_DATA
        return Answer(Truth.U, reason, context=tuple(item.evidence for item in shown), wanted=wanted)
    old = [
        item for item in readings if item.is_result and item.observation.status in USABLE and item.when.latest < start
    ]
    if old:
        newest = max(old, key=lambda item: item.when.end)
        return Answer(Truth.U, Reason.TOO_OLD, context=(newest.evidence,), wanted=wanted)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)
