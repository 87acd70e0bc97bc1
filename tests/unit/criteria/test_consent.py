"""In: Consents. Out: the latest one that names the trial decides, as far as its day, its status and its period are known."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria.answer import Answer, Reason, Wanted
from adapter.criteria.concepts.consent import answer_consent
from adapter.criteria.scene import Scene
from adapter.criteria.tree import SignedConsent
from adapter.criteria.truth import Truth
from tests.unit.criteria.deciding import attested, flips_on, scene_of

T, F, U = Truth.T, Truth.F, Truth.U


def consent(**fields: Any) -> dict[str, Any]:
    return {"consent": fields}


def answer(scene: Scene) -> Answer:
    return answer_consent(SignedConsent(), scene)


def told(*entries: dict[str, Any], **more: Any) -> tuple[Truth, Reason | None]:
    found = answer(scene_of(entries, **more))
    return found.truth, found.reason


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({}, T, None),
        ({"date": "2025-06-01"}, T, None),
        ({"date": "2025-06-01T09:00:00+02:00"}, T, None),
        ({"date": "2025-06-02"}, U, Reason.NO_DATA),
        ({"date": "2025-05-31T22:30:00Z"}, T, None),
        ({"date": "2025-06-01T22:30:00Z"}, U, Reason.NO_DATA),
        ({"date": "2025-05"}, T, None),
        ({"date": "2025-06"}, U, Reason.IMPRECISE_DATE),
        ({"date": "2025"}, U, Reason.IMPRECISE_DATE),
        ({"date": None}, U, Reason.IMPRECISE_DATE),
        ({"date": "20/05/2025"}, U, Reason.IMPRECISE_DATE),
        ({"status": "rejected"}, F, None),
        ({"status": "inactive"}, F, None),
        ({"status": "rejected", "date": None}, U, Reason.IMPRECISE_DATE),
        ({"status": "draft"}, U, Reason.STATUS),
        ({"status": "proposed"}, U, Reason.STATUS),
        ({"status": "entered-in-error"}, U, Reason.NO_DATA),
        ({"type": "permit"}, T, None),
        ({"type": "deny"}, F, None),
    ],
)
def test_a_consent_decides_by_its_status_and_its_day(
    fields: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    assert told(consent(**fields)) == (truth, reason)


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({"from": "2025-06-01", "to": "2025-06-01"}, T, None),
        ({"to": "2025-05-31"}, U, Reason.TOO_OLD),
        ({"to": "2025-05"}, U, Reason.TOO_OLD),
        ({"to": "2025-06"}, T, None),
        ({"to": "2025"}, U, Reason.IMPRECISE_DATE),
        ({"from": "2025-06-02"}, U, Reason.TOO_OLD),
        ({"from": "2025-06", "to": "2026"}, U, Reason.IMPRECISE_DATE),
        ({"to": "9999-12-31"}, T, None),
        ({"type": "deny", "to": "2025-05-31"}, U, Reason.TOO_OLD),
        ({"type": "deny", "to": "2025-06-01"}, F, None),
        ({"status": "inactive", "to": "2025-05-31"}, F, None),
    ],
)
def test_a_consent_holds_for_its_provisions_period(fields: dict[str, Any], truth: Truth, reason: Reason | None) -> None:
    assert told(consent(**fields)) == (truth, reason)


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        ({"trial": "NCT04954820"}, T),
        ({"trial": "https://clinicaltrials.gov/study/NCT04954820"}, T),
        ({"trial": "https://clinicaltrials.gov/study/nct04954820?tab=history"}, T),
        ({"trial": "urn:nct:NCT04954820"}, T),
        ({"trial": "https://example.org/PROICM%202021-04%20REL/v2"}, T),
        ({"trial": "NCT049548201"}, U),
        ({"trial": "https://clinicaltrials.gov/study/NCT03972488"}, U),
        ({"names": "identifier"}, T),
        ({"names": "identifier", "trial": "PROICM2021-04REL"}, T),
        ({"names": "identifier", "trial": "PROICM 2021-04 REL"}, T),
        ({"names": "identifier", "trial": "2021-001306-31"}, U),
        ({"names": "nothing"}, U),
        ({"scope": "patient-privacy"}, U),
        ({"scope": "treatment"}, U),
    ],
)
def test_a_consent_counts_when_it_is_to_research_and_names_the_trial(fields: dict[str, Any], truth: Truth) -> None:
    assert told(consent(**fields)) == (truth, None if truth is T else Reason.NO_DATA)


RELUTH = {"resourceType": "ResearchStudy", "id": "reluth", "identifier": [{"value": "NCT04954820"}]}
OTHER = {"resourceType": "ResearchStudy", "id": "other", "identifier": [{"value": "NCT03972488"}]}


@pytest.mark.parametrize(
    ("subject", "truth"),
    [
        ({"study": "reluth", "consent": "Consent/consent-1"}, T),
        ({"study": "reluth", "consent": "https://ehr.example.org/fhir/Consent/consent-1"}, T),
        ({"study": "reluth", "consent": "Consent/consent-1", "start": "2025-06-02"}, U),
        ({"study": "reluth", "consent": "Consent/another"}, U),
        ({"study": "reluth"}, U),
        ({"study": "other", "consent": "Consent/consent-1"}, U),
        ({"study": "unknown", "consent": "Consent/consent-1"}, U),
    ],
)
def test_a_consent_counts_when_the_trials_own_subject_refers_to_it(subject: dict[str, Any], truth: Truth) -> None:
    entries = ({"participation": subject}, consent(names="nothing"))

    assert told(*entries, shared=[RELUTH, OTHER])[0] is truth


def test_a_consent_referred_to_in_a_list_counts_by_the_references_identifier_too() -> None:
    subject = {
        "resourceType": "ResearchSubject",
        "status": "active",
        "study": {"identifier": {"value": "NCT04954820"}},
        "consent": [{"reference": "Consent/consent-1"}],
    }

    assert told(subject, consent(names="nothing"))[0] is T
    assert told(subject, consent(names="nothing", scope="treatment"))[0] is U


@pytest.mark.parametrize(
    ("first", "second", "truth", "reason"),
    [
        ({"date": "2025-05-20"}, {"date": "2025-05-21", "status": "inactive"}, F, None),
        ({"date": "2025-05-20", "status": "rejected"}, {"date": "2025-05-21"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-20", "status": "rejected"}, U, Reason.CONFLICT),
        ({"date": "2025-05-20T10:00:00Z"}, {"date": "2025-05-20T11:00:00Z", "status": "inactive"}, F, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-20"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-21", "status": "draft"}, U, Reason.STATUS),
        ({"date": "2025-05-20", "status": "draft"}, {"date": "2025-05-21"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05", "status": "inactive"}, U, Reason.IMPRECISE_DATE),
        ({"date": "2025-05-20"}, {"date": "2025-04", "status": "inactive"}, T, None),
        ({"date": "2025-05-20"}, {"date": None, "status": "inactive"}, U, Reason.IMPRECISE_DATE),
        ({"date": "2025-05-20"}, {"date": None}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-06", "status": "inactive"}, U, Reason.IMPRECISE_DATE),
        ({"date": "2025-05-20"}, {"date": "2025-06-02", "status": "inactive"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-21", "status": "entered-in-error"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-21", "status": "inactive", "names": "nothing"}, T, None),
        ({"date": "2025-05-20"}, {"date": "2025-05-21", "to": "2025-05-31"}, U, Reason.TOO_OLD),
    ],
)
def test_the_latest_consent_decides_in_any_order(
    first: dict[str, Any], second: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    named = [consent(id="a", **first), consent(id="b", **second)]
    swapped = [consent(id="b", **first), consent(id="a", **second)]

    for entries in (*permutations(named), *permutations(swapped)):
        assert told(*entries) == (truth, reason)


def test_a_conflict_shows_both_consents() -> None:
    found = answer(scene_of([consent(), consent(status="rejected")]))

    assert [item.reference for item in found.evidence] == ["Consent/consent-1", "Consent/consent-2"]
    assert [item.value for item in found.evidence] == ["active", "rejected"]


def test_an_open_consent_wants_one_and_a_person_can_close_it() -> None:
    for entries in ([], [consent(status="draft")], [consent(date=None)]):
        found = answer(scene_of(entries))

        assert (found.attestable, found.wanted) == (True, (Wanted("consent"),))
        assert len(found.evidence) == len(entries)


def test_a_consent_is_shown_by_status_kind_and_period() -> None:
    (shown,) = answer(scene_of([consent(type="permit", to="2026-05-31")])).evidence

    assert (shown.reference, shown.effective) == ("Consent/consent-1", "2025-05-20")
    assert shown.value == "active, permit, ..2026-05-31"


@pytest.mark.parametrize(
    ("fields", "flip"),
    [
        ({}, None),
        ({"to": "2025-06-10"}, date(2025, 6, 11)),
        ({"to": "2025-07"}, date(2025, 7, 2)),
        ({"from": "2025-06-15"}, date(2025, 6, 15)),
        ({"date": "2025-06"}, date(2025, 6, 30)),
    ],
)
def test_a_consent_changes_by_time_on_the_day_after_its_end(fields: dict[str, Any], flip: date | None) -> None:
    assert flips_on(answer, scene_of([consent(**fields)])) == flip


@pytest.mark.parametrize(
    ("fields", "link", "truth", "reason"),
    [
        ({"status": "draft", "date": "2025-05-19"}, True, T, None),
        ({"status": "draft", "date": "2025-05-21"}, True, U, Reason.STATUS),
        ({"status": "inactive", "date": "2025-05-19"}, True, U, Reason.CONFLICT),
        ({"status": "inactive", "date": "2025-05-21"}, True, F, None),
        ({"date": "2025-05-21"}, False, T, None),
        ({"date": "2025-05-19"}, False, U, Reason.CONFLICT),
        ({"date": None}, True, T, None),
        ({"names": "nothing", "date": "2025-05-21"}, True, T, None),
    ],
)
def test_an_attested_consent_is_reopened_by_a_later_one_only(
    fields: dict[str, Any], link: bool, truth: Truth, reason: Reason | None
) -> None:
    found = attested(answer, scene_of([consent(**fields), {"attest": {"I14": link}}]), "I14")

    assert (found.truth, found.reason) == (truth, reason)


def test_a_later_consent_is_known_by_an_older_subject() -> None:
    entries = [
        {"participation": {"study": "reluth", "consent": "Consent/consent-1", "start": "2025-01-01"}},
        consent(names="nothing", status="inactive", date="2025-05-21"),
        {"attest": {"I14": True}},
    ]

    assert attested(answer, scene_of(entries, shared=[RELUTH]), "I14").truth is F


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (U, Reason.IMPRECISE_DATE)),
        ({"scope": {"coding": [{"code": "treatment"}]}}, (T, None)),
        ({"policy": [{"uri": "https://clinicaltrials.gov/study/NCT00000001"}, "odd"]}, (T, None)),
        ({"policy": [{"uri": "https://clinicaltrials.gov/study/NCT04954820"}, "odd"]}, (U, Reason.IMPRECISE_DATE)),
    ],
)
def test_a_withdrawal_that_cannot_be_read_leaves_no_older_consent_the_latest(
    more: dict[str, Any], expected: tuple[Truth, Reason | None]
) -> None:
    faulty = {
        "resourceType": "Consent",
        "id": "faulty",
        "status": "inactive",
        "dateTime": 5,
        "scope": {"coding": [{"code": "research"}]},
        "policy": [{"uri": "https://clinicaltrials.gov/study/NCT04954820"}],
    }

    assert told(consent(), faulty | more) == expected
