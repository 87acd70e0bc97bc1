"""In: an expression of a criteria document. Out: its tree of typed nodes; a fault points to ``file#json-pointer``.

An expression is a mapping with one key, the node's name; docs/add-a-criterion.md lists them. The logic stands here, what
asks for data in the other files.
"""

from __future__ import annotations

from collections.abc import Callable

from adapter.criteria import tree
from adapter.criteria.answer import Reason
from adapter.criteria.expressions import courses, records, results, tumour
from adapter.criteria.expressions.terms import Terms, flag_of, text_of
from adapter.criteria.truth import Truth
from adapter.terminology import Node

__all__ = ["NODES", "Terms", "expression", "named"]


def expression(node: Node, terms: Terms) -> tree.Node:
    """Read one expression.

    Raises:
        DocumentError: with the place of the fault.
    """
    content = node.mapping()
    if len(content) != 1:
        raise node.fault("an expression is a mapping with one key")
    (name,) = content
    if name not in NODES:
        raise node.fault(f"unknown expression {name}: expected one of {', '.join(sorted(NODES))}")
    return NODES[name](node[name], terms)


def _children(node: Node, terms: Terms) -> tuple[tree.Node, ...]:
    found = tuple(expression(element, terms) for element in node.elements())
    if not found:
        raise node.fault("expected at least one expression")
    return found


def _cases(node: Node, terms: Terms) -> tree.Node:
    elements = list(node.elements())
    if not elements or "otherwise" not in elements[-1]:
        raise node.fault("the last case is otherwise")
    cases = []
    for element in elements[:-1]:
        then = element["then"]
        outcome = Truth(then.text()) if then.value in ("T", "F") else expression(then, terms)
        cases.append(tree.Case(expression(element["if"], terms), outcome))
        element.close()
    otherwise = expression(elements[-1]["otherwise"], terms)
    elements[-1].close()
    return tree.Cases(tuple(cases), otherwise)


def _open(node: Node, _: Terms) -> tree.Node:
    found = tree.Open(
        Reason(node["reason"].one_of(*Reason)), text_of(node.get("wanted")), flag_of(node.get("attestable"))
    )
    node.close()
    return found


def _fallback(node: Node, terms: Terms) -> tree.Node:
    children = _children(node, terms)
    if len(children) != 2:
        raise node.fault("expected two expressions")
    return tree.Fallback(*children)


def _only_refutes(node: Node, terms: Terms) -> tree.Node:
    found = tree.OnlyRefutes(expression(node["rule"], terms), node["wanted"].text())
    node.close()
    return found


def _cross_check(node: Node, terms: Terms) -> tree.Node:
    found = tree.CrossCheck(expression(node["decides"], terms), expression(node["against"], terms))
    node.close()
    return found


def _part_of(node: Node, terms: Terms) -> tree.Node:
    text = node.text()
    criterion = text.partition(".")[0] if "." in text else terms.criterion
    return tree.PartOf(criterion, text if "." in text else f"{criterion}.{text}")


def _truth_of(node: Node, _: Terms) -> tree.Node:
    if "." in node.text():
        raise node.fault("names a part: write part")
    return tree.TruthOf(node.text())


def _attested(node: Node, terms: Terms) -> tree.Node:
    if isinstance(node.value, str):
        return tree.Attested(node.text())
    since, shows = node.get("since_days"), node.get("shows")
    found = tree.Attested(
        node["link"].text(),
        since.integer() if since else None,
        terms.value_set(shows) if shows else None,
        text_of(node.get("not_before")),
        expression(node["reopened_by"], terms) if "reopened_by" in node else None,
    )
    node.close()
    return found


def _attestable(node: Node, terms: Terms) -> tree.Node:
    cycles = node.get("after_cycles")
    found = tree.WithAttestation(
        node["link"].text(), expression(node["rule"], terms), cycles.integer() if cycles else None
    )
    node.close()
    return found


def named(node: object) -> list[str]:
    """The criteria and parts that an expression asks for."""
    mine: list[str | None] = []
    match node:
        case tree.PartOf():
            mine.append(node.part)
        case tree.TruthOf():
            mine.append(node.criterion)
        case tree.FirstResponse():
            mine.append(node.control)
        case tree.Attested():
            mine.append(node.not_before)
    below = [name for child in _below(node) for name in named(child)]
    return [name for name in mine if name is not None] + below


def _below(node: object) -> tuple[object, ...]:
    """The expressions that an expression is made of."""
    match node:
        case tree.All() | tree.Any():
            return node.of
        case tree.Not() | tree.OnlyRefutes() | tree.WithAttestation():
            return (node.of,)
        case tree.Fallback():
            return node.first, node.second
        case tree.CrossCheck():
            return node.decides, node.against
        case tree.Attested():
            return () if node.reopened_by is None else (node.reopened_by,)
        case tree.Cases():
            conditions = tuple(case.condition for case in node.cases)
            return *conditions, *(case.outcome for case in node.cases), node.otherwise
    return ()


#: Every expression there is, by its name.
NODES: dict[str, Callable[[Node, Terms], tree.Node]] = {
    "all": lambda node, terms: tree.All(_children(node, terms)),
    "any": lambda node, terms: tree.Any(_children(node, terms)),
    "attestable": _attestable,
    "attested": _attested,
    "cases": _cases,
    "criterion": _truth_of,
    "cross_check": _cross_check,
    "fallback": _fallback,
    "not": lambda node, terms: tree.Not(expression(node, terms)),
    "only_refutes": _only_refutes,
    "open": _open,
    "part": _part_of,
    **courses.READERS,
    **records.READERS,
    **results.READERS,
    **tumour.READERS,
}
