"""In: expressions that ask for a result, for age or sex. Out: their nodes."""

from __future__ import annotations

from collections.abc import Callable

from adapter.criteria import tree
from adapter.criteria.expressions.terms import Terms
from adapter.terminology import Node

Reader = Callable[[Node, Terms], tree.Node]

__all__ = ["READERS"]


def _age(node: Node, _: Terms) -> tree.Node:
    found = tree.Age(node["at_least"].integer())
    node.close()
    return found


def comparison(node: Node) -> tree.Comparison:
    content = node.mapping()
    if len(content) != 1:
        raise node.fault("a comparison is a mapping with one key: gt, ge, lt, le or between")
    (operator,) = content
    if operator == "between":
        ends = [element.decimal() for element in node["between"].elements()]
        if len(ends) != 2 or ends[0] > ends[1]:
            raise node["between"].fault("expected two numbers, the lower first")
        return tree.Comparison("between", ends[0], ends[1])
    if operator not in ("gt", "ge", "lt", "le"):
        raise node.fault(f"unknown comparison {operator}")
    return tree.Comparison(operator, node[operator].decimal())


def _laboratory(node: Node, terms: Terms) -> tree.Node:
    scale = node.get("of")
    found = tree.Laboratory(
        analyte=terms.analyte(node["analyte"]),
        comparison=comparison(node["is"]),
        window_days=node["window_days"].integer(),
        scale=tree.Scale(scale.one_of(*tree.Scale)) if scale else tree.Scale.VALUE,
    )
    node.close()
    return found


def _prothrombin(node: Node, terms: Terms) -> tree.Node:
    found = tree.Prothrombin(
        terms.analyte(node["percent"]),
        tuple(terms.analyte(element) for element in node["others"].elements()),
        node["window_days"].integer(),
    )
    node.close()
    return found


def _hcg(node: Node, terms: Terms) -> tree.Node:
    positive = node["is"].one_of("positive", "negative") == "positive"
    found = tree.Hcg(terms.analyte(node["analyte"]), positive, node["window_days"].integer())
    node.close()
    return found


def _pressure(node: Node, terms: Terms) -> tree.Node:
    found = tree.BloodPressure(
        terms.analytes["systolic"],
        terms.analytes["diastolic"],
        node["systolic_at_least"].decimal(),
        node["diastolic_at_least"].decimal(),
        node["days"].integer(),
        node["window_days"].integer(),
    )
    node.close()
    return found


def _de_indexed(node: Node, terms: Terms) -> tree.Node:
    found = tree.DeIndexed(
        creatinine=terms.analyte(node["creatinine"]),
        height=terms.analyte(node["height"]),
        weight=terms.analyte(node["weight"]),
        comparison=comparison(node["is"]),
        window_days=node["window_days"].integer(),
    )
    node.close()
    return found


#: The readers of this file's expressions, by name.
READERS: dict[str, Reader] = {
    "age": _age,
    "blood_pressure": _pressure,
    "hcg": _hcg,
    "laboratory": _laboratory,
    "mdrd_not_indexed": _de_indexed,
    "prothrombin_normal": _prothrombin,
    "sex": lambda node, _: tree.Sex(node.one_of("male", "female")),
}
