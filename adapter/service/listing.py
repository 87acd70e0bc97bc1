"""In: worklist rows and a language. Out: what the page shows; order and next steps are the screening room's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from adapter.criteria import Trial
from adapter.screening import WorklistRow, next_step, words
from adapter.screening.hospital_records import RecordState
from adapter.service.language import Language

__all__ = ["Chip", "ListedRow", "Listing", "Section", "list_worklist", "patient_name"]

_CHIPS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Chip:
    """A criterion that holds a patient back."""

    id: str
    label: str
    mark: str


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One patient's row; ``record`` says that the hospital has deleted the record or set it inactive."""

    row: WorklistRow
    name: str
    next_step: str
    outcome_reason: str | None
    record: str | None
    chips: tuple[Chip, ...]
    more: int
    changes: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one bin."""

    bin: str
    title: str
    note: str
    rows: tuple[ListedRow, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The page: sections in the order of what to do next, and the days the verdicts are of."""

    sections: tuple[Section, ...]
    total: int
    first_on: date | None
    last_on: date | None


def list_worklist(rows: Sequence[WorklistRow], trial: Trial, language: Language) -> Listing:
    """The worklist in a reader's language.

    Args:
        rows: as the screening room orders them, one bin after the other.
        trial: labels.
        language: the reader's.
    """
    say = words(language)
    sections = tuple(
        Section(
            bin=str(group),
            title=say.of("bins", group),
            note=say.of("bin_notes", group),
            rows=tuple(_listed(row, trial, language) for row in members),
        )
        for group, members in groupby(rows, key=lambda row: row.bin)
    )
    days = [row.on for row in rows]
    return Listing(sections, len(rows), min(days, default=None), max(days, default=None))


def patient_name(reference: str) -> str:
    """A patient's id at the hospital, without the resource type that every one of them has."""
    return reference.removeprefix("Patient/")


def _listed(row: WorklistRow, trial: Trial, language: Language) -> ListedRow:
    say = words(language)
    holding = row.failed or row.missing or row.at_visit
    mark = "fail" if row.failed else "open"
    return ListedRow(
        row=row,
        name=patient_name(row.patient),
        next_step=next_step(row, trial, say),
        outcome_reason=None if row.outcome_reason is None else say.of("outcome_reasons", row.outcome_reason),
        record=None if row.record is RecordState.ACTIVE else say.of("records", row.record),
        chips=tuple(Chip(item, trial.criterion(item).label[language], mark) for item in holding[:_CHIPS_SHOWN]),
        more=max(0, len(holding) - _CHIPS_SHOWN),
        changes=None if row.flips_on is None else say.day(row.flips_on),
        state=next((state.label[language] for state in trial.states if state.id == row.state), row.state),
    )
