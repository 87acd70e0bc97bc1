"""In: a stored entity. Out: its resources as the mappers make them, each with the identifier it is found by; and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import digest_of
from mappings import candidates, infusion, laboratory, study, subject
from mappings.elements import bundle_of, business_identifiers, full_url, resources_in
from mappings.entities import CandidateList, Entity, Identifier, Infusion, LabResult, Study, Subject

__all__ = [
    "KIND_ORDER",
    "MAPPING",
    "Rendered",
    "Unidentified",
    "owned_elements",
    "read_entity",
    "render",
    "with_resolved",
]

#: Version of the mappers: what a server was told by another one is told again.
MAPPING: Final = "1"
#: What others point to goes first.
KIND_ORDER: Final = ("study", "subjects", "candidates", "labs", "infusions")

_READ: Mapping[str, Callable[[Json], Entity]] = {
    "study": study.from_fhir,
    "subjects": subject.from_fhir,
    "candidates": candidates.from_fhir,
    "labs": laboratory.from_fhir,
    "infusions": infusion.from_fhir,
}
_OWNED: Mapping[str, Mapping[FhirVersion, Mapping[str, frozenset[str]]]] = {
    "study": study.OWNED,
    "subjects": subject.OWNED,
    "candidates": candidates.OWNED,
    "labs": laboratory.OWNED,
    "infusions": infusion.OWNED,
}


class Unidentified(ValueError):
    """A resource has no identifier with a system: it could not be found again, and would be created twice."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        super().__init__(f"{type_}: an identifier with a system is wanted")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One resource of an entity.

    Attributes:
        type: of the resource.
        identifier: by which it is found at the server.
        full_url: by which the entity's other resources refer to it.
        body: as the mapper made it; references are logical, or by full_url.
        digest: of the body.
    """

    type: str
    identifier: Identifier
    full_url: str
    body: Json
    digest: str

    @property
    def name(self) -> tuple[str, str, str]:
        """Type, system and value."""
        return self.type, self.identifier.system, self.identifier.value


def render(entity: Entity, *, version: FhirVersion, trial: Study | None) -> list[Rendered]:
    """The resources of an entity, the main one first.

    Args:
        entity: a trial entity.
        version: of FHIR.
        trial: the study that subjects and candidates belong to, where it is known.

    Raises:
        Unidentified: it has no number of which the system is told, e.g. a study.
    """
    match entity:
        case Study():
            mapped = study.to_fhir(entity, version=version)
        case Subject():
            mapped = subject.to_fhir(entity, version=version, study=trial)
        case CandidateList():
            mapped = candidates.to_fhir(entity, version=version, study=trial)
        case LabResult():
            mapped = laboratory.to_fhir(entity, version=version)
        case Infusion():
            mapped = infusion.to_fhir(entity, version=version)
    rendered = []
    for url, body in resources_in(mapped):
        known_by = business_identifiers(body)
        if not known_by:
            raise Unidentified(body["resourceType"])
        rendered.append(
            Rendered(body["resourceType"], known_by[0], url or full_url(known_by[0]), body, digest_of(body))
        )
    return rendered


def read_entity(kind: str, resources: Iterable[tuple[str, Json]]) -> Entity:
    """An entity from its resources at a server, (fullUrl, resource), the main one first.

    Raises:
        MappingError: one of them cannot be read.
    """
    found = list(resources)
    return _READ[kind](found[0][1] if len(found) == 1 else bundle_of(found))


def owned_elements(kind: str, version: FhirVersion, type_: str) -> frozenset[str]:
    """Names of the elements of a resource that the kind's mapper speaks of."""
    return _OWNED[kind][version].get(type_, frozenset())


def with_resolved(content: Any, targets: Mapping[str, str]) -> Any:
    """The same with each reference that stands in ``targets`` replaced, and all else as it was."""
    if isinstance(content, dict):
        changed = {key: with_resolved(value, targets) for key, value in content.items()}
        reference = content.get("reference")
        if isinstance(reference, str) and reference in targets:
            changed["reference"] = targets[reference]
        return changed
    if isinstance(content, list):
        return [with_resolved(one, targets) for one in content]
    return content
