"""In: the Observations of a scene. Out: `Readings` by analyte, the comparison of one, and the answer of the latest one.

The rules: clinical-spec.md sections 2 and 5; clarifications.md 9, 10, 16, 17, 20, 28.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from adapter.criteria.answer import Answer, Reason, Wanted
from adapter.criteria.concepts.reading import Reading, read_result
from adapter.criteria.scene import FLAG_ONLY, USABLE, Scene, within
from adapter.criteria.tree import Comparison
from adapter.criteria.truth import Truth, all_of, negate
from adapter.errors import DefectError
from adapter.fhir import EXACT, NumberInterval, When
from adapter.fhir.resources import Observation, ObservationComponent
from adapter.terminology import Analyte

__all__ = ["Judge", "Readings", "compare", "latest", "no_data", "replaced"]

Judge = Callable[[Reading], Answer]

_SHOWN = USABLE | FLAG_ONLY


class Readings:
    """Laboratory results of a scene by analyte; made once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._by_code: dict[tuple[str, str], list[tuple[Observation, Observation | ObservationComponent]]] = {}
        for observation in scene.record.observations:
            if observation.status not in _SHOWN:
                continue
            carriers: tuple[Observation | ObservationComponent, ...] = (observation, *observation.component)
            for carrier in carriers:
                if carrier.code is None:
                    continue
                codes = scene.meaning(carrier.code).codes
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
            carriers = self.carriers(self._codes(analyte))
            readings = [read_result(analyte, *carrier, self._scene) for carrier in carriers]
            if len(readings) > 1:
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
            self._days[analyte] = _days_one_after_the_other(readings)
        return self._days[analyte]


def _days_one_after_the_other(readings: tuple[Reading, ...]) -> list[date] | None:
    days: list[date] = []
    before: When | None = None
    for item in readings:
        if not item.is_result or item.observation.status not in USABLE or not item.when.is_one_day:
            return None
        if before is not None and not item.when.surely_after(before):
            return None
        before = item.when
        days.append(before.earliest)
    return days


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
    # Of one that may have been taken back it is not known whether it counts, nor whether an older one is the latest.
    replacing = {id(item): replaced(item, readings, scene) for item in results}
    results = [item for item in results if replacing[id(item)] is not Truth.T]
    placed = [(item, all_of((within(item.when, start, on), negate(replacing[id(item)])))) for item in results]
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


def replaced(item: Reading, readings: Iterable[Reading], scene: Scene) -> Truth:
    """Whether a correction replaces a result.

    At one instant it does, and of the same day where it has a result of its own (clarifications.md 10). One of the same day that
    only takes a result back may be of another sample: U.

    Args:
        item: the result.
        readings: all of its analyte.
        scene: whose results they are.
    """
    truth = scene.corrections.of(item.observation, item.carrier)
    if truth is not Truth.U:
        return truth
    question = item.analyte.id, item.when
    wins = any(one.corrects and one.is_result and (one.analyte.id, one.when) == question for one in readings)
    return Truth.T if wins else Truth.U


def _closing(inside: Iterable[tuple[Reading, Truth]], window_days: int) -> frozenset[date]:
    days = timedelta(days=window_days + 1)
    ends = {day for item, _ in inside for day in (item.when.earliest, item.when.latest)}
    # The ends of an unknown time are no days on which anything happens.
    return frozenset(day + days for day in ends if date.min.year + 1 < day.year < date.max.year - 1)


def _possibly_latest(inside: list[tuple[Reading, Truth]]) -> list[tuple[Reading, Truth]]:
    sure = [item for item, truth in inside if truth is Truth.T]
    rivals = [(item, truth) for item, truth in inside if not any(other.when.surely_after(item.when) for other in sure)]
    # An INR that was corrected says nothing of the TP of the same instant.
    corrected = {(item.analyte.id, item.when) for item, _ in rivals if item.corrects}
    return [(item, truth) for item, truth in rivals if item.corrects or (item.analyte.id, item.when) not in corrected]


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
