"""In: rows of the worklist. Out: the objects of the API that tell them, and what is found or added by a number."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import ConfigDict, Field

from adapter.criteria import Outcome, Stage
from adapter.screening import Bin
from adapter.screening.hospital_records import RecordState
from adapter.service.shapes import Counts, Shape, ToOrder

__all__ = ["Candidate", "FindRequest", "FindResult", "FoundPatient", "PutRequest", "Worklist", "WorklistRow"]


class WorklistRow(Shape):
    """One person, as `reluth worklist --json` prints it; the random ``key`` stands for the patient in addresses.

    Without the right to see who a patient is, ``patient`` is the screening ``number``. ``sole`` is the criterion that alone
    fails, or alone is missing; ``recheck_by`` the day on which time changes the verdict, else the first by which to get something.
    """

    site: str
    patient: str
    number: str
    key: str
    on: date
    stage: Stage
    bin: Bin
    state: str
    decision_reason: str | None
    decision_version: int
    decided_on: date | None
    outcome: Outcome
    outcome_reason: str | None
    permanent: bool
    candidate_because: list[str]
    counts: Counts
    failed: list[str]
    missing: list[str]
    to_attest: list[str]
    at_screening_visit: list[str]
    sole: str | None
    to_order: list[ToOrder]
    flips_on: date | None
    recheck_by: date | None
    record: RecordState
    markers: list[str]
    birth_year: int | None
    sex: str | None
    last_entry: date | None
    found_on: date | None


class Worklist(Shape):
    """A part of the candidates in the order of what to do next.

    ``total`` counts all rows that were asked for, ``bins`` those of each bin whatever bin was asked for; ``up_to_date`` is
    false while another request is bringing the list up to date.
    """

    trial: str
    stage: Stage
    total: int
    limit: int
    offset: int
    up_to_date: bool
    bins: dict[Bin, int]
    rows: list[WorklistRow]


class _Strict(Shape):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FindRequest(_Strict):
    """A patient's number: the screening number; where the reader may know who it is, a record's id or the hospital's own."""

    number: str = Field(min_length=1, max_length=64)
    site: str | None = Field(default=None, max_length=64)
    stage: Stage = Stage.REGISTRATION


class FoundPatient(Shape):
    """Who is called so; ``row`` is null for who is not on the list, and ``because`` then says why, sentence by sentence.

    ``removed_at`` is when the data of somebody were removed since nothing in them was a sign of any trial; with ``awaits_pull`` the next
    pull of the whole site reads them again.
    """

    site: str
    patient: str
    key: str | None
    listed: bool
    is_deleted: bool
    awaits_screening: bool
    removed_at: datetime | None
    awaits_pull: bool
    because: list[str]
    row: WorklistRow | None


class FindResult(Shape):
    """Everybody whom the reader may see and who is called so; nobody is as good as somebody elsewhere."""

    stage: Stage
    found: list[FoundPatient]


class PutRequest(_Strict):
    """Put a patient (``Patient/id``) on the list by hand."""

    site: str = Field(max_length=64)
    patient: str = Field(pattern=r"^Patient/[A-Za-z0-9.-]{1,64}$")


class Candidate(Shape):
    """A patient who was put on the list; where ``screened`` is false the verdict comes with the next screening."""

    trial: str
    site: str
    patient: str
    key: str
    screened: bool
