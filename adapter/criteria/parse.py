"""In: the parsed documents of a trial. Out: `Trial`, every expression a tree of typed nodes; a fault points to ``file#json-pointer``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapter.criteria import tree
from adapter.criteria.attestation import Validity
from adapter.criteria.expressions import Terms, expression, named
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
from adapter.criteria.verdict import Stage
from adapter.fhir import RESOURCE_TYPES
from adapter.terminology import Analyte, Node, Units, ValueSet

__all__ = ["parse_trial"]


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
    terms = Terms(analytes, value_sets)
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


def _signal(node: Node, terms: Terms) -> Signal:
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


def _criterion(node: Node, terms: Terms) -> Criterion:
    identity = node["id"].text()
    terms = Terms(terms.analytes, terms.value_sets, identity)
    parts = tuple(
        Part(f"{identity}.{key}", part["label"].words(), _closed(part, expression(part["rule"], terms)))
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
        node=expression(node["rule"], terms),
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
    uses = {criterion.id: named(criterion.node) for criterion in criteria}
    uses |= {part.id: named(part.node) for criterion in criteria for part in criterion.parts}
    if len(set(known)) != len(known):
        raise document["criteria"].fault("a criterion id stands twice")
    for index, criterion in enumerate(criteria):
        place = next(node for at, node in enumerate(document["criteria"].elements()) if at == index)
        for node in (criterion.node, *(part.node for part in criterion.parts)):
            for name in named(node):
                if name not in uses:
                    raise place.fault(f"names {name}, which is no criterion or part")
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
