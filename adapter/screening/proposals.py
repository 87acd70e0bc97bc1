"""In: a trial's verdicts and decisions. Out: where a re-screen disagrees with what a person has decided, to be looked at again.

A proposal is read from what is kept, never written: the decision stays as it is until a person decides again, and with that
the proposal is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from adapter.criteria import Outcome, Stage, Trial, Truth
from adapter.fhir import PARIS
from adapter.screening.listed import Listed, listed
from adapter.store import Decision, KeptVerdict, Store

__all__ = ["DISAGREES", "NOT_A_CANDIDATE", "Proposal", "proposals", "proposals_among"]

#: What a verdict says of somebody in whose record nothing makes them a candidate any more, and who does not fail.
NOT_A_CANDIDATE: Final = "not-a-candidate"

_NO_LONGER: Final = frozenset({str(Outcome.INELIGIBLE), NOT_A_CANDIDATE})
_AFTER_ALL: Final = frozenset(
    {str(Outcome.NEEDS_INFORMATION), str(Outcome.READY_FOR_INVESTIGATOR), str(Outcome.ELIGIBLE)}
)
#: By decision state: what a verdict may say that a person should hear of. Of `new` and `to-review` nobody has decided
#: anything yet; `declined`, `not-registered` and `withdrawn` are what the patient or the sponsor wants, whatever the data say.
DISAGREES: Final[Mapping[str, frozenset[str]]] = {
    "contacted": _NO_LONGER,
    "screening": _NO_LONGER,
    "eligible": _NO_LONGER,
    "enrolled": _NO_LONGER,
    "not-eligible": _AFTER_ALL,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One decision to look at again; ``key`` names the person in addresses, ``patient`` on the site's own screens only.

    Attributes:
        state: what was decided, by whom and when.
        then: what the last verdict before the decision said: an outcome, or `NOT_A_CANDIDATE`; None where none is kept.
        now: what the newest verdict says.
        changed: ids of the criteria whose truth is another one than then, in registry order; none where ``then`` is None.
        since: the day of the first verdict since the decision from which on all disagree with it.
    """

    site: str
    patient: str
    key: str
    state: str
    decided_by: str
    decided_at: datetime
    then: str | None
    now: str
    changed: tuple[str, ...]
    since: date

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "site": self.site,
            "patient": self.patient,
            "key": self.key,
            "state": self.state,
            "decided_by": self.decided_by,
            "decided_at": self.decided_at.isoformat(),
            "then": self.then,
            "now": self.now,
            "changed": list(self.changed),
            "since": str(self.since),
        }


def proposals(
    store: Store, trial: Trial, *, site: str | None = None, stage: Stage = Stage.REGISTRATION
) -> list[Proposal]:
    """The decisions that the newest verdict disagrees with, and did not when they were made; by site and patient.

    Beside a change from agreement to disagreement, a criterion that newly fails somebody who was kept although another one
    failed is one to hear of: what a person has overridden is that other one.
    """
    return proposals_among(store, trial, listed(store, trial, stage, site=site), stage=stage)


def proposals_among(store: Store, trial: Trial, people: Iterable[Listed], *, stage: Stage) -> list[Proposal]:
    """The same for some people whose verdicts and decisions are read already."""
    found = []
    disputed: dict[str, list[tuple[Listed, Decision]]] = {}
    for one in people:
        if one.decision is not None and _said(one.verdict) in DISAGREES.get(one.state, ()):
            disputed.setdefault(one.site, []).append((one, one.decision))
    for name, those in sorted(disputed.items()):
        histories = _histories(store, trial, stage, site=name, people=[one for one, _ in those])
        for one, decision in those:
            proposal = _proposal(store, trial, one, decision=decision, history=histories[one.patient])
            if proposal is not None:
                found.append(proposal)
    return found


def _histories(
    store: Store, trial: Trial, stage: Stage, *, site: str, people: Iterable[Listed]
) -> dict[str, list[KeptVerdict]]:
    """The verdicts of each person, those under records that were merged into theirs included, oldest first."""
    wanted: dict[str, list[str]] = {one.patient: [one.patient] for one in people}
    for old, survivor in store.lake.merges(site).items():
        if survivor in wanted:
            wanted[survivor].append(old)
    kept = store.verdict_history(trial.id, stage, site=site, patients=[one for ids in wanted.values() for one in ids])
    return {
        person: sorted((one for name in ids for one in kept.get(name, ())), key=lambda one: one.first_at)
        for person, ids in wanted.items()
    }


def _proposal(
    store: Store, trial: Trial, one: Listed, *, decision: Decision, history: Sequence[KeptVerdict]
) -> Proposal | None:
    before = [kept for kept in history if kept.first_at <= decision.decided_at]
    after = [kept for kept in history if kept.first_at > decision.decided_at]
    if not after:
        return None
    then = _content(before[-1]) if before else None
    disagreeing = DISAGREES[decision.state]
    if then is not None and _said(then) in disagreeing and not _newly_failing(then, one.verdict, trial, decision):
        return None
    return Proposal(
        site=one.site,
        patient=one.patient,
        key=store.patient_key(one.site, one.patient),
        state=decision.state,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
        then=None if then is None else _said(then),
        now=_said(one.verdict),
        changed=() if then is None else _changed(then, one.verdict),
        since=_since(after, disagreeing),
    )


def _said(verdict: Mapping[str, Any]) -> str:
    """The outcome, or that nothing makes the person a candidate; who has died is both, and ineligible says it better."""
    outcome = str(verdict["outcome"])
    return outcome if verdict["candidate"] or outcome == Outcome.INELIGIBLE else NOT_A_CANDIDATE


def _newly_failing(then: Mapping[str, Any], now: Mapping[str, Any], trial: Trial, decision: Decision) -> bool:
    return DISAGREES[decision.state] is _NO_LONGER and bool(_failing(now, trial) - _failing(then, trial))


def _failing(verdict: Mapping[str, Any], trial: Trial) -> set[str]:
    return {
        item["id"]
        for item in verdict["criteria"]
        # An older version of the trial's document may have had other criteria.
        if item["id"] in {known.id for known in trial.criteria}
        and trial.criterion(item["id"]).passes(Truth(item["truth"])) is False
    }


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    before = {item["id"]: item["truth"] for item in then["criteria"]}
    return tuple(item["id"] for item in now["criteria"] if before.get(item["id"]) != item["truth"])


def _since(after: Sequence[KeptVerdict], disagreeing: frozenset[str]) -> date:
    """The day of the first of the verdicts at the end that all disagree."""
    first = after[-1]
    for kept in reversed(after):
        if _said(_content(kept)) not in disagreeing:
            break
        first = kept
    return first.first_at.astimezone(PARIS).date()


def _content(kept: KeptVerdict) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(kept.verdict.content)
    return found
