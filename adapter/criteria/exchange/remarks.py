"""In: a criterion. Out: what no element of FHIR holds: sentence, stages, who confirms, defaults, open questions; for programs and for readers."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from adapter.criteria.exchange.naming import code_of, defined_in_cql
from adapter.criteria.trial import Criterion, Trial
from adapter.criteria.verdict import Stage

__all__ = ["CRITERION_EXTENSION", "caveat", "criterion_extension", "heading", "narrative"]

#: One extension a criterion, in Group (R4, R5) and EvidenceVariable (R5) alike.
CRITERION_EXTENSION = "urn:reluth:extension:eligibility-criterion"

_WORDS = {
    "heading": {"en": "Eligibility criteria of {} ({})", "fr": "Critères d'éligibilité de {} ({})"},
    "caveat": {
        "en": "The sentences are those of the trial's public record. How each is made computable is a reading of ours, not reviewed by a "
        "clinician; every default is for the coordinating centre to confirm.",
        "fr": "Les phrases viennent de la fiche publique de l'essai. Leur lecture calculable est la nôtre, non revue par un clinicien ; "
        "chaque valeur par défaut est à confirmer par le centre coordonnateur.",
    },
    "inclusion": {"en": "inclusion", "fr": "inclusion"},
    "exclusion": {"en": "exclusion", "fr": "exclusion"},
    "registration": {"en": "registration", "fr": "enregistrement"},
    "randomisation": {"en": "randomisation", "fr": "randomisation"},
    "auto": {"en": "decided from data", "fr": "décidé d'après les données"},
    "partly": {"en": "partly decided from data", "fr": "décidé en partie d'après les données"},
    "manual": {"en": "by attestation", "fr": "par attestation"},
    "confirm": {"en": "Confirmed by", "fr": "Confirmé par"},
    "default": {"en": "Default to confirm", "fr": "Par défaut, à confirmer"},
    "question": {"en": "Open question", "fr": "Question ouverte"},
}


def heading(trial: Trial, language: str) -> str:
    """What the whole is, with the version of the criteria."""
    return _WORDS["heading"][language].format(trial.acronym, trial.version)


def caveat(language: str) -> str:
    """The standing of it all, in one sentence for the reader."""
    return _WORDS["caveat"][language]


def criterion_extension(trial: Trial, criterion: Criterion, language: str) -> dict[str, Any]:
    """The extension that goes with a criterion.

    Returns:
        a complex Extension: ``sentence`` (verbatim), ``stage``, ``automation``, ``confirmed-by``, ``part``,
        ``default-to-confirm``, ``open-question`` and ``expression`` (the CQL define); those in the middle as often as needed.
    """
    found: list[dict[str, Any]] = [
        {"url": "sentence", "valueString": criterion.text},
        *({"url": "stage", "valueCode": stage.value} for stage in _stages(criterion)),
        {"url": "automation", "valueCode": criterion.automation},
        {"url": "confirmed-by", "valueString": criterion.confirm[language]},
    ]
    for part in criterion.parts:
        concept = {"coding": [code_of(trial, part.id)], "text": part.label[language]}
        found.append({"url": "part", "valueCodeableConcept": concept})
    found += [{"url": "default-to-confirm", "valueString": item.text[language]} for item in criterion.defaults]
    found += [{"url": "open-question", "valueString": text} for text in _questions(trial, criterion, language)]
    found.append({"url": "expression", "valueExpression": defined_in_cql(trial, criterion.id)})
    return {"url": CRITERION_EXTENSION, "extension": found}


def narrative(trial: Trial, language: str) -> dict[str, str]:
    """The Narrative of a resource: every criterion as a person reads it.

    Returns:
        a Narrative of status ``generated``: everything in it stands in the elements and extensions too.
    """
    rows = "".join(_row(trial, criterion, language) for criterion in trial.criteria)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
        f"<p>{_escape(heading(trial, language))}: {_escape(trial.title)}</p><p>{_escape(caveat(language))}</p>"
        f"<table><tbody>{rows}</tbody></table></div>",
    }


def _escape(text: str) -> str:
    return escape(text, quote=False)


def _row(trial: Trial, criterion: Criterion, language: str) -> str:
    lines = [_escape(criterion.text), *(_escape(line) for line in _lines(trial, criterion, language))]
    head = f"<b>{_escape(criterion.id)}</b><br/>{_escape(criterion.label[language])}"
    return f"<tr><td>{head}</td><td>{'<br/>'.join(lines)}</td></tr>"


def _lines(trial: Trial, criterion: Criterion, language: str) -> Iterator[str]:
    stages = ", ".join(_WORDS[stage.value][language] for stage in _stages(criterion))
    yield f"{_WORDS[criterion.kind][language]}; {stages}; {_WORDS[criterion.automation][language]}"
    yield _line("confirm", criterion.confirm[language], language)
    for part in criterion.parts:
        yield f"{part.id}: {part.label[language]}"
    for default in criterion.defaults:
        yield _line("default", default.text[language], language)
    for text in _questions(trial, criterion, language):
        yield _line("question", text, language)


def _line(word: str, text: str, language: str) -> str:
    return f"{_WORDS[word][language]}{' : ' if language == 'fr' else ': '}{text}"


def _stages(criterion: Criterion) -> list[Stage]:
    return [stage for stage in Stage if stage in criterion.stages]


def _questions(trial: Trial, criterion: Criterion, language: str) -> list[str]:
    return [item.text[language] for item in trial.open_questions if criterion.id in item.criteria]
