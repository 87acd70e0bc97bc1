"""In: saved verdicts, the lake's patients, what of a site cannot be read. Out: attrition by criterion: persons, candidates, outcomes, flow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from adapter.criteria import Outcome, Stage, Trial
from adapter.screening.completeness import SiteCompleteness
from adapter.screening.flow import Flow, flow_of, ranked
from adapter.screening.hospital_records import deleted_people
from adapter.screening.listed import Listed, listed
from adapter.store import Store
from adapter.terminology.unmapped import Unmapped, UnmappedCode

__all__ = ["CriterionCounts", "Funnel", "add_up", "funnel_of", "in_steps", "persons_of", "read_funnel"]

#: Reasons for which a criterion is open though the data are there: what is missing is a person's word.
_PERSONS_WORD: Final = frozenset({"needs-attestation", "asks"})


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
        flow: candidates by step, each at one.
        completeness: of each site, for how many candidates data are there.
        unmapped: codes and units that cannot be read, by site; why a criterion is open for many often stands here.
        overridden: cards of CDS Hooks that were overridden, by code of the reason.
        steps: 1 where counts are exact. Else each was made a multiple of this, downwards, site by site: 0 may be anything
            below.
    """

    trial: str
    stage: str
    sites: tuple[str, ...]
    patients: int
    candidates: int
    outcomes: Mapping[str, int]
    criteria: tuple[CriterionCounts, ...]
    flow: Flow
    completeness: tuple[SiteCompleteness, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    overridden: tuple[tuple[str, int], ...] = ()
    steps: int = 1

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "trial": self.trial,
            "stage": self.stage,
            "sites": list(self.sites),
            "steps": self.steps,
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
            "flow": self.flow.to_json(),
            "completeness": [one.to_json() for one in self.completeness],
            "unmapped": [found.to_json() for found in self.unmapped],
            "overridden": dict(self.overridden),
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
    shown = [name for name in store.lake.sites() if sites is None or name in sites]
    parts = (
        funnel_of(listed(store, trial, stage, site=name), trial, stage, site=name, patients=persons_of(store, name))
        for name in shown
    )
    return replace(add_up(parts, trial, stage), unmapped=tuple(unmapped))


def persons_of(store: Store, site: str) -> int:
    """How many persons of a site were read; also those whose data were removed since nothing in them was a sign."""
    # Resources of a deleted record may be there still; the person is not.
    others = store.lake.merges(site).keys() | deleted_people(store, site)
    people = {*store.lake.patients(site), *store.purged.patients(site).values()}
    return sum(1 for patient in people if patient not in others)


def funnel_of(people: Iterable[Listed], trial: Trial, stage: Stage, *, site: str, patients: int) -> Funnel:
    """The attrition of one site.

    Args:
        people: everybody of the site with a verdict at the stage.
        trial: whose criteria.
        stage: of the trial.
        site: its name.
        patients: persons of the site in the store.
    """
    passed, failed, opened, sole, lacking = (Counter[str]() for _ in range(5))
    outcomes: Counter[str] = Counter()
    candidates = [person for person in people if person.candidate]
    for person in candidates:
        outcomes[person.outcome.value] += 1
        passed.update(person.passed)
        failed.update(person.failed)
        opened.update(person.open)
        lacking.update(_lacking(person))
        if len(person.failed) == 1:
            sole.update(person.failed)
    asked = [criterion for criterion in trial.criteria if stage in criterion.stages]
    there = {criterion.id: len(candidates) - lacking[criterion.id] for criterion in asked}
    return Funnel(
        trial=trial.id,
        stage=stage.value,
        sites=(site,),
        patients=patients,
        candidates=len(candidates),
        outcomes={outcome.value: outcomes[outcome.value] for outcome in Outcome},
        criteria=tuple(
            CriterionCounts(
                criterion.id,
                criterion.kind,
                passed=passed[criterion.id],
                failed=failed[criterion.id],
                open=opened[criterion.id],
                sole_failing=sole[criterion.id],
            )
            for criterion in asked
        ),
        flow=flow_of(candidates),
        completeness=(SiteCompleteness(site, len(candidates), there),),
    )


def add_up(parts: Iterable[Funnel], trial: Trial, stage: Stage) -> Funnel:
    """The attrition of several sites, as the sum of what is told of each."""
    found = [funnel_of((), trial, stage, site="", patients=0), *parts]
    reasons: Counter[str] = Counter()
    overridden: Counter[str] = Counter()
    for part in found:
        reasons.update(dict(part.flow.reasons))
        overridden.update(dict(part.overridden))
    return replace(
        found[0],
        sites=tuple(site for part in found[1:] for site in part.sites),
        patients=sum(part.patients for part in found),
        candidates=sum(part.candidates for part in found),
        outcomes={name: sum(part.outcomes[name] for part in found) for name in found[0].outcomes},
        criteria=tuple(_added(lines) for lines in zip(*(part.criteria for part in found), strict=True)),
        flow=Flow(
            {step: sum(part.flow.steps[step] for part in found) for step in found[0].flow.steps}, ranked(reasons)
        ),
        completeness=tuple(one for part in found[1:] for one in part.completeness),
        unmapped=tuple(one for part in found for one in part.unmapped),
        overridden=ranked(overridden),
        steps=max(part.steps for part in found),
    )


def in_steps(part: Funnel, size: int) -> Funnel:
    """The attrition of one site for those who may not know small numbers: each count downwards to a multiple.

    Nothing can be computed from such counts by taking one from another. A count below the size is told as 0, and so is a
    real 0. Where sites are added up afterwards, the sum is one of what is told: a site's own counts do not come out of it.
    What would order by the exact counts is ordered by those told.
    """

    def down(number: int) -> int:
        return number - number % size

    return replace(
        part,
        patients=down(part.patients),
        candidates=down(part.candidates),
        outcomes={name: down(number) for name, number in part.outcomes.items()},
        criteria=tuple(
            replace(
                line,
                passed=down(line.passed),
                failed=down(line.failed),
                open=down(line.open),
                sole_failing=down(line.sole_failing),
            )
            for line in part.criteria
        ),
        flow=Flow(
            {step: down(number) for step, number in part.flow.steps.items()},
            ranked({reason: down(number) for reason, number in part.flow.reasons}),
        ),
        completeness=tuple(_rounded(one, size) for one in part.completeness),
        unmapped=tuple(_unmapped_in_steps(one, size) for one in part.unmapped),
        overridden=ranked({code: down(number) for code, number in part.overridden}),
        steps=size,
    )


def _rounded(one: SiteCompleteness, size: int) -> SiteCompleteness:
    return replace(
        one,
        candidates=one.candidates - one.candidates % size,
        criteria={name: number - number % size for name, number in one.criteria.items()},
        data=tuple(replace(datum, persons=datum.persons - datum.persons % size) for datum in one.data),
    )


def _unmapped_in_steps(found: Unmapped, size: int) -> Unmapped:
    codes = [
        UnmappedCode(
            one.element, one.system, one.code, one.results - one.results % size, one.persons - one.persons % size
        )
        for one in found.codes
    ]
    units = [
        replace(one, results=one.results - one.results % size, persons=one.persons - one.persons % size)
        for one in found.units
    ]
    return Unmapped(
        found.site,
        codes=tuple(sorted(codes, key=lambda one: (-one.results, one.element, one.system or "", one.code or ""))),
        units=tuple(sorted(units, key=lambda one: (-one.results, one.analyte, one.unit or ""))),
    )


def _lacking(person: Listed) -> set[str]:
    """The open criteria of a candidate that data could settle."""
    undecided = set(person.open)
    return {
        one["id"] for one in person.verdict["criteria"] if one["id"] in undecided and one["reason"] not in _PERSONS_WORD
    }


def _added(lines: Sequence[CriterionCounts]) -> CriterionCounts:
    return replace(
        lines[0],
        passed=sum(line.passed for line in lines),
        failed=sum(line.failed for line in lines),
        open=sum(line.open for line in lines),
        sole_failing=sum(line.sole_failing for line in lines),
    )
