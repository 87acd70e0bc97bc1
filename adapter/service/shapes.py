"""In: nothing. Out: the objects of the JSON API, which the pages are made of as well.

`Verdict` and what it holds are the contract's own (design 4.1), key for key; `None` stays in, as it does there.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapter.criteria import Outcome, Stage
from adapter.screening.hospital_records import RecordState

__all__ = [
    "Bilingual",
    "Converted",
    "Counts",
    "Criterion",
    "CriterionVerdict",
    "DecisionState",
    "Default",
    "Evidence",
    "FunnelCounts",
    "FunnelLine",
    "Health",
    "KeptOutcome",
    "OpenQuestion",
    "Part",
    "PartVerdict",
    "PatientFile",
    "Problem",
    "Quarantined",
    "RunEntry",
    "Runs",
    "Signal",
    "StandingDecision",
    "ToOrder",
    "TrialTexts",
    "TypeCounts",
    "UnknownUnit",
    "Unmapped",
    "UnmappedCode",
    "Verdict",
    "Worklist",
    "WorklistRow",
]

TruthName = Literal["T", "F", "U"]


class Shape(BaseModel):
    """What all objects have in common."""

    model_config = ConfigDict(frozen=True)


class Bilingual(Shape):
    """One text in both languages."""

    fr: str
    en: str


class Problem(Shape):
    """What went wrong, as RFC 9457 wants it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Health(Shape):
    """Whether the service lives, or is ready to answer."""

    status: Literal["ok", "not ready"]


# The contract's verdict ---------------------------------------------------------------------------------------------


class Converted(Shape):
    """A value in the unit that the criterion compares in, as decimal text."""

    value: str
    unit: str


class Evidence(Shape):
    """One resource that was looked at."""

    reference: str
    version: str | None
    effective: str | None
    value: str | None
    converted: Converted | None


class PartVerdict(Shape):
    """The verdict on a part of a criterion."""

    id: str
    truth: TruthName
    presumed: bool
    reason: str | None
    evidence: list[Evidence]


class CriterionVerdict(Shape):
    """The verdict on one sentence of the registry; ``truth`` is the sentence's own."""

    id: str
    truth: TruthName
    presumed: bool
    reason: str | None
    flips_on: date | None
    evidence: list[Evidence]
    parts: list[PartVerdict]


class ToOrder(Shape):
    """What to get next, by when, for which criteria."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    what: str
    by: date
    criteria: list[str] = Field(alias="for")


class Verdict(Shape):
    """All verdicts on one patient at one stage on one day: what `reluth screen --json` prints."""

    trial: str
    criteria_version: str
    site: str
    patient: str
    merged: list[str]
    stage: Stage
    on: date
    candidate: bool
    candidate_because: list[str]
    outcome: Outcome
    outcome_reason: str | None
    permanent: bool
    flips_on: date | None
    to_order: list[ToOrder]
    criteria: list[CriterionVerdict]


# Worklist, patient, funnel, runs ------------------------------------------------------------------------------------


class StandingDecision(Shape):
    """What a person decided last."""

    state: str
    reason: str
    decided_by: str
    decided_at: datetime


class Counts(Shape):
    """Criteria that pass, fail, are open."""

    passed: int
    failed: int
    open: int


class WorklistRow(Shape):
    """One person, as `reluth worklist --json` prints it; the random ``key`` stands for the patient in addresses."""

    site: str
    patient: str
    key: str
    on: date
    stage: Stage
    bin: str
    state: str
    decision_reason: str | None
    outcome: Outcome
    outcome_reason: str | None
    permanent: bool
    candidate_because: list[str]
    counts: Counts
    failed: list[str]
    missing: list[str]
    to_attest: list[str]
    at_screening_visit: list[str]
    to_order: list[ToOrder]
    flips_on: date | None
    record: RecordState


class Worklist(Shape):
    """Candidates in the order of what to do next."""

    trial: str
    stage: Stage
    rows: list[WorklistRow]


class KeptOutcome(Shape):
    """What a screening came to, as of a day; ``first_at`` is when that was first found."""

    first_at: datetime
    on: date
    candidate: bool
    outcome: Outcome
    outcome_reason: str | None


class PatientFile(Shape):
    """One patient's verdict, with what a person decided and what the hospital says of the record.

    ``outcomes`` and ``decisions`` are the whole history, oldest first; an outcome that repeats the one before it is left out.
    """

    key: str
    record: RecordState
    state: str
    decision: StandingDecision | None
    screened_at: datetime
    verdict: Verdict
    outcomes: list[KeptOutcome]
    decisions: list[StandingDecision]


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


class FunnelCounts(Shape):
    """Attrition, in persons."""

    trial: str
    stage: Stage
    sites: list[str]
    patients: int
    candidates: int
    outcomes: dict[str, int]
    criteria: list[FunnelLine]
    unmapped: list[Unmapped]


class TypeCounts(Shape):
    """What a pull did with one type."""

    read: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    quarantined: int = 0


class RunEntry(Shape):
    """One pull; ``complete`` is false when a file, page or type was missing.

    ``mode`` (bulk, search) and ``requests`` tell how a server was asked; ``retried`` of those followed one that failed.
    """

    site: str
    run: str
    kind: str
    state: str
    complete: bool | None
    started_at: datetime
    ended_at: datetime | None
    transaction_time: str | None
    mode: str | None
    requests: dict[Literal["sent", "retried"], int] | None
    types: dict[str, TypeCounts]


class Quarantined(Shape):
    """One item put aside, without its content."""

    site: str
    source: str
    line: int | None
    reference: str | None
    reason: str
    seen_at: datetime


class Runs(Shape):
    """Pulls, latest first, and what stands in quarantine now."""

    runs: list[RunEntry]
    quarantine: list[Quarantined]


# The trial ----------------------------------------------------------------------------------------------------------


class Default(Shape):
    """A choice that the registry does not make, for the coordinating centre to confirm."""

    id: str
    text: Bilingual


class Part(Shape):
    """A part of a criterion."""

    id: str
    label: Bilingual


class Criterion(Shape):
    """One line of the protocol; ``text`` is the registry's sentence."""

    id: str
    kind: Literal["inclusion", "exclusion"]
    stages: list[Stage]
    automation: str
    text: str
    label: Bilingual
    confirm: Bilingual
    defaults: list[Default]
    parts: list[Part]
    wanted: list[str]
    at_screening_visit: bool


class DecisionState(Shape):
    """A state a person can put a patient in."""

    id: str
    research_subject_status: str
    label: Bilingual


class Signal(Shape):
    """What makes a patient a candidate: codes ``system|code``, code prefixes, a text pattern, in these types."""

    id: str
    resource_types: list[str]
    codes: list[str]
    prefixes: list[str]
    text: str | None


class OpenQuestion(Shape):
    """A question to the coordinating centre."""

    id: str
    criteria: list[str]
    text: Bilingual


class TrialTexts(Shape):
    """A trial as its document tells it."""

    id: str
    version: str
    title: str
    acronym: str
    criteria: list[Criterion]
    signals: list[Signal]
    states: list[DecisionState]
    open_questions: list[OpenQuestion]
