"""In: a trial's saved verdicts and decisions. Out: one `Listed` a person: what worklist, log and funnel start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import msgspec

from adapter.criteria import Outcome, Stage, Trial, Truth
from adapter.screening.hospital_records import RecordState, as_deleted, deleted_people, inactive_people
from adapter.store import Decision, Store

__all__ = ["CLOSED_STATES", "Listed", "listed", "listed_of", "standing_decisions"]

#: Decision states after which nothing is left to do in pre-screening (design 4.1).
CLOSED_STATES = frozenset({"not-eligible", "declined", "not-registered", "enrolled", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One person with a saved verdict.

    Attributes:
        verdict: the object of the contract.
        passed: ids of the criteria that pass, in registry order; likewise ``failed`` and ``open``.
        decision: the standing decision of a person, None where there is none.
        record: what the hospital says of the record itself; the verdict of a deleted one is marked, whenever it was made.
        input_hash: names what the verdict was made from.
    """

    site: str
    patient: str
    screened_at: datetime
    verdict: dict[str, Any]
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    open: tuple[str, ...]
    decision: Decision | None
    record: RecordState = RecordState.ACTIVE
    input_hash: str = ""

    @property
    def on(self) -> date:
        """The reference date of the verdict."""
        return date.fromisoformat(self.verdict["on"])

    @property
    def outcome(self) -> Outcome:
        """What the verdicts come to."""
        return Outcome(self.verdict["outcome"])

    @property
    def candidate(self) -> bool:
        """Whether the record, or a person, makes them a candidate still."""
        return bool(self.verdict["candidate"])

    @property
    def state(self) -> str:
        """The decision state: ``new`` as long as nobody has decided."""
        return "new" if self.decision is None else self.decision.state

    @property
    def closed(self) -> bool:
        """Whether a person has decided for good."""
        return self.state in CLOSED_STATES


def listed(store: Store, trial: Trial, stage: Stage, *, site: str | None = None) -> list[Listed]:
    """Everybody with a saved verdict at a stage, ordered by site and patient.

    A person is one entry whatever the number of records: who was merged into another since stands under that record's
    verdict, or under their own until the next screening has one. Decisions go with the person, and stay when the hospital
    deletes the record: that shows at once, not with the next screening.
    """
    merges = {name: store.lake.merges(name) for name in store.lake.sites()}
    decisions = standing_decisions(store.decisions(trial.id, site=site).values(), merges)
    found: dict[tuple[str, str], Listed] = {}
    for saved in store.latest_verdicts(trial.id, stage, site=site):
        person = _person_of(saved.site, saved.patient, merges)
        if person not in found or person[1] == saved.patient:
            found[person] = listed_of(
                msgspec.json.decode(saved.content),
                trial,
                at=saved.screened_at,
                decision=decisions.get(person),
                input_hash=saved.input_hash,
            )
    return sorted(_with_records(store, found), key=lambda one: (one.site, one.patient))


def standing_decisions(
    decisions: Iterable[Decision], merges: Mapping[str, Mapping[str, str]]
) -> dict[tuple[str, str], Decision]:
    """The last decision on each person, by site and surviving patient, under whichever of their records it was made."""
    found: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        person = _person_of(decision.site, decision.patient, merges)
        standing = found.get(person)
        if standing is None or standing.number < decision.number:
            found[person] = decision
    return found


def _person_of(site: str, patient: str, merges: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    return site, merges.get(site, {}).get(patient, patient)


def _with_records(store: Store, found: dict[tuple[str, str], Listed]) -> Iterable[Listed]:
    """The same people, with what the hospital says of their records."""
    for name in sorted({name for name, _ in found}):
        people = {person: one for (site, person), one in found.items() if site == name}
        deleted = deleted_people(store, name)
        inactive = inactive_people(store, name, people.keys() - deleted)
        for person, one in people.items():
            if person in deleted:
                yield replace(one, record=RecordState.DELETED, verdict=as_deleted(one.verdict))
            else:
                yield replace(one, record=RecordState.INACTIVE) if person in inactive else one


def listed_of(
    verdict: dict[str, Any], trial: Trial, *, at: datetime, decision: Decision | None, input_hash: str = ""
) -> Listed:
    """One person's verdict, sorted by what passes, fails and is open.

    Args:
        verdict: the object of the contract.
        trial: whose criteria.
        at: when it was made.
        decision: the standing one.
        input_hash: names what the verdict was made from.
    """
    groups: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for criterion in verdict["criteria"]:
        groups[trial.criterion(criterion["id"]).passes(Truth(criterion["truth"]))].append(criterion["id"])
    return Listed(
        site=verdict["site"],
        patient=verdict["patient"],
        screened_at=at,
        verdict=verdict,
        passed=tuple(groups[True]),
        failed=tuple(groups[False]),
        open=tuple(groups[None]),
        decision=decision,
        input_hash=input_hash,
    )
