"""In: the folder of a simulated centre with enrolled subjects. Out: its resources, its subjects as our mapper reads
them, and what stands in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from mappings.entities import EventKind, Subject
from mappings.subject import from_fhir

__all__ = [
    "Resource",
    "Subjects",
    "codes_in",
    "dates_in",
    "kinds_of",
    "of_person",
    "read_lines",
    "read_resources",
    "read_subjects",
    "references_in",
]

Resource = dict[str, Any]
#: By number: the subject, and the ResearchSubject that it was read from.
Subjects = dict[str, tuple[Subject, Resource]]
_PERSON = ("subject", "individual", "patient", "beneficiary")


def read_lines(path: Path) -> list[Resource]:
    """The objects of an NDJSON file, decimals exact."""
    return [json.loads(line, parse_float=Decimal) for line in path.read_bytes().splitlines()]


def read_resources(folder: Path) -> list[Resource]:
    """Every resource of a feed."""
    return [line for path in sorted(folder.glob("*.ndjson")) if path.stem != "truth" for line in read_lines(path)]


def read_subjects(resources: Iterable[Resource]) -> Subjects:
    """The trial's numbered subjects."""
    told = [one for one in resources if one["resourceType"] == "ResearchSubject" and "identifier" in one]
    return {one["identifier"][0]["value"]: (from_fhir(one), one) for one in told}


def kinds_of(subject: Subject) -> list[EventKind]:
    """What happened to a subject, in order."""
    return [event.kind for event in subject.events]


def of_person(resources: Iterable[Resource], kind: str, patient: str) -> list[Resource]:
    """The resources of one type that are about a person (``Patient/id``)."""
    return [one for one in resources if one["resourceType"] == kind and _person(one) == patient]


def _person(resource: Resource) -> str | None:
    if resource["resourceType"] == "Patient":
        return f"Patient/{resource['id']}"
    found: Mapping[str, Any] = next((resource[name] for name in _PERSON if name in resource), {})
    reference: str | None = found.get("reference")
    return reference


def codes_in(resource: Mapping[str, Any]) -> set[str]:
    """Every code of a resource's ``code``, whatever system it is of."""
    return {coding["code"] for coding in resource.get("code", {}).get("coding", ())}


def references_in(value: object) -> Iterator[str]:
    """Every literal reference within."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "reference":
                yield inner
            else:
                yield from references_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references_in(inner)


def dates_in(value: object) -> Iterator[str]:
    """Every text within that begins as a date does, but for what a batch or a server says."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("expirationDate", "meta", "contained"):
                yield from dates_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from dates_in(inner)
    elif isinstance(value, str) and len(value) >= 10 and value[:4].isdigit() and value[4] == value[7] == "-":
        yield value[:10]
