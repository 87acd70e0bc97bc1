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
    "AdditionEvent",
    "AttestationEvent",
    "Bilingual",
    "Converted",
    "Counts",
    "Criterion",
    "CriterionVerdict",
    "DecidedRecord",
    "DecisionState",
    "Default",
    "Evidence",
    "Health",
    "KeptOutcome",
    "OpenQuestion",
    "Part",
    "PartVerdict",
    "PatientFile",
    "Problem",
    "Signal",
    "StandingDecision",
    "ToOrder",
    "TrialTexts",
    "Verdict",
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


# Worklist, patient ---------------------------------------------------------------------------------------------------


class StandingDecision(Shape):
    """What a person decided; ``note`` is null without the right to see who the patient is, ``version`` counts from 1."""

    state: str
    reason: str
    decided_by: str
    decided_at: datetime
    version: int
    note: str | None


class Counts(Shape):
    """Criteria that pass, fail, are open."""

    passed: int
    failed: int
    open: int


class KeptOutcome(Shape):
    """What a screening came to, as of a day; ``first_at`` is when that was first found."""

    first_at: datetime
    on: date
    candidate: bool
    outcome: Outcome
    outcome_reason: str | None


class AttestationEvent(Shape):
    """Somebody attested sentences (by linkId: what they said), or withdrew them (null); ``here``: on a page of this service."""

    at: datetime | None
    kind: Literal["attested", "withdrawn"]
    by: str
    here: bool
    answers: dict[str, bool | None]
    reference: str | None


class AdditionEvent(Shape):
    """Somebody put the patient on the list by hand."""

    at: datetime
    by: str


class DecidedRecord(Shape):
    """The standing decision on another record with the same number at the hospital, which nothing else ties to this one."""

    key: str
    state: str
    reason: str
    decided_by: str
    decided_at: datetime
    record: RecordState


class PatientFile(Shape):
    """One patient's verdict, with what persons decided and attested and what the hospital says of the record.

    ``outcomes``, ``decisions``, ``attestations`` and ``additions`` are the whole history, oldest first; an outcome that repeats the
    one before it is left out. Without the right to see who the patient is (``identified`` false) the screening ``number`` stands for the
    patient, and all references to the hospital's resources are their types only. ``version`` and ``seen`` are what a decision names as
    what its person saw, ``attested`` (by linkId) what an attestation names so; ``new_data``: the verdict was made from other data than the one that was decided on;
    ``before_attestation``: from before what was last attested or withdrawn here, which it does not know; ``decided_elsewhere``: on other
    records of the same number, and not on this one.
    """

    key: str
    number: str
    identified: bool
    hospital_number: str | None
    hospital_url: str | None
    born: int | None
    sex: str | None
    version: int
    seen: str
    new_data: bool
    before_attestation: bool
    record: RecordState
    state: str
    decision: StandingDecision | None
    screened_at: datetime
    verdict: Verdict
    outcomes: list[KeptOutcome]
    decisions: list[StandingDecision]
    decided_elsewhere: list[DecidedRecord]
    attestations: list[AttestationEvent]
    attested: dict[str, str]
    additions: list[AdditionEvent]


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
    """A state a person can put a patient in; ``confirms``: an investigator only."""

    id: str
    research_subject_status: str
    confirms: bool
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
