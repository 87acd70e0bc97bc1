"""In: a scene. Out: the positive signals that make the patient a candidate (the trial's ``candidate_when``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from adapter.criteria.concepts.tumours import is_on_record
from adapter.criteria.scene import Scene
from adapter.criteria.trial import Signal
from adapter.fhir.resources import (
    CodeableConcept,
    Condition,
    DiagnosticReport,
    ImagingStudy,
    MedicationAdministration,
    Observation,
    Procedure,
    Resource,
)

__all__ = ["signals_of"]

_DROPPED = frozenset({"entered-in-error", "cancelled", "not-done"})


def signals_of(scene: Scene) -> tuple[str, ...]:
    """The ids of the signals found, in the document's order."""
    return tuple(signal.id for signal in scene.trial.signals if _found(signal, scene))


def _found(signal: Signal, scene: Scene) -> bool:
    if signal.study:
        return any(_is_study(scene, subject.id, signal.study) for subject in scene.record.subjects)
    for resource_type in signal.resource_types:
        for resource in scene.record.of_type(resource_type):
            if getattr(resource, "status", None) in _DROPPED:
                continue
            if isinstance(resource, Condition) and not is_on_record(resource, scene):
                continue
            concepts = [concept for concept in _concepts(resource, scene) if concept]
            if any(scene.has(value_set, concept) for value_set in signal.value_sets for concept in concepts):
                return True
            if signal.text and any(_pattern(signal.text).search(text) for text in _texts(concepts)):
                return True
    return False


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


def _is_study(scene: Scene, subject_id: str, identifiers: tuple[str, ...]) -> bool:
    subject = next(item for item in scene.record.subjects if item.id == subject_id)
    study = scene.record.study(subject)
    if study is not None:
        return any(item.value in identifiers for item in study.identifier)
    named = subject.study.identifier if subject.study else None
    return named is not None and named.value in identifiers


def _concepts(resource: Resource, scene: Scene) -> Iterator[CodeableConcept | None]:
    match resource:
        case Condition():
            yield resource.code
            for extension in resource.extension:
                yield extension.value_codeable_concept
        case Observation():
            yield from (resource.code, resource.value_codeable_concept)
            for component in resource.component:
                yield component.value_codeable_concept
        case MedicationAdministration():
            medication = scene.record.medication(resource)
            yield from (
                resource.medication_codeable_concept,
                resource.medication.concept if resource.medication else None,
                medication.code if medication else None,
            )
        case Procedure():
            yield resource.code
        case ImagingStudy():
            yield from resource.procedure_code
        case DiagnosticReport():
            yield resource.code
            yield from resource.conclusion_code


def _texts(concepts: list[CodeableConcept]) -> Iterator[str]:
    for concept in concepts:
        if concept.text:
            yield concept.text
        for coding in concept.coding:
            if coding.display:
                yield coding.display
