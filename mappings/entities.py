"""In: what a trial records, as mappings. Out: its entities, typed and free of FHIR; an invalid one is refused by its field.

Points in time are texts as FHIR writes them (``2025-05``, ``2025-05-20``, ``2025-05-20T08:10:00+02:00``): a partial date stays
as partial as it was told, and a time of day always has its offset. Amounts are exact decimals; each field's docstring names
its unit. Reference: clinical-spec.md section 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from mappings.entity.candidates import Candidate, CandidateList
from mappings.entity.fields import EntityError
from mappings.entity.infusion import AminoAcids, Batch, Extravasation, Infusion, InfusionStatus, Interruption
from mappings.entity.laboratory import LabResult, LabStatus
from mappings.entity.subject import EventKind, Subject, SubjectEvent
from mappings.entity.trial import (
    Arm,
    ArmKind,
    Characteristic,
    Citation,
    Measure,
    Recruitment,
    Site,
    Study,
    StudyIdentifier,
    StudyStatus,
)
from mappings.entity.values import Coding, Contact, Identifier

__all__ = [
    "KINDS",
    "AminoAcids",
    "Arm",
    "ArmKind",
    "Batch",
    "Candidate",
    "CandidateList",
    "Characteristic",
    "Citation",
    "Coding",
    "Contact",
    "Entity",
    "EntityError",
    "EventKind",
    "Extravasation",
    "Identifier",
    "Infusion",
    "InfusionStatus",
    "Interruption",
    "LabResult",
    "LabStatus",
    "Measure",
    "Recruitment",
    "Site",
    "Study",
    "StudyIdentifier",
    "StudyStatus",
    "Subject",
    "SubjectEvent",
    "entity_key",
    "kind_of",
    "parse_entity",
]

Entity = Study | Subject | LabResult | Infusion | CandidateList
#: What can be loaded and pushed, by the name it has on the command line and in the store.
KINDS: Final[Mapping[str, type[Entity]]] = {
    "study": Study,
    "subjects": Subject,
    "labs": LabResult,
    "infusions": Infusion,
    "candidates": CandidateList,
}


def kind_of(entity: Entity) -> str:
    """The name of its kind: ``study``, ``subjects``, ``labs``, ``infusions`` or ``candidates``."""
    return next(name for name, kind in KINDS.items() if isinstance(entity, kind))


def entity_key(entity: Entity) -> str:
    """What an entity is known by within a site and its kind; never a patient's number."""
    match entity:
        case Study():
            return entity.id
        case Subject():
            return entity.number
        case CandidateList():
            return entity.study
        case LabResult() | Infusion():
            return f"{entity.id.system}|{entity.id.value}"


_E = TypeVar("_E", bound=Entity)
_PATH = re.compile(r" - at `\$?(?P<path>[^`]*)`$")


def parse_entity(kind: type[_E], told: Mapping[str, Any]) -> _E:
    """An entity from a mapping of its fields (JSON, or a row of a table).

    Args:
        kind: `Study`, `Subject`, `LabResult`, `Infusion` or `CandidateList`.
        told: by field; numbers as text, int or Decimal.

    Raises:
        EntityError: a field is missing, unknown or wrong.
    """
    try:
        return msgspec.convert(told, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _named(error) from None


def _named(error: msgspec.ValidationError) -> EntityError:
    """The field and what is wrong with it; msgspec quotes values of enums and names of unknown fields, which stay out."""
    text = str(error)
    found = _PATH.search(text)
    path = found["path"].removeprefix(".") if found else ""
    message = text[: found.start()] if found else text
    cause = error.__cause__
    if isinstance(cause, EntityError):
        return EntityError(f"{path}.{cause.field}" if path else cause.field, cause.problem)
    missing = re.fullmatch(r"Object missing required field `(\w+)`", message)
    if missing:
        return EntityError(f"{path}.{missing[1]}" if path else missing[1], "is missing")
    if message.startswith("Object contains unknown field"):
        return EntityError(path or "entity", "has a field that is not known")
    if message.startswith("Invalid enum value"):
        return EntityError(path or "entity", "is not one of the codes that are allowed")
    if message.startswith("Expected"):
        return EntityError(path or "entity", message[0].lower() + message[1:].replace("`", ""))
    return EntityError(path or "entity", "cannot be read")
