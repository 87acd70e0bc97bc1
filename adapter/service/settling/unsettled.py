"""In: the store, the trial. Out: what a person has to settle: conflicts, entries held or refused, proposals.

The pages, the API and the command line take it from here, so that all three count the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from adapter.criteria import Stage, Trial
from adapter.screening.proposals import Proposal, proposals
from adapter.service.settling.settlement import Keep, choices_of, seen_of
from adapter.service.shapes import Shape
from adapter.store import Conflict, OutboxEntry, OutboxState, Store
from adapter.store.outbox import DELETED_AT_HOSPITAL

__all__ = [
    "FieldDifference",
    "OpenConflict",
    "OpenProposal",
    "SiteCounts",
    "Unsettled",
    "WaitingEntry",
    "counts_by_site",
    "read_proposals",
    "read_unsettled",
]

_ASIDE = (OutboxState.HELD, OutboxState.REFUSED)
#: Refused because a person settled it so: nothing of it waits.
_AS_SETTLED = frozenset({DELETED_AT_HOSPITAL})


class FieldDifference(Shape):
    """One field on which the sides differ; each side as JSON text, null where it says nothing."""

    path: str
    ours: str | None
    hospital: str | None


class OpenConflict(Shape):
    """What both sides say differently of one entity; ``seen`` names this state of it, ``choices`` what it can be settled by."""

    number: int
    site: str
    kind: str
    key: str
    version: int
    cause: str
    references: list[str]
    opened_at: datetime
    choices: list[Keep]
    seen: str
    fields: list[FieldDifference]


class WaitingEntry(Shape):
    """An entity that was not told to the hospital: ``held`` until a reference can be resolved, or ``refused``."""

    site: str
    kind: str
    key: str
    state: Literal["held", "refused"]
    reason: str
    detail: str
    attempts: int
    changed_at: datetime


class OpenProposal(Shape):
    """A screening that disagrees with what a person decided before; ``since`` is the day from which on it does.

    ``then`` and ``now`` are outcomes, or ``not-a-candidate``; ``then`` is null where no verdict was kept before the decision.
    """

    site: str
    patient: str
    key: str
    stage: Stage
    state: str
    decided_by: str
    decided_at: datetime
    then: str | None
    now: str
    changed: list[str]
    since: date


class Unsettled(Shape):
    """All that waits for a person."""

    conflicts: list[OpenConflict]
    waiting: list[WaitingEntry]
    proposals: list[OpenProposal]

    @property
    def is_empty(self) -> bool:
        """Nothing waits."""
        return not (self.conflicts or self.waiting or self.proposals)

    def where(self, is_seen: Callable[[str], bool]) -> Unsettled:
        """What of it is at sites that are seen."""
        return Unsettled(
            conflicts=[one for one in self.conflicts if is_seen(one.site)],
            waiting=[one for one in self.waiting if is_seen(one.site)],
            proposals=[one for one in self.proposals if is_seen(one.site)],
        )


@dataclass(frozen=True, slots=True)
class SiteCounts:
    """How much waits at one site."""

    site: str
    conflicts: int = 0
    held: int = 0
    refused: int = 0
    proposals: int = 0


def read_unsettled(store: Store, trial: Trial, *, site: str | None = None) -> Unsettled:
    """What waits for a person, by site.

    Args:
        store: open.
        trial: whose decisions and verdicts are compared.
        site: of one site only.
    """
    sites = store.outbox.sites() if site is None else [site]
    entries = [entry for name in sites for entry in store.outbox.entries(name, states=_ASIDE)]
    conflicts = sorted(store.outbox.conflicts(site=site), key=lambda one: (one.site, one.number))
    return Unsettled(
        conflicts=[_conflict(one) for one in conflicts],
        waiting=[_waiting(one) for one in entries if one.reason not in _AS_SETTLED],
        proposals=[found for stage in Stage for found in read_proposals(store, trial, stage, site=site)],
    )


def read_proposals(store: Store, trial: Trial, stage: Stage, *, site: str | None = None) -> list[OpenProposal]:
    """Where the newest screening of a stage disagrees with a person's decision."""
    return [_proposal(one, stage) for one in proposals(store, trial, site=site, stage=stage)]


def counts_by_site(found: Unsettled) -> list[SiteCounts]:
    """How much of each kind waits, by site."""

    conflicts = Counter(one.site for one in found.conflicts)
    waiting = Counter((one.site, one.state) for one in found.waiting)
    disputed = Counter(one.site for one in found.proposals)
    sites = sorted({*conflicts, *disputed, *(site for site, _ in waiting)})
    return [
        SiteCounts(
            site,
            conflicts=conflicts[site],
            held=waiting[site, "held"],
            refused=waiting[site, "refused"],
            proposals=disputed[site],
        )
        for site in sites
    ]


def _conflict(one: Conflict) -> OpenConflict:
    return OpenConflict(
        number=one.number,
        site=one.site,
        kind=one.kind,
        key=one.key,
        version=one.version,
        cause=one.cause,
        references=list(one.references),
        opened_at=one.opened_at,
        choices=list(choices_of(one.cause)),
        seen=seen_of(one),
        fields=[FieldDifference(path=field.path, ours=field.ours, hospital=field.theirs) for field in one.fields],
    )


def _waiting(one: OutboxEntry) -> WaitingEntry:
    return WaitingEntry(
        site=one.site,
        kind=one.kind,
        key=one.key,
        state="held" if one.state is OutboxState.HELD else "refused",
        reason=one.reason,
        detail=one.detail,
        attempts=one.attempts,
        changed_at=one.changed_at,
    )


def _proposal(one: Proposal, stage: Stage) -> OpenProposal:
    return OpenProposal(
        site=one.site,
        patient=one.patient,
        key=one.key,
        stage=stage,
        state=one.state,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        then=one.then,
        now=one.now,
        changed=list(one.changed),
        since=one.since,
    )
