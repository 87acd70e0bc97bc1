"""In: a trial. Out: its criteria as one CQL 1.5 library for FHIR 4.0.1: a definition for every criterion and part, true, false or null.

Said: results of measurements, age, sex, Conditions by code, and how they are put together. Not said, and null: what a person attested,
attribution to a tumour, courses, imaging, consents, a site's overlay. A null in the condition of a case is not the same as "not so": where
something in it is not said the case decides only if both ways lead to the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any as Anything

from adapter.criteria import tree
from adapter.criteria.exchange import cql_measures as measures
from adapter.criteria.exchange.cql_conditions import coded, condition
from adapter.criteria.exchange.cql_measures import PRELUDE, Definitions, quoted, system_function
from adapter.criteria.trial import Criterion, Part, Trial
from adapter.criteria.truth import Truth

__all__ = ["cql_answers", "cql_library", "cql_unsaid"]

_TRUTH = {Truth.T: "true", Truth.F: "false", Truth.U: "null as Boolean"}


@dataclass(frozen=True, slots=True)
class _Said:
    """An expression; ``whole``: nothing of its node is left unsaid. ``measured``: an executable comparison of a measurement, age or sex is in it."""

    text: str
    whole: bool = True
    measured: bool = False
    unsaid: tuple[str, ...] = ()


def cql_library(trial: Trial, names: Mapping[str, str]) -> str:
    """The criteria of a trial as CQL.

    Args:
        trial: its documents.
        names: the code system that each other name of one stands for; what a site itself says of names is not in here.

    Returns:
        a library with the parameter ``ReferenceDate`` and one definition for every criterion (``"I11"``) and part
        (``"I11.a"``); the same text for the same documents. Every definition is a Boolean; those between them have names in words.
    """
    library = _written(trial)
    name = re.sub(r"\W", "_", trial.id)
    lines = [
        f"// {' '.join(trial.title.split())} ({trial.acronym}), version {trial.version} of the criteria.",
        "// Written from public sources, not reviewed by a clinician. The truth of each sentence: true, false, or null where it is open.",
        "// An answer by attestation, and the reason and evidence of an answer, are not in here. Of two results of one time one is taken, whichever",
        "// the engine puts last. Evaluate with a time zone: the evaluation's offset says which calendar day a time belongs to.",
        f"library {name} version {quoted(trial.version)}",
        "using FHIR version '4.0.1'",
        "include FHIRHelpers version '4.0.1' called FHIRHelpers",
        'parameter "ReferenceDate" Date',
        "context Patient\n",
        system_function(names),
        PRELUDE,
        *(f'define function "{name}"{text}\n' for name, text in library.into.functions.items()),
        *(f'define "{name}":\n  {text}\n' for name, text in library.into.texts.items()),
    ]
    return "\n".join(lines)


def cql_answers(trial: Trial) -> tuple[str, ...]:
    """The criteria and parts whose definition compares a measurement, age or sex, in the documents' order."""
    found = _written(trial).answers
    return tuple(
        identity
        for criterion in trial.criteria
        for identity in (*(part.id for part in criterion.parts), criterion.id)
        if found[identity].measured
    )


def cql_unsaid(trial: Trial) -> frozenset[str]:
    """The criteria and parts whose definition leaves something unsaid: a null of them may wait for that."""
    return frozenset(identity for identity, said in _written(trial).answers.items() if not said.whole)


@dataclass
class _Library:
    trial: Trial
    into: Definitions
    answers: dict[str, _Said] = field(default_factory=dict)

    def criterion(self, criterion: Criterion) -> _Said:
        """The definition of a criterion, and before it those of its parts."""
        if criterion.id not in self.answers:
            for part in criterion.parts:
                self.part(part)
            self._define(criterion.id, criterion.node, criterion.text)
        return self.answers[criterion.id]

    def part(self, part: Part) -> _Said:
        """The definition of a part."""
        if part.id not in self.answers:
            self._define(part.id, part.node, part.label["en"])
        return self.answers[part.id]

    def _define(self, identity: str, node: tree.Node, sentence: str) -> None:
        said = self.say(node, identity)
        notes = [f"// {' '.join(sentence.split())}"]
        if said.unsaid:
            notes.append(f"// Not said in CQL, null: {', '.join(said.unsaid)}.")
        self.into.add(identity, "\n  ".join([*notes, said.text]))
        self.answers[identity] = said

    def say(self, node: tree.Node, place: str) -> _Said:
        """A node's expression; ``place`` names the definitions between."""
        write = _WORDS.get(type(node))
        if write is not None:
            return write(self, node, place)
        said = _LEAVES[type(node)](node, self.into) if type(node) in _LEAVES else None
        if said is None:
            return _unsaid(node)
        # Of a Condition an absence may be declared by the site; nothing declares a measurement's.
        overlay = isinstance(node, tree.Condition) and node.complete is not None
        return _Said(said, whole=not overlay, measured=type(node) in _MEASURED)

    def between(self, place: str, text: str) -> str:
        """A definition of its own for what is written more than once."""
        number = 1
        while f"{place} ({number})" in self.into.texts:
            number += 1
        return self.into.add(f"{place} ({number})", text)


def _written(trial: Trial) -> _Library:
    library = _Library(trial, Definitions(trial.units))
    for criterion in trial.criteria:
        library.criterion(criterion)
    return library


def _unsaid(node: tree.Node) -> _Said:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()
    link = getattr(node, "link", None)
    return _Said("(null as Boolean)", whole=False, unsaid=(f"{words} {link}" if link else words,))


def _joined(text: str, *parts: _Said, whole: bool | None = None) -> _Said:
    return _Said(
        text,
        all(part.whole for part in parts) if whole is None else whole,
        any(part.measured for part in parts),
        tuple(dict.fromkeys(word for part in parts for word in part.unsaid)),
    )


def _all(library: _Library, node: tree.All, place: str) -> _Said:
    parts = [library.say(child, place) for child in node.of]
    return _joined("(" + "\n    and ".join(part.text for part in parts) + ")", *parts)


def _any(library: _Library, node: tree.Any, place: str) -> _Said:
    parts = [library.say(child, place) for child in node.of]
    return _joined("(" + "\n    or ".join(part.text for part in parts) + ")", *parts)


def _not(library: _Library, node: tree.Not, place: str) -> _Said:
    part = library.say(node.of, place)
    return _joined(f"(not {part.text})", part)


def _open(_library: _Library, _node: tree.Open, _place: str) -> _Said:
    return _Said("(null as Boolean)")


def _only_refutes(library: _Library, node: tree.OnlyRefutes, place: str) -> _Said:
    part = library.say(node.of, place)
    return _joined(f"(if {part.text} is false then false else null)", part)


def _reference(library: _Library, identity: str, said: _Said) -> _Said:
    # A person may have attested it: a null of it is never surely "open".
    return _joined(library.into.add(identity, ""), said, whole=False)


def _part_of(library: _Library, node: tree.PartOf, _place: str) -> _Said:
    criterion = library.trial.criterion(node.criterion)
    part = next(part for part in criterion.parts if part.id == node.part)
    return _reference(library, part.id, library.part(part))


def _truth_of(library: _Library, node: tree.TruthOf, _place: str) -> _Said:
    criterion = library.trial.criterion(node.criterion)
    return _reference(library, criterion.id, library.criterion(criterion))


def _cases(library: _Library, node: tree.Cases, place: str) -> _Said:
    rest = library.say(node.otherwise, place)
    for case in reversed(node.cases):
        outcome = _Said(_TRUTH[case.outcome]) if isinstance(case.outcome, Truth) else library.say(case.outcome, place)
        when = library.say(case.condition, place)
        text = f"(if {when.text} then {outcome.text}\n    else {rest.text})"
        if not when.whole:
            condition_name, outcome_name, rest_name = (
                library.between(place, part.text) for part in (when, outcome, rest)
            )
            text = (
                f"(case when {condition_name} then {outcome_name} when {condition_name} is false then {rest_name}\n"
                f"    when {outcome_name} = {rest_name} then {rest_name} else null end)"
            )
        rest = _joined(text, when, outcome, rest)
    return rest


def _measured_results(node: tree.Node) -> tree.Laboratory | None:
    """The result that a node asks for first, where whether there is any can be said."""
    while isinstance(node, tree.OnlyRefutes):
        node = node.of
    return node if isinstance(node, tree.Laboratory) else None


def _fallback(library: _Library, node: tree.Fallback, place: str) -> _Said:
    asked = _measured_results(node.first)
    if asked is None:
        return _unsaid(node)
    first, second = library.say(node.first, place), library.say(node.second, place)
    there = measures.exists_in_window(asked, library.into)
    return _joined(f"(if {there} then {first.text} else {second.text})", first, second)


def _cross_check(library: _Library, node: tree.CrossCheck, place: str) -> _Said:
    asked = _measured_results(node.decides)
    decides, against = library.say(node.decides, place), library.say(node.against, place)
    decides_name, against_name = library.between(place, decides.text), library.between(place, against.text)
    agreed = (
        f"case when {decides_name} is null or {against_name} is null or {decides_name} = {against_name}\n"
        f"      then {decides_name} else null end"
    )
    if not against.whole:
        # What it is checked against cannot be asked: no conflict could be seen.
        agreed = f"if {decides_name} = {against_name} then {decides_name} else null"
    if asked is None:
        return _joined(f"({agreed})", decides, against, whole=decides.whole and against.whole)
    there = measures.exists_in_window(asked, library.into)
    return _joined(f"(if not ({there}) then {against_name}\n    else {agreed})", decides, against)


def _age(node: tree.Age, _into: Definitions) -> str:
    return f'(AgeInYearsAt("ReferenceDate") >= {node.at_least})'


def _sex(node: tree.Sex, _into: Definitions) -> str:
    other = "female" if node.gender == "male" else "male"
    return f"(case Patient.gender.value when {quoted(node.gender)} then true when {quoted(other)} then false else null end)"


#: Nodes that put others together.
_WORDS: dict[type, Callable[[_Library, Anything, str], _Said]] = {
    tree.All: _all,
    tree.Any: _any,
    tree.Cases: _cases,
    tree.CrossCheck: _cross_check,
    tree.Fallback: _fallback,
    tree.Not: _not,
    tree.OnlyRefutes: _only_refutes,
    tree.Open: _open,
    tree.PartOf: _part_of,
    tree.TruthOf: _truth_of,
}
#: Nodes that ask the record.
_MEASURED: dict[type, Callable[[Anything, Definitions], str | None]] = {
    tree.Age: _age,
    tree.BloodPressure: measures.blood_pressure,
    tree.DeIndexed: measures.de_indexed,
    tree.Hcg: measures.hcg,
    tree.Laboratory: measures.laboratory,
    tree.Prothrombin: measures.prothrombin,
    tree.Sex: _sex,
}
_LEAVES: dict[type, Callable[[Anything, Definitions], str | None]] = {
    **_MEASURED,
    tree.Coded: coded,
    tree.Condition: condition,
}
