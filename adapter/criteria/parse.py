"""In: the parsed documents of a trial. Out: `Trial`, every expression a tree of typed nodes; a fault points to ``file#json-pointer``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapter.criteria import tree
from adapter.criteria.expressions import Terms, expression, named
from adapter.criteria.expressions.terms import validity
from adapter.criteria.grades import parse_grades
from adapter.criteria.prepared import parse_concepts, pattern
from adapter.criteria.trial import (
    Criterion,
    DecisionState,
    Default,
    OpenQuestion,
    Part,
    Permanence,
    Prompt,
    Signal,
    Trial,
)
from adapter.criteria.verdict import Stage
from adapter.fhir import RESOURCE_TYPES
from adapter.terminology import Node, Units, parse_analytes, parse_value_sets

__all__ = ["parse_terms", "parse_trial"]


def parse_terms(*, value_sets: Node, analytes: Node, grades: Node, concepts: Node) -> Terms:
    """What the expressions of a trial may name: the trial's value sets and concepts, the general analytes and grades.

    Raises:
        DocumentError: with the place of the fault.
    """
    sets, measured = parse_value_sets(value_sets), parse_analytes(analytes)
    return Terms(
        analytes=measured,
        value_sets=sets,
        concepts=parse_concepts(concepts, value_sets=sets, analytes=measured),
        grades=parse_grades(grades, analytes=measured),
    )


def parse_trial(trial: Node, criteria: Node, *, terms: Terms, units: Units) -> Trial:
    """Read a trial.

    Args:
        trial: the document of kind ``trial``.
        criteria: the document of kind ``criteria``.
        terms: what its expressions may name: analytes, value sets, grades, prepared concepts.
        units: the general unit spellings.

    Raises:
        DocumentError: with the place of the fault.
    """
    trial["kind"].one_of("trial")
    criteria["kind"].one_of("criteria")
    parsed = tuple(_criterion(node, terms) for node in criteria["criteria"].elements())
    _check_references(criteria, parsed)
    attestation = trial["attestation"]
    sentences = attestation.get("sentences")
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
        value_sets=terms.value_sets,
        analytes=terms.analytes,
        units=units,
        attestation_validity={link: validity(node) for link, node in attestation["valid"].items()},
        default_validity=validity(attestation["default"]),
        concepts=terms.concepts,
        attestation_words={link: node.words() for link, node in sentences.items()} if sentences else {},
        wanted_words={what: node.words() for what, node in trial["wanted"].items()},
    )
    for part in (attestation, trial, criteria):
        part.close()
    return found


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
        text=pattern(text).pattern if text else None,
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
    confirms = node.get("confirms")
    found = DecisionState(
        node["id"].text(),
        node["research_subject_status"].text(),
        node["label"].words(),
        confirms.flag() if confirms else False,
    )
    node.close()
    return found


_STAGES = {
    "registration": frozenset({Stage.REGISTRATION}),
    "randomisation": frozenset({Stage.RANDOMISATION}),
    "both": frozenset(Stage),
}


def _criterion(node: Node, terms: Terms) -> Criterion:
    identity = node["id"].text()
    terms = replace(terms, criterion=identity)
    parts = tuple(
        Part(f"{identity}.{key}", part["label"].words(), _closed(part, expression(part["rule"], terms)))
        for key, part in (node["parts"].items() if "parts" in node else ())
    )
    permanent, visit, attestable = node.get("permanent"), node.get("at_screening_visit"), node.get("attestable")
    contradicted, defaults, wanted = node.get("contradicted_by"), node.get("defaults"), node.get("wanted")
    prompts, not_before = node.get("prompts"), node.get("attested_not_before")
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
        prompts=tuple(_prompt(element, terms) for element in prompts.elements()) if prompts else (),
        attested_not_before=not_before.text() if not_before else None,
    )
    node.close()
    return found


def _closed(node: Node, expression: tree.Node) -> tree.Node:
    node.close()
    return expression


def _prompt(node: Node, terms: Terms) -> Prompt:
    codes, text = node.get("codes"), node.get("text")
    found = Prompt(
        tuple(_resource_type(element) for element in node["in"].elements()),
        terms.value_sets_of(codes) if codes else (),
        pattern(text) if text else None,
    )
    node.close()
    if not (found.value_sets or found.text):
        raise node.fault("expected codes or text")
    return found


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
        if criterion.attested_not_before not in (None, *known):
            raise place.fault("attested_not_before names no criterion")


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
