"""In: an expression of a criteria document. Out: its tree of typed nodes; a fault points to ``file#json-pointer``.

An expression is a mapping with one key, the node's name; docs/add-a-criterion.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapter.criteria import tree
from adapter.criteria.answer import Reason
from adapter.criteria.truth import Truth
from adapter.terminology import DOMAINS, Analyte, Node, ValueSet

__all__ = ["NODES", "Terms", "expression", "named"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What expressions may name."""

    analytes: Mapping[str, Analyte]
    value_sets: Mapping[str, ValueSet]
    criterion: str = ""

    def analyte(self, node: Node) -> Analyte:
        """The analyte of this name."""
        return self.analytes[node.one_of(*sorted(self.analytes))]

    def value_set(self, node: Node) -> ValueSet:
        """The value set of this name."""
        return self.value_sets[node.one_of(*sorted(self.value_sets))]


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
    wanted, attestable = node.get("wanted"), node.get("attestable")
    found = tree.Open(
        Reason(node["reason"].one_of(*Reason)),
        wanted.text() if wanted else None,
        attestable.flag() if attestable else False,
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
        node["link"].text(), since.integer() if since else None, terms.value_set(shows) if shows else None
    )
    node.close()
    return found


def _age(node: Node, _: Terms) -> tree.Node:
    found = tree.Age(node["at_least"].integer())
    node.close()
    return found


def _comparison(node: Node) -> tree.Comparison:
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
        comparison=_comparison(node["is"]),
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


def _condition(node: Node, terms: Terms) -> tree.Node:
    clinical, days, complete = node.get("clinical"), node.get("current_days"), node.get("complete")
    absent, attestable, wanted = node.get("absent"), node.get("attestable"), node.get("wanted")
    complete_days = node.get("complete_days")
    found = tree.Condition(
        value_set=terms.value_set(node["in"]),
        clinical=clinical.texts() if clinical else (),
        current_days=days.integer() if days else None,
        complete=complete.one_of(*DOMAINS) if complete else None,
        complete_days=complete_days.integer() if complete_days else 0,
        absent=Truth(absent.one_of("T", "F")) if absent else Truth.U,
        attestable=attestable.flag() if attestable else False,
        wanted=wanted.text() if wanted else None,
    )
    node.close()
    return found


def _histology(node: Node, terms: Terms) -> tree.Node:
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
    found = tree.Grade(
        terms.value_set(node["morphology"]),
        terms.analytes["ki67"],
        node["ki67_at_most"].decimal(),
        node["well_differentiated"].text(),
    )
    node.close()
    return found


def _cycle_count(node: Node, _: Terms) -> tree.Node:
    found = tree.CycleCount(node["equals"].integer(), node["attested"].text())
    node.close()
    return found


def _second_course(node: Node, _: Terms) -> tree.Node:
    found = tree.SecondCourse(node["at_least_cycles"].integer())
    node.close()
    return found


def _control(node: Node, _: Terms) -> tree.Node:
    found = tree.ControlMonths(node["at_least_months"].integer())
    node.close()
    return found


def _progression(node: Node, _: Terms) -> tree.Node:
    if node.value != "between first and second course":
        raise node.fault("expected: between first and second course")
    return tree.Progression()


def named(node: object) -> list[str]:
    """The criteria and parts that an expression asks for."""
    match node:
        case tree.PartOf():
            return [node.part]
        case tree.TruthOf():
            return [node.criterion]
        case tree.All() | tree.Any():
            return [name for child in node.of for name in named(child)]
        case tree.Not() | tree.OnlyRefutes():
            return named(node.of)
        case tree.Fallback():
            return named(node.first) + named(node.second)
        case tree.CrossCheck():
            return named(node.decides) + named(node.against)
        case tree.Cases():
            children = [
                *(case.condition for case in node.cases),
                *(case.outcome for case in node.cases),
                node.otherwise,
            ]
            return [name for child in children for name in named(child)]
    return []


#: Every expression there is, by its name.
NODES: dict[str, Callable[[Node, Terms], tree.Node]] = {
    "age": _age,
    "all": lambda node, terms: tree.All(_children(node, terms)),
    "any": lambda node, terms: tree.Any(_children(node, terms)),
    "attested": _attested,
    "blood_pressure": _pressure,
    "cases": _cases,
    "coded": lambda node, terms: tree.Coded(terms.value_set(node)),
    "condition": _condition,
    "control_after_first_course": _control,
    "criterion": _truth_of,
    "cross_check": _cross_check,
    "fallback": _fallback,
    "grade": _grade,
    "hcg": _hcg,
    "histology": _histology,
    "laboratory": _laboratory,
    "not": lambda node, terms: tree.Not(expression(node, terms)),
    "only_refutes": _only_refutes,
    "open": _open,
    "part": _part_of,
    "progression": _progression,
    "prothrombin_normal": _prothrombin,
    "prrt_cycles_first_course": _cycle_count,
    "second_course": _second_course,
    "sex": lambda node, _: tree.Sex(node.one_of("male", "female")),
}
