"""In: nothing. Out: nodes that ask for a result of a measurement, and for the person"s age and sex."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from adapter.criteria.tree.base import Node
from adapter.terminology import Analyte

__all__ = [
    "Age",
    "BloodPressure",
    "Comparison",
    "DeIndexed",
    "Graded",
    "Hcg",
    "Laboratory",
    "Prothrombin",
    "Scale",
    "Sex",
]


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
class Graded:
    """The grades of one analyte: the comparison that a value of at least that grade satisfies, by grade."""

    analyte: Analyte
    scale: Scale
    grades: tuple[tuple[int, Comparison], ...]

    def at_least(self, grade: int) -> Comparison | None:
        """What a value of ``grade`` or worse satisfies; None where no number has that grade."""
        return dict(self.grades).get(grade)


@dataclass(frozen=True, slots=True)
class DeIndexed(Node):
    """The latest MDRD, times the person's body surface over 1.73 m2, satisfies the comparison; open without height and weight."""

    creatinine: Analyte
    height: Analyte
    weight: Analyte
    comparison: Comparison
    window_days: int
