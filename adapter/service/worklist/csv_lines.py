"""In: worklist rows. Out: the same as CSV, a line at a time; no cell can be taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from adapter.criteria import Trial
from adapter.screening import Words, WorklistRow, next_step
from adapter.spreadsheets import safe_cell

__all__ = ["COLUMNS", "csv_lines"]

COLUMNS: Final = (
    "site",
    "patient",
    "screening_number",
    "birth_year",
    "sex",
    "bin",
    "state",
    "decision_reason",
    "decided_on",
    "outcome",
    "outcome_reason",
    "passed",
    "failed",
    "open",
    "failing_criteria",
    "missing_criteria",
    "next_step",
    "recheck_by",
    "verdict_changes_on",
    "verdict_as_of",
    "last_entry",
    "found_on",
    "markers",
)


def csv_lines(rows: Iterable[WorklistRow], trial: Trial, words: Words) -> Iterator[str]:
    """A heading line, then one line a row; what is not known is left empty.

    Args:
        rows: masked: a patient whom the reader may not know stands under the screening number.
        trial: of the next steps' words.
        words: of the reader's language; all else is codes.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        yield _taken(out)
        writer.writerow([safe_cell(value) for value in _values(row, trial, words)])
    yield _taken(out)


def _values(row: WorklistRow, trial: Trial, words: Words) -> tuple[object, ...]:
    return (
        row.site,
        row.patient,
        row.number,
        row.birth_year,
        row.sex,
        row.bin,
        row.state,
        row.decision_reason,
        row.decided_on,
        row.outcome,
        row.outcome_reason,
        row.passed,
        len(row.failed),
        len(row.open),
        " ".join(row.failed),
        " ".join(row.missing),
        next_step(row, trial, words),
        row.recheck_by,
        row.flips_on,
        row.on,
        row.last_entry,
        row.found_on,
        " ".join(row.markers),
    )


def _taken(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text
