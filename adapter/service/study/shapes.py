"""In: nothing. Out: the objects of the JSON API for funnel, runs, screening log and audit trail, which the pages are made of as well."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapter.criteria import Stage
from adapter.jobs import CertificateKind

__all__ = [
    "AuditEntry",
    "AuditPage",
    "CertificateEnd",
    "DatumCount",
    "FeedLag",
    "FlowCounts",
    "FlowReason",
    "FunnelCounts",
    "FunnelLine",
    "LogEntry",
    "MissingType",
    "QuarantineReason",
    "Quarantined",
    "RunEntry",
    "Runs",
    "ScreeningLog",
    "SiteCompleteness",
    "SiteLeft",
    "TypeCounts",
    "TypeWrites",
    "UnknownUnit",
    "Unmapped",
    "UnmappedCode",
]


class Shape(BaseModel):
    """What all objects have in common."""

    model_config = ConfigDict(frozen=True)


# Funnel -------------------------------------------------------------------------------------------------------------


class FunnelLine(Shape):
    """How many candidates pass one criterion, fail it, are open; ``sole_failing``: those who fail on nothing else."""

    id: str
    kind: Literal["inclusion", "exclusion"]
    passed: int
    failed: int
    open: int
    sole_failing: int


class UnmappedCode(Shape):
    """A code as sent that cannot be read; ``code`` is null where there is a text only."""

    element: str
    system: str | None
    code: str | None
    results: int
    persons: int


class UnknownUnit(Shape):
    """A unit as sent that cannot be used for an analyte."""

    analyte: str
    unit: str | None
    reason: str
    results: int
    persons: int


class Unmapped(Shape):
    """What of a site's records cannot be read, most frequent first."""

    site: str
    codes: list[UnmappedCode]
    units: list[UnknownUnit]


class DatumCount(Shape):
    """For how many candidates a datum is on record, and which criteria ask for it."""

    what: str
    kind: str
    criteria: list[str]
    persons: int


class SiteCompleteness(Shape):
    """How complete the records of a site's candidates are.

    ``criteria``: by id the candidates for whom the data are there; whose criterion is open waits for a person's word only.
    """

    site: str
    candidates: int
    criteria: dict[str, int]
    data: list[DatumCount]


class FlowReason(Shape):
    """A criterion, or a reason of the outcome's own, and whom it leaves out; who fails on several counts with each."""

    reason: str
    persons: int


class FlowCounts(Shape):
    """Where the candidates stand, each at one step; ``persons`` of a group is the sum of its steps."""

    excluded: dict[str, int]
    undecided: dict[str, int]
    followed: dict[str, int]
    enrolled: dict[str, int]
    retained: int
    reasons: list[FlowReason]


class FunnelCounts(Shape):
    """Attrition, in persons.

    ``steps`` is 1 where counts are exact. Who may not know small numbers gets each count of each site downwards to a
    multiple of it, so that 0 stands for anything below; sums over sites are sums of these.
    """

    trial: str
    stage: Stage
    sites: list[str]
    steps: int
    patients: int
    candidates: int
    outcomes: dict[str, int]
    criteria: list[FunnelLine]
    flow: FlowCounts
    completeness: list[SiteCompleteness]
    unmapped: list[Unmapped]
    overridden: dict[str, int] = Field(description="Cards overridden, in persons, by code of the reason.")


# Runs ---------------------------------------------------------------------------------------------------------------


class TypeCounts(Shape):
    """What a pull did with one type."""

    read: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    quarantined: int = 0


class TypeWrites(Shape):
    """What a push did with one type."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


class MissingType(Shape):
    """A type that could not be had, or not to its end."""

    type: str
    reason: str


class RunEntry(Shape):
    """One run; ``complete`` is false when a file, page or type was missing, or something is left to do.

    ``mode`` (bulk, search) and ``requests`` tell how a server was asked; ``retried`` of those followed one that failed.
    ``told`` is whether the run came to its end: one that died wrote no summary. ``exit_code`` and ``problem`` tell by
    what a run failed, ``problem`` also why a push stopped on the way. ``counts`` holds what a kind of run
    counts beside the types: evaluated, candidates, unreadable, failed; unchanged, held, refused, conflicts, pending.
    """

    site: str
    run: str
    kind: str
    state: str
    complete: bool | None
    told: bool
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    problem: str | None
    seconds: float | None
    transaction_time: str | None
    mode: str | None
    requests: dict[Literal["sent", "retried"], int] | None
    types: dict[str, TypeCounts] | dict[str, TypeWrites]
    counts: dict[str, int]
    missing: list[MissingType]


class Quarantined(Shape):
    """One item put aside, without its content; ``reference`` is the type alone for who may not know patients."""

    site: str
    source: str
    line: int | None
    reference: str | None
    reason: str
    seen_at: datetime


class QuarantineReason(Shape):
    """How many items of a site were put aside for a reason."""

    site: str
    reason: str
    items: int


class FeedLag(Shape):
    """How far a type of a site is behind its server; ``hours`` null and ``stale`` where it was never pulled.

    ``stale`` is null for a site that a folder feeds: nobody says how often.
    """

    site: str
    type: str
    up_to: str | None
    hours: float | None
    stale: bool | None


class CertificateEnd(Shape):
    """When a certificate ends: the server's, as the last pull saw it; ours for mutual TLS; the last of the authorities that we trust.

    ``days`` are whole ones, negative once it has ended; ``soon``: a new one has to be asked for now.
    """

    site: str
    kind: CertificateKind
    ends_at: datetime
    days: int
    soon: bool


class SiteLeft(Shape):
    """A site whose server is not in the settings any more; ``renamed_to`` is the site that has it now."""

    site: str
    server: str
    renamed_to: str | None


class Runs(Shape):
    """A page of runs, latest first; how the feeds stand; what is in quarantine now, of each site the newest.

    ``left``: sites that nobody pulls or screens any more.
    """

    page: int
    more: bool
    runs: list[RunEntry]
    lag: list[FeedLag]
    certificates: list[CertificateEnd]
    left: list[SiteLeft]
    quarantine_reasons: list[QuarantineReason]
    quarantine: list[Quarantined]


# Screening log, audit trail -----------------------------------------------------------------------------------------


class LogEntry(Shape):
    """One person in the screening log: nothing in it is the hospital's own."""

    screening_number: str
    site: str
    screened_on: date
    eligible: Literal["yes", "no", "pending"]
    outcome: str
    failed_criteria: list[str]
    open_criteria: list[str]
    state: str
    reason_not_enrolled: str | None
    decided_on: date | None


class ScreeningLog(Shape):
    """A part of the screening log (ICH E6 8.3.20), by site and number; ``total`` counts the whole of it."""

    trial: str
    stage: Stage
    total: int
    offset: int
    rows: list[LogEntry]


class AuditEntry(Shape):
    """Who did what to whom; a patient stands under the screening number where the hospital's id may not be known.

    ``key`` opens the patient's page, for who may see it.
    """

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str
    key: str | None


class AuditPage(Shape):
    """Lines of the audit trail, newest first; ``older`` is the number to ask for those before, null at the end."""

    lines: list[AuditEntry]
    older: int | None
