"""In: the parsed documents of a trial. Out: `Trial`, every expression a tree of typed nodes; a fault points to ``file#json-pointer``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapter.criteria import tree
from adapter.criteria.answer import Reason
from adapter.criteria.attestation import Validity
from adapter.criteria.trial import (
    Criterion,
    DecisionState,
    Default,
    OpenQuestion,
    Part,
    Permanence,
    Signal,
    Trial,
)
from adapter.criteria.truth import Truth
from adapter.criteria.verdict import Stage
from adapter.fhir import RESOURCE_TYPES
from adapter.terminology import DOMAINS, Analyte, Node, Units, ValueSet

__all__ = ["parse_trial"]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What expressions may name."""

    analytes: Mapping[str, Analyte]
    value_sets: Mapping[str, ValueSet]
    criterion: str = ""

    def analyte(self, node: Node) -> Analyte:
        return self.analytes[node.one_of(*sorted(self.analytes))]

    def value_set(self, node: Node) -> ValueSet:
        return self.value_sets[node.one_of(*sorted(self.value_sets))]


def parse_trial(
    trial: Node, criteria: Node, *, value_sets: Mapping[str, ValueSet], analytes: Mapping[str, Analyte], units: Units
) -> Trial:
    """Read a trial.

    Args:
        trial: the document of kind ``trial``.
        criteria: the document of kind ``criteria``.
        value_sets: those of the trial.
        analytes: the general analytes.
        units: the general unit spellings.

    Raises:
        DocumentError: with the place of the fault.
    """
    trial["kind"].one_of("trial")
    criteria["kind"].one_of("criteria")
    terms = _Terms(analytes, value_sets)
    parsed = tuple(_criterion(node, terms) for node in criteria["criteria"].elements())
    _check_references(criteria, parsed)
    attestation = trial["attestation"]
    concepts = trial["concepts"]
    found = Trial(
        id=trial["id"].text(),
        version=criteria["version"].text(),
        title=trial["title"].text(),
        acronym=trial["acronym"].text(),
        criteria=parsed,
        signals=tuple(_signal(node, terms) for node in trial["candidate_when"].elements()),
        resource_types=tuple(_resource_type(node) for node in trial["resource_types"].elements()),
        open_questions=tuple(_question(node) for node in trial["open_questions"].elements()),
        states=tuple(_state(node) for node in trial["states"].elements()),
        identifiers=trial["identifiers"].texts(),
        value_sets=value_sets,
        analytes=analytes,
        units=units,
        attestation_validity={link: _validity(node) for link, node in attestation["valid"].items()},
        default_validity=_validity(attestation["default"]),
        course_link=concepts["first_course_attested_by"].text(),
        absence_years=concepts["no_infusion_declared_for_years"].integer(),
        lutathera_text=_pattern(concepts["lutathera_text"]),
        malignancy_text=_pattern(concepts["malignancy_text"]),
        same_tumour_text=_pattern(concepts["same_tumour_text"]),
        grade_codes=_codings(concepts["grade_codes"]),
        disease_status_codes=_codings(concepts["disease_status_codes"]),
        worsened_values=_codings(concepts["worsened_values"]),
        wanted_words={what: node.words() for what, node in trial["wanted"].items()},
    )
    for part in (attestation, concepts, trial, criteria):
        part.close()
    return found


def _validity(node: Node) -> Validity:
    if node.value == "for-good":
        return Validity()
    found = Validity(months=node["months"].integer()) if "months" in node else Validity(days=node["days"].integer())
    node.close()
    return found


def _pattern(node: Node) -> re.Pattern[str]:
    try:
        return re.compile(node.text(), re.IGNORECASE)
    except re.error as problem:
        raise node.fault(f"no regular expression: {problem.msg}") from None


def _coding(node: Node) -> tuple[str, str]:
    system, mark, code = node.text().rpartition("|")
    if not (mark and system and code):
        raise node.fault("expected system|code")
    return system, code


def _codings(node: Node) -> frozenset[tuple[str, str]]:
    return frozenset(_coding(element) for element in node.elements())


def _resource_type(node: Node) -> str:
    if node.text() not in RESOURCE_TYPES:
        raise node.fault("no FHIR resource type")
    return node.text()


def _signal(node: Node, terms: _Terms) -> Signal:
    sets = tuple(terms.value_set(element) for element in node["codes"].elements()) if "codes" in node else ()
    text, study = node.get("text"), node.get("study")
    found = Signal(
        id=node["id"].text(),
        label=node["label"].words(),
        resource_types=tuple(_resource_type(element) for element in node["in"].elements()),
        codes=tuple(f"{item.system}|{code}" for item in sets for code in sorted(item.codes)),
        prefixes=tuple(f"{item.system}|{prefix}" for item in sets for prefix in item.prefixes),
        text=_pattern(text).pattern if text else None,
        value_sets=sets,
        study=study.texts() if study else (),
    )
    node.close()
    return found


def _question(node: Node) -> OpenQuestion:
    found = OpenQuestion(node["id"].text(), node["criteria"].texts(), node["text"].words())
    node.close()
    return found


def _state(node: Node) -> DecisionState:
    found = DecisionState(node["id"].text(), node["research_subject_status"].text(), node["label"].words())
    node.close()
    return found


_STAGES = {
    "registration": frozenset({Stage.REGISTRATION}),
    "randomisation": frozenset({Stage.RANDOMISATION}),
    "both": frozenset(Stage),
}


def _criterion(node: Node, terms: _Terms) -> Criterion:
    identity = node["id"].text()
    terms = _Terms(terms.analytes, terms.value_sets, identity)
    parts = tuple(
        Part(f"{identity}.{key}", part["label"].words(), _closed(part, _expression(part["rule"], terms)))
        for key, part in (node["parts"].items() if "parts" in node else ())
    )
    permanent, visit, attestable = node.get("permanent"), node.get("at_screening_visit"), node.get("attestable")
    contradicted, defaults, wanted = node.get("contradicted_by"), node.get("defaults"), node.get("wanted")
    found = Criterion(
        id=identity,
        kind=node["kind"].one_of("inclusion", "exclusion"),
        stages=_STAGES[node["stage"].one_of(*_STAGES)],
        automation=node["automation"].one_of("auto", "partly", "manual"),
        text=node["text"].text(),
        label=node["label"].words(),
        confirm=node["confirm"].words(),
        node=_expression(node["rule"], terms),
        parts=parts,
        defaults=tuple(_default(element) for element in defaults.elements()) if defaults else (),
        wanted=wanted.texts() if wanted else (),
        permanent=Permanence(permanent.one_of(*Permanence)) if permanent else Permanence.NEVER,
        at_screening_visit=visit.flag() if visit else False,
        attestable=attestable.flag() if attestable else True,
        contradicted_by=f"{identity}.{contradicted.text()}" if contradicted else None,
    )
    node.close()
    return found


def _closed(node: Node, expression: tree.Node) -> tree.Node:
    node.close()
    return expression


def _default(node: Node) -> Default:
    found = Default(node["id"].text(), node["text"].words())
    node.close()
    return found


def _check_references(document: Node, criteria: tuple[Criterion, ...]) -> None:
    """Every criterion and part that an expression names exists; an id stands once."""
    known = [criterion.id for criterion in criteria]
    parts = {part.id for criterion in criteria for part in criterion.parts}
    uses = {criterion.id: _named(criterion.node) for criterion in criteria}
    uses |= {part.id: _named(part.node) for criterion in criteria for part in criterion.parts}
    if len(set(known)) != len(known):
        raise document["criteria"].fault("a criterion id stands twice")
    for index, criterion in enumerate(criteria):
        place = next(node for at, node in enumerate(document["criteria"].elements()) if at == index)
        for node in (criterion.node, *(part.node for part in criterion.parts)):
            for named in _named(node):
                if named not in uses:
                    raise place.fault(f"names {named}, which is no criterion or part")
        if any(name in _reached(name, uses) for name in (criterion.id, *(part.id for part in criterion.parts))):
            raise place.fault("its answer hangs on itself")
        if criterion.contradicted_by is not None and criterion.contradicted_by not in parts:
            raise place.fault("contradicted_by names no part")


def _reached(start: str, uses: Mapping[str, list[str]]) -> set[str]:
    """Everything that the answer to ``start`` hangs on."""
    found: set[str] = set()
    waiting = list(uses[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(uses.get(name, ()))
    return found


def _named(node: object) -> list[str]:
    match node:
        case tree.PartOf():
            return [node.part]
        case tree.TruthOf():
            return [node.criterion]
        case tree.All() | tree.Any():
            return [name for child in node.of for name in _named(child)]
        case tree.Not() | tree.OnlyRefutes():
            return _named(node.of)
        case tree.Fallback():
            return _named(node.first) + _named(node.second)
        case tree.CrossCheck():
            return _named(node.decides) + _named(node.against)
        case tree.Cases():
            children = [
                *(case.condition for case in node.cases),
                *(case.outcome for case in node.cases),
                node.otherwise,
            ]
            return [name for child in children for name in _named(child)]
    return []


# Expressions: a mapping with one key, the node's name.


def _expression(node: Node, terms: _Terms) -> tree.Node:
    content = node.mapping()
    if len(content) != 1:
        raise node.fault("an expression is a mapping with one key")
    (name,) = content
    if name not in _NODES:
        raise node.fault(f"unknown expression {name}: expected one of {', '.join(sorted(_NODES))}")
    return _NODES[name](node[name], terms)


def _children(node: Node, terms: _Terms) -> tuple[tree.Node, ...]:
    found = tuple(_expression(element, terms) for element in node.elements())
    if not found:
        raise node.fault("expected at least one expression")
    return found


def _cases(node: Node, terms: _Terms) -> tree.Node:
    elements = list(node.elements())
    if not elements or "otherwise" not in elements[-1]:
        raise node.fault("the last case is otherwise")
    cases = []
    for element in elements[:-1]:
        then = element["then"]
        outcome = Truth(then.text()) if then.value in ("T", "F") else _expression(then, terms)
        cases.append(tree.Case(_expression(element["if"], terms), outcome))
        element.close()
    otherwise = _expression(elements[-1]["otherwise"], terms)
    elements[-1].close()
    return tree.Cases(tuple(cases), otherwise)


def _open(node: Node, _: _Terms) -> tree.Node:
    wanted, attestable = node.get("wanted"), node.get("attestable")
    found = tree.Open(
        Reason(node["reason"].one_of(*Reason)),
        wanted.text() if wanted else None,
        attestable.flag() if attestable else False,
    )
    node.close()
    return found


def _fallback(node: Node, terms: _Terms) -> tree.Node:
    children = _children(node, terms)
    if len(children) != 2:
        raise node.fault("expected two expressions")
    return tree.Fallback(*children)


def _only_refutes(node: Node, terms: _Terms) -> tree.Node:
    found = tree.OnlyRefutes(_expression(node["rule"], terms), node["wanted"].text())
    node.close()
    return found


def _cross_check(node: Node, terms: _Terms) -> tree.Node:
    found = tree.CrossCheck(_expression(node["decides"], terms), _expression(node["against"], terms))
    node.close()
    return found


def _part_of(node: Node, terms: _Terms) -> tree.Node:
    text = node.text()
    criterion = text.partition(".")[0] if "." in text else terms.criterion
    return tree.PartOf(criterion, text if "." in text else f"{criterion}.{text}")


def _truth_of(node: Node, _: _Terms) -> tree.Node:
    if "." in node.text():
        raise node.fault("names a part: write part")
    return tree.TruthOf(node.text())


def _attested(node: Node, terms: _Terms) -> tree.Node:
    if isinstance(node.value, str):
        return tree.Attested(node.text())
    since, shows = node.get("since_days"), node.get("shows")
    found = tree.Attested(
        node["link"].text(), since.integer() if since else None, terms.value_set(shows) if shows else None
    )
    node.close()
    return found


def _age(node: Node, _: _Terms) -> tree.Node:
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


def _laboratory(node: Node, terms: _Terms) -> tree.Node:
    scale = node.get("of")
    found = tree.Laboratory(
        analyte=terms.analyte(node["analyte"]),
        comparison=_comparison(node["is"]),
        window_days=node["window_days"].integer(),
        scale=tree.Scale(scale.one_of(*tree.Scale)) if scale else tree.Scale.VALUE,
    )
    node.close()
    return found


def _prothrombin(node: Node, terms: _Terms) -> tree.Node:
    found = tree.Prothrombin(
        terms.analyte(node["percent"]),
        tuple(terms.analyte(element) for element in node["others"].elements()),
        node["window_days"].integer(),
    )
    node.close()
    return found


def _hcg(node: Node, terms: _Terms) -> tree.Node:
    positive = node["is"].one_of("positive", "negative") == "positive"
    found = tree.Hcg(terms.analyte(node["analyte"]), positive, node["window_days"].integer())
    node.close()
    return found


def _pressure(node: Node, terms: _Terms) -> tree.Node:
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


def _condition(node: Node, terms: _Terms) -> tree.Node:
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


def _histology(node: Node, terms: _Terms) -> tree.Node:
    of, absent, unattributed = node.get("of"), node.get("absent"), node.get("unattributed")
    found = tree.Histology(
        tuple(terms.value_set(element) for element in node["in"].elements()),
        terms.value_set(of) if of else None,
        Truth(absent.one_of("T", "F")) if absent else Truth.U,
        unattributed.flag() if unattributed else False,
    )
    node.close()
    return found


def _grade(node: Node, terms: _Terms) -> tree.Node:
    found = tree.Grade(
        terms.value_set(node["morphology"]),
        terms.analytes["ki67"],
        node["ki67_at_most"].decimal(),
        node["well_differentiated"].text(),
    )
    node.close()
    return found


def _cycle_count(node: Node, _: _Terms) -> tree.Node:
    found = tree.CycleCount(node["equals"].integer(), node["attested"].text())
    node.close()
    return found


def _second_course(node: Node, _: _Terms) -> tree.Node:
    found = tree.SecondCourse(node["at_least_cycles"].integer())
    node.close()
    return found


def _control(node: Node, _: _Terms) -> tree.Node:
    found = tree.ControlMonths(node["at_least_months"].integer())
    node.close()
    return found


def _progression(node: Node, _: _Terms) -> tree.Node:
    if node.value != "between first and second course":
        raise node.fault("expected: between first and second course")
    return tree.Progression()


_NODES: dict[str, Callable[[Node, _Terms], tree.Node]] = {
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
    "not": lambda node, terms: tree.Not(_expression(node, terms)),
    "only_refutes": _only_refutes,
    "open": _open,
    "part": _part_of,
    "progression": _progression,
    "prothrombin_normal": _prothrombin,
    "prrt_cycles_first_course": _cycle_count,
    "second_course": _second_course,
    "sex": lambda node, _: tree.Sex(node.one_of("male", "female")),
}
