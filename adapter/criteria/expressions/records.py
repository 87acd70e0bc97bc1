"""In: expressions that ask for a coded record. Out: their nodes."""

from __future__ import annotations

from collections.abc import Callable

from adapter.criteria import tree
from adapter.criteria.expressions.terms import Terms, flag_of, integer_of, text_of, validity
from adapter.criteria.prepared import pattern
from adapter.criteria.truth import Truth
from adapter.terminology import DOMAINS, Node

Reader = Callable[[Node, Terms], tree.Node]

__all__ = ["READERS"]


def _condition(node: Node, terms: Terms) -> tree.Node:
    clinical, days, complete, absent = (node.get(key) for key in ("clinical", "current_days", "complete", "absent"))
    found = tree.Condition(
        value_set=terms.value_set(node["in"]),
        clinical=clinical.texts() if clinical else (),
        current_days=days.integer() if days else None,
        complete=complete.one_of(*DOMAINS) if complete else None,
        complete_days=integer_of(node.get("complete_days")),
        absent=Truth(absent.one_of("T", "F")) if absent else Truth.U,
        attestable=flag_of(node.get("attestable")),
        wanted=text_of(node.get("wanted")),
    )
    node.close()
    return found


def _dated_event(node: Node, terms: Terms) -> tree.Node:
    if ("asking" in node) != ("controlled" in node):
        raise node.fault("asking and controlled go together")
    found = tree.DatedEvent(
        deciding=terms.value_sets_of(node["deciding"]),
        within=validity(node["within"]),
        complete=node["complete"].one_of(*DOMAINS),
        wanted=node["wanted"].text(),
        asking=terms.value_sets_of(node["asking"]) if "asking" in node else (),
        controlled=text_of(node.get("controlled")),
    )
    node.close()
    return found


def _other_tumour(node: Node, terms: Terms) -> tree.Node:
    terms.need(node, "tumour")
    found = tree.OtherTumour(
        value_set=terms.value_set(node["in"]),
        excepted=terms.value_set(node["excepted"]),
        controlled=node["controlled"].text(),
        alert=terms.value_set(node["alert"]),
        within=validity(node["within"]),
        complete=node["complete"].one_of(*DOMAINS),
    )
    node.close()
    return found


def _marrow(node: Node, terms: Terms) -> tree.Node:
    found = tree.MarrowFraction(
        terms.analyte(node["analyte"]), node["above"].decimal(), terms.value_sets_of(node["courses"])
    )
    node.close()
    return found


def _consent(node: Node, _: Terms) -> tree.Node:
    if node.value != "signed":
        raise node.fault("expected: signed")
    return tree.SignedConsent()


def _coverage(node: Node, _: Terms) -> tree.Node:
    found = tree.Coverage(*(node[key].texts() for key in ("types", "payors", "asks", "excludes", "hints")))
    node.close()
    return found


def _allergy(node: Node, terms: Terms) -> tree.Node:
    found = tree.Allergy(
        substances=terms.value_sets_of(node["to"]),
        asking=terms.value_sets_of(node["asking"]),
        asking_text=pattern(node["asking_text"]),
        none=terms.value_set(node["none"]),
        complete=node["complete"].one_of(*DOMAINS),
    )
    node.close()
    return found


def _other_study(node: Node, _: Terms) -> tree.Node:
    found = tree.OtherStudy(node["within_days"].integer(), node["complete"].one_of(*DOMAINS))
    node.close()
    return found


#: The readers of this file's expressions, by name.
READERS: dict[str, Reader] = {
    "allergy": _allergy,
    "coded": lambda node, terms: tree.Coded(terms.value_set(node)),
    "condition": _condition,
    "consent": _consent,
    "coverage": _coverage,
    "dated_event": _dated_event,
    "marrow_irradiated": _marrow,
    "other_study": _other_study,
    "other_tumour": _other_tumour,
}
