"""In: what a card says, and about whom. Out: the card as CDS Hooks 2.0 writes it, with link, suggestion and reasons to put it away."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapter.criteria import Trial
from adapter.documents import load_study
from adapter.errors import UsageError
from adapter.fhir import FhirVersion, Json
from adapter.screening.candidates import CANDIDATE_NUMBER
from adapter.screening.cards import CardText, card_words, override_reasons
from mappings.elements import OURS, REFERENCE_SYSTEM
from mappings.entities import EventKind, Identifier, Study, Subject, SubjectEvent
from mappings.subject import to_fhir

__all__ = ["REASON_SYSTEM", "Proposal", "card_of", "study_of", "subject_of"]

#: Code system of the reasons of decisions, here and in feedback.
REASON_SYSTEM: Final = f"{OURS}decision-reason"
_REGISTRY: Final = "http://clinicaltrials.gov"
_AT_REGISTRY: Final = "https://clinicaltrials.gov/study/"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Who is proposed for the trial.

    Attributes:
        key: random key of the person.
        patient: ``Patient/id`` as the client knows them.
        site: the sponsor's number of the site, or its name.
        version: of FHIR at the site.
    """

    key: str
    patient: str
    site: str
    version: FhirVersion
    on: date


def card_of(trial: Trial, text: CardText, *, lang: str, link: str | None, proposal: Proposal | None) -> dict[str, Any]:
    """The card.

    Args:
        trial: whose.
        text: what it says.
        lang: ``fr`` or ``en``.
        link: absolute address of the patient's page, None where the settings name no address of ours.
        proposal: for the suggestion, None for a card without.
    """
    say = card_words(lang)
    card: dict[str, Any] = {
        "uuid": str(uuid.uuid4()),
        "summary": text.summary,
        "detail": text.detail,
        "indicator": text.indicator,
        "source": _source(trial, say.of("parts", "source", trial=trial.acronym)),
    }
    if proposal is not None:
        suggestion = {
            "label": say.of("parts", "suggest", trial=trial.acronym),
            "uuid": str(uuid.uuid4()),
            "actions": [
                {
                    "type": "create",
                    "description": say.of("parts", "action", trial=trial.acronym),
                    "resource": subject_of(trial, proposal),
                }
            ],
        }
        card |= {"suggestions": [suggestion], "selectionBehavior": "at-most-one"}
    card["overrideReasons"] = [
        {"code": code, "system": REASON_SYSTEM, "display": display} for code, display in override_reasons(lang)
    ]
    if link is not None:
        card["links"] = [{"label": say.of("parts", "link"), "url": link, "type": "absolute"}]
    return card


def subject_of(trial: Trial, proposal: Proposal) -> Json:
    """The ResearchSubject that is proposed: the same that a push would make, under the same number."""
    subject = Subject(
        study=trial.id,
        site=proposal.site,
        number=f"{CANDIDATE_NUMBER}{proposal.key}",
        patient=Identifier(system=REFERENCE_SYSTEM, value=proposal.patient),
        events=(SubjectEvent(kind=EventKind.PRE_SCREENED, on=proposal.on.isoformat()),),
    )
    resource = to_fhir(subject, version=proposal.version, study=study_of(trial))
    # Made by the client in its own server, where the patient is.
    name = "subject" if proposal.version is FhirVersion.R5 else "individual"
    return {**resource, name: {"reference": proposal.patient}}


def study_of(trial: Trial) -> Study | None:
    """The study's document, None for a trial without one."""
    try:
        return load_study(trial.id)
    except UsageError:
        return None


def _source(trial: Trial, label: str) -> dict[str, str]:
    # No topic: no verified code names this one.
    study = study_of(trial)
    official = None if study is None else study.official
    if official is None or official.system != _REGISTRY:
        return {"label": label}
    return {"label": label, "url": f"{_AT_REGISTRY}{official.value}"}
