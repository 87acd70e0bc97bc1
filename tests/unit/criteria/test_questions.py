"""In: trials and records. Out: the questions that a person may answer, which of them wait, and until when an answer holds."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.criteria import Question, Stage, attestable_links, questions_of
from adapter.criteria.attestation import Validity
from adapter.criteria.questions import holds_until
from adapter.documents import load_site, load_trial
from adapter.fhir import PatientRecord
from tests.support.patient_desk import ON, PATIENT, TRIAL, record
from tests.support.record_parts import encode

TRIALS = [TRIAL, "start-net"]


def asked_of(*more: dict[str, object], on: date = ON, stage: Stage = Stage.REGISTRATION) -> dict[str, Question]:
    person = PatientRecord.read(PATIENT, [encode(item) for item in (*record(), *more)])
    return {one.link: one for one in questions_of(load_trial(TRIAL), person, site=load_site("icm"), stage=stage, on=on)}


def attested(link: str, answer: bool, authored: str, **more: object) -> dict[str, object]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": f"qr-{authored[:10]}-{answer}",
        "status": "completed",
        "questionnaire": f"urn:reluth:attestation:{TRIAL}|0.3.0",
        "subject": {"reference": PATIENT},
        "authored": authored,
        "author": {"type": "Practitioner", "identifier": {"system": "urn:reluth:account", "value": "anna"}},
        "item": [{"linkId": link, "answer": [{"valueBoolean": answer}]}],
        **more,
    }


@pytest.mark.parametrize("trial", TRIALS)
def test_every_sentence_that_may_be_attested_has_words_in_both_languages(trial: str) -> None:
    found = load_trial(trial)
    known = {one.id for one in found.criteria} | found.parts.keys()
    links = {link for one in found.criteria for link in attestable_links(one)}

    assert links - known == found.attestation_words.keys()
    assert all({"fr", "en"} == words.keys() for words in found.attestation_words.values())


def test_every_validity_of_the_trial_is_of_a_sentence_that_may_be_attested() -> None:
    trial = load_trial(TRIAL)
    links = {link for one in trial.criteria for link in attestable_links(one)}

    assert set(trial.attestation_validity) <= links


def test_criterion_that_data_decide_alone_is_asked_of_nobody() -> None:
    trial = load_trial(TRIAL)

    assert {one.id for one in trial.criteria if not attestable_links(one)} == {
        one.id for one in trial.criteria if one.automation == "auto" and one.id != "I03"
    }


def test_open_criteria_for_persons_are_asked_and_decided_ones_are_not() -> None:
    asked = {link for link, one in asked_of().items() if one.asked}

    assert {"I08", "I13", "I15", "E14", "E18", "I06.a", "I06.b"} <= asked
    assert asked & {"I03", "I04", "I05", "E01", "I12"} == set()


def test_questions_are_of_the_stage_only() -> None:
    assert "E02" not in asked_of()
    assert {"E02", "I12"} <= asked_of(stage=Stage.RANDOMISATION).keys()
    assert "I08" not in asked_of(stage=Stage.RANDOMISATION)


def test_attestation_of_an_account_counts_and_tells_until_when_it_holds() -> None:
    found = asked_of(attested("I08", True, "2025-05-20T10:00:00.250000+02:00"))["I08"]

    assert (found.truth.name if found.truth is not None else "", found.asked) == ("T", False)
    assert ([one.truth.name for one in found.standing], found.until) == (["T"], date(2025, 6, 17))


def test_logical_author_counts_only_as_a_practitioner_with_an_identifier() -> None:
    patient = attested("I08", True, "2025-05-20", author={"type": "Patient", "identifier": {"value": "1"}})
    named = attested("I08", True, "2025-05-20", author={"type": "Practitioner", "display": "Anna"})

    assert asked_of(patient)["I08"].standing == asked_of(named)["I08"].standing == ()


def test_attestation_that_has_lapsed_is_asked_for_again() -> None:
    lapsed = attested("I08", True, "2025-05-20T10:00:00+02:00")

    assert [asked_of(lapsed, on=day)["I08"].asked for day in (date(2025, 6, 17), date(2025, 6, 18))] == [False, True]


@pytest.mark.parametrize(
    ("given", "validity", "until"),
    [
        (date(2025, 5, 20), Validity(days=28), date(2025, 6, 17)),
        (date(2025, 2, 28), Validity(months=4), date(2025, 6, 30)),
        (date(2025, 1, 31), Validity(months=1), date(2025, 2, 28)),
        (date(2025, 5, 20), Validity(), None),
    ],
)
def test_last_day_of_an_attestation_is_the_last_on_which_its_window_reaches_back(
    given: date, validity: Validity, until: date | None
) -> None:
    assert holds_until(given, validity) == until


@pytest.mark.parametrize("days", range(0, 40, 3))
@pytest.mark.parametrize("validity", [Validity(days=30), Validity(months=4), Validity(months=12)])
def test_day_after_the_last_no_longer_reaches_back(days: int, validity: Validity) -> None:
    given = date.fromordinal(date(2025, 1, 25).toordinal() + days)
    last = holds_until(given, validity)
    assert last is not None
    first, after = validity.first_day(last), validity.first_day(date.fromordinal(last.toordinal() + 1))

    assert first is not None
    assert after is not None
    assert first <= given < after
