"""In: the document of kind ``concepts``. Out: how a trial's courses, tumour and disease status are read from a record, as values.

A concept has a kind; a trial has at most one of each, and an expression that needs one which is not there is a fault of the
documents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from adapter.terminology import Analyte, Node, ValueSet

__all__ = [
    "Concepts",
    "CourseConcept",
    "StatusConcept",
    "TumourConcept",
    "coding",
    "codings",
    "parse_concepts",
    "pattern",
]

Codings = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CourseConcept:
    """Courses of a treatment given in cycles (clarifications.md 1).

    Attributes:
        medication: the product.
        text: names of the product; a text alone leaves the count open.
        cycles: completed cycles of a whole course.
        close: fewer days than that between two infusions are no two cycles.
        same: up to that many days they are of one course.
        new: from that many days on they are of two courses; in between it cannot be told.
        same_batch_days: two records of one batch within that many days tell of one infusion.
        attested_by: linkId under which a person attests the first course.
        absence_years: without any infusion, fewer are presumed only where so many years are declared complete.
    """

    medication: ValueSet
    text: re.Pattern[str]
    cycles: int
    close: int
    same: int
    new: int
    same_batch_days: int
    attested_by: str
    first_mark: tuple[str, str]
    second_mark: tuple[str, str]
    absence_years: int


@dataclass(frozen=True, slots=True)
class TumourConcept:
    """The tumour that a trial is about, and what else is a malignancy (clarifications.md 30).

    Attributes:
        primary: sites of the study tumour; empty where the trial takes any.
        supportive: codes that may name it without its site or behaviour.
        morphology: a histology that, tied to a tumour, makes it the study tumour.
        neuroendocrine: every histology that speaks of a tumour of this kind.
        malignancy: primaries of any kind.
        unspecified: a primary of unknown site; beside another one it is that one.
        ki67: the analyte.
        grades: question codes of a stated grade.
        malignancy_text: words for a malignancy.
        same_tumour_text: words that say that it is the study tumour.
    """

    primary: tuple[ValueSet, ...]
    supportive: tuple[ValueSet, ...]
    morphology: tuple[ValueSet, ...]
    neuroendocrine: tuple[ValueSet, ...]
    malignancy: ValueSet
    unspecified: ValueSet
    ki67: Analyte
    grades: Codings
    malignancy_text: re.Pattern[str]
    same_tumour_text: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class StatusConcept:
    """What was said of the course of the disease: a clinician's status, a RECIST category, a best response.

    ``clinical``, ``recist``, ``best`` are question codes; ``worsened``, ``controlled`` and ``neither`` answer codes, ``..._words``
    printed answers.
    """

    clinical: Codings
    recist: Codings
    best: Codings
    worsened: Codings
    controlled: Codings
    neither: Codings
    worsened_words: frozenset[str]
    controlled_words: frozenset[str]
    neither_words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Concepts:
    """The prepared concepts of a trial; a name that is missing is one that no expression of the trial needs."""

    courses: CourseConcept | None = None
    tumour: TumourConcept | None = None
    status: StatusConcept | None = None


def parse_concepts(document: Node, *, value_sets: Mapping[str, ValueSet], analytes: Mapping[str, Analyte]) -> Concepts:
    """The concepts of a document of kind ``concepts``.

    Raises:
        DocumentError: with the place of the fault.
    """
    document["kind"].one_of("concepts")
    nodes: dict[str, Node] = {}
    for node in document["concepts"].elements():
        kind = node["kind"].one_of("treatment-courses", "tumour", "disease-status")
        if kind in nodes:
            raise node.fault("a trial has one concept of a kind")
        nodes[kind] = node
    names = _Names(value_sets, analytes)
    found = Concepts(
        courses=_courses(nodes["treatment-courses"], names) if "treatment-courses" in nodes else None,
        tumour=_tumour(nodes["tumour"], names) if "tumour" in nodes else None,
        status=_status(nodes["disease-status"]) if "disease-status" in nodes else None,
    )
    for node in (*nodes.values(), document):
        node.close()
    return found


@dataclass(frozen=True, slots=True)
class _Names:
    """What a concept may name."""

    value_sets: Mapping[str, ValueSet]
    analytes: Mapping[str, Analyte]

    def set(self, node: Node) -> ValueSet:
        return self.value_sets[node.one_of(*sorted(self.value_sets))]

    def sets(self, node: Node) -> tuple[ValueSet, ...]:
        return tuple(self.set(element) for element in node.elements())

    def analyte(self, node: Node) -> Analyte:
        return self.analytes[node.one_of(*sorted(self.analytes))]


def _courses(node: Node, names: _Names) -> CourseConcept:
    days = node["days"]
    found = CourseConcept(
        medication=names.set(node["medication"]),
        text=pattern(node["text"]),
        cycles=node["cycles"].integer(),
        close=days["close"].integer(),
        same=days["same"].integer(),
        new=days["new"].integer(),
        same_batch_days=node["same_batch_days"].integer(),
        attested_by=node["attested_by"].text(),
        first_mark=coding(node["first_mark"]),
        second_mark=coding(node["second_mark"]),
        absence_years=node["absence_declared_for_years"].integer(),
    )
    days.close()
    if not found.close <= found.same < found.new:
        raise days.fault("expected close <= same < new")
    return found


def _tumour(node: Node, names: _Names) -> TumourConcept:
    return TumourConcept(
        primary=names.sets(node["primary"]),
        supportive=names.sets(node["supportive"]),
        morphology=names.sets(node["morphology"]),
        neuroendocrine=names.sets(node["neuroendocrine"]),
        malignancy=names.set(node["malignancy"]),
        unspecified=names.set(node["unspecified"]),
        ki67=names.analyte(node["ki67"]),
        grades=codings(node["grades"]),
        malignancy_text=pattern(node["malignancy_text"]),
        same_tumour_text=pattern(node["same_tumour_text"]),
    )


def _status(node: Node) -> StatusConcept:
    return StatusConcept(
        clinical=codings(node["clinical"]),
        recist=codings(node["recist"]),
        best=codings(node["best"]),
        worsened=codings(node["worsened"]),
        controlled=codings(node["controlled"]),
        neither=codings(node["neither"]),
        worsened_words=frozenset(node["worsened_words"].texts()),
        controlled_words=frozenset(node["controlled_words"].texts()),
        neither_words=frozenset(node["neither_words"].texts()),
    )


def pattern(node: Node) -> re.Pattern[str]:
    """A regular expression, case ignored."""
    try:
        return re.compile(node.text(), re.IGNORECASE)
    except re.error as problem:
        raise node.fault(f"no regular expression: {problem.msg}") from None


def coding(node: Node) -> tuple[str, str]:
    """``system|code``."""
    system, mark, code = node.text().rpartition("|")
    if not (mark and system and code):
        raise node.fault("expected system|code")
    return system, code


def codings(node: Node) -> Codings:
    """A list of ``system|code``."""
    return frozenset(coding(element) for element in node.elements())
