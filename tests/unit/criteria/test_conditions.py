"""In: Conditions, Procedures and the person. Out: whether what is coded proves, what is unsure asks, and absence means what was declared."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.criteria import Reason, Truth, Wanted
from adapter.criteria.concepts.person import deceased
from tests.unit.criteria.making import MAN, WOMAN, answer_to, complete, criterion, observation, scene, tiny
from tests.unit.criteria.single import flips

T, F, U = Truth.T, Truth.F, Truth.U


def condition(icd10: str = "C25.4", **more: Any) -> dict[str, Any]:
    return {"condition": {"icd10": icd10, **more}}


PLAIN = {"condition": {"in": "pancreas", "complete": "condition", "wanted": "thing", "attestable": True}}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([condition()], T, None),
        ([condition("c254")], T, None),
        ([condition("C17.2")], U, Reason.NO_DATA),
        ([condition(verification=None)], T, None),
        ([condition(verification="refuted")], U, Reason.NO_DATA),
        ([condition(verification="entered-in-error")], U, Reason.NO_DATA),
        ([condition(verification="unconfirmed")], U, Reason.STATUS),
        ([condition(verification="provisional")], U, Reason.STATUS),
        ([condition(verification="differential")], U, Reason.STATUS),
        ([condition(verification="unconfirmed"), condition()], T, None),
        ([condition(clinical="resolved")], T, None),
        ([condition(onset="2025-06-02")], U, Reason.NO_DATA),
        ([condition(onset="2025-06-01")], T, None),
        ([condition(recorded="2025-06-02")], U, Reason.NO_DATA),
        ([condition(onset="2025-01-01", recorded="2025-06-02")], T, None),
        ([condition(system="http://hl7.org/fhir/sid/icd-10-cm")], U, Reason.NO_DATA),
    ],
)
def test_a_confirmed_condition_proves(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(PLAIN, entries)

    assert (found.truth, found.reason) == (truth, reason)
    assert found.wanted == (() if truth is T else (Wanted("thing", attestation=True),))


@pytest.mark.parametrize(
    ("entries", "truth", "presumed"),
    [
        ([], F, True),
        ([condition("C17.2")], F, True),
        ([condition(verification="unconfirmed")], U, False),
        ([condition()], T, False),
    ],
)
def test_absence_refutes_where_it_is_declared(entries: list[Any], truth: Truth, presumed: bool) -> None:
    found = answer_to(PLAIN, entries, site=complete("condition"))

    assert (found.truth, found.presumed) == (truth, presumed)


@pytest.mark.parametrize(("first", "last", "truth"), [(1, 30, F), (2, 30, U), (1, 1, F)])
def test_absence_refutes_on_declared_days_only(first: int, last: int, truth: Truth) -> None:
    assert answer_to(PLAIN, site=complete("condition", date(2025, 6, first), date(2025, 6, last))).truth is truth


def test_absence_may_mean_what_the_expression_says() -> None:
    assert answer_to({"condition": {"in": "pancreas", "absent": "F"}}).truth is F
    assert answer_to({"condition": {"in": "pancreas", "absent": "T"}}).truth is T
    assert not answer_to({"condition": {"in": "pancreas", "absent": "F"}}).presumed


CLINICAL = {"condition": {"in": "nephrotic", "clinical": ["active", "recurrence"], "complete": "condition"}}


@pytest.mark.parametrize(
    ("clinical", "truth", "reason"),
    [("active", T, None), ("recurrence", T, None), ("resolved", U, Reason.NO_DATA), (None, U, Reason.STATUS)],
)
def test_a_condition_counts_in_its_clinical_status_only(
    clinical: str | None, truth: Truth, reason: Reason | None
) -> None:
    found = answer_to(CLINICAL, [condition("N04.9", clinical=clinical)])

    assert (found.truth, found.reason) == (truth, reason)


def test_a_past_condition_leaves_a_declared_absence_and_is_shown() -> None:
    found = answer_to(CLINICAL, [condition("N04.9", clinical="resolved")], site=complete("condition"))

    assert (found.truth, found.presumed, len(found.evidence)) == (F, True, 1)


CURRENT = {"condition": {"in": "pregnancy", "current_days": 300}}


@pytest.mark.parametrize(
    ("entry", "truth", "reason"),
    [
        (condition("Z33", onset="2025-01-10"), T, None),
        (condition("Z33", onset="2024-08-05"), T, None),
        (condition("Z33", onset="2024-08-04"), U, Reason.TOO_OLD),
        (condition("Z33"), U, Reason.TOO_OLD),
        (condition("Z33", recorded="2025-05-01"), U, Reason.TOO_OLD),
        (condition("Z33", onset="2025-01-10", clinical="resolved"), U, Reason.NO_DATA),
        (condition("Z33", onset="2025-01-10", abatement="2025-04-01"), U, Reason.NO_DATA),
    ],
)
def test_a_condition_is_current_for_its_days(entry: dict[str, Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(CURRENT, [entry], person=WOMAN)

    assert (found.truth, found.reason) == (truth, reason)


CODED = {"coded": "no_childbearing"}
TERMS = "urn:reluth:terms"


@pytest.mark.parametrize(
    ("entries", "truth"),
    [
        ([{"procedure": {"term": "permanent-sterilisation"}}], T),
        ([{"procedure": {"term": "permanent-sterilisation", "status": "in-progress"}}], U),
        ([{"procedure": {"term": "permanent-sterilisation", "date": "2025-06-02"}}], U),
        ([{"procedure": {"term": "prrt-course-first"}}], U),
        ([{"condition": {"code": f"{TERMS}|postmenopausal"}}], T),
        ([{"condition": {"code": f"{TERMS}|postmenopausal", "verification": "unconfirmed"}}], U),
        ([{"condition": {"code": f"{TERMS}|postmenopausal", "verification": "refuted"}}], U),
        ([], U),
    ],
)
def test_a_coded_record_proves_and_its_absence_says_nothing(entries: list[Any], truth: Truth) -> None:
    assert answer_to(CODED, entries, person=WOMAN).truth is truth


@pytest.mark.parametrize(
    ("birth", "truth", "reason", "changes"),
    [
        ("2007-06-01", T, None, set()),
        ("2007-06-02", F, None, {date(2025, 6, 2)}),
        ("2007", U, Reason.IMPRECISE_DATE, {date(2025, 1, 1), date(2025, 12, 31)}),
        ("2007-05", T, None, set()),
        ("2008-02-29", F, None, {date(2026, 3, 1)}),
        ("1960", T, None, set()),
        (None, U, Reason.NO_DATA, set()),
        ("gestern", U, Reason.NO_DATA, set()),
    ],
)
def test_age_is_decided_where_the_date_of_birth_allows(
    birth: str | None, truth: Truth, reason: Reason | None, changes: set[date]
) -> None:
    person = {"gender": "male", **({"birthDate": birth} if birth else {})}
    found = answer_to({"age": {"at_least": 18}}, person=person)

    assert (found.truth, found.reason, set(found.changes)) == (truth, reason, changes)


def twin(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "2", **fields}


@pytest.mark.parametrize(("other", "truth"), [("2007", T), ("2007-06", T), ("2010-01-01", U), ("1990", T), (None, T)])
def test_two_identities_leave_the_span_of_both_unless_one_is_the_others(other: str | None, truth: Truth) -> None:
    entries = [twin(**({"birthDate": other} if other else {}))]

    assert answer_to({"age": {"at_least": 18}}, entries, person={"birthDate": "2007-06-01"}).truth is truth


def test_nobody_has_no_age_and_no_sex() -> None:
    assert answer_to({"age": {"at_least": 18}}, person=None).truth is U
    assert answer_to({"sex": "male"}, person=None).evidence == ()


@pytest.mark.parametrize(
    ("gender", "other", "truth"),
    [
        ("male", None, T),
        ("female", None, F),
        ("other", None, U),
        ("unknown", None, U),
        (None, None, U),
        ("male", "female", U),
        ("male", "male", T),
    ],
)
def test_sex_is_the_administrative_one_where_identities_agree(
    gender: str | None, other: str | None, truth: Truth
) -> None:
    person = {"gender": gender} if gender else {}
    entries = [twin(gender=other)] if other else []

    assert answer_to({"sex": "male"}, entries, person=person).truth is truth


@pytest.mark.parametrize(
    ("fields", "dead"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2025-06-01"}, True),
        ({"deceasedDateTime": "2025-06-02"}, False),
        ({"deceasedDateTime": "2024"}, True),
        ({"deceasedDateTime": "inconnu"}, True),
    ],
)
def test_a_person_is_deceased_by_the_reference_date(fields: dict[str, Any], dead: bool) -> None:
    trial = tiny(criterion({"sex": "male"}))

    assert deceased(scene(trial, person={**MAN, **fields})) is dead
    assert deceased(scene(trial, [twin(**fields)])) is dead


def test_the_code_is_shown_and_never_its_text() -> None:
    entry = {
        "resourceType": "Condition",
        "code": {
            "text": "secret",
            "coding": [{"system": "urn:l", "code": "X"}, {"system": "http://hl7.org/fhir/sid/icd-10", "code": "C25.4"}],
        },
    }
    bare = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C25.4"}], "text": "secret"},
    }

    assert [item.value for item in answer_to(PLAIN, [entry, bare]).evidence] == ["C25.4", "C25.4"]


def test_an_observation_of_the_question_is_not_an_answer_to_another() -> None:
    assert answer_to(PLAIN, [observation("718-7")]).reason is Reason.NO_DATA


def test_the_day_is_named_on_which_what_cannot_be_read_leaves_the_window() -> None:
    question = criterion({"condition": {**PLAIN["condition"], "complete_days": 168}})
    over = {"condition": {"text": "antécédent", "clinical": "resolved", "abatement": "2025-01-01"}}

    assert flips(question, over, site=complete("condition")) == date(2025, 6, 19)
    assert flips(question, {"condition": {"text": "antécédent"}}, site=complete("condition")) is None
