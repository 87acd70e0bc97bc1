"""In: nothing. Out: `Trial`, all that the documents of one trial say, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from adapter.criteria.attestation import Validity
from adapter.criteria.meanings import Meanings
from adapter.criteria.prepared import Concepts
from adapter.criteria.tree import Node
from adapter.criteria.truth import Truth
from adapter.criteria.verdict import Stage
from adapter.terminology import Analyte, Site, Units, ValueSet

__all__ = [
    "Criterion",
    "DecisionState",
    "Default",
    "OpenQuestion",
    "Part",
    "Permanence",
    "Prompt",
    "Signal",
    "Trial",
]

Words = Mapping[str, str]

_SITES_KEPT = 32


class Permanence(StrEnum):
    """Whether a failure can mend (clarifications.md 34): never does, does unless a record proves it, may."""

    ALWAYS = "always"
    CODED = "coded"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Default:
    """An operational reading that the registry does not give, for the coordinating centre to confirm."""

    id: str
    text: Words


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a criterion; its id is ``I11.a``."""

    id: str
    label: Words
    node: Node


@dataclass(frozen=True, slots=True)
class Prompt:
    """Records that raise the question of a criterion: by a code of ``value_sets``, or by a text that ``text`` finds."""

    resource_types: tuple[str, ...]
    value_sets: tuple[ValueSet, ...] = ()
    text: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One sentence of the registry, made computable.

    Attributes:
        kind: ``inclusion`` passes on T, ``exclusion`` on F.
        automation: ``auto``, ``partly`` or ``manual``.
        text: the registry's sentence, verbatim.
        confirm: who confirms it.
        contradicted_by: part whose coded truth contradicts an attested F of the whole (clarifications.md 14).
        at_screening_visit: done at the visit itself, so its being open does not push a candidate down the list.
        attested_not_before: a criterion; attested of a day before the record that proves it, the whole does not count.
        prompts: records to show to whom is asked; they never decide.
    """

    id: str
    kind: str
    stages: frozenset[Stage]
    automation: str
    text: str
    label: Words
    confirm: Words
    node: Node
    parts: tuple[Part, ...] = ()
    defaults: tuple[Default, ...] = ()
    wanted: tuple[str, ...] = ()
    permanent: Permanence = Permanence.NEVER
    at_screening_visit: bool = False
    attestable: bool = True
    contradicted_by: str | None = None
    prompts: tuple[Prompt, ...] = ()
    attested_not_before: str | None = None

    def passes(self, truth: Truth) -> bool | None:
        """True passes, False fails, None is open."""
        if truth is Truth.U:
            return None
        return (truth is Truth.T) == (self.kind == "inclusion")


@dataclass(frozen=True, slots=True)
class Signal:
    """What makes a patient worth a look: any code in any of the resource types, or a text.

    ``codes`` are exact ``system|code``; ``prefixes`` are ``system|C17``, dots and case ignored; ``text`` is an RE2
    pattern, case ignored.
    """

    id: str
    label: Words
    resource_types: tuple[str, ...]
    codes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    text: str | None = None
    value_sets: tuple[ValueSet, ...] = ()
    study: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question for the coordinating centre; each has a default in force."""

    id: str
    criteria: tuple[str, ...]
    text: Words


@dataclass(frozen=True, slots=True)
class DecisionState:
    """A human decision and the ResearchSubject status that it stands for.

    ``confirms``: it ends pre-screening on medical grounds, which is for an investigator to say.
    """

    id: str
    research_subject_status: str
    label: Words
    confirms: bool = False


@dataclass(frozen=True)
class Trial:
    """A trial, as its documents describe it."""

    id: str
    version: str
    title: str
    acronym: str
    criteria: tuple[Criterion, ...]
    signals: tuple[Signal, ...]
    resource_types: tuple[str, ...]
    open_questions: tuple[OpenQuestion, ...]
    states: tuple[DecisionState, ...]
    identifiers: tuple[str, ...]
    value_sets: Mapping[str, ValueSet]
    analytes: Mapping[str, Analyte]
    units: Units
    attestation_validity: Mapping[str, Validity]
    default_validity: Validity
    concepts: Concepts
    wanted_words: Mapping[str, Words] = field(default_factory=dict)
    attestation_words: Mapping[str, Words] = field(default_factory=dict)
    _sets: dict[tuple[str, str], tuple[ValueSet, ...]] = field(default_factory=dict, compare=False, repr=False)
    _meanings: dict[int, tuple[Site, Meanings]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def value_sets_of(self, system: str, code: str) -> tuple[ValueSet, ...]:
        """The trial's value sets that a standard code is in; looked up once for a code."""
        found = self._sets.get((system, code))
        if found is None:
            found = tuple(item for item in self.value_sets.values() if item.has(system, code))
            self._sets[system, code] = found
        return found

    def meanings(self, site: Site) -> Meanings:
        """What the codings of a site's records mean to the trial; one for all its patients."""
        found = self._meanings.get(id(site))
        if found is None:
            # The service reads a site's documents anew for each page: what was found for the last few is enough.
            if len(self._meanings) >= _SITES_KEPT:
                self._meanings.clear()
            # With the site, so that no other one can get its identity.
            found = self._meanings[id(site)] = (site, Meanings(self.value_sets_of, site))
        return found[1]

    def criterion(self, identity: str) -> Criterion:
        """The criterion with this id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[identity]

    @cached_property
    def _by_id(self) -> dict[str, Criterion]:
        return {criterion.id: criterion for criterion in self.criteria}

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Every part of every criterion, by its id."""
        return {part.id: part for criterion in self.criteria for part in criterion.parts}

    def signal_label(self, identity: str, language: str) -> str:
        """The name of a signal; an id that the trial does not have (``added``) stands for itself."""
        return next((signal.label[language] for signal in self.signals if signal.id == identity), identity)

    def validity(self, link: str) -> Validity:
        """How long an attestation under this linkId holds; the longest matching entry decides."""
        key = link
        while key:
            if key in self.attestation_validity:
                return self.attestation_validity[key]
            key = key.rpartition(".")[0]
        return self.default_validity

    def sentence(self, link: str) -> Words:
        """What a person attests under a linkId that is no criterion and no part; the linkId where the trial does not say."""
        return self.attestation_words.get(link) or self.wanted_words.get(link) or {"fr": link, "en": link}

    def wanted_label(self, what: str, language: str) -> str:
        """The name of what an open verdict wants: an analyte, a concept, or an attestation."""
        for words in (self.wanted_words.get(what), self.analytes[what].label if what in self.analytes else None):
            if words is not None:
                return words[language]
        for criterion in self.criteria:
            for identity, label in (
                (criterion.id, criterion.label),
                *((part.id, part.label) for part in criterion.parts),
            ):
                if identity == what:
                    return label[language]
        return what
