"""In: a subject, a row of a view, the run. Out: the shapes that compiled expressions work on.

A row is worked on as one flat list, its frame: first the domain's variables in their order, then the subject, the resource and the
run, then the view's columns, then the names of ``let``. Expressions are closures that read and write places of that list, so
nothing is looked up by name while rows are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from adapter.datasets.sdtm.notes import Notes, Place
from adapter.terminology import Analyte, Units

__all__ = ["Draft", "Element", "Fn", "Frame", "LeaveOutError", "Run", "SubjectFacts", "Value", "Visit"]

Value = str | Decimal | None
Frame = list[Any]
Fn = Callable[[Frame], Any]


class LeaveOutError(Exception):
    """A row is left out, and the finding that says so is written."""


class Element(NamedTuple):
    """An element that a subject went through: from its start up to the start of the next, or to its end where it is the last.

    Attributes:
        code: ``ETCD``.
        name: ``ELEMENT``.
        order: ``TAETORD``.
        epoch: the epoch that it belongs to in the subject's arm.
        start: day.
        end: day; None while it lasts.
        last: the subject entered no other after it.
        sources: (resource, path) of the start and of the end, None where the day is not one of a resource.
    """

    code: str
    name: str
    order: int
    epoch: str | None
    start: str
    end: str | None
    last: bool
    sources: tuple[tuple[str, str] | None, tuple[str, str] | None]


class Visit(NamedTuple):
    """A visit of a subject.

    Attributes:
        number: ``VISITNUM``.
        name: ``VISIT``.
        day: planned study day, None where there is none.
        start: first day, or time.
        end: last day, or time.
        before: days before it that still belong to it.
        after: likewise, days after it.
        resource: what it is read from.
        paths: of what tells which visit it is, and of start and end.
        occurred: it took place; a visit that was cancelled is told and nothing belongs to it.
    """

    number: Decimal
    name: str
    day: int | None
    start: str
    end: str | None
    before: int
    after: int
    resource: str
    paths: tuple[str, str, str]
    occurred: bool


@dataclass(slots=True)
class SubjectFacts:
    """What is known of a subject before any row is made, and what the rows add to it.

    Attributes:
        usubjid: the trial's pseudonym.
        values: facts by name; the days as texts.
        sources: (resource, path) of the facts that stand in a resource.
        units: unit spellings of the subject's site.
        elements: that the subject went through, in their order.
        visits: by day.
        by_encounter: visits by the key of their Encounter.
        visit_on: visits found so far, by day.
        epoch_on: epochs found so far, by day.
    """

    usubjid: str
    values: dict[str, Value]
    sources: dict[str, tuple[str, str]]
    units: Units
    elements: list[Element] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    by_encounter: dict[str, Visit] = field(default_factory=dict)
    visit_on: dict[str, Visit | None] = field(default_factory=dict)
    epoch_on: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """What all rows of a package share while it is made.

    Attributes:
        notes: findings.
        analytes: of the terminology.
        study: facts of the study by name.
        views: the rows of a view by the key of their resource.
        numbers: what ``numbered`` gave, by its name, then subject and value.
        units_meant: units that were understood so far.
    """

    notes: Notes
    analytes: Mapping[str, Analyte]
    study: Mapping[str, Value]
    views: Callable[[str], Mapping[str, Mapping[str, Value]]] = lambda _: {}
    numbers: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    units_meant: dict[tuple[int, str, str | None, str | None], str | None] = field(default_factory=dict)
    _rows: dict[str, Mapping[str, Mapping[str, Value]]] = field(default_factory=dict)

    def rows_of(self, view: str) -> Mapping[str, Mapping[str, Value]]:
        """The rows of a view by the key of their resource; the first where it has several."""
        found = self._rows.get(view)
        if found is None:
            found = self._rows[view] = self.views(view)
        return found


class Draft:
    """A row in the making.

    Attributes:
        frame: its values.
        facts: of its subject; None for a row of trial design.
        key: resource and place in it.
        source: what made it.
        traced: groups of variables with resource and path of their own, where the source has no one resource a row.
        corrects: it was sent as the correction of another.
    """

    __slots__ = ("corrects", "facts", "frame", "key", "source", "traced")

    def __init__(self, frame: Frame, facts: SubjectFacts | None, key: str, source: Any) -> None:
        self.frame = frame
        self.facts = facts
        self.key = key
        self.source = source
        self.traced: Mapping[str, tuple[str, str]] | None = None
        self.corrects = False

    @property
    def usubjid(self) -> str:
        """Of its subject; empty for a row of trial design."""
        return self.facts.usubjid if self.facts is not None else ""

    def place(self, domain: str) -> Place:
        """Where a finding points to."""
        return Place(domain, self.usubjid or None, self.key.partition("#")[0] if self.facts is not None else None)
