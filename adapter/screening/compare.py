"""In: the store, two versions of a trial, a site, as of when. Out: which patients change outcome or a criterion's truth; nothing is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from adapter.criteria import Outcome, PatientVerdict, Trial, Truth
from adapter.criteria.exchange import Difference, differences
from adapter.screening.screen import Asked, screen
from adapter.store import Store
from adapter.terminology import Site

__all__ = ["CriterionChange", "PatientChange", "Versions", "compare"]


@dataclass(frozen=True, slots=True)
class CriterionChange:
    """A criterion's truth under the one and the other version; None where that version has no such criterion."""

    id: str
    before: Truth | None
    after: Truth | None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {"id": self.id, "from": _text(self.before), "to": _text(self.after)}


@dataclass(frozen=True, slots=True)
class PatientChange:
    """One patient whose verdicts differ; each pair is that of the one and of the other version."""

    site: str
    patient: str
    on: tuple[date, date]
    candidate: tuple[bool, bool]
    outcome: tuple[Outcome, Outcome]
    criteria: tuple[CriterionChange, ...]

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "site": self.site,
            "patient": self.patient,
            "on": _pair(*(str(day) for day in self.on)),
            "candidate": _pair(*self.candidate),
            "outcome": _pair(*(str(outcome) for outcome in self.outcome)),
            "criteria": [item.to_json() for item in self.criteria],
        }


@dataclass(slots=True)
class Versions:
    """Two versions side by side; filled site by site.

    Attributes:
        before: the one version; ``after`` the other.
        documents: where their documents differ.
        compared: patients that are candidates under either.
        patients: those that change, by site and patient.
        outcomes: how many have which outcome under the one and the other, where it changes; likewise ``criteria``, by id.
        unreadable: resources (``Type/id``) that could not be read.
        failed: patients on whose record a defect of ours stopped the evaluation.
    """

    before: Trial
    after: Trial
    documents: tuple[Difference, ...] = field(init=False)
    compared: int = 0
    patients: list[PatientChange] = field(default_factory=list)
    outcomes: Counter[tuple[Outcome, Outcome]] = field(default_factory=Counter)
    criteria: Counter[CriterionChange] = field(default_factory=Counter)
    unreadable: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.documents = tuple(differences(self.before, self.after))

    @property
    def differ(self) -> bool:
        """Whether there is any difference, of the documents or of a verdict."""
        return bool(self.documents or self.patients)

    def counts(self) -> Iterator[tuple[CriterionChange, int]]:
        """Criteria in registry order, each with how many patients change that way."""
        order = {item.id: place for place, item in enumerate((*self.before.criteria, *self.after.criteria))}
        for change in sorted(self.criteria, key=lambda item: (order[item.id], str(item.before), str(item.after))):
            yield change, self.criteria[change]

    def to_json(self) -> dict[str, Any]:
        """The closing object, of JSON's own types."""
        return {
            "trial": _pair(self.before.id, self.after.id),
            "criteria_version": _pair(self.before.version, self.after.version),
            "documents": [item.to_json() for item in self.documents],
            "compared": self.compared,
            "changed": len(self.patients),
            "outcomes": [
                {**_pair(str(old), str(new)), "patients": count} for (old, new), count in sorted(self.outcomes.items())
            ],
            "criteria": [{**change.to_json(), "patients": count} for change, count in self.counts()],
        }


def compare(store: Store, versions: Versions, site: Site, asked: Asked) -> list[PatientChange]:
    """Evaluate a site's patients under both versions.

    Args:
        store: what was pulled; nothing is written to it.
        versions: what to compare; the site's patients are added to it.
        site: how the site's records are to be read.
        asked: for which stage, as of when; whom it asks for and whether to save does not count.

    Returns:
        the site's patients that change, by patient.
    """
    reader = _Reader(store, site, replace(asked, save=False, everyone=False, patients=None), versions)
    before = {verdict.patient: verdict for verdict in reader.candidates(versions.before)}
    after = {verdict.patient: verdict for verdict in reader.candidates(versions.after)}
    before |= reader.named(versions.before, after.keys() - before.keys())
    after |= reader.named(versions.after, before.keys() - after.keys())
    changed = []
    for patient in sorted(before.keys() & after.keys()):
        versions.compared += 1
        old, new = before[patient], after[patient]
        _count(versions, old, new)
        change = _change(old, new)
        if change is not None:
            changed.append(change)
    versions.patients += changed
    return changed


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared of a verdict: evidence of thousands does not belong in memory."""

    patient: str
    site: str
    on: date
    candidate: bool
    outcome: Outcome
    truths: Mapping[str, Truth]

    @classmethod
    def of(cls, verdict: PatientVerdict) -> _Known:
        truths = {item.id: item.truth for item in verdict.criteria}
        return cls(verdict.patient, verdict.site, verdict.on, verdict.candidate, verdict.outcome, truths)


class _Reader:
    """Verdicts of one site under either version."""

    def __init__(self, store: Store, site: Site, asked: Asked, versions: Versions) -> None:
        self._store, self._site, self._asked, self._versions = store, site, asked, versions

    def candidates(self, trial: Trial) -> Iterator[_Known]:
        """Who is a candidate under this version."""
        return self._read(trial, self._asked)

    def named(self, trial: Trial, patients: Iterable[str]) -> dict[str, _Known]:
        """These patients, candidates or not."""
        wanted = tuple(sorted(patients))
        found = self._read(trial, replace(self._asked, patients=wanted)) if wanted else ()
        return {verdict.patient: verdict for verdict in found}

    def _read(self, trial: Trial, asked: Asked) -> Iterator[_Known]:
        screening = screen(self._store, trial, self._site, asked)
        for verdict in screening:
            yield _Known.of(verdict)
        self._versions.unreadable.update(screening.unreadable)
        self._versions.failed.update(f"{self._site.id}: {name}" for name in screening.failed)


def _change(old: _Known, new: _Known) -> PatientChange | None:
    """What changes for a patient.

    A criterion that only one version has changes nobody by itself: its truth is shown where the patient changes.
    """
    both = [item for item in _criteria(old, new) if item.before is not item.after]
    shared = any(item.before is not None and item.after is not None for item in both)
    if not shared and (old.outcome, old.candidate) == (new.outcome, new.candidate):
        return None
    return PatientChange(
        site=new.site,
        patient=new.patient,
        on=(old.on, new.on),
        candidate=(old.candidate, new.candidate),
        outcome=(old.outcome, new.outcome),
        criteria=tuple(both),
    )


def _count(versions: Versions, old: _Known, new: _Known) -> None:
    if old.outcome is not new.outcome:
        versions.outcomes[old.outcome, new.outcome] += 1
    versions.criteria.update(item for item in _criteria(old, new) if item.before is not item.after)


def _criteria(old: _Known, new: _Known) -> list[CriterionChange]:
    return [
        CriterionChange(identity, old.truths.get(identity), new.truths.get(identity))
        for identity in dict.fromkeys((*old.truths, *new.truths))
    ]


def _pair(old: object, new: object) -> dict[str, Any]:
    return {"from": old, "to": new}


def _text(truth: Truth | None) -> str | None:
    return None if truth is None else str(truth)
