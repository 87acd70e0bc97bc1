"""Evidence on paper: words instead of codes and linkIds, days instead of ISO dates; what is not known stays as it was sent."""

from __future__ import annotations

import pytest

from adapter.criteria import attestable_links
from adapter.documents import load_trial
from adapter.fhir import FhirVersion
from adapter.fhir.bindings import required_binding
from adapter.service.language import Language
from adapter.service.patient.evidence_words import day_in_words, value_in_words

TRIAL = load_trial("nct04954820")


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        ("271299001", "aggravation", "worsened"),
        ("268910001", "amélioration", "improved"),
        ("716186003", "aucune allergie connue", "no known allergy"),
        ("male", "homme", "male"),
        ("I08 = true", "oui, attesté", "yes, attested"),
        (
            "E13.breast-feeding = false",
            "non, attesté : La patiente allaite",
            "no, attested: The patient is breast feeding",
        ),
        ("I08 = true, 2025-01-10", "oui, attesté, 10 janvier 2025", "yes, attested, 10 January 2025"),
        ("completed, 7.35 GBq", "terminé, 7,35 GBq", "completed, 7.35 GBq"),
        ("active, permit", "actif, autorise", "active, permits"),
        ("inactive, deny", "inactif, refuse", "inactive, denies"),
        (
            "active, permit, 2024-05-01..2025-05-01",
            "actif, autorise, du 1er mai 2024 au 1er mai 2025",
            "active, permits, from 1 May 2024 to 1 May 2025",
        ),
        ("AMO, active", "assurance maladie obligatoire, actif", "compulsory health insurance, active"),
        ("on-study", "dans l'essai", "on study"),
        ("off-study, ..2025-03-02", "sorti de l'essai, jusqu'au 2 mars 2025", "off study, until 2 March 2025"),
        (
            "active, permit, 2024-05-01..",
            "actif, autorise, depuis le 1er mai 2024",
            "active, permits, since 1 May 2024",
        ),
        ("1967-05-06", "6 mai 1967", "6 May 1967"),
        ("C17.2", "C17.2", "C17.2"),
        ("8240/3", "8240/3", "8240/3"),
        ("2 %", "2 %", "2 %"),
        ("traces, not counted", "traces, not counted", "traces, not counted"),
    ],
)
def test_value_is_told_in_words(value: str, french: str, english: str) -> None:
    assert value_in_words(value, TRIAL, "fr") == french
    assert value_in_words(value, TRIAL, "en") == english


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_attestation_leaves_a_link_on_paper(language: Language) -> None:
    for criterion in TRIAL.criteria:
        for link in attestable_links(criterion):
            said = value_in_words(f"{link} = true", TRIAL, language)

            assert link not in said
            assert "=" not in said


def test_every_status_of_a_subject_has_words_in_french() -> None:
    bound = required_binding(FhirVersion.R4, "ResearchSubject", "status")
    statuses = bound.codes if bound is not None else frozenset()

    assert len(statuses) > 10
    assert {status for status in statuses if value_in_words(status, TRIAL, "fr") == status} == set()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_code_of_the_status_of_the_disease_has_words(language: Language) -> None:
    status = TRIAL.concepts.status
    assert status is not None
    codes = [code for codings in (status.worsened, status.controlled, status.neither) for _, code in codings]

    assert len(codes) > 5
    assert all(value_in_words(code, TRIAL, language) != code for code in codes)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("..2023-07-02", "au plus tard le 2 juillet 2023"),
        ("2023-07-02..", "au plus tôt le 2 juillet 2023"),
        ("2017-01-01..2017-01-31", "entre le 1er janvier 2017 et le 31 janvier 2017"),
        ("2025-05-20T08:30:00+02:00", "20 mai 2025"),
        ("2025-05-31T22:30:00Z", "1er juin 2025"),
        ("2025-05", "mai 2025"),
        ("..", ".."),
    ],
)
def test_day_is_told_without_a_time_and_spans_by_their_ends(value: str, told: str) -> None:
    assert day_in_words(value, "fr") == told
