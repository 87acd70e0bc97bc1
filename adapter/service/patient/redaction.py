"""In: a patient's file as the store has it. Out: the same for somebody who may not see who the patient is at the hospital.

What a hospital has put into words may name anybody: of a result its numbers and codes are shown, and of what else it says that
there is something.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from adapter.criteria import LabRange, unworded
from adapter.fhir import PatientRecord
from adapter.service.shapes import AttestationEvent, CriterionVerdict, Evidence, PartVerdict, PatientFile, Verdict

__all__ = ["Cited", "Telling", "plain_ranges", "redacted", "value_teller"]

_WITHHELD: Final = "[…]"
#: Read out of whatever words, and told as one of these.
_GRADES: Final = frozenset({"G1", "G2", "G3"})
#: A range that is printed: numbers, and that they are those of the normal.
_RANGE: Final = re.compile(r"(?:V?N\s*:?)?[\d\s.,<>≤≥=()\[\]–-]*")


class Cited(Protocol):
    """A piece of evidence, of a verdict or of a timeline."""

    @property
    def reference(self) -> str:
        """``ResourceType/id``."""

    @property
    def value(self) -> str | None:
        """As sent."""

    @property
    def converted(self) -> object | None:
        """The value in a unit of ours, where it was read so."""


#: What is told of the value of a piece of evidence.
Telling = Callable[[Cited], str | None]


def value_teller(record: PatientRecord | None, *, identified: bool) -> Telling:
    """How values of evidence are told to a reader.

    Args:
        record: of the person, as it stands; None where there is none.
        identified: the reader may see who that is.
    """
    if identified:
        return lambda item: item.value
    known = {one.reference: unworded(one) | _GRADES for one in (() if record is None else record.observations)}

    def told(item: Cited) -> str | None:
        type_ = item.reference.partition("/")[0]
        if type_ == "Patient":
            # The only one that is cited is the date of birth: the year stands beside the number everywhere.
            return None if item.value is None else item.value[:4]
        # A text that was brought to a unit of ours is a number and that unit.
        if item.value is None or item.converted is not None or type_ != "Observation":
            return item.value
        return item.value if item.value in known.get(item.reference, ()) else _WITHHELD

    return told


def plain_ranges(told: LabRange) -> tuple[str, ...]:
    """A report's own ranges, without words that somebody wrote there."""
    return tuple(text if text not in told.worded or _RANGE.fullmatch(text) else _WITHHELD for text in told.printed)


def redacted(file: PatientFile, record: PatientRecord | None) -> PatientFile:
    """The file under the screening number: no id of the patient or of a resource, no merged ids, no words of the hospital, no notes, no link to it.

    Args:
        file: as the store has it.
        record: of the person, as it stands.
    """
    tell = value_teller(record, identified=False)
    changes: dict[str, Any] = {
        "identified": False,
        "hospital_number": None,
        "hospital_url": None,
        "verdict": _verdict(file.verdict, file.number, tell),
        "decision": None if file.decision is None else file.decision.model_copy(update={"note": None}),
        "decisions": [one.model_copy(update={"note": None}) for one in file.decisions],
        "attestations": [_event(one) for one in file.attestations],
    }
    return file.model_copy(update=changes)


def _verdict(verdict: Verdict, number: str, tell: Telling) -> Verdict:
    criteria = [_criterion(one, tell) for one in verdict.criteria]
    return verdict.model_copy(update={"patient": number, "merged": [], "criteria": criteria})


def _criterion(one: CriterionVerdict, tell: Telling) -> CriterionVerdict:
    parts = [_part(part, tell) for part in one.parts]
    return one.model_copy(update={"evidence": [_evidence(item, tell) for item in one.evidence], "parts": parts})


def _part(part: PartVerdict, tell: Telling) -> PartVerdict:
    return part.model_copy(update={"evidence": [_evidence(item, tell) for item in part.evidence]})


def _evidence(item: Evidence, tell: Telling) -> Evidence:
    # Its type says what it is; the version alone says nothing.
    return item.model_copy(update={"reference": item.reference.partition("/")[0], "version": None, "value": tell(item)})


def _event(one: AttestationEvent) -> AttestationEvent:
    # Who attests at the hospital stands in the record as the hospital's own reference.
    return one.model_copy(update={"reference": None, "by": one.by if one.here else ""})
