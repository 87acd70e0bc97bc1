"""In: a scene. Out: the positive signals that make the patient a candidate (the trial's ``candidate_when``)."""

from __future__ import annotations

import re
from functools import lru_cache

from adapter.criteria.concepts.naming import DROPPED, concepts_of, texts_of
from adapter.criteria.concepts.participation import is_of_study
from adapter.criteria.scene import Scene, is_on_record
from adapter.criteria.trial import Signal
from adapter.fhir.resources import Condition

__all__ = ["signals_of"]


def signals_of(scene: Scene) -> tuple[str, ...]:
    """The ids of the signals found, in the document's order."""
    return tuple(signal.id for signal in scene.trial.signals if _found(signal, scene))


def _found(signal: Signal, scene: Scene) -> bool:
    if signal.study:
        return any(is_of_study(subject, scene.record, signal.study) for subject in scene.record.subjects)
    for resource_type in signal.resource_types:
        for resource in scene.record.of_type(resource_type):
            if getattr(resource, "status", None) in DROPPED:
                continue
            if isinstance(resource, Condition) and not is_on_record(resource, scene.on):
                continue
            concepts = [concept for concept in concepts_of(resource, scene) if concept]
            if any(scene.has(value_set, concept) for value_set in signal.value_sets for concept in concepts):
                return True
            if signal.text and any(_pattern(signal.text).search(text) for text in texts_of(concepts)):
                return True
    return False


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)
