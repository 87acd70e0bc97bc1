"""In: one person's verdict and decision, and what their record says. Out: their row of the worklist, and its place in the order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from adapter.criteria import Outcome, Trial
from adapter.fhir import PARIS
from adapter.screening.hospital_records import RecordState
from adapter.screening.listed import Listed
from adapter.screening.listing_bins import Bin, Facts, bin_of
from adapter.screening.listing_records import RecordFacts

__all__ = ["MARKERS", "Known", "WorklistRow", "make_row", "place_of", "unsigned"]

#: What stands out about a person beside the verdict; ``new`` (found within a week) hangs on the day and is not stored.
MARKERS = ("new-data", "proposal", "before-attestation", "deceased", "other-trial", "record-inactive", "record-deleted")

_PERSONS_WORD = frozenset({"needs-attestation", "asks"})
_ORDER = {group: place for place, group in enumerate(Bin)}
_LAST = date.max


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
        number: the screening number, which stands for the person where the hospital's must not.
        found_on: the day of the first screening that found them.
        last_entry: the last day that the record says anything of, up to the day of the screening.
        markers: of `MARKERS`.
        decision_version: of the standing decision, 0 for none; ``decided_on`` its day.
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
    number: str = ""
    birth_year: int | None = None
    sex: str | None = None
    last_entry: date | None = None
    found_on: date | None = None
    markers: tuple[str, ...] = ()
    decision_version: int = 0
    decided_on: date | None = None

    @property
    def open(self) -> tuple[str, ...]:
        """All open criteria."""
        return (*self.missing, *self.at_visit)

    @property
    def recheck_by(self) -> date | None:
        """When to look again: the day on which time changes the verdict, else the first by which something is to be got."""
        if self.flips_on is not None:
            return self.flips_on
        return min((date.fromisoformat(str(item["by"])) for item in self.to_order), default=None)

    @property
    def sole(self) -> str | None:
        """The criterion that alone holds the person back: the only one that fails, or the only one that lacks data."""
        holding = self.failed or tuple(name for name in self.missing if name not in self.to_attest) or self.missing
        return holding[0] if len(holding) == 1 else None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return {
            "site": self.site,
            "patient": self.patient,
            "number": self.number,
            "key": self.key,
            "on": str(self.on),
            "stage": self.stage,
            "bin": str(self.bin),
            "state": self.state,
            "decision_reason": self.decision_reason,
            "decision_version": self.decision_version,
            "decided_on": _text(self.decided_on),
            "outcome": self.outcome,
            "outcome_reason": self.outcome_reason,
            "permanent": self.permanent,
            "candidate_because": list(self.because),
            "counts": {"passed": self.passed, "failed": len(self.failed), "open": len(self.open)},
            "failed": list(self.failed),
            "missing": list(self.missing),
            "to_attest": list(self.to_attest),
            "at_screening_visit": list(self.at_visit),
            "sole": self.sole,
            "to_order": list(self.to_order),
            "flips_on": _text(self.flips_on),
            "recheck_by": _text(self.recheck_by),
            "record": str(self.record),
            "markers": list(self.markers),
            "birth_year": self.birth_year,
            "sex": self.sex,
            "last_entry": _text(self.last_entry),
            "found_on": _text(self.found_on),
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person beside verdict and decision.

    ``before_attestation``: the verdict is from before what was last attested or withdrawn here, and does not know it.
    """

    key: str
    number: str
    found_on: date | None
    facts: RecordFacts
    last_entry: date | None = None
    proposal: bool = False
    before_attestation: bool = False


def make_row(person: Listed, trial: Trial, known: Known, *, other_trial: frozenset[str]) -> WorklistRow:
    """The row of a person.

    Args:
        person: verdict and decision, with the state of the record.
        trial: whose criteria.
        known: the rest.
        other_trial: exclusion criteria that ask about other studies.
    """
    verdict, decision = person.verdict, person.decision
    visit = tuple(name for name in person.open if trial.criterion(name).at_screening_visit)
    spoken = {item["id"] for item in verdict["criteria"] if item["reason"] in _PERSONS_WORD}
    missing = sorted((name for name in person.open if name not in visit), key=spoken.__contains__)
    to_attest = [name for name in missing if name in spoken]
    if person.outcome is Outcome.READY_FOR_INVESTIGATOR:
        to_attest += [name for name in unsigned(verdict, trial) if name not in to_attest]
    facts = Facts(person.state, person.outcome, verdict["permanent"], person.candidate, known.proposal)
    return WorklistRow(
        site=person.site,
        patient=person.patient,
        key=known.key,
        on=person.on,
        stage=verdict["stage"],
        bin=bin_of(facts),
        state=person.state,
        decision_reason=None if decision is None else decision.reason,
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
        number=known.number,
        birth_year=known.facts.birth_year,
        sex=known.facts.sex,
        last_entry=known.last_entry,
        found_on=known.found_on,
        markers=tuple(_markers(person, known, other_trial=other_trial)),
        decision_version=0 if decision is None else decision.version,
        decided_on=None if decision is None else decision.decided_at.astimezone(PARIS).date(),
    )


def unsigned(verdict: Mapping[str, Any], trial: Trial) -> list[str]:
    """Criteria that data alone decided although their reading is a person's to confirm (clarifications.md 8)."""
    return [
        item["id"]
        for item in verdict["criteria"]
        if trial.criterion(item["id"]).automation != "auto" and item["truth"] != "U" and not _is_signed(item)
    ]


def place_of(row: WorklistRow) -> bytes:
    """Where the row stands: bin; for who waits for a day that day; what is left to do; site and patient.

    Bytes, so that a database of any collation orders them as Python does.
    """
    # Only "not now" is about waiting: there the day comes first, elsewhere the work that is left.
    waits = row.bin is Bin.NOT_NOW
    day = (row.recheck_by or _LAST) if waits else _LAST
    left = len(row.failed) if waits else len(row.missing)
    return f"{_ORDER[row.bin]:02d}{day}{left:04d}\0{row.site}\0{row.patient}".encode()


def _markers(person: Listed, known: Known, *, other_trial: frozenset[str]) -> list[str]:
    seen = None if person.decision is None else person.decision.seen
    there = {
        # Whoever decided on the command line saw no page: what they knew is not known.
        "new-data": seen is not None and seen != person.input_hash,
        "proposal": known.proposal,
        "before-attestation": known.before_attestation,
        "deceased": person.verdict["outcome_reason"] == "deceased",
        "other-trial": not other_trial.isdisjoint(person.failed),
        "record-inactive": person.record is RecordState.INACTIVE,
        "record-deleted": person.record is RecordState.DELETED,
    }
    return [marker for marker in MARKERS if there[marker]]


def _is_signed(item: Mapping[str, Any]) -> bool:
    shown = [*item["evidence"], *(found for part in item["parts"] for found in part["evidence"])]
    return any(found["reference"].startswith("QuestionnaireResponse/") for found in shown)


def _text(day: date | None) -> str | None:
    return None if day is None else str(day)
