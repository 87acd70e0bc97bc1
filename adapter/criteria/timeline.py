"""In: a trial, a record, a site, a day. Out: `Timeline`: cycles, disease status, results with the limits of the criteria; and each result's reference range.

All of it as the verdict reads it: the same prepared concepts, units, dates and scales. Nothing is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from adapter.criteria import tree
from adapter.criteria.answer import Evidence
from adapter.criteria.concepts.limits import limits_of_normal
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.concepts.results import judge_reading
from adapter.criteria.questions import nodes_of
from adapter.criteria.scene import USABLE, Scene
from adapter.criteria.tree import Comparison, Laboratory, Scale
from adapter.criteria.trial import Trial
from adapter.fhir import NumberInterval, PatientRecord, When, is_usable, plain
from adapter.fhir.datatypes import Quantity, ReferenceRange
from adapter.terminology import Site

__all__ = ["Infused", "LabRange", "Limit", "Point", "Series", "Stated", "Timeline", "lab_ranges", "timeline_of"]

#: What such a node compares is a grade of toxicity, no limit of the criterion's sentence.
_GRADES = (tree.CourseToxicity, tree.UnresolvedToxicity)
_CONVERTED = re.compile(r"(?:(?P<sign>[<>]=?)|(?P<from>-?\d+(?:\.\d+)?)-)?(?P<value>-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Infused:
    """One cycle: ``course`` is first, uncertain (it may be of the first) or later."""

    when: When
    course: str
    completed: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement on the course of the disease: ``said`` is worsened, controlled, neither or unread.

    ``kind``: clinical, recist or best. ``sure``: it surely is of the study's tumour.
    """

    when: When
    said: str
    kind: str
    sure: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Limit:
    """What a criterion compares with."""

    criterion: str
    operator: str
    value: Decimal
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Point:
    """One result; ``value`` in the series' unit, None where it cannot be read or brought to it.

    ``usable``: its status lets it decide. ``evidence``: as sent, and converted where that could be done.
    """

    when: When
    value: NumberInterval | None
    usable: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Series:
    """The results of one analyte on one scale, in time's order."""

    analyte: str
    words: Mapping[str, str]
    scale: Scale
    unit: str
    limits: tuple[Limit, ...]
    window_days: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class LabRange:
    """The reference range of a result: ``printed`` as the report gives it, ``site`` the site's own upper limit where the report gives none.

    ``worded``: those of ``printed`` that are a text of the report, not its numbers.
    """

    printed: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    worded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a record tells in the order of time, up to a day."""

    on: date
    infused: tuple[Infused, ...] = ()
    stated: tuple[Stated, ...] = ()
    series: tuple[Series, ...] = ()


@dataclass(slots=True)
class _Panel:
    node: Laboratory
    limits: list[Limit] = field(default_factory=list)


def timeline_of(trial: Trial, record: PatientRecord, *, site: Site, on: date) -> Timeline:
    """What a record tells in the order of time.

    Args:
        trial: its criteria say which results matter, and their limits.
        record: all that is known of the person.
        site: how the site's records are read.
        on: what is surely later is left out.
    """
    scene = Scene(trial, record.until(on), site, on)
    return Timeline(on, tuple(_infused(scene)), tuple(_stated(scene)), tuple(_series(scene)))


def lab_ranges(
    trial: Trial, record: PatientRecord, *, site: Site, on: date
) -> dict[tuple[str, str | None, str | None], LabRange]:
    """The reference range of every result of an analyte, by reference, version and value as sent (as evidence has them)."""
    scene = Scene(trial, record.until(on), site, on)
    found: dict[tuple[str, str | None, str | None], LabRange] = {}
    for analyte in trial.analytes.values():
        for reading in scene.readings.of(analyte):
            shown = reading.evidence
            told = _range_of(reading, scene)
            if told.printed or told.site:
                found.setdefault((shown.reference, shown.version, shown.value), told)
    return found


def _infused(scene: Scene) -> Iterator[Infused]:
    courses = scene.courses
    for name, cycles in (("first", courses.first), ("uncertain", courses.uncertain), ("later", courses.second)):
        for cycle in cycles:
            yield Infused(cycle.when, name, cycle.completed, cycle.evidence)


def _stated(scene: Scene) -> Iterator[Stated]:
    known = scene.trial.concepts
    if known.status is None or known.tumour is None:
        return
    for item in scene.assessments:
        yield Stated(item.when, str(item.said), str(item.kind), item.belongs.name == "T", item.evidence)


def _series(scene: Scene) -> Iterator[Series]:
    for panel in _panels(scene.trial):
        node = panel.node
        points, unit = [], "" if node.scale is not Scale.VALUE else node.analyte.unit
        for reading in scene.readings.of(node.analyte):
            if not reading.is_result:
                continue
            shown = judge_reading(node, reading, scene).shown[0]
            value = None
            if shown.converted is not None and (node.scale is Scale.VALUE or shown.converted.unit != node.analyte.unit):
                value, unit = _number(shown.converted.value), shown.converted.unit
            points.append(Point(reading.when, value, reading.observation.status in USABLE, shown))
        if points:
            yield Series(
                analyte=node.analyte.id,
                words=node.analyte.label,
                scale=node.scale,
                unit=unit,
                limits=tuple(dict.fromkeys(panel.limits)),
                window_days=node.window_days,
                points=tuple(points),
            )


def _panels(trial: Trial) -> list[_Panel]:
    """Analytes that criteria compare, each scale once, in the order of the criteria."""
    found: dict[tuple[str, Scale], _Panel] = {}
    for criterion in trial.criteria:
        for top in (criterion.node, *(part.node for part in criterion.parts)):
            graded = {id(below) for node in nodes_of(top) if isinstance(node, _GRADES) for below in nodes_of(node)}
            for node in nodes_of(top):
                if isinstance(node, Laboratory) and id(node) not in graded:
                    panel = found.setdefault((node.analyte.id, node.scale), _Panel(node))
                    panel.limits.append(_limit(criterion.id, node.comparison))
    return list(found.values())


def _limit(criterion: str, comparison: Comparison) -> Limit:
    return Limit(criterion, comparison.operator, comparison.limit, comparison.high)


def _number(text: str) -> NumberInterval | None:
    """A converted value, as `NumberInterval.text` writes it; what a laboratory prints is read elsewhere."""
    found = _CONVERTED.fullmatch(text)
    if found is None:
        return None
    value = Decimal(found["value"])
    if found["from"] is not None:
        return NumberInterval(Decimal(found["from"]), value)
    return NumberInterval.from_comparator(found["sign"], value)


def _range_of(reading: Reading, scene: Scene) -> LabRange:
    printed = tuple(dict.fromkeys(text for item in reading.ranges if (text := _printed(item))))
    if reading.ranges:
        return LabRange(printed, worded=frozenset(item.text for item in reading.ranges if item.text))
    limits = limits_of_normal(reading, scene, upper=True)
    return LabRange(site=tuple(f"{plain(limit)} {reading.analyte.unit}" for limit in limits))


def _printed(item: ReferenceRange) -> str | None:
    if item.text:
        return item.text
    low, high = (None if end is None else _quantity(end) for end in (item.low, item.high))
    if low and high:
        # The unit is the same on both sides, and said once.
        return f"{low[0]}-{high[0]} {high[1]}".strip()
    one = low or high
    return None if one is None else f"{'≥' if low else '≤'} {one[0]} {one[1]}".strip()


def _quantity(quantity: Quantity) -> tuple[str, str] | None:
    if quantity.value is None or not is_usable(quantity.value):
        return None
    return plain(quantity.value), quantity.unit or quantity.code or ""
