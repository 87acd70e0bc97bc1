"""In: saved verdicts and decisions. Out: the screening log (ICH E6 8.3.20): who was looked at, by number."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, TextIO

from adapter.criteria import Outcome, Stage, Trial
from adapter.fhir import PARIS
from adapter.screening.listed import Listed, listed
from adapter.spreadsheets import safe_cell
from adapter.store import Store

__all__ = ["LogRow", "number_of", "read_log", "screening_number", "write_log"]

_COLUMNS = (
    "screening_number",
    "site",
    "screened_on",
    "eligible",
    "outcome",
    "failed_criteria",
    "open_criteria",
    "state",
    "reason_not_enrolled",
    "decided_on",
)
_YES = frozenset({"eligible", "enrolled", "declined", "not-registered", "withdrawn"})


@dataclass(frozen=True, slots=True)
class LogRow:
    """One person in the screening log; nothing in it is the hospital's own number.

    Attributes:
        number: stable for a person at a site, and not derived from any of their data.
        eligible: ``yes``, ``no`` or ``pending``.
        reason_not_enrolled: the code of the decision, ``deceased``, or ``criteria`` where failing criteria say it; None
            while it is pending.
    """

    number: str
    site: str
    screened_on: date
    eligible: str
    outcome: str
    failed: tuple[str, ...]
    open: tuple[str, ...]
    state: str
    reason_not_enrolled: str | None
    decided_on: date | None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types, keyed like the columns of the CSV."""
        values = (
            self.number,
            self.site,
            str(self.screened_on),
            self.eligible,
            self.outcome,
            list(self.failed),
            list(self.open),
            self.state,
            self.reason_not_enrolled,
            None if self.decided_on is None else str(self.decided_on),
        )
        return dict(zip(_COLUMNS, values, strict=True))


def read_log(store: Store, trial: Trial, stage: Stage, *, site: str | None = None) -> list[LogRow]:
    """The screening log: every person who has been a candidate, ordered by site and number."""
    people = listed(store, trial, stage, site=site)
    numbers: dict[tuple[str, str], str] = {}
    for name in {person.site for person in people}:
        first = _first_ids(store, trial, stage, name)
        known_as = {one.patient: first.get(one.patient, one.patient) for one in people if one.site == name}
        keys = store.listing.inputs(trial.id, stage, name).keys(set(known_as.values()))
        for patient, known in known_as.items():
            numbers[name, patient] = screening_number(name, keys.get(known) or store.patient_key(name, known))
    rows = [_row(person, numbers[person.site, person.patient]) for person in people]
    return sorted(rows, key=lambda row: (row.site, row.number))


def write_log(rows: Iterable[LogRow], to: TextIO) -> None:
    """Write rows as CSV with a heading line; lists are joined by blanks, and no cell can be taken for a formula."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([safe_cell(value) for value in row.to_json().values()])


def screening_number(site: str, key: str) -> str:
    """The pseudonymous number of a person: the site, and 40 bits of a hash of the person's random key.

    The key itself opens the person's page, so it must not stand in a log that leaves the site.

    >>> screening_number("icm", "not-a-real-key")
    'ICM-KXTPBWBE'
    """
    digest = hashlib.sha256(f"screening-number:{key}".encode()).digest()
    return f"{site.upper()}-{base64.b32encode(digest[:5]).decode()}"


def number_of(store: Store, trial: Trial, stage: Stage, *, site: str, patient: str) -> str:
    """The screening number of one person, the same as in the log.

    Args:
        store: open.
        trial: of the log.
        stage: of the trial.
        site: the person's.
        patient: ``Patient/id`` of the record that survives.
    """
    people = [patient, *(old for old, new in store.lake.merges(site).items() if new == patient)]
    history = store.verdict_history(trial.id, stage, site=site, patients=people)
    found = [(kept[0].first_at, name) for name, kept in history.items()]
    return screening_number(site, store.patient_key(site, min(found)[1] if found else patient))


def _first_ids(store: Store, trial: Trial, stage: Stage, site: str) -> dict[str, str]:
    """By surviving patient the id under which the person was first found: a merger must not give them another number."""
    merges = store.lake.merges(site)
    found: dict[str, str] = {}
    for old, _ in sorted(store.first_verdicts(trial.id, stage, site=site).items(), key=lambda item: (item[1], item[0])):
        found.setdefault(merges.get(old, old), old)
    return found


def _row(person: Listed, number: str) -> LogRow:
    decision = person.decision
    return LogRow(
        number=number,
        site=person.site,
        screened_on=person.on,
        eligible=_eligible(person),
        outcome=person.outcome.value,
        failed=person.failed,
        open=person.open,
        state=person.state,
        reason_not_enrolled=_reason(person),
        decided_on=None if decision is None else decision.decided_at.astimezone(PARIS).date(),
    )


def _eligible(person: Listed) -> str:
    if person.state in _YES or (person.outcome is Outcome.ELIGIBLE and not person.closed):
        return "yes"
    if person.state == "not-eligible" or person.outcome is Outcome.INELIGIBLE or not person.candidate:
        return "no"
    return "pending"


def _reason(person: Listed) -> str | None:
    if person.state == "enrolled":
        return None
    if person.closed and person.decision is not None:
        return person.decision.reason
    if person.verdict["outcome_reason"]:
        return str(person.verdict["outcome_reason"])
    if person.failed:
        return "criteria"
    return None if person.candidate else "not-a-candidate"
