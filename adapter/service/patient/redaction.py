"""In: a patient's file as the store has it. Out: the same for somebody who may not see who the patient is at the hospital."""

from __future__ import annotations

from typing import Any

from adapter.service.shapes import AttestationEvent, CriterionVerdict, Evidence, PartVerdict, PatientFile, Verdict

__all__ = ["redacted"]


def redacted(file: PatientFile) -> PatientFile:
    """The file under the screening number: no id of the patient or of a resource, no merged ids, no notes, no link to the hospital."""
    changes: dict[str, Any] = {
        "identified": False,
        "hospital_number": None,
        "hospital_url": None,
        "verdict": _verdict(file.verdict, file.number),
        "decision": None if file.decision is None else file.decision.model_copy(update={"note": None}),
        "decisions": [one.model_copy(update={"note": None}) for one in file.decisions],
        "attestations": [_event(one) for one in file.attestations],
    }
    return file.model_copy(update=changes)


def _verdict(verdict: Verdict, number: str) -> Verdict:
    criteria = [_criterion(one) for one in verdict.criteria]
    return verdict.model_copy(update={"patient": number, "merged": [], "criteria": criteria})


def _criterion(one: CriterionVerdict) -> CriterionVerdict:
    parts = [_part(part) for part in one.parts]
    return one.model_copy(update={"evidence": [_evidence(item) for item in one.evidence], "parts": parts})


def _part(part: PartVerdict) -> PartVerdict:
    return part.model_copy(update={"evidence": [_evidence(item) for item in part.evidence]})


def _evidence(item: Evidence) -> Evidence:
    # Its type says what it is; the version alone says nothing.
    return item.model_copy(update={"reference": item.reference.partition("/")[0], "version": None})


def _event(one: AttestationEvent) -> AttestationEvent:
    # Who attests at the hospital stands in the record as the hospital's own reference.
    return one.model_copy(update={"reference": None, "by": one.by if one.here else ""})
