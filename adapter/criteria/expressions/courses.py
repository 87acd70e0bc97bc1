"""In: expressions that ask about courses of treatment and what came after. Out: their nodes."""

from __future__ import annotations

from collections.abc import Callable

from adapter.criteria import tree
from adapter.criteria.expressions.terms import Terms
from adapter.criteria.prepared import pattern
from adapter.terminology import Node

Reader = Callable[[Node, Terms], tree.Node]

__all__ = ["READERS"]


def _cycle_count(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses")
    found = tree.CycleCount(node["equals"].integer(), node["attested"].text())
    node.close()
    return found


def _second_course(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses")
    found = tree.SecondCourse(node["at_least_cycles"].integer())
    node.close()
    return found


def _control(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses", "disease-status", "tumour")
    found = tree.ControlMonths(node["at_least_months"].integer())
    node.close()
    return found


def _progression(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses", "disease-status", "tumour")
    if node.value != "between first and second course":
        raise node.fault("expected: between first and second course")
    return tree.Progression()


def _first_response(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses", "disease-status", "tumour")
    found = tree.FirstResponse(node["control"].text())
    node.close()
    return found


def _second_response(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses", "disease-status", "tumour")
    found = tree.SecondResponse(node["after_cycles"].integer())
    node.close()
    return found


def _course_toxicity(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses")
    found = tree.CourseToxicity(
        analytes=terms.graded(node["analytes"]),
        asks=terms.graded(node["asks"]),
        grade=node["grade"].integer(),
        after_days=node["after_days"].integer(),
        wanted=node["wanted"].text(),
    )
    node.close()
    return found


def _unresolved_toxicity(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "treatment-courses")
    grade, days = node["grade"].integer(), node["window_days"].integer()
    found = tree.UnresolvedToxicity(
        current=tuple(
            tree.Laboratory(graded.analyte, comparison, days, graded.scale)
            for graded in terms.graded(node["analytes"])
            if (comparison := graded.at_least(grade)) is not None
        ),
        grade=grade,
        excluded_text=pattern(node["excluded_text"]),
        wanted=node["wanted"].text(),
    )
    node.close()
    return found


def _new_progression(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "disease-status", "tumour")
    found = tree.NewProgression(node["from_months"].integer(), node["to_months"].integer())
    if found.from_months <= found.to_months:
        raise node.fault("expected from_months above to_months")
    node.close()
    return found


#: The readers of this file's expressions, by name.
READERS: dict[str, Reader] = {
    "control_after_first_course": _control,
    "no_response_to_first_course": _first_response,
    "progression": _progression,
    "progression_on_second_course": _second_response,
    "progression_within": _new_progression,
    "prrt_cycles_first_course": _cycle_count,
    "second_course": _second_course,
    "toxicity_in_first_course": _course_toxicity,
    "unresolved_toxicity": _unresolved_toxicity,
}
