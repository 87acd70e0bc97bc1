"""In: what a check met, cell by cell. Out: findings, equal ones counted."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from adapter.datasets.model import Cell, Dataset, Finding

__all__ = ["CHECKS", "Checking", "Rule", "column"]


class Rule(NamedTuple):
    """What is told.

    Attributes:
        severity: ``error`` where the package is not valid because of it.
        text: a sentence.
    """

    severity: Literal["error", "warning"]
    text: str


#: Every check by its code. Errors are what a package of ours must not have; what the sites' records say, even if it cannot be so, is
#: theirs to mend and a warning.
CHECKS = {
    "name-invalid": Rule("error", "A name is not of 1 to 8 capital letters and digits, the first a letter."),
    "name-twice": Rule("error", "A name stands twice in its package or dataset."),
    "label-invalid": Rule("error", "A label is blank, longer than 40 bytes or not ASCII."),
    "length-invalid": Rule("error", "A declared length is not of 1 to 200."),
    "key-unknown": Rule("error", "A dataset is said to be sorted by a variable that it has not."),
    "codelist-unknown": Rule("error", "A variable names a codelist that the package has not."),
    "value-level-unknown": Rule("error", "A value level depends on a variable that its dataset has not."),
    "variable-missing": Rule("error", "A variable that every dataset of its kind must have is missing."),
    "dataset-empty": Rule("warning", "A dataset has no records: it has no file."),
    "cells-miscounted": Rule("error", "A record has more or fewer cells than its dataset has variables."),
    "record-empty": Rule("error", "A record has no cell that is filled."),
    "cell-not-of-its-kind": Rule("error", "A text stands where a number belongs, or a number where a text does."),
    "text-not-writable": Rule(
        "error", "A text is longer than declared or than 200 bytes, not ASCII, or has blanks at its ends."
    ),
    "number-not-writable": Rule("error", "A number is not exact as a SAS number, or not whole where that is declared."),
    "keys-not-unique": Rule("error", "Two records of a dataset have the same keys."),
    "keys-not-sorted": Rule("error", "The records of a dataset are not sorted by its keys."),
    "sequence-invalid": Rule("error", "A sequence number is missing, or no positive whole number."),
    "sequence-not-unique": Rule("error", "A sequence number stands twice for a subject."),
    "identifier-differs": Rule("error", "A study identifier or domain is not that of its package or dataset."),
    "required-blank": Rule("error", "A required variable is blank."),
    "term-not-in-codelist": Rule("error", "A value is not in its codelist, which is not extensible."),
    "term-beyond-codelist": Rule("warning", "A value is not in its codelist, which is extensible."),
    "date-invalid": Rule("error", "A date, time or duration is not written as ISO 8601."),
    "end-before-start": Rule("warning", "An end lies before its start."),
    "date-before-birth": Rule("warning", "A date lies before the subject's birth."),
    "date-before-consent": Rule("warning", "A treatment or an adverse event lies before the subject's consent."),
    "date-after-death": Rule("warning", "A treatment or a visit lies after the subject's death."),
    "study-day-differs": Rule("error", "A study day does not agree with its date and the reference start date."),
    "study-day-missing": Rule(
        "warning", "A study day is blank though its date and the reference start date are known."
    ),
    "result-differs": Rule("error", "A numeric result does not agree with the standardized result as text."),
    "baseline-twice": Rule("error", "A subject has two baseline records of one test."),
    "subject-not-in-dm": Rule("error", "A subject has records but none in DM."),
    "subject-twice-in-dm": Rule("error", "A subject has two records in DM."),
    "arm-unexplained": Rule("error", "A subject has neither an arm nor a reason why not."),
    "design-target-missing": Rule("error", "An arm, element or criterion is not in the trial design."),
    "relrec-target-missing": Rule("error", "A relation names a record that is not there."),
    "relrec-alone": Rule("error", "A relation has one record only."),
    "supp-target-missing": Rule("error", "A supplemental qualifier belongs to a record that is not there."),
}


class Checking:
    """Gathers what the checks of a package tell."""

    def __init__(self) -> None:
        self._told: Counter[tuple[str, str | None, str | None, str | None, str | None]] = Counter()

    def tell(
        self,
        code: str,
        domain: str | None = None,
        variable: str | None = None,
        *,
        subject: Cell = None,
        value: str | None = None,
    ) -> None:
        """Note that a check failed once.

        Args:
            code: of ``CHECKS``.
            domain: name of the dataset.
            variable: its variable.
            subject: USUBJID.
            value: a term that is in no codelist; nothing else.
        """
        self._told[code, domain, variable, str(subject) if subject is not None else None, value] += 1

    def findings(self) -> list[Finding]:
        """What was told, errors first, equal ones counted."""
        found = [
            Finding(
                code=code,
                severity=CHECKS[code].severity,
                text=CHECKS[code].text,
                domain=domain,
                variable=variable,
                subject=subject,
                value=value,
                count=count,
            )
            for (code, domain, variable, subject, value), count in self._told.items()
        ]
        return sorted(
            found,
            key=lambda one: (one.severity, one.code, *map(str, (one.domain, one.variable, one.subject, one.value))),
        )


def column(dataset: Dataset, name: str) -> list[Cell] | None:
    """The cells of a variable, None where the dataset has none of that name."""
    for place, variable in enumerate(dataset.variables):
        if variable.name == name:
            return [row.cells[place] for row in dataset.rows]
    return None
