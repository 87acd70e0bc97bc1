"""In: a scene. Out: the positive signals that make the patient a candidate (the trial's ``candidate_when``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from adapter.criteria.concepts.naming import concepts_of, texts_of
from adapter.criteria.concepts.participation import is_of_study
from adapter.criteria.scene import Scene, is_on_record
from adapter.criteria.trial import Signal
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import PRODUCT_TYPES, Condition
from adapter.fhir.stand_ins import DROPPED
from adapter.terminology import ValueSet

__all__ = ["signals_of"]


def signals_of(scene: Scene) -> tuple[str, ...]:
    """The ids of the signals found, in the document's order."""
    told = _Told(scene)
    return tuple(signal.id for signal in scene.trial.signals if _found(signal, told))


class _Told:
    """What the resources of each type are of, read once for all signals."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._concepts: dict[str, list[CodeableConcept]] = {}
        self._sets: dict[str, frozenset[ValueSet]] = {}

    def concepts(self, resource_type: str) -> list[CodeableConcept]:
        """The concepts of the resources that count."""
        if resource_type not in self._concepts:
            self._concepts[resource_type] = [
                concept
                for resource in self.scene.record.of_type(resource_type)
                if getattr(resource, "status", None) not in DROPPED
                and not (isinstance(resource, Condition) and not is_on_record(resource, self.scene.on))
                for concept in concepts_of(resource, self.scene)
                if concept is not None
            ]
            # Whoever may have a sign is looked at by a person: what it was that cannot be read, nobody else can tell.
            self._concepts[resource_type] += self._remains(resource_type)
        return self._concepts[resource_type]

    def _remains(self, resource_type: str) -> list[CodeableConcept]:
        remains = self.scene.record.remains
        # A Medication that cannot be read is in no record but as that of a product.
        types = (resource_type, "Medication") if resource_type in PRODUCT_TYPES else (resource_type,)
        return [concept for name in types for concept in remains.get(name, ())]

    def sets(self, resource_type: str) -> frozenset[ValueSet]:
        """The trial's value sets that any of them is in."""
        if resource_type not in self._sets:
            self._sets[resource_type] = self.scene.sets_of(self.concepts(resource_type))
        return self._sets[resource_type]


def _found(signal: Signal, told: _Told) -> bool:
    if signal.study:
        record = told.scene.record
        return any(is_of_study(subject, record, signal.study) for subject in record.subjects)
    for resource_type in signal.resource_types:
        sets = told.sets(resource_type)
        if sets and any(value_set in sets for value_set in signal.value_sets):
            return True
        if signal.text and _is_named(signal.text, told.concepts(resource_type)):
            return True
    return False


def _is_named(text: str, concepts: Iterable[CodeableConcept]) -> bool:
    pattern = _pattern(text)
    return any(pattern.search(word) for word in texts_of(concepts))


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)
