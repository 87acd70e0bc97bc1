"""In: saved verdicts and decisions. Out: worklist rows, what to do next first, and the words for that next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from adapter.criteria import Outcome, Stage, Trial
from adapter.screening.hospital_records import RECORD_DELETED, RecordState
from adapter.screening.listed import Listed, listed
from adapter.screening.words import Words
from adapter.store import Store

__all__ = ["Bin", "WorklistRow", "next_step", "read_worklist", "standing", "unsigned"]


class Bin(StrEnum):
    """Groups of the worklist, in the order of what to do next."""

    ELIGIBLE = "eligible"
    READY = "ready"
    INFORMATION = "information"
    NOT_NOW = "not-now"
    NEVER = "never"
    SETTLED = "settled"
    UNLISTED = "unlisted"


_OF_OUTCOME = {
    Outcome.ELIGIBLE: Bin.ELIGIBLE,
    Outcome.READY_FOR_INVESTIGATOR: Bin.READY,
    Outcome.NEEDS_INFORMATION: Bin.INFORMATION,
}
_PERSONS_WORD = frozenset({"needs-attestation", "asks"})
_ORDER = {group: place for place, group in enumerate(Bin)}


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One person on the worklist; ``key`` names them in addresses, ``patient`` on the site's own screens only.

    Attributes:
        bin: the group, by what to do next.
        failed: criteria that fail; ``passed`` those that pass, by number.
        missing: open criteria to settle now, those that lack data before those that lack a person's word; ``at_visit``
            open ones that the screening visit itself settles.
        to_order: as in the contract: what, by, for.
        to_attest: those of ``missing`` that only a person's word is missing for; for who is ready, also what data decided
            and an investigator has still to sign.
        flips_on: first day on which time alone changes a verdict.
        record: what the hospital says of the record: in use, set inactive, or deleted.
    """

    site: str
    patient: str
    key: str
    on: date
    stage: str
    bin: Bin
    state: str
    decision_reason: str | None
    outcome: str
    outcome_reason: str | None
    permanent: bool
    because: tuple[str, ...]
    passed: int
    failed: tuple[str, ...]
    missing: tuple[str, ...]
    at_visit: tuple[str, ...]
    to_order: tuple[dict[str, Any], ...]
    flips_on: date | None
    to_attest: tuple[str, ...] = ()
    record: RecordState = RecordState.ACTIVE

    @property
    def open(self) -> tuple[str, ...]:
        """All open criteria."""
        return (*self.missing, *self.at_visit)

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "site": self.site,
            "patient": self.patient,
            "key": self.key,
            "on": str(self.on),
            "stage": self.stage,
            "bin": str(self.bin),
            "state": self.state,
            "decision_reason": self.decision_reason,
            "outcome": self.outcome,
            "outcome_reason": self.outcome_reason,
            "permanent": self.permanent,
            "candidate_because": list(self.because),
            "counts": {"passed": self.passed, "failed": len(self.failed), "open": len(self.open)},
            "failed": list(self.failed),
            "missing": list(self.missing),
            "to_attest": list(self.to_attest),
            "at_screening_visit": list(self.at_visit),
            "to_order": list(self.to_order),
            "flips_on": None if self.flips_on is None else str(self.flips_on),
            "record": str(self.record),
        }


def read_worklist(store: Store, trial: Trial, stage: Stage, *, site: str | None = None) -> list[WorklistRow]:
    """The worklist of a trial: all candidates of the last screening, and whoever a person has decided on or added.

    Of whom a person has put a hand to nobody goes without a word: who is no candidate any more, or whose record the hospital
    has deleted, stands at the end with what became of them.

    Returns:
        ordered by what to do next: eligible; ready for the investigator; information missing, fewest first; not now,
        first to change first; not eligible for good; decided; no longer a candidate.
    """
    people = listed(store, trial, stage, site=site)
    added = {name: _added(store, trial, name) for name in {person.site for person in people if _is_deleted(person)}}
    rows = [
        _row(store, trial, person)
        for person in people
        if person.candidate
        or person.decision is not None
        or (_is_deleted(person) and person.patient in added[person.site])
    ]
    return sorted(rows, key=_place)


def _is_deleted(person: Listed) -> bool:
    return person.record is RecordState.DELETED


def _added(store: Store, trial: Trial, site: str) -> set[str]:
    merges = store.lake.merges(site)
    return {merges.get(patient, patient) for patient in store.added_candidates(site, trial=trial.id)}


def next_step(row: WorklistRow, trial: Trial, words: Words) -> str:
    """What to do next about a row, in words."""
    if row.outcome_reason == RECORD_DELETED:
        return words.of("steps", RECORD_DELETED)
    match row.bin:
        case Bin.READY:
            return words.of("steps", "ready", what=words.listing(row.to_attest or row.missing or row.at_visit, limit=6))
        case Bin.INFORMATION:
            return _information_step(row, trial, words)
        case Bin.NOT_NOW if row.flips_on is not None:
            return words.of("steps", "not-now-flips", day=words.day(row.flips_on))
        case Bin.NOT_NOW:
            return words.of("steps", "not-now-mend")
        case _:
            return words.of("steps", row.bin)


def standing(row: WorklistRow, trial: Trial, words: Words) -> str:
    """What stands out about a row: what fails, else what is missing, else what the visit will settle."""
    if row.outcome_reason:
        return words.of("outcome_reasons", row.outcome_reason)
    told = _standing(row, trial, words)
    return words.phrase("record-inactive", more=told) if row.record is RecordState.INACTIVE else told


def _standing(row: WorklistRow, trial: Trial, words: Words) -> str:
    if row.failed:
        return _labels(row.failed, trial, words)
    if row.bin in (Bin.READY, Bin.ELIGIBLE):
        return words.phrase("all-data-in", count=len(row.to_attest or row.missing))
    text = _labels(_lacking(row), trial, words)
    behind = bool(row.to_attest) and _lacking(row) != row.to_attest
    return f"{text}; {words.phrase('and-to-attest', count=len(row.to_attest))}" if behind else text


def _lacking(row: WorklistRow) -> tuple[str, ...]:
    """The open criteria to name: those that lack data, else those that lack a word, else those of the visit."""
    return tuple(name for name in row.missing if name not in row.to_attest) or row.to_attest or row.at_visit


def _labels(names: tuple[str, ...], trial: Trial, words: Words) -> str:
    return words.listing((f"{name} {trial.criterion(name).label[words.lang]}" for name in names), limit=2)


def _information_step(row: WorklistRow, trial: Trial, words: Words) -> str:
    if not row.to_order:
        return words.of("steps", "information-ask", what=words.listing(_lacking(row), limit=6))
    what = [trial.wanted_label(str(item["what"]), words.lang) for item in row.to_order]
    by = min(str(item["by"]) for item in row.to_order)
    return words.of("steps", "information-order", what=words.listing(what, limit=3), day=words.day(by))


def _row(store: Store, trial: Trial, person: Listed) -> WorklistRow:
    verdict = person.verdict
    visit = tuple(name for name in person.open if trial.criterion(name).at_screening_visit)
    spoken = {item["id"] for item in verdict["criteria"] if item["reason"] in _PERSONS_WORD}
    missing = sorted((name for name in person.open if name not in visit), key=spoken.__contains__)
    to_attest = [name for name in missing if name in spoken]
    if person.outcome is Outcome.READY_FOR_INVESTIGATOR:
        to_attest += [name for name in unsigned(verdict, trial) if name not in to_attest]
    return WorklistRow(
        site=person.site,
        patient=person.patient,
        key=store.patient_key(person.site, person.patient),
        on=person.on,
        stage=verdict["stage"],
        bin=_bin(person),
        state=person.state,
        decision_reason=None if person.decision is None else person.decision.reason,
        outcome=verdict["outcome"],
        outcome_reason=verdict["outcome_reason"],
        permanent=verdict["permanent"],
        because=tuple(verdict["candidate_because"]),
        passed=len(person.passed),
        failed=person.failed,
        missing=tuple(missing),
        at_visit=visit,
        to_order=tuple(verdict["to_order"]),
        flips_on=None if verdict["flips_on"] is None else date.fromisoformat(verdict["flips_on"]),
        to_attest=tuple(to_attest),
        record=person.record,
    )


def unsigned(verdict: Mapping[str, Any], trial: Trial) -> list[str]:
    """Criteria that data alone decided although their reading is a person's to confirm (clarifications.md 8)."""
    return [
        item["id"]
        for item in verdict["criteria"]
        if trial.criterion(item["id"]).automation != "auto" and item["truth"] != "U" and not _is_signed(item)
    ]


def _is_signed(item: Mapping[str, Any]) -> bool:
    shown = [*item["evidence"], *(found for part in item["parts"] for found in part["evidence"])]
    return any(found["reference"].startswith("QuestionnaireResponse/") for found in shown)


def _bin(person: Listed) -> Bin:
    if person.closed:
        return Bin.SETTLED
    if not person.candidate:
        return Bin.UNLISTED
    if person.outcome is Outcome.INELIGIBLE:
        return Bin.NEVER if person.verdict["permanent"] else Bin.NOT_NOW
    return _OF_OUTCOME[person.outcome]


def _place(row: WorklistRow) -> tuple[Any, ...]:
    # Only "not now" is about waiting: there the day comes first, elsewhere the work that is left.
    waits = (row.flips_on or date.max, len(row.failed)) if row.bin is Bin.NOT_NOW else (date.max, len(row.missing))
    return (_ORDER[row.bin], *waits, row.site, row.patient)
