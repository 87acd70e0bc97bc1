"""In: a trial. Out: the data that its criteria ask for, read off their expressions: analytes, value sets, question codes.

An expression is a tree of dataclasses: whatever analyte or value set a node names is a datum that its criterion needs. The
prepared concepts (courses, tumour, disease status) name theirs in the trial's document of concepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from adapter.criteria import Criterion, Trial
from adapter.criteria import tree as nodes
from adapter.terminology import Analyte, ValueSet

__all__ = ["Need", "needs_of", "questions_of", "ranged_of"]

#: Nodes that ask about the courses of treatment, and those of them that ask what came after one.
_COURSES = (nodes.CycleCount, nodes.SecondCourse, nodes.CourseToxicity)
_STATUS = (nodes.ControlMonths, nodes.Progression, nodes.FirstResponse, nodes.SecondResponse, nodes.NewProgression)
_GRADE = "tumour-grade"
#: One of the analytes below such a node is enough.
_EITHER = (nodes.Prothrombin, nodes.Fallback, nodes.CrossCheck)


@dataclass(slots=True)
class Need:
    """A datum.

    Attributes:
        what: its id; ``kind`` is ``analyte``, ``value-set`` or ``question``.
        codes: of an analyte or a question.
        criteria: which ask for it.
        instead: data of which one is enough, itself among them; empty where its absence is no gap.
    """

    what: str
    kind: str
    label: Mapping[str, str]
    codes: frozenset[tuple[str, str]] = frozenset()
    value_set: ValueSet | None = None
    criteria: list[str] = field(default_factory=list)
    instead: set[str] = field(default_factory=set)

    def has(self, system: str, code: str) -> bool:
        """Whether a standard coding is one of this datum."""
        return (system, code) in self.codes or (self.value_set is not None and self.value_set.has(system, code))


def questions_of(trial: Trial) -> tuple[Need, ...]:
    """What is asked by a question code whose answer is coded: grade, disease status, RECIST."""
    found = []
    tumour, status = trial.concepts.tumour, trial.concepts.status
    for what, codes, fr, en in (
        (_GRADE, tumour.grades if tumour else None, "grade de la tumeur", "grade of the tumour"),
        ("disease-status", status.clinical if status else None, "statut de la maladie", "disease status"),
        ("recist-response", status.recist if status else None, "réponse RECIST", "RECIST response"),
        ("recist-best-response", status.best if status else None, "meilleure réponse RECIST", "RECIST best response"),
    ):
        if codes:
            found.append(Need(what, "question", {"fr": fr, "en": en}, codes=codes))
    return tuple(found)


def needs_of(trial: Trial) -> dict[str, Need]:
    """All data of a trial's criteria by id, in the order that the criteria first ask for them."""
    found: dict[str, Need] = {}
    questions = questions_of(trial)
    for criterion in trial.criteria:
        for item in _walk((criterion.node, *_parts(criterion))):
            for asked in _asked(item, trial, questions):
                need = found.setdefault(asked.what, asked)
                need.instead |= asked.instead
                if criterion.id not in need.criteria:
                    need.criteria.append(criterion.id)
    tumour = trial.concepts.tumour
    groups = [{item.id for item in tumour.neuroendocrine}] if tumour else []
    optional: set[str] = set()
    for item in _walk(tuple(node for criterion in trial.criteria for node in (criterion.node, *_parts(criterion)))):
        optional |= _optional(item)
        groups.append(_either(item))
    for need in found.values():
        if need.kind == "analyte" and need.what not in optional:
            need.instead.add(need.what)
    for group in groups:
        for what in group & (found.keys() - optional):
            found[what].instead |= group & found.keys()
    return found


def _parts(criterion: Criterion) -> tuple[nodes.Node, ...]:
    return tuple(part.node for part in criterion.parts)


def _asked(item: object, trial: Trial, questions: Sequence[Need]) -> Iterator[Need]:
    """The data that one place of an expression asks for."""
    courses = trial.concepts.courses
    answers = [need for need in questions if need.what != _GRADE]
    if isinstance(item, Analyte):
        yield Need(item.id, "analyte", item.label, codes=item.codes)
    elif isinstance(item, ValueSet):
        yield _of_set(item)
    elif isinstance(item, nodes.Examination):
        yield _of_set(item.value_set, item.value_set.id)
    elif isinstance(item, nodes.Grade):
        yield from (need for need in questions if need.what == _GRADE)
    if courses is not None and isinstance(item, (*_COURSES, *_STATUS)):
        yield _of_set(courses.medication, courses.medication.id)
    if isinstance(item, _STATUS):
        for need in answers:
            yield replace(need, instead={other.what for other in answers}, criteria=[])


def _of_set(value_set: ValueSet, *instead: str) -> Need:
    name = value_set.id.replace("_", " ")
    label = value_set.label or {"fr": name, "en": name}
    return Need(value_set.id, "value-set", label, value_set=value_set, instead=set(instead))


def _optional(item: object) -> set[str]:
    """Analytes that are a cross-check, or only asked about."""
    if isinstance(item, nodes.DeIndexed):
        return {item.height.id, item.weight.id}
    return {graded.analyte.id for graded in item.asks} if isinstance(item, nodes.CourseToxicity) else set()


def _either(item: object) -> set[str]:
    """Data of which one answers the question of a node."""
    if isinstance(item, nodes.Grade):
        return {item.ki67.id, _GRADE}
    return {below.id for below in _walk(item) if isinstance(below, Analyte)} if isinstance(item, _EITHER) else set()


def ranged_of(trial: Trial) -> frozenset[str]:
    """The analytes whose limits of normal a criterion needs."""
    found = set()
    for criterion in trial.criteria:
        for item in _walk((criterion.node, *_parts(criterion))):
            if isinstance(item, nodes.Prothrombin):
                found |= {item.percent.id, *(analyte.id for analyte in item.others)}
            elif isinstance(item, nodes.Hcg) or getattr(item, "scale", None) is nodes.Scale.ULN:
                found.add(item.analyte.id)
    return frozenset(found)


def _walk(item: object) -> Iterator[Any]:
    """Everything in an expression: nodes, and the values that they name."""
    if isinstance(item, tuple | list | frozenset):
        for child in item:
            yield from _walk(child)
    elif is_dataclass(item) and not isinstance(item, type):
        yield item
        if not isinstance(item, Analyte | ValueSet):
            for part in fields(item):
                yield from _walk(getattr(item, part.name))
