"""In: expressions that ask about the study tumour. Out: their nodes."""

from __future__ import annotations

from collections.abc import Callable

from adapter.criteria import tree
from adapter.criteria.expressions.results import comparison
from adapter.criteria.expressions.terms import Terms
from adapter.criteria.prepared import pattern
from adapter.criteria.truth import Truth
from adapter.terminology import Node

Reader = Callable[[Node, Terms], tree.Node]

__all__ = ["READERS"]


def _histology(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "tumour")
    of, absent, unattributed = node.get("of"), node.get("absent"), node.get("unattributed")
    found = tree.Histology(
        tuple(terms.value_set(element) for element in node["in"].elements()),
        terms.value_set(of) if of else None,
        Truth(absent.one_of("T", "F")) if absent else Truth.U,
        unattributed.flag() if unattributed else False,
    )
    node.close()
    return found


def _grade(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "tumour")
    assert terms.concepts.tumour
    found = tree.Grade(
        terms.value_set(node["morphology"]),
        terms.concepts.tumour.ki67,
        node["ki67_at_most"].decimal(),
        node["well_differentiated"].text(),
    )
    node.close()
    return found


def _examination(node: Node, terms: Terms) -> tree.Node:
    found = tree.Examination(terms.value_set(node["in"]), node["within_months"].integer())
    node.close()
    return found


def _examination_value(node: Node, terms: Terms) -> tree.Node:
    found = tree.ExaminationValue(
        terms.value_set(node["in"]),
        node["within_months"].integer(),
        terms.analyte(node["analyte"]),
        comparison(node["is"]),
    )
    node.close()
    return found


def _measurable(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "tumour")
    found = tree.MeasurableDisease(
        diameter=terms.analyte(node["diameter"]),
        count=terms.analyte(node["count"]),
        at_least=node["at_least"].decimal(),
        lesions=node["lesions"].integer(),
        modalities=node["modalities"].texts(),
        node_text=pattern(node["lymph_node_text"]),
    )
    node.close()
    return found


#: The readers of this file's expressions, by name.
READERS: dict[str, Reader] = {
    "examination": _examination,
    "examination_value": _examination_value,
    "grade": _grade,
    "histology": _histology,
    "measurable_disease": _measurable,
}
