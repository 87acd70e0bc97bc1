"""In: a trial's document. Out: its criteria, states and open questions as the API's object."""

from __future__ import annotations

from typing import Any

from adapter.criteria import Criterion, Trial
from adapter.service.shapes import TrialTexts

__all__ = ["trial_shape"]


def trial_shape(trial: Trial, trial_id: str) -> TrialTexts | None:
    """The trial as the API's object, None for an id that is not its own."""
    if trial_id != trial.id:
        return None
    return TrialTexts.model_validate(
        {
            "id": trial.id,
            "version": trial.version,
            "title": trial.title,
            "acronym": trial.acronym,
            "criteria": [_criterion(criterion) for criterion in trial.criteria],
            "signals": [
                {
                    "id": signal.id,
                    "resource_types": list(signal.resource_types),
                    "codes": list(signal.codes),
                    "prefixes": list(signal.prefixes),
                    "text": signal.text,
                }
                for signal in trial.signals
            ],
            "states": [
                {
                    "id": state.id,
                    "research_subject_status": state.research_subject_status,
                    "confirms": state.confirms,
                    "label": dict(state.label),
                }
                for state in trial.states
            ],
            "open_questions": [
                {"id": question.id, "criteria": list(question.criteria), "text": dict(question.text)}
                for question in trial.open_questions
            ],
        }
    )


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {
        "id": criterion.id,
        "kind": criterion.kind,
        "stages": sorted(criterion.stages),
        "automation": criterion.automation,
        "text": criterion.text,
        "label": dict(criterion.label),
        "confirm": dict(criterion.confirm),
        "defaults": [{"id": default.id, "text": dict(default.text)} for default in criterion.defaults],
        "parts": [{"id": part.id, "label": dict(part.label)} for part in criterion.parts],
        "wanted": list(criterion.wanted),
        "at_screening_visit": criterion.at_screening_visit,
    }
