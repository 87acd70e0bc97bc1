"""In: the answers to a trial's criteria for one patient. Out: `PatientVerdict`, the object of the contract (design 4.1), and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from adapter.criteria.answer import Evidence, Reason
from adapter.criteria.truth import Truth

__all__ = ["CriterionVerdict", "Outcome", "PartVerdict", "PatientVerdict", "Stage", "ToOrder"]


class Stage(StrEnum):
    """When in the trial a patient is looked at."""

    REGISTRATION = "registration"
    RANDOMISATION = "randomisation"


class Outcome(StrEnum):
    """What the verdicts of all criteria come to (clarifications.md 8)."""

    INELIGIBLE = "ineligible"
    NEEDS_INFORMATION = "needs-information"
    READY_FOR_INVESTIGATOR = "ready-for-investigator"
    ELIGIBLE = "eligible"


# Structs of msgspec, as answers are: a hundred are made for one person.
class PartVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one part of a criterion."""

    id: str
    truth: Truth
    presumed: bool
    reason: Reason | None
    evidence: tuple[Evidence, ...] = ()


class CriterionVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one sentence of the registry; ``truth`` is the sentence's own, not "passes"."""

    id: str
    truth: Truth
    presumed: bool
    reason: Reason | None
    flips_on: date | None
    evidence: tuple[Evidence, ...] = ()
    parts: tuple[PartVerdict, ...] = ()


class ToOrder(msgspec.Struct, frozen=True, gc=False):
    """What to get next, by when, and for which criteria."""

    what: str
    by: date
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatientVerdict:
    """All verdicts for one patient at one stage on one day."""

    trial: str
    criteria_version: str
    site: str
    patient: str
    merged: tuple[str, ...]
    stage: Stage
    on: date
    candidate: bool
    candidate_because: tuple[str, ...]
    outcome: Outcome
    outcome_reason: str | None
    permanent: bool
    flips_on: date | None
    to_order: tuple[ToOrder, ...]
    criteria: tuple[CriterionVerdict, ...]

    def to_json(self) -> dict[str, Any]:
        """The contract's object, of JSON's own types, keys in the contract's order."""
        return {
            "trial": self.trial,
            "criteria_version": self.criteria_version,
            "site": self.site,
            "patient": self.patient,
            "merged": list(self.merged),
            "stage": str(self.stage),
            "on": str(self.on),
            "candidate": self.candidate,
            "candidate_because": list(self.candidate_because),
            "outcome": str(self.outcome),
            "outcome_reason": self.outcome_reason,
            "permanent": self.permanent,
            "flips_on": _day(self.flips_on),
            "to_order": [{"what": item.what, "by": str(item.by), "for": list(item.criteria)} for item in self.to_order],
            "criteria": [_criterion(verdict) for verdict in self.criteria],
        }


def _criterion(verdict: CriterionVerdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "truth": str(verdict.truth),
        "presumed": verdict.presumed,
        "reason": _text(verdict.reason),
        "flips_on": _day(verdict.flips_on),
        "evidence": [_evidence(item) for item in verdict.evidence],
        "parts": [
            {
                "id": part.id,
                "truth": str(part.truth),
                "presumed": part.presumed,
                "reason": _text(part.reason),
                "evidence": [_evidence(item) for item in part.evidence],
            }
            for part in verdict.parts
        ],
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    found: dict[str, Any] = {
        "reference": item.reference,
        "version": item.version,
        "effective": item.effective,
        "value": item.value,
        "converted": None,
    }
    if item.converted is not None:
        found["converted"] = {"value": item.converted.value, "unit": item.converted.unit}
    return found


def _day(day: date | None) -> str | None:
    return None if day is None else str(day)


def _text(reason: Reason | None) -> str | None:
    return None if reason is None else str(reason)
