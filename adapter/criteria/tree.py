"""In: nothing. Out: the nodes that a criterion's expression is made of; immutable, checked where they are parsed.

A node says what is asked; how it is answered from a record stands in ``evaluate.py`` (logic) and ``concepts/`` (data).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from adapter.criteria.answer import Reason
from adapter.criteria.truth import Truth
from adapter.terminology import Analyte, ValueSet

__all__ = [
    "Age",
    "All",
    "Any",
    "Attested",
    "BloodPressure",
    "Case",
    "Cases",
    "Coded",
    "Comparison",
    "Condition",
    "ControlMonths",
    "CrossCheck",
    "CycleCount",
    "Fallback",
    "Grade",
    "Hcg",
    "Histology",
    "Laboratory",
    "Node",
    "Not",
    "OnlyRefutes",
    "Open",
    "PartOf",
    "Progression",
    "Prothrombin",
    "Scale",
    "SecondCourse",
    "Sex",
    "TruthOf",
]


@dataclass(frozen=True, slots=True)
class Node:
    """Something that has an answer."""


# Logic


@dataclass(frozen=True, slots=True)
class All(Node):
    """Every one of ``of`` (Kleene)."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any(Node):
    """At least one of ``of`` (Kleene)."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The negation."""

    of: Node


@dataclass(frozen=True, slots=True)
class Open(Node):
    """Open for a stated reason; the outcome of a case."""

    reason: Reason
    wanted: str | None = None
    attestable: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """When ``condition`` is proven the outcome holds: a node, or a plain truth on the condition's evidence."""

    condition: Node
    outcome: Node | Truth


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """The first case whose condition is proven (T) decides; open ones are passed over; else ``otherwise``."""

    cases: tuple[Case, ...]
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Fallback(Node):
    """The first, unless it has no data at all in its window: then the second."""

    first: Node
    second: Node


@dataclass(frozen=True, slots=True)
class OnlyRefutes(Node):
    """Data that may refute the statement (then F, presumed) but never prove it (then open, ``asks`` for ``wanted``)."""

    of: Node
    wanted: str


@dataclass(frozen=True, slots=True)
class CrossCheck(Node):
    """``decides`` decides; without data for it ``against`` does; the two decided differently are a conflict."""

    decides: Node
    against: Node


@dataclass(frozen=True, slots=True)
class PartOf(Node):
    """The answer to a part (attestation included): ``part`` of ``criterion``."""

    criterion: str
    part: str


@dataclass(frozen=True, slots=True)
class TruthOf(Node):
    """The answer to another criterion."""

    criterion: str


@dataclass(frozen=True, slots=True)
class Attested(Node):
    """What a person attested under this linkId.

    ``since_days``: an attested date must lie that far back. ``shows``: Conditions to show to whom is asked.
    """

    link: str
    since_days: int | None = None
    shows: ValueSet | None = None


# Data


class Scale(StrEnum):
    """What of a laboratory value is compared: itself, its multiple of the upper limit of normal, or the MDRD made of it."""

    VALUE = "value"
    ULN = "uln"
    MDRD = "mdrd"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``operator`` is gt, ge, lt, le or between; ``high`` is set for between only (both ends in)."""

    operator: str
    limit: Decimal
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Age(Node):
    """At least ``at_least`` completed years on the reference date."""

    at_least: int


@dataclass(frozen=True, slots=True)
class Sex(Node):
    """Administrative gender."""

    gender: str


@dataclass(frozen=True, slots=True)
class Laboratory(Node):
    """The latest usable result of ``analyte`` in the last ``window_days`` satisfies ``comparison``."""

    analyte: Analyte
    comparison: Comparison
    window_days: int
    scale: Scale = Scale.VALUE


@dataclass(frozen=True, slots=True)
class Prothrombin(Node):
    """The latest prothrombin result is normal: ``percent`` is low when abnormal, the ``others`` are high."""

    percent: Analyte
    others: tuple[Analyte, ...]
    window_days: int


@dataclass(frozen=True, slots=True)
class Hcg(Node):
    """A pregnancy test of the last ``window_days`` is positive (or, ``positive`` False, negative)."""

    analyte: Analyte
    positive: bool
    window_days: int


@dataclass(frozen=True, slots=True)
class BloodPressure(Node):
    """At or above either limit (mm[Hg]) in the latest readings of ``days`` different days."""

    systolic: Analyte
    diastolic: Analyte
    systolic_limit: Decimal
    diastolic_limit: Decimal
    days: int
    window_days: int


@dataclass(frozen=True, slots=True)
class Condition(Node):
    """A Condition of the value set is on record.

    ``clinical``: clinical statuses that count, empty for any. ``current_days``: undated or older than that it is no
    longer surely current. ``complete``: the domain whose declared completeness, over the ``complete_days`` before the
    reference date and on it, turns absence into F, presumed. ``absent``: what it means that there is none, beyond a declared completeness.
    """

    value_set: ValueSet
    clinical: tuple[str, ...] = ()
    current_days: int | None = None
    complete: str | None = None
    complete_days: int = 0
    absent: Truth = Truth.U
    attestable: bool = False
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class Coded(Node):
    """A Condition or Procedure with a code of the value set is on record; absence is open."""

    value_set: ValueSet


@dataclass(frozen=True, slots=True)
class Histology(Node):
    """A morphology of ``value_sets`` is on record for the tumour: the study tumour, or one of ``of``.

    ``absent``: what it means that there is none at all, attributed or not. ``unattributed``: asks instead whether there
    is one that cannot be attributed to any tumour.
    """

    value_sets: tuple[ValueSet, ...]
    of: ValueSet | None = None
    absent: Truth = Truth.U
    unattributed: bool = False


@dataclass(frozen=True, slots=True)
class Grade(Node):
    """The study tumour is G1 or G2: by a stated grade, or by Ki-67 with a well-differentiated morphology."""

    morphology: ValueSet
    ki67: Analyte
    ki67_at_most: Decimal
    well_differentiated: str


@dataclass(frozen=True, slots=True)
class CycleCount(Node):
    """The first PRRT course has exactly ``equals`` completed cycles."""

    equals: int
    attested: str


@dataclass(frozen=True, slots=True)
class SecondCourse(Node):
    """An established first PRRT is followed by a second with at least ``at_least`` completed cycles."""

    at_least: int


@dataclass(frozen=True, slots=True)
class ControlMonths(Node):
    """No progression for ``months`` calendar months after the last cycle of the first course."""

    months: int


@dataclass(frozen=True, slots=True)
class Progression(Node):
    """A progression after the first course and before the second."""
