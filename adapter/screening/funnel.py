"""In: saved verdicts, the lake's patients, what of a site cannot be read. Out: attrition by criterion: persons, candidates, outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.criteria import Outcome, Stage, Trial
from adapter.screening.hospital_records import deleted_people
from adapter.screening.listed import listed
from adapter.store import Store
from adapter.terminology.unmapped import Unmapped

__all__ = ["CriterionCounts", "Funnel", "read_funnel"]


@dataclass(frozen=True, slots=True)
class CriterionCounts:
    """How one criterion sorts the candidates.

    Attributes:
        passed: an inclusion that is met, an exclusion that does not apply; ``failed`` the opposite, ``open`` undecided.
        sole_failing: candidates who fail on nothing else.
    """

    id: str
    kind: str
    passed: int
    failed: int
    open: int
    sole_failing: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Attrition of one trial at one stage; persons are counted once, whatever number of records they have.

    Attributes:
        patients: persons in the store.
        candidates: those with a signal of the trial, or added by a person.
        outcomes: candidates by outcome.
        unmapped: codes and units that cannot be read, by site; why a criterion is open for many often stands here.
    """

    trial: str
    stage: str
    sites: tuple[str, ...]
    patients: int
    candidates: int
    outcomes: Mapping[str, int]
    criteria: tuple[CriterionCounts, ...]
    unmapped: tuple[Unmapped, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "trial": self.trial,
            "stage": self.stage,
            "sites": list(self.sites),
            "patients": self.patients,
            "candidates": self.candidates,
            "outcomes": dict(self.outcomes),
            "criteria": [
                {
                    "id": counts.id,
                    "kind": counts.kind,
                    "passed": counts.passed,
                    "failed": counts.failed,
                    "open": counts.open,
                    "sole_failing": counts.sole_failing,
                }
                for counts in self.criteria
            ],
            "unmapped": [found.to_json() for found in self.unmapped],
        }


def read_funnel(
    store: Store, trial: Trial, stage: Stage, *, sites: Collection[str] | None = None, unmapped: Sequence[Unmapped] = ()
) -> Funnel:
    """The attrition of a trial by the last screening.

    Args:
        store: what was pulled and screened.
        trial: whose criteria.
        stage: of the trial.
        sites: only these; None for all.
        unmapped: what cannot be read, of each site that is to be shown with it.
    """
    shown = tuple(name for name in store.lake.sites() if sites is None or name in sites)
    tallies: dict[str, Counter[str]] = {"passed": Counter(), "failed": Counter(), "open": Counter(), "sole": Counter()}
    outcomes: Counter[str] = Counter()
    people = (person for name in shown for person in listed(store, trial, stage, site=name))
    for person in people:
        if not person.candidate:
            continue
        outcomes[person.outcome.value] += 1
        tallies["passed"].update(person.passed)
        tallies["failed"].update(person.failed)
        tallies["open"].update(person.open)
        if len(person.failed) == 1:
            tallies["sole"].update(person.failed)
    return Funnel(
        trial=trial.id,
        stage=stage.value,
        sites=shown,
        patients=sum(_persons(store, name) for name in shown),
        candidates=outcomes.total(),
        outcomes={outcome.value: outcomes[outcome.value] for outcome in Outcome},
        criteria=tuple(
            CriterionCounts(
                id=criterion.id,
                kind=criterion.kind,
                passed=tallies["passed"][criterion.id],
                failed=tallies["failed"][criterion.id],
                open=tallies["open"][criterion.id],
                sole_failing=tallies["sole"][criterion.id],
            )
            for criterion in trial.criteria
            if stage in criterion.stages
        ),
        unmapped=tuple(unmapped),
    )


def _persons(store: Store, site: str) -> int:
    # Resources of a deleted record may be there still; the person is not.
    others = store.lake.merges(site).keys() | deleted_people(store, site)
    return sum(1 for patient in store.lake.patients(site) if patient not in others)
