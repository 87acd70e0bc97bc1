"""In: nothing. Out: nodes that ask about the courses of treatment and what came after each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapter.criteria.tree.base import Node
from adapter.criteria.tree.results import Graded, Laboratory

__all__ = [
    "ControlMonths",
    "CourseToxicity",
    "CycleCount",
    "FirstResponse",
    "NewProgression",
    "Progression",
    "SecondCourse",
    "SecondResponse",
    "UnresolvedToxicity",
]


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


@dataclass(frozen=True, slots=True)
class FirstResponse(Node):
    """The first course brought no response: neither CR, PR, SD nor control long enough.

    ``control``: the criterion whose T proves that the disease was controlled.
    """

    control: str


@dataclass(frozen=True, slots=True)
class SecondResponse(Node):
    """A RECIST progression is on record after ``cycles`` completed cycles of the second course."""

    cycles: int


@dataclass(frozen=True, slots=True)
class CourseToxicity(Node):
    """A toxicity of ``grade`` or worse in the first course, until ``after_days`` after its last cycle.

    ``analytes`` decide; ``asks`` are reported and leave it open. ``wanted``: the attestation that answers.
    """

    analytes: tuple[Graded, ...]
    asks: tuple[Graded, ...]
    grade: int
    after_days: int
    wanted: str


@dataclass(frozen=True, slots=True)
class UnresolvedToxicity(Node):
    """An unresolved adverse event of ``grade`` or worse that is due to the treatment.

    ``current``: whether the latest value of an analyte has that grade; it then asks for its cause. ``excluded_text``: events that do not count.
    ``wanted``: the attestation that answers.
    """

    current: tuple[Laboratory, ...]
    grade: int
    excluded_text: re.Pattern[str]
    wanted: str


@dataclass(frozen=True, slots=True)
class NewProgression(Node):
    """A progression of the study tumour between ``from_months`` and ``to_months`` calendar months before the reference date, both included."""

    from_months: int
    to_months: int
