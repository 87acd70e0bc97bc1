"""In: the documents of kinds ``sdtm-study``, ``sdtm-relations`` and ``sdtm-supplemental``, as nodes. Out: the design, relations, variables."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from adapter.datasets.model import Codelist, Variable
from adapter.datasets.sdtm.documents import (
    ArmDesign,
    ArmStep,
    Design,
    Domain,
    ElementDesign,
    Relation,
    Start,
    VisitDesign,
)
from adapter.datasets.sdtm.frames import EARLY_FACTS
from adapter.datasets.sdtm.lists import parse_label, parse_variable
from adapter.terminology import Node
from mappings.entities import EventKind

__all__ = ["parse_design", "parse_relations", "parse_supplemental"]

_EVENTS = tuple(kind.value for kind in EventKind)


def parse_design(node: Node) -> Design:
    """The study's design: elements, arms, visits.

    Raises:
        DocumentError: it is wrong, or names an element or an arm that it does not describe.
    """
    node["kind"].one_of("sdtm-study")
    elements = tuple(_element(one) for one in node["elements"].elements())
    codes = [one.code for one in elements]
    if len(set(codes)) < len(codes):
        raise node["elements"].fault("an element stands twice")
    arms = tuple(_arm(one, codes) for one in node["arms"].elements())
    names = tuple(one.name for one in arms)
    visits = tuple(_visit(one, names) for one in node["visits"].elements())
    if len({one.number for one in visits}) < len(visits) or len({(one.kind, one.visit) for one in visits}) < len(
        visits
    ):
        raise node["visits"].fault("a visit stands twice")
    for element in elements:
        for start in element.starts:
            if start.arm is not None and start.arm not in names:
                raise node["elements"].fault(f"{element.code} begins in an arm that is not described")
    reference = node["reference_start"].texts()
    for fact in reference:
        if fact not in EARLY_FACTS:
            raise node["reference_start"].fault(f"a subject has no {fact}")
    terminology = node.get("terminology")
    confirm = {about: one.text() for about, one in node["confirm"].items()}
    found = Design(
        trial=node["trial"].text(),
        study_id=parse_label(node["study_id"]),
        standard=node["standard"].text(),
        terminology=terminology.text() if terminology is not None and terminology.value is not None else None,
        treatment_from=node["study_treatment_from"].one_of(*_EVENTS),
        reference_start=reference,
        elements=elements,
        arms=arms,
        visits=visits,
        confirm=confirm,
    )
    node.close()
    return found


def _text(node: Node | None) -> str | None:
    return node.text() if node is not None and node.value is not None else None


def _element(node: Node) -> ElementDesign:
    starts = []
    for one in node["starts"].elements():
        cycle, arm, days, after = (one.get(name) for name in ("cycle", "arm", "days", "after"))
        starts.append(
            Start(
                one["event"].one_of(*_EVENTS),
                cycle.integer() if cycle is not None else None,
                _text(arm),
                days.integer() if days is not None else 0,
                after.one_of(*_EVENTS) if after is not None else None,
            )
        )
        one.close()
    code = node["code"].text()
    if len(code) > 8:
        raise node["code"].fault("expected at most 8 letters")
    found = ElementDesign(
        code=code,
        name=parse_label(node["name"]),
        epoch=node["epoch"].text(),
        starts=tuple(starts),
        start_rule=parse_label(node["start_rule"], longest=200),
        end_rule=parse_label(node["end_rule"], longest=200),
        duration=_text(node.get("duration")),
    )
    node.close()
    return found


def _arm(node: Node, elements: list[str]) -> ArmDesign:
    steps = []
    for one in node["steps"].elements():
        code = one["element"].text()
        if code not in elements:
            raise one["element"].fault(f"there is no element {code}")
        steps.append(ArmStep(code, _text(one.get("branch")), _text(one.get("transition"))))
        one.close()
    found = ArmDesign(
        name=node["name"].text(),
        code=node["code"].text(),
        label=parse_label(node["label"]),
        treated=node["treated"].flag(),
        steps=tuple(steps),
    )
    if len(found.code) > 20:
        raise node["code"].fault("expected at most 20 letters")
    node.close()
    return found


def _visit(node: Node, arms: tuple[str, ...]) -> VisitDesign:
    arm, day, event = node.get("arm"), node.get("day"), node.get("event")
    window = node["window"]
    found = VisitDesign(
        number=Decimal(node["number"].integer()),
        name=parse_label(node["name"]),
        kind=node["kind"].text(),
        visit=node["visit"].integer(),
        arm=arm.one_of(*arms) if arm is not None else None,
        day=day.integer() if day is not None else None,
        before=window["before"].integer(),
        after=window["after"].integer(),
        start_rule=parse_label(node["start_rule"], longest=200),
        end_rule=_text(node.get("end_rule")),
        event=event.one_of(*_EVENTS) if event is not None else None,
    )
    window.close()
    node.close()
    return found


def parse_relations(
    node: Node, domains: Mapping[str, Domain], codelists: Mapping[str, Codelist]
) -> tuple[tuple[Relation, ...], tuple[Variable, ...]]:
    """Which rows belong together, and the variables of RELREC.

    Raises:
        DocumentError: it is wrong, or names what no domain has.
    """
    node["kind"].one_of("sdtm-relations")
    relations = []
    for one in node["relations"].elements():
        sides = []
        for side in ("left", "right"):
            told_side = one[side]
            code, name = told_side["domain"].text(), told_side["by"].text()
            if code in domains and name not in domains[code].places:
                raise told_side.fault(f"{name} is no variable of {code}")
            told_side.close()
            sides.append((code, name))
        types = one.get("types")
        told = types.texts() if types is not None else None
        if told is not None and (len(told) != 2 or not set(told) <= {"ONE", "MANY"}):
            raise one["types"].fault("expected ONE or MANY for each side")
        relations.append(
            Relation(one["id"].text(), sides[0], sides[1], (told[0], told[1]) if told is not None else None)
        )
        one.close()
    variables = _variables(node["variables"], codelists)
    node.close()
    return tuple(relations), variables


def parse_supplemental(node: Node, codelists: Mapping[str, Codelist]) -> tuple[Variable, ...]:
    """The variables of all supplemental qualifiers."""
    node["kind"].one_of("sdtm-supplemental")
    found = _variables(node["variables"], codelists)
    node.close()
    return found


def _variables(node: Node, codelists: Mapping[str, Codelist]) -> tuple[Variable, ...]:
    found = []
    for one in node.elements():
        variable, _ = parse_variable(one, {})
        if variable.codelist is not None and variable.codelist not in codelists:
            raise one["codelist"].fault(f"there is no codelist {variable.codelist}")
        found.append(variable)
    return tuple(found)
