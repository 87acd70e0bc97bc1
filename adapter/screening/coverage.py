"""In: the store, a trial, a site. Out: for each datum of the trial's criteria how much of it the site's records hold, and what keeps the rest from being read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from adapter.criteria import Trial
from adapter.screening.closest import closest
from adapter.screening.needs import Need, needs_of, ranged_of
from adapter.screening.stored_codes import Stored, count_stored, read_unmapped, stored_codes
from adapter.screening.unread import vocabulary_of
from adapter.store import Store
from adapter.terminology import ICD10, Site
from adapter.terminology.coded import CODED_TYPES, shown
from adapter.terminology.unmapped import Unmapped
from adapter.terminology.vocabulary import Vocabulary

__all__ = ["Coverage", "Datum", "Gap", "read_coverage", "stored_about"]

#: A target this close makes an unmapped code a candidate for a datum.
_CANDIDATE_SCORE = 70
_LONGEST_CODE = 80
_MEDICATION = ("MedicationAdministration", "Medication")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that keeps a datum from being read.

    Attributes:
        kind: ``no-data``, ``unmapped``, ``unknown-unit``, ``no-unit``, ``ambiguous-unit`` or ``no-reference-range``.
        results: how many results it concerns.
        named: for ``unmapped`` the local codes that may be meant, ``system|code``; for a unit the units as sent.
    """

    kind: str
    results: int = 0
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Datum:
    """One thing that criteria ask for.

    Attributes:
        what: its id: an analyte, a value set, or a question.
        kind: ``analyte``, ``value-set`` or ``question``.
        criteria: which ask for it.
        stored: how much of it the store holds.
        gaps: what is missing; empty where nothing is.
    """

    what: str
    kind: str
    label: Mapping[str, str]
    criteria: tuple[str, ...]
    stored: Stored
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a site's records answer a trial."""

    site: str
    trial: str
    data: tuple[Datum, ...]
    unmapped: Unmapped

    @property
    def is_whole(self) -> bool:
        """Nothing is unmapped and nothing is missing."""
        return not (self.unmapped.codes or self.unmapped.units or any(datum.gaps for datum in self.data))


def read_coverage(store: Store, trial: Trial, site: Site) -> Coverage:
    """How far a site's current records answer a trial.

    Args:
        store: what was pulled.
        trial: whose criteria are asked.
        site: whose records, and how they are to be read.
    """
    needs = needs_of(trial)
    # Where the site has declared limits, reports need none.
    ranged = ranged_of(trial) - {limit.analyte for limit in site.limits}
    vocabulary = vocabulary_of(trial, site, ranged=ranged)
    types = sorted(set(trial.resource_types) & CODED_TYPES.keys())
    found = read_unmapped(store, vocabulary, types)
    sent = stored_codes(store, site.id, types)
    stored = count_stored(
        store, site.id, {what: _as_sent(need, sent, vocabulary, trial) for what, need in needs.items()}
    )
    candidates = _candidates(found, trial, site, needs.values())
    kept = {what for what in needs if stored[what].results or what in candidates}
    diagnoses = _has_diagnoses(sent.get("Condition", ()), site)
    data = []
    for what, need in needs.items():
        gaps = [*_unread(need, found, candidates.get(what, {}))]
        missing = need.instead and kept.isdisjoint(need.instead)
        uncoded = need.value_set is not None and need.value_set.system == ICD10 and not diagnoses
        if missing or uncoded:
            gaps.append(Gap("no-data"))
        data.append(Datum(what, need.kind, need.label, tuple(need.criteria), stored[what], tuple(gaps)))
    return Coverage(site.id, trial.id, tuple(data), found)


def stored_about(store: Store, trial: Trial, site: Site, people: Collection[str]) -> dict[str, tuple[Need, Stored]]:
    """How much of each datum of a trial a site's current records hold about some people, in the order of the criteria.

    Args:
        store: what was pulled.
        trial: whose criteria ask for the data.
        site: how its records are read.
        people: ``Patient/id`` of the records that survive.
    """
    needs = needs_of(trial)
    vocabulary = vocabulary_of(trial, site)
    sent = stored_codes(store, site.id, sorted(set(trial.resource_types) & CODED_TYPES.keys()))
    asked = {what: _as_sent(need, sent, vocabulary, trial) for what, need in needs.items()}
    found = count_stored(store, site.id, asked, people=people)
    return {what: (need, found[what]) for what, need in needs.items()}


def _unread(need: Need, found: Unmapped, candidates: Mapping[str, int]) -> Iterable[Gap]:
    if candidates:
        yield Gap("unmapped", sum(candidates.values()), tuple(candidates))
    units = [item for item in found.units if need.kind == "analyte" and item.analyte == need.what]
    for reason in sorted({item.reason for item in units}):
        same = [item for item in units if item.reason == reason]
        yield Gap(reason, sum(item.results for item in same), tuple(item.unit for item in same if item.unit))
    if need.kind == "analyte" and (results := found.without_range.get(need.what)):
        yield Gap("no-reference-range", results)


def _candidates(found: Unmapped, trial: Trial, site: Site, needs: Collection[Need]) -> dict[str, dict[str, int]]:
    """By datum the unmapped codes that look most like it, with their results."""
    result: dict[str, dict[str, int]] = {}
    for item, suggestions in closest(found, trial, site):
        best = next(iter(suggestions), None)
        if best is None or best.score < _CANDIDATE_SCORE or item.code is None:
            continue
        named = shown(f"{item.system or ''}|{item.code}", _LONGEST_CODE)
        for need in needs:
            if item.element.partition(".")[0] in _types_of(need, trial) and need.has(best.target.system, best.code):
                results = result.setdefault(need.what, {})
                results[named] = results.get(named, 0) + item.results
    return result


def _as_sent(
    need: Need, sent: Mapping[str, Collection[str]], vocabulary: Vocabulary, trial: Trial
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The resource types and the stored codes that hold a datum."""
    types = tuple(name for name in _types_of(need, trial) if name in sent)
    words = {word for name in types for word in sent[name]}
    return types, tuple(sorted(word for word in words if _is_of(need, word, vocabulary)))


def _types_of(need: Need, trial: Trial) -> tuple[str, ...]:
    """The resource types that may hold a datum."""
    courses = trial.concepts.courses
    if need.value_set is None:
        return ("Observation",)
    if need.value_set.system == ICD10:
        return ("Condition",)
    if courses is not None and need.what == courses.medication.id:
        return _MEDICATION
    return tuple(name for name in CODED_TYPES if name not in _MEDICATION)


def _is_of(need: Need, word: str, vocabulary: Vocabulary) -> bool:
    system, _, code = word.partition("|")
    fasting = (system, code) in vocabulary.site.fasting_codes
    if fasting and need.kind == "analyte":
        return need.what in {item.id for item in vocabulary.by_code.get((system, code), ())}
    return any(need.has(*coding) for coding in vocabulary.site.standard(system, code))


def _has_diagnoses(words: Iterable[str], site: Site) -> bool:
    pairs = (word.partition("|") for word in words)
    return any(standard == ICD10 for system, _, code in pairs for standard, _ in site.standard(system, code))
