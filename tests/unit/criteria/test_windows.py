"""In: moments about the ends of a window, attestations about the end of their validity. Out: whether both ends count, and what is told of an attestation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from adapter.criteria import Answer, Evidence, Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.criteria.attestation import FOR_GOOD, Validity, attestations, decide_with, latest_attestation, pending
from adapter.criteria.scene import within
from adapter.fhir import PatientRecord, parse_when
from tests.support.records import encode

T, F, U = Truth.T, Truth.F, Truth.U
START, END = date(2025, 5, 1), date(2025, 6, 1)
TRIAL = "nct04954820"


@pytest.mark.parametrize(
    ("moment", "start", "expected"),
    [
        ("2025-05-01", START, T),
        ("2025-06-01", START, T),
        ("2025-05-15", START, T),
        ("2025-04-30", START, F),
        ("2025-06-02", START, F),
        ("2025-05", START, T),
        ("2025-04", START, F),
        ("2025", START, U),
        ("2025-06", START, U),
        ("1999-01-01", None, T),
        ("2025-06-01", None, T),
        ("2025-06-02", None, F),
        ("2025-06", None, U),
    ],
)
def test_within_counts_both_ends_and_leaves_open_what_lies_across(
    moment: str, start: date | None, expected: Truth
) -> None:
    when = parse_when(moment)
    assert when is not None

    assert within(when, start, END) is expected


def test_within_a_month_that_ends_on_the_first_day_of_the_window_is_open() -> None:
    when = parse_when("2025-04")
    assert when is not None

    assert within(when, date(2025, 4, 30), END) is U


def test_validity_in_days_holds_to_its_last_day_and_lapses_on_the_next() -> None:
    validity = Validity(days=28)

    assert validity.first_day(END) == date(2025, 5, 4)
    assert validity.lapses(date(2025, 5, 4)) == {date(2025, 6, 2)}


def test_validity_in_months_lapses_on_the_first_day_whose_window_begins_later() -> None:
    validity = Validity(months=4)

    assert validity.first_day(date(2025, 6, 30)) == date(2025, 2, 28)
    assert validity.lapses(date(2025, 2, 28)) == {date(2025, 7, 1)}


def test_what_holds_for_good_never_lapses() -> None:
    assert FOR_GOOD.first_day(END) is None
    assert FOR_GOOD.lapses(date(1990, 1, 1)) == frozenset()


def response(identity: str, authored: str | None, *answers: dict[str, Any], link: str = "I08", **more: Any) -> bytes:
    body = {
        "resourceType": "QuestionnaireResponse",
        "id": identity,
        "meta": {"versionId": "3"},
        "status": "completed",
        "questionnaire": f"urn:reluth:attestation:{TRIAL}",
        "author": {"reference": "Practitioner/9"},
        "item": [{"linkId": link, "answer": list(answers)}],
        **more,
    }
    return encode(body if authored is None else {**body, "authored": authored})


def attested(*responses: bytes, link: str = "I08", validity: Validity = FOR_GOOD) -> Answer | None:
    record = PatientRecord.read("Patient/1", responses)
    found = latest_attestation(attestations(record, trial=TRIAL, on=END), link, on=END, validity=validity)
    return None if found is None else found[0]


YES, NO = {"valueBoolean": True}, {"valueBoolean": False}


def test_an_attestation_is_cited_with_its_version_day_and_answer() -> None:
    found = attested(response("a", "2025-05-20", NO))

    assert found == Answer(
        F,
        evidence=(Evidence("QuestionnaireResponse/a", "3", "2025-05-20", "I08 = false"),),
        attested=True,
    )


def test_an_attestation_is_cited_with_the_date_that_accompanies_it() -> None:
    found = attested(response("a", "2025-05-20", YES, {"valueDate": "2024-11-02"}))

    assert found is not None
    assert [entry.value for entry in found.evidence] == ["I08 = true, 2024-11-02"]


def test_two_attestations_of_one_instant_that_contradict_are_cited_and_asked_for_again() -> None:
    found = attested(
        response("a", "2025-05-20T10:00:00Z", YES),
        response("b", "2025-05-20T10:00:00Z", NO),
        validity=Validity(days=28),
    )

    assert found is not None
    assert (found.truth, found.reason) == (U, Reason.CONFLICT)
    assert [entry.reference for entry in found.evidence] == ["QuestionnaireResponse/a", "QuestionnaireResponse/b"]
    assert found.changes == {date(2025, 6, 18)}
    assert found.wanted == (Wanted("I08", attestation=True),)


def test_an_answer_beside_one_that_is_no_boolean_counts() -> None:
    found = attested(response("a", "2025-05-20", {"valueString": "?"}, YES))

    assert found is not None
    assert found.truth is T


@pytest.mark.parametrize(
    "left_out",
    [
        response("a", "2025-05-21", NO, status="in-progress"),
        response("a", "2025-05-21", NO, author={"reference": "Patient/1"}),
        response("a", "2025-05-21", NO, author={"display": "?"}),
        response("a", "2025-05-21", NO, questionnaire="urn:other"),
        response("a", "2025-06-02", NO),
        response("a", None, NO),
    ],
    ids=["in progress", "of the patient", "of nobody", "of another form", "of tomorrow", "of no day"],
)
def test_a_response_that_does_not_count_hides_none_that_does(left_out: bytes) -> None:
    found = attested(left_out, response("b", "2025-05-20", YES))

    assert found is not None
    assert (found.truth, [entry.reference for entry in found.evidence]) == (T, ["QuestionnaireResponse/b"])


def test_an_author_counts_by_an_absolute_and_a_versioned_reference() -> None:
    author = {"reference": "https://ehr.example.org/fhir/PractitionerRole/7/_history/2"}

    assert attested(response("a", "2025-05-20", YES, author=author)) is not None


def test_a_versioned_questionnaire_counts() -> None:
    form = f"urn:reluth:attestation:{TRIAL}|1.0"

    assert attested(response("a", "2025-05-20", YES, questionnaire=form)) is not None


@pytest.mark.parametrize("moment", ["2025-05", "2025-06"])
def test_an_attestation_of_a_month_across_an_end_of_its_validity_decides_nothing(moment: str) -> None:
    assert attested(response("a", moment, YES), validity=Validity(days=28)) is None


@pytest.mark.parametrize("truth", [T, F])
def test_presumed_data_and_an_attestation_that_agree_are_no_presumption(truth: Truth) -> None:
    moment = parse_when("2025-05-20")
    assert moment is not None
    person = Answer(truth, evidence=(Evidence("QuestionnaireResponse/1"),), attested=True, changes=frozenset({END}))
    data = Answer(truth, presumed=True, changes=frozenset({START}))

    found = decide_with(data, (person, moment), later=lambda _: Answer(U, Reason.NO_DATA))

    assert (found.truth, found.presumed, found.changes) == (truth, False, frozenset({START, END}))


def test_an_attestation_that_decides_is_shown_with_the_data_that_left_it_open() -> None:
    moment = parse_when("2025-05-20")
    assert moment is not None
    person = Answer(T, evidence=(Evidence("QuestionnaireResponse/1"),), attested=True)
    data = Answer(U, Reason.TOO_OLD, (Evidence("Observation/1"),))

    found = decide_with(data, (person, moment), later=lambda _: Answer(U, Reason.NO_DATA))

    assert [entry.reference for entry in found.evidence] == ["QuestionnaireResponse/1", "Observation/1"]


def test_a_presumption_gives_way_to_a_person_until_later_data_say_otherwise() -> None:
    moment = parse_when("2025-05-20")
    assert moment is not None
    person = Answer(T, evidence=(Evidence("QuestionnaireResponse/1"),), attested=True)
    presumed = Answer(F, presumed=True)
    proven = Answer(F, evidence=(Evidence("Observation/1"),))

    assert decide_with(presumed, (person, moment), later=lambda _: presumed).truth is T
    assert decide_with(presumed, (person, moment), later=lambda _: proven).truth is F


@pytest.mark.parametrize("window", [Validity(days=0), Validity(days=28), Validity(months=1), Validity(months=12)])
@pytest.mark.parametrize(
    "start", [date(2024, 2, 29), date(2025, 1, 1), date(2025, 1, 30), date(2025, 1, 31), date(2025, 8, 31)]
)
def test_the_day_on_which_a_window_comes_to_begin_there_is_named(window: Validity, start: date) -> None:
    days = [start + timedelta(days=more) for more in range(-2, 400)]
    first = next(day for day in days if (began := window.first_day(day)) is not None and began >= start)

    assert window.reaches(start) == {first}


def test_a_window_for_good_never_comes_to_begin() -> None:
    assert FOR_GOOD.reaches(date(2025, 1, 1)) == frozenset()


@pytest.mark.parametrize(
    ("authored", "days"),
    [
        ("2025-06-01", set()),
        ("2025-05", set()),
        ("2025-06", {date(2025, 6, 30)}),
        ("2025", {date(2025, 12, 31)}),
    ],
)
def test_an_attestation_of_a_partial_date_has_surely_been_given_once_that_is_over(
    authored: str, days: set[date]
) -> None:
    record = PatientRecord.read("Patient/1", [response("a", authored, YES)])
    known = attestations(record, trial=TRIAL, on=END)

    assert pending(known, "I08", on=END) == days
    assert pending(known, "I15", on=END) == set()
