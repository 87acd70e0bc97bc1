"""In: a resource of any type that is read. Out: the concepts and words that say what it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter.criteria.scene import Scene
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import (
    AllergyIntolerance,
    Condition,
    DiagnosticReport,
    DocumentReference,
    Flag,
    ImagingStudy,
    Observation,
    Procedure,
    ProductResource,
    Resource,
)

__all__ = ["concepts_of", "product_named", "texts_of"]


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
        case ProductResource():
            yield from _product(resource, scene)
        case ImagingStudy():
            yield from resource.performed
        case DiagnosticReport():
            yield from (resource.code, *resource.conclusion_code)
        case DocumentReference():
            yield resource.type
        case Procedure() | Flag() | AllergyIntolerance():
            yield resource.code


def _product(resource: ProductResource, scene: Scene) -> Iterator[CodeableConcept | None]:
    yield resource.medication_codeable_concept
    if resource.medication is not None:
        yield resource.medication.concept
    yield product_named(resource)
    medication = scene.record.medication(resource)
    if medication is not None:
        yield medication.code


def product_named(resource: ProductResource) -> CodeableConcept | None:
    """The words beside a reference to a Medication: where the feed lacks that, they alone say what was given."""
    nodes = (resource.medication_reference, resource.medication.reference if resource.medication else None)
    return next((CodeableConcept(text=node.display) for node in nodes if node and node.display), None)


def texts_of(concepts: Iterable[CodeableConcept]) -> Iterator[str]:
    """The words of some concepts."""
    for concept in concepts:
        if concept.text:
            yield concept.text
        for coding in concept.coding:
            if coding.display:
                yield coding.display
