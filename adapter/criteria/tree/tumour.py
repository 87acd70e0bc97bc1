"""In: nothing. Out: nodes that ask about the study tumour: histology, grade, lesions, receptor imaging."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from adapter.criteria.tree.base import Node
from adapter.criteria.tree.results import Comparison
from adapter.criteria.truth import Truth
from adapter.terminology import Analyte, ValueSet

__all__ = ["Examination", "ExaminationValue", "Grade", "Histology", "MeasurableDisease"]


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
class Examination(Node):
    """An examination coded in ``value_set`` was made in the last ``within_months`` calendar months."""

    value_set: ValueSet
    within_months: int


@dataclass(frozen=True, slots=True)
class ExaminationValue(Node):
    """What the latest such examination found of ``analyte`` satisfies ``comparison``."""

    value_set: ValueSet
    within_months: int
    analyte: Analyte
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class MeasurableDisease(Node):
    """At the latest assessment one lesion is at least ``at_least`` (in the unit of ``diameter``), and there are at least ``lesions``.

    ``modalities``: DICOM modalities of which at least one an imaging study must have, where it says. ``node_text``: words
    of a body site that make it a lymph node, whose longest diameter proves nothing.
    """

    diameter: Analyte
    count: Analyte
    at_least: Decimal
    lesions: int
    modalities: tuple[str, ...]
    node_text: re.Pattern[str]
