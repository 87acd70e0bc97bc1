"""In: a criterion and a scene. Out: the records that raise its question (F10 for substance abuse, an RCP document): shown, never deciding."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.criteria.answer import Evidence
from adapter.criteria.concepts.naming import concepts_of, texts_of
from adapter.criteria.scene import Scene, evidence_of, is_on_record
from adapter.criteria.trial import Criterion, Prompt
from adapter.fhir import when_of
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import Condition, Resource
from adapter.fhir.stand_ins import DROPPED

__all__ = ["prompted"]


def prompted(criterion: Criterion, scene: Scene) -> tuple[Evidence, ...]:
    """The records of the criterion's prompts up to the reference date, by their code; a text that prompted is not repeated."""
    return tuple(dict.fromkeys(item for prompt in criterion.prompts for item in _found(prompt, scene)))


def _found(prompt: Prompt, scene: Scene) -> Iterator[Evidence]:
    for resource_type in prompt.resource_types:
        if resource_type == "Condition" and prompt.text is None:
            for value_set in prompt.value_sets:
                for condition in scene.conditions_in(value_set):
                    yield evidence_of(condition, _code(condition.code, prompt, scene) if condition.code else None)
            continue
        for resource in scene.record.of_type(resource_type):
            if getattr(resource, "status", None) in DROPPED or not _is_known(resource, scene):
                continue
            concepts = [concept for concept in concepts_of(resource, scene) if concept]
            matching = next((concept for concept in concepts if scene.in_any(prompt.value_sets, concept)), None)
            if matching is not None:
                yield evidence_of(resource, _code(matching, prompt, scene))
            elif prompt.text is not None and any(prompt.text.search(text) for text in texts_of(concepts)):
                yield evidence_of(resource, None)


def _is_known(resource: Resource, scene: Scene) -> bool:
    if isinstance(resource, Condition):
        return is_on_record(resource, scene.on)
    return when_of(resource).earliest <= scene.on


def _code(concept: CodeableConcept, prompt: Prompt, scene: Scene) -> str | None:
    for coding in concept.coding:
        if any(value_set.has(*code) for code in scene.standard(coding) for value_set in prompt.value_sets):
            return coding.code
    return None
