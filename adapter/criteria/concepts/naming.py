"""In: a resource of any type that is read. Out: the concepts and words that say what it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter.criteria.scene import Scene
from adapter.fhir.resources import (
    AllergyIntolerance,
    CodeableConcept,
    Condition,
    DiagnosticReport,
    DocumentReference,
    Flag,
    ImagingStudy,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Procedure,
    Resource,
)

__all__ = ["DROPPED", "concepts_of", "texts_of"]

#: Statuses of what did not happen or was written by mistake, of any resource type.
DROPPED = frozenset({"entered-in-error", "cancelled", "not-done"})


def concepts_of(resource: Resource, scene: Scene) -> Iterator[CodeableConcept | None]:
    """The concepts that say what a resource is of."""
    match resource:
        case Condition():
            yield resource.code
            for extension in resource.extension:
                yield extension.value_codeable_concept
        case Observation():
            yield from (resource.code, resource.value_codeable_concept)
            for component in resource.component:
                yield component.value_codeable_concept
        case MedicationAdministration() | MedicationRequest():
            yield from _product(resource, scene)
        case ImagingStudy():
            yield from resource.procedure_code
        case DiagnosticReport():
            yield from (resource.code, *resource.conclusion_code)
        case DocumentReference():
            yield resource.type
        case Procedure() | Flag() | AllergyIntolerance():
            yield resource.code


def _product(resource: MedicationAdministration | MedicationRequest, scene: Scene) -> Iterator[CodeableConcept | None]:
    yield resource.medication_codeable_concept
    if resource.medication is not None:
        yield resource.medication.concept
    medication = scene.record.medication(resource) if isinstance(resource, MedicationAdministration) else None
    if medication is not None:
        yield medication.code


def texts_of(concepts: Iterable[CodeableConcept]) -> Iterator[str]:
    """The words of some concepts."""
    for concept in concepts:
        if concept.text:
            yield concept.text
        for coding in concept.coding:
            if coding.display:
                yield coding.display
