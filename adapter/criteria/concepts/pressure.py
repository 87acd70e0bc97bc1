"""In: systolic and diastolic readings. Out: whether the latest readings of different days reach the limits (clarifications.md 4, 15)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.laboratory import compare, latest, replaced
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.scene import USABLE, Scene, within
from adapter.criteria.tree import BloodPressure, Comparison
from adapter.criteria.truth import Truth, any_of
from adapter.fhir import When

__all__ = ["answer_pressure"]


def answer_pressure(node: BloodPressure, scene: Scene) -> Answer:
    """At or above either limit on each of the latest ``node.days`` days with a reading.

    A single high day, or one high and one low, is open; a single low one refutes.
    """
    start = scene.window(node.window_days)
    high_by_when: dict[When, list[tuple[Truth, bool, Reading]]] = {}
    for analyte, limit, is_systolic in (
        (node.systolic, node.systolic_limit, True),
        (node.diastolic, node.diastolic_limit, False),
    ):
        readings, reached = scene.readings.of(analyte), Comparison("ge", limit)
        for item in readings:
            taken_back = replaced(item, readings, scene)
            if taken_back is Truth.T or not _counts(item, start, scene):
                continue
            value = item.value if taken_back is Truth.F else None
            truth = Truth.U if value is None else compare(value, reached)
            high_by_when.setdefault(item.when, []).append((truth, is_systolic, item))
    wanted = (Wanted("blood-pressure"),)
    if not high_by_when:
        return _nothing(node, scene, wanted)
    after = timedelta(days=node.window_days + 1)
    changes = frozenset(when.latest + after for when in high_by_when if when.is_bounded)
    if any(not when.is_one_day or within(when, start, scene.on) is Truth.U for when in high_by_when):
        evidence = _shown(high_by_when.values())
        return Answer(Truth.U, Reason.IMPRECISE_DATE, evidence, changes=changes, wanted=wanted)
    days: dict[date, list[When]] = {}
    for when in high_by_when:
        days.setdefault(when.earliest, []).append(when)
    recent = sorted(days, reverse=True)[: node.days]
    truths = [_day(days[day], high_by_when) for day in recent]
    used = {when for day in recent for when in days[day]}
    evidence = _shown(high_by_when[when] for when in sorted(used))
    if all(truth is Truth.F for truth in truths):
        return Answer(Truth.F, evidence=evidence, changes=changes)
    if len(truths) == node.days and all(truth is Truth.T for truth in truths):
        return Answer(Truth.T, evidence=evidence, changes=changes)
    decided = {truth for truth in truths if truth is not Truth.U}
    unread = next((item.problem for when in sorted(used) for _, _, item in high_by_when[when] if item.problem), None)
    missing = unread or Reason.NO_DATA
    reason = Reason.CONFLICT if len(decided) > 1 else Reason.ASKS if Truth.U not in truths else missing
    return Answer(Truth.U, reason, evidence, changes=changes, wanted=wanted)


def _counts(item: Reading, start: date, scene: Scene) -> bool:
    """A usable result that may lie in the window."""
    return item.is_result and item.observation.status in USABLE and within(item.when, start, scene.on) is not Truth.F


def _day(whens: list[When], readings: dict[When, list[tuple[Truth, bool, Reading]]]) -> Truth:
    """The latest reading of one day; several that may be the latest must agree."""
    rivals = [when for when in whens if not any(other.surely_after(when) for other in whens)]
    truths = {_reading(readings[when]) for when in rivals}
    return truths.pop() if len(truths) == 1 else Truth.U


def _reading(values: list[tuple[Truth, bool, Reading]]) -> Truth:
    sides = []
    for wanted in (True, False):
        side = {truth for truth, is_systolic, _ in values if is_systolic is wanted}
        sides.append(side.pop() if len(side) == 1 else Truth.U)
    return any_of(sides)


def _shown(groups: Iterable[list[tuple[Truth, bool, Reading]]]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys([item.evidence for group in groups for _, _, item in group]))


def _nothing(node: BloodPressure, scene: Scene, wanted: tuple[Wanted, ...]) -> Answer:
    """No usable reading in the window: what there is instead is said as for every other result."""
    readings = [item for analyte in (node.systolic, node.diastolic) for item in scene.readings.of(analyte)]
    found = latest(
        readings, lambda _: Answer(Truth.T), scene=scene, window_days=node.window_days, what="blood-pressure"
    )
    return found.but(wanted=wanted)
