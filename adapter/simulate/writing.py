"""In: a folder, a number of patients, a seed. Out: `<Type>.ndjson` for each resource type and `truth.ndjson`,
streamed patient by patient.

Files are written under temporary names and renamed at the end, so that a folder never holds half a centre under
final names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from adapter.simulate.centre import shared
from adapter.simulate.enrolment import enrolled_patient, journeys, screen_failure
from adapter.simulate.patient import Record, patient

TYPES = (
    "AdverseEvent",
    "AllergyIntolerance",
    "BodyStructure",
    "Condition",
    "Consent",
    "Coverage",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Flag",
    "ImagingStudy",
    "Medication",
    "MedicationAdministration",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "QuestionnaireResponse",
    "ResearchStudy",
    "ResearchSubject",
)
_TRUTH = "truth"
_PART = ".ndjson.part"
# Screen failures: so many for so many subjects.
_FAILURES, _OF_SUBJECTS = 2, 30
# Numbers keep the digits that the story printed: 1.10 stays 1.10.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class SimulationSummary:
    """What was written: patients asked for, resource lines by type, truth lines, patients by story, enrolled ones."""

    patients: int
    resources: dict[str, int]
    truths: int
    stories: dict[str, int]
    enrolled: int = 0


def simulate(
    directory: Path,
    *,
    patients: int,
    seed: int,
    on: date = date(2025, 6, 1),
    enrolled: int = 0,
    progress: Callable[[int], None] | None = None,
) -> SimulationSummary:
    """Write a synthetic French cancer centre with its truth. The same arguments give the same bytes.

    Args:
        directory: folder for the files; made if missing; files of these names are replaced.
        patients: how many, 1 or more. Patient k is the same in a centre of any size.
        seed: another seed is another centre.
        on: reference date of the truth; records reach some days past it.
        enrolled: how many of them are subjects of the trial, followed up as far as `on`: the last ones of the list.
            Their truth is that of their registration. Two more for every thirty sign and are not registered. Without
            it the bytes are what they were.
        progress: called with the number of patients done, every hundred and at the end.

    Raises:
        ValueError: patients is below 1, or enrolled below 0 or above patients.
        OSError: the folder cannot be written.
    """
    _check_size(patients, enrolled)
    directory.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(TYPES, 0)
    stories: dict[str, int] = {}
    truths = 0
    try:
        with ExitStack() as stack:
            files = {name: stack.enter_context((directory / f"{name}{_PART}").open("wb")) for name in (*TYPES, _TRUTH)}
            for resource in shared(on):
                _put(files, counts, resource)
            for index, record in enumerate(_records(seed, patients, on, enrolled)):
                for resource in record.resources:
                    _put(files, counts, resource)
                for line in record.truths:
                    files[_TRUTH].write(_ENCODER.encode(line) + b"\n")
                truths += len(record.truths)
                stories[record.story] = stories.get(record.story, 0) + 1
                if progress is not None and ((index + 1) % 100 == 0 or index + 1 == patients):
                    progress(index + 1)
        for name in (*TYPES, _TRUTH):
            part, final = directory / f"{name}{_PART}", directory / f"{name}.ndjson"
            if counts.get(name, 1):
                part.replace(final)
            else:
                final.unlink(missing_ok=True)
    finally:
        for name in (*TYPES, _TRUTH):
            (directory / f"{name}{_PART}").unlink(missing_ok=True)
    written = {name: count for name, count in counts.items() if count}
    return SimulationSummary(patients, written, truths, stories, enrolled)


def _check_size(patients: int, enrolled: int) -> None:
    if patients < 1:
        raise ValueError("a centre has at least one patient")
    if not 0 <= enrolled <= patients:
        raise ValueError("no more patients can be enrolled than there are")


def _records(seed: int, patients: int, on: date, enrolled: int) -> Iterator[Record]:
    """Every patient of the centre: screen failures and subjects of the trial come last."""
    first = patients - enrolled
    failing = first - min(enrolled * _FAILURES // _OF_SUBJECTS, first)
    for index in range(failing):
        yield patient(seed, index, on)
    for index in range(failing, first):
        yield screen_failure(seed, index, enrolled + 1 + index - failing, on)
    for index, journey in enumerate(journeys(seed, enrolled, on), first):
        yield enrolled_patient(seed, index, journey, on)


def _put(files: Mapping[str, BinaryIO], counts: dict[str, int], resource: dict[str, Any]) -> None:
    kind = resource["resourceType"]
    files[kind].write(_ENCODER.encode(resource) + b"\n")
    counts[kind] += 1
