"""In: nothing. Out: the shapes of the SDTM documents once they are read: tables, codelists, domains, sources, the study's design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from adapter.datasets.model import Codelist, Dataset, Row, Variable

__all__ = [
    "ArmDesign",
    "ArmStep",
    "Check",
    "Continued",
    "Derivation",
    "Design",
    "Domain",
    "ElementDesign",
    "Foreign",
    "Read",
    "Relation",
    "Setting",
    "Source",
    "Start",
    "Supplement",
    "Table",
    "ViewColumns",
    "VisitDesign",
]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values by one or more keys.

    Attributes:
        id: its name.
        by: how many keys.
        columns: place of each column in a row.
        rows: by their keys.
    """

    id: str
    by: int
    columns: Mapping[str, int]
    rows: Mapping[tuple[str | None, ...], tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class ViewColumns:
    """What a view gives.

    Attributes:
        resource: type of resource that it reads.
        columns: by name.
        repeated: of a view with several rows a resource: the column that tells which one, and the path that is gone through.
    """

    resource: str
    columns: tuple[str, ...]
    repeated: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A column of another view's row, and the closure that gives the key of its resource."""

    view: str
    column: str
    fn: Any


#: What a value is read from: a column of the row's own view, or one of another view's row.
Read = str | Foreign


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable that a source sets: its place, the closure, and the columns that it is read from."""

    variable: str
    slot: int
    fn: Any
    reads: frozenset[Read]


@dataclass(frozen=True, slots=True)
class Derivation:
    """A derived variable: a closure a row, or one over all rows of the domain."""

    variable: str
    slot: int
    fn: Any
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that a row should not meet."""

    fn: Any
    finding: str
    text: str
    leave_out: bool
    variable: str | None
    severity: Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Supplement:
    """A supplemental qualifier (SUPP--)."""

    name: str
    label: str
    fn: Any
    origin: str
    evaluator: str | None
    reads: frozenset[Read]


@dataclass(frozen=True, slots=True)
class Continued:
    """Where a text that is too long goes on: in variables of the dataset, or in supplemental qualifiers of a stem."""

    variable: str
    slot: int
    into: tuple[int, ...] = ()
    stem: str | None = None


@dataclass(frozen=True, slots=True)
class First:
    """Of the rows that agree in ``by``, the first by ``after`` only; with a finding, the others are told by it."""

    by: tuple[Any, ...]
    after: Any
    finding: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What makes a result a correction of another: it is one itself, and both answer the same at the same time."""

    by: tuple[Any, ...]
    at: Any
    when: Any


@dataclass(slots=True)
class Source:
    """A view's rows as they become rows of a domain; places are those of a frame.

    Attributes:
        id: within the domain.
        mapping: id and version, as the trace names it.
        view: name of the view, or of one of the engine's own tables (``@subjects``); empty for rows in the document.
        resource: type that the view reads; empty for the engine's own tables.
        columns: of the view.
        width: places in a frame.
        base: place of the subject; the resource and the run follow, then the columns.
        inline: rows that stand in the document, as closures by column.
        lets: names computed first.
        each: further names, one list a row that a view's row becomes.
        where: which rows are taken.
        key: what tells rows of one resource apart.
        settings: variables that are set, in their order.
        deferred: variables that wait for numbers.
        checks: what a row should not be.
        derivations: of this source alone.
        shared: of the domain, compiled for this source, in the domain's order.
        supplements: supplemental qualifiers.
        numbered: what is to be numbered: name, value, order.
        first: of the rows that agree in these, the first by this only.
        corrected: how a correction is known, and what it replaces.
        foreign_views: views that an expression looks into.
    """

    id: str
    mapping: str
    view: str
    resource: str
    columns: tuple[str, ...]
    width: int
    base: int
    inline: tuple[tuple[Any, ...], ...] | None = None
    lets: list[tuple[int, Any]] = field(default_factory=list)
    each: list[list[tuple[int, Any]]] = field(default_factory=list)
    where: Any = None
    key: list[Any] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    deferred: list[Setting] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    derivations: list[Derivation] = field(default_factory=list)
    shared: list[Derivation] = field(default_factory=list)
    supplements: list[Supplement] = field(default_factory=list)
    numbered: list[tuple[str, Any, Any]] = field(default_factory=list)
    first: First | None = None
    corrected: Corrected | None = None
    foreign_views: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Domain:
    """A document of a domain, compiled."""

    code: str
    label: str
    class_: str
    structure: str
    keys: tuple[str, ...]
    version: str
    variables: tuple[Variable, ...]
    sources: list[Source]
    continued: tuple[Continued, ...]
    reference: bool
    optional: frozenset[str] = frozenset()

    @property
    def places(self) -> dict[str, int]:
        """Place of each variable."""
        return {variable.name: place for place, variable in enumerate(self.variables)}


@dataclass(frozen=True, slots=True)
class Start:
    """What an element begins with: an event, of one cycle or one arm where that is told, or so many days after it.

    With ``after`` only an event that follows one of that kind counts.
    """

    event: str
    cycle: int | None
    arm: str | None
    days: int = 0
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ElementDesign:
    """A planned element (TE)."""

    code: str
    name: str
    epoch: str
    starts: tuple[Start, ...]
    start_rule: str
    end_rule: str
    duration: str | None


@dataclass(frozen=True, slots=True)
class ArmStep:
    """One element of an arm (TA)."""

    element: str
    branch: str | None
    transition: str | None


@dataclass(frozen=True, slots=True)
class ArmDesign:
    """An arm: its name in the study document, its code and label, its elements."""

    name: str
    code: str
    label: str
    treated: bool
    steps: tuple[ArmStep, ...]


@dataclass(frozen=True, slots=True)
class VisitDesign:
    """A planned visit (TV), and how it is known in the feed."""

    number: Decimal
    name: str
    kind: str
    visit: int
    arm: str | None
    day: int | None
    before: int
    after: int
    start_rule: str
    end_rule: str | None
    event: str | None


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of two domains that belong together (RELREC)."""

    id: str
    left: tuple[str, str]
    right: tuple[str, str]
    types: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Design:
    """The study as its SDTM documents describe it.

    Attributes:
        trial: product's id of the trial.
        study_id: ``STUDYID``.
        standard: implementation guide.
        terminology: controlled terminology, None where its date is not known.
        treatment_from: event with which the study's own treatment may begin.
        reference_start: facts whose first is ``RFSTDTC``.
        elements: planned.
        arms: planned.
        visits: planned.
        confirm: what the sources do not tell, by what it is about.
    """

    trial: str
    study_id: str
    standard: str
    terminology: str | None
    treatment_from: str
    reference_start: tuple[str, ...]
    elements: tuple[ElementDesign, ...]
    arms: tuple[ArmDesign, ...]
    visits: tuple[VisitDesign, ...]
    confirm: Mapping[str, str]

    def arm(self, name: str | None) -> ArmDesign | None:
        """The arm of a name of the study document."""
        return next((one for one in self.arms if one.name == name), None)

    def order(self, element: str, arm: object) -> int:
        """Place of an element in an arm, from 1; without an arm, in the first one that has it."""
        for one in self.arms:
            codes = [step.element for step in one.steps]
            if element in codes and arm in (None, one.name):
                return codes.index(element) + 1
        return len(self.elements)

    def element(self, code: str) -> ElementDesign | None:
        """The element of a code."""
        return next((one for one in self.elements if one.code == code), None)


@dataclass(frozen=True, slots=True)
class Documents:
    """All SDTM documents of a trial.

    Attributes:
        design: of the study.
        domains: by code.
        relations: between domains.
        relrec: variables of RELREC.
        supp: variables of supplemental qualifiers.
        codelists: by id.
        shapes: of the views, by view.
        views: that the documents and the engine read.
    """

    design: Design
    domains: tuple[Domain, ...]
    relations: tuple[Relation, ...]
    relrec: tuple[Variable, ...]
    supp: tuple[Variable, ...]
    codelists: Mapping[str, Codelist]
    shapes: Mapping[str, ViewColumns]
    views: tuple[str, ...]

    @property
    def defaults(self) -> Mapping[str, str]:
        """What is taken as a default until the coordinating centre has confirmed it, by what it is about."""
        return self.design.confirm

    def relrec_dataset(self, rows: list[Row]) -> Dataset:
        """RELREC with these rows."""
        return Dataset(
            name="RELREC",
            label="Related records",
            domain="RELREC",
            class_="RELATIONSHIP",
            structure="One record per related record, group of records or dataset",
            keys=("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "RELID"),
            variables=self.relrec,
            rows=tuple(rows),
        )
