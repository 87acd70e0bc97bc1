"""In: the trials of the settings. Out: the services of CDS Hooks that they make, and the discovery document.

The trial's acronym names its services: a second trial is a second pair, with no line of code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from adapter.criteria import Trial
from adapter.fhir.versions import Json
from adapter.screening.cards import card_words
from adapter.service.cards.prefetch import templates_of
from adapter.service.cards.reading import ORDER_SELECT, PATIENT_VIEW

__all__ = ["HookService", "discovery_of", "services_of"]

_BOTH: Final = ("fr", "en")


@dataclass(frozen=True, slots=True)
class HookService:
    """One service: a hook for a trial."""

    id: str
    hook: str
    trial: Trial

    @property
    def is_order(self) -> bool:
        """Whether it answers to orders."""
        return self.hook == ORDER_SELECT


def services_of(trials: Iterable[Trial]) -> dict[str, HookService]:
    """The services by id; of a trial without a treatment of its own there is none for orders."""
    found: dict[str, HookService] = {}
    for trial in trials:
        name = _slug(trial.acronym) or trial.id
        if f"{name}-{PATIENT_VIEW}" in found:
            name = trial.id
        hooks = [PATIENT_VIEW] if trial.concepts.courses is None else [PATIENT_VIEW, ORDER_SELECT]
        for hook in hooks:
            found[f"{name}-{hook}"] = HookService(f"{name}-{hook}", hook, trial)
    return found


def discovery_of(services: Iterable[HookService]) -> Json:
    """The discovery document. It has no reader whose language is known: titles and descriptions come in both."""
    return {"services": [_described(service) for service in services]}


def _described(service: HookService) -> dict[str, Any]:
    return {
        "hook": service.hook,
        "title": " / ".join(_said(service, "title", lang) for lang in _BOTH),
        "description": " / ".join(_said(service, "text", lang) for lang in _BOTH),
        "id": service.id,
        "prefetch": templates_of(service.trial),
        "usageRequirements": " / ".join(card_words(lang).of("services", "usage") for lang in _BOTH),
    }


def _said(service: HookService, part: str, lang: str) -> str:
    trial = service.trial
    product = ""
    if service.is_order and trial.concepts.courses is not None:
        medication = trial.concepts.courses.medication
        product = medication.label[lang] if medication.label else medication.id.replace("_", " ").capitalize()
    return card_words(lang).of("services", f"{service.hook}-{part}", trial=trial.acronym, product=product)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
