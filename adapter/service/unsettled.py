"""In: the store, the trial. Out: what a person has to settle: conflicts, entries held or refused, proposals; and the settling, audited.

The pages, the API and the command line take it from here, so that all three count and settle the same.
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

import msgspec

from adapter.criteria import Stage, Trial
from adapter.errors import UsageError
from adapter.screening.proposals import Proposal, proposals
from adapter.service.shapes import Shape
from adapter.store import Conflict, OutboxEntry, OutboxState, Store
from adapter.sync.settling import settle_conflict

__all__ = [
    "CHOICES",
    "FieldDifference",
    "Keep",
    "OpenConflict",
    "OpenProposal",
    "SettleRequest",
    "Settled",
    "Settlement",
    "SettlementKind",
    "SiteCounts",
    "Unsettled",
    "WaitingEntry",
    "choices_of",
    "counts_by_site",
    "read_proposals",
    "read_unsettled",
    "service_actor",
    "settle",
]

Keep = Literal["ours", "hospital"]
CHOICES: tuple[Keep, ...] = ("ours", "hospital")
#: Where not both sides can be kept: of several resources one has to go at the hospital first; what cannot be read cannot
#: become ours.
_CHOICES_OF: dict[str, tuple[Keep, ...]] = {"duplicate": (), "unreadable": ("ours",)}
_ASIDE = (OutboxState.HELD, OutboxState.REFUSED)
#: Refused because a person settled it so: nothing of it waits.
_AS_SETTLED = frozenset({"deleted-at-hospital"})
#: Columns of the audit trail and of a conflict.
_SUBJECT_LENGTH = 255
_ACTOR_LENGTH = 128


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


class SettleRequest(Shape):
    """Which side holds; with ``seen`` only if the conflict is still what was seen."""

    keep: Keep
    seen: str | None = None


class Settled(Shape):
    """A conflict that was settled."""

    number: int
    site: str
    kind: str
    key: str
    kept: Keep
    by: str


@dataclass(frozen=True, slots=True)
class SiteCounts:
    """How much waits at one site."""

    site: str
    conflicts: int = 0
    held: int = 0
    refused: int = 0
    proposals: int = 0


class SettlementKind(StrEnum):
    """What became of a wish to settle a conflict."""

    DONE = "done"
    UNKNOWN = "unknown"
    GONE = "gone"
    CHANGED = "changed"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of it; ``problem`` is a sentence in English where it is not done."""

    kind: SettlementKind
    conflict: Conflict | None = None
    problem: str = ""


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


def choices_of(cause: str) -> tuple[Keep, ...]:
    """Which sides a conflict of this cause can be settled by.

    >>> choices_of("both-changed"), choices_of("duplicate")
    (('ours', 'hospital'), ())
    """
    return _CHOICES_OF.get(cause, CHOICES)


def settle(store: Store, number: int, *, keep: Keep, by: str, seen: str | None = None) -> Settlement:
    """Settle a conflict as a person decided, and enter it into the audit trail.

    Args:
        store: open.
        number: the conflict's.
        keep: the side that holds.
        by: who decided.
        seen: the state of the conflict that they saw; None to settle whatever stands.
    """
    conflict = next((one for one in store.outbox.conflicts(closed=True) if one.number == number), None)
    if conflict is None:
        return Settlement(SettlementKind.UNKNOWN, problem=f"conflict {number}: there is none by this number")
    if conflict.closed_at is not None:
        return Settlement(SettlementKind.GONE, conflict, f"conflict {number}: it was settled meanwhile")
    if seen is not None and seen != _seen(conflict):
        problem = f"conflict {number}: it has changed since it was looked at; look again"
        return Settlement(SettlementKind.CHANGED, conflict, problem)
    try:
        settle_conflict(store, number, keep=keep, by=by[:_ACTOR_LENGTH])
    except UsageError as error:
        closed = number not in {one.number for one in store.outbox.conflicts(site=conflict.site)}
        # Between the look and the settling somebody else was faster; else this cause cannot be settled so.
        return Settlement(SettlementKind.GONE if closed else SettlementKind.IMPOSSIBLE, conflict, str(error))
    subject = f"{conflict.site}/{conflict.kind}/{conflict.key}"
    store.audit(by[:_ACTOR_LENGTH], "settle", subject=subject[:_SUBJECT_LENGTH], detail=f"kept {keep}")
    return Settlement(SettlementKind.DONE, conflict)


def service_actor() -> str:
    """Who acts by the pages: without accounts, whoever runs the service on this machine."""
    try:
        return f"service:{getpass.getuser()}"
    except (KeyError, OSError):
        # No entry in the password file (containers).
        return "service"


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
        seen=_seen(one),
        fields=[FieldDifference(path=field.path, ours=field.ours, hospital=field.theirs) for field in one.fields],
    )


def _seen(one: Conflict) -> str:
    """Another text for another state of a conflict: a later push may bring it up to date under the same number."""
    state = [one.version, one.cause, one.references, [msgspec.structs.astuple(field) for field in one.fields]]
    return hashlib.sha256(json.dumps(state).encode() + one.theirs).hexdigest()[:16]


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
