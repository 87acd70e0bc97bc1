"""In: cardiovascular events at every edge of their window. Out: what proves, what asks a person, what is over (E10)."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.terminology import Site
from tests.unit.criteria.making import PLAIN, complete, criterion
from tests.unit.criteria.single import flips, found, told

T, F, U = Truth.T, Truth.F, Truth.U
EVENT = criterion(
    {
        "dated_event": {
            "deciding": ["cardiac_deciding", "revascularisation"],
            "asking": ["cardiac_asking"],
            "controlled": "E10.controlled",
            "within": {"months": 12},
            "complete": "condition",
            "wanted": "E10.controlled",
        }
    },
    "E10",
)
DECLARED = complete("condition")
NOTHING = (U, Reason.NO_DATA)
ASKS = (U, Reason.ASKS)
IMPRECISE = (U, Reason.IMPRECISE_DATE)
STATUS = (U, Reason.STATUS)
PROVEN = (T, None)


def event(code: str = "I63.9", **more: Any) -> dict[str, Any]:
    return {"condition": {"icd10": code, **more}}


def in_words(**more: Any) -> dict[str, Any]:
    return {"condition": {"text": "antécédent", **more}}


def stent(when: str | None = "2025-01-10", **more: Any) -> dict[str, Any]:
    return {"procedure": {"term": "revascularisation", "date": when, **more}}


def control(said: bool, **more: Any) -> dict[str, Any]:
    return {"attest": {"E10.controlled": said, **more}}


# Deciding events


@pytest.mark.parametrize(
    ("onset", "expected"),
    [
        ("2024-05-31", NOTHING),
        ("2024-06-01", PROVEN),
        ("2025-06-01", PROVEN),
        ("2025-06-02", NOTHING),
        ("2024-06-01T00:00:00+02:00", PROVEN),
        # in Paris it was the last day of May
        ("2024-05-31T21:59:00Z", NOTHING),
        ("2024-05-31T22:00:00Z", PROVEN),
        ("2024-05", NOTHING),
        ("2024-06", PROVEN),
        ("2024", IMPRECISE),
        ("2025", IMPRECISE),
        ("2025-06", IMPRECISE),
        ("2023", NOTHING),
    ],
)
def test_an_event_counts_from_the_same_day_a_year_ago_to_the_day_itself(
    onset: str, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(EVENT, event(onset=onset)) == expected
    assert told(EVENT, stent(onset)) == expected


@pytest.mark.parametrize("code", ["I60", "I60.9", "i61.0", "I63.9", "I639", "I64", "I26.9", "I20.0"])
def test_a_dated_event_proves(code: str) -> None:
    assert told(EVENT, event(code, onset="2025-03-01")) == PROVEN


@pytest.mark.parametrize("code", ["I69.3", "I20.9", "I25.1", "I10", "I65.2", "G45.9", "I44.1", "R00.0", "Z95.2"])
def test_sequelae_and_other_codes_are_no_event(code: str) -> None:
    assert told(EVENT, event(code, onset="2025-03-01")) == NOTHING
    assert told(EVENT, event(code, onset="2025-03-01"), site=DECLARED) == (F, None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, IMPRECISE),
        ({"recorded": "2025-03-01"}, IMPRECISE),
        ({"recorded": "2024-06-01"}, IMPRECISE),
        ({"recorded": "2024-05-31"}, NOTHING),
        ({"recorded": "2025-06-02"}, NOTHING),
        ({"recorded": "2025-03-01", "onset": "2020-01-01"}, NOTHING),
        ({"recorded": "2025-06-02", "onset": "2025-03-01"}, PROVEN),
        ({"recorded": "2020-01-01", "onset": "2025-03-01"}, PROVEN),
    ],
)
def test_the_day_of_the_record_is_only_the_latest_day_of_the_event(
    more: dict[str, Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert told(EVENT, event(**more)) == expected


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2024-07-01", "end": "2024-07-20"}, PROVEN),
        ({"start": "2024-05-20", "end": "2024-06-05"}, IMPRECISE),
        ({"start": "2024-05-01", "end": "2024-05-20"}, NOTHING),
        ({"start": "2025-05-20"}, IMPRECISE),
    ],
)
def test_an_onset_of_some_days_counts_when_all_of_them_do(
    period: dict[str, str], expected: tuple[Truth, Reason | None]
) -> None:
    entry = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I26.9"}]},
        "onsetPeriod": period,
    }

    assert told(EVENT, entry) == expected


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        ("confirmed", PROVEN),
        (None, PROVEN),
        ("unconfirmed", STATUS),
        ("provisional", STATUS),
        ("differential", STATUS),
        ("refuted", NOTHING),
        ("entered-in-error", NOTHING),
    ],
)
def test_only_a_confirmed_event_proves(verification: str | None, expected: tuple[Truth, Reason | None]) -> None:
    assert told(EVENT, event(onset="2025-03-01", verification=verification)) == expected


def test_an_unconfirmed_event_before_the_window_is_nothing() -> None:
    assert told(EVENT, event(onset="2020-01-01", verification="unconfirmed")) == NOTHING


@pytest.mark.parametrize("clinical", ["active", "resolved", "inactive", None])
def test_an_event_was_whatever_became_of_it(clinical: str | None) -> None:
    assert told(EVENT, event(onset="2025-03-01", clinical=clinical, abatement="2025-03-20")) == PROVEN


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", PROVEN),
        ("in-progress", STATUS),
        ("on-hold", STATUS),
        ("stopped", STATUS),
        ("unknown", STATUS),
        ("preparation", NOTHING),
        ("not-done", NOTHING),
        ("entered-in-error", NOTHING),
    ],
)
def test_a_revascularisation_counts_when_it_was_completed(status: str, expected: tuple[Truth, Reason | None]) -> None:
    assert told(EVENT, stent(status=status)) == expected


def test_a_revascularisation_without_a_day_is_open() -> None:
    assert told(EVENT, stent(None)) == IMPRECISE


TREATED = criterion(
    {
        "dated_event": {
            "deciding": ["lutathera"],
            "within": {"days": 27},
            "complete": "medication-administration",
            "wanted": "E02",
        }
    },
    "E02",
)
EVER_TREATED = criterion(
    {
        "dated_event": {
            "deciding": ["lutathera"],
            "within": "for-good",
            "complete": "medication-administration",
            "wanted": "E02",
        }
    },
    "E02",
)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2025-05-05", PROVEN),
        ("2025-05-04", NOTHING),
        ("2025-06-01", PROVEN),
        ("2025-06-02", NOTHING),
        ("2025-05", IMPRECISE),
    ],
)
def test_a_treatment_given_in_the_window_is_an_event(when: str, expected: tuple[Truth, Reason | None]) -> None:
    assert told(TREATED, {"infusion": {"date": when}}) == expected
    assert told(TREATED, {"infusion": {"date": when, "batch": "L1"}}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", PROVEN),
        ("stopped", PROVEN),
        ("in-progress", PROVEN),
        ("on-hold", STATUS),
        ("unknown", STATUS),
        ("not-done", NOTHING),
        ("entered-in-error", NOTHING),
    ],
)
def test_a_treatment_that_was_stopped_was_given_all_the_same(
    status: str, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(TREATED, {"infusion": {"date": "2025-05-20", "status": status}}) == expected


def test_an_event_for_good_is_of_any_time_and_its_absence_is_never_presumed() -> None:
    declared = complete("medication-administration")

    assert told(EVER_TREATED, {"infusion": {"date": "1999-01-01"}}) == PROVEN
    assert flips(EVER_TREATED, {"infusion": {"date": "1999-01-01"}}) is None
    assert told(EVER_TREATED, site=declared) == NOTHING
    assert told(TREATED, site=declared) == (F, None)
    assert found(EVER_TREATED, []).wanted == (Wanted("E02", attestation=True),)


@pytest.mark.parametrize("status", ["completed", "stopped", "in-progress", "on-hold", "unknown"])
@pytest.mark.parametrize(
    "product", [{"text": "AFINITOR 10 mg"}, {"coding": [{"system": "urn:ucd", "code": "9400123"}]}, {}]
)
def test_an_administration_that_cannot_be_read_is_not_presumed_away(status: str, product: dict[str, Any]) -> None:
    given = {"resourceType": "MedicationAdministration", "status": status, "medicationCodeableConcept": product}
    declared = complete("medication-administration")

    assert told(TREATED, given | {"effectiveDateTime": "2025-05-20"}, site=declared) == (U, Reason.NOT_READ)
    assert told(TREATED, given, site=declared) == (U, Reason.NOT_READ)
    assert told(TREATED, given | {"effectiveDateTime": "2025-05-04"}, site=declared) == (F, None)
    assert flips(TREATED, given | {"effectiveDateTime": "2025-05-20"}, site=declared) == date(2025, 6, 17)


@pytest.mark.parametrize("status", ["not-done", "entered-in-error"])
def test_an_administration_that_was_not_given_need_not_be_read(status: str) -> None:
    given = {"resourceType": "MedicationAdministration", "status": status, "effectiveDateTime": "2025-05-20"}

    assert told(TREATED, given, site=complete("medication-administration")) == (F, None)


def test_the_day_is_named_on_which_a_treatment_leaves_a_window_of_days() -> None:
    assert flips(TREATED, {"infusion": {"date": "2025-05-20"}}) == date(2025, 6, 17)


def test_a_procedure_of_another_term_is_no_event() -> None:
    assert told(EVENT, {"procedure": {"term": "permanent-sterilisation", "date": "2025-03-01"}}) == NOTHING


# Asking conditions

ASKING = ("I50.0", "I21.9", "I22.0", "I62.9", "I44.2", "I47.1", "I48.2", "I49.9", "R00.1", "Z95.1", "Z95.5")


@pytest.mark.parametrize("code", ASKING)
@pytest.mark.parametrize("more", [{}, {"onset": "2015-01-01"}, {"onset": "2025-03-01"}, {"recorded": "2025-03-01"}])
def test_what_may_be_uncontrolled_asks(code: str, more: dict[str, Any]) -> None:
    answer = found(EVENT, [event(code, **more)])

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.ASKS, True)
    assert answer.wanted == (Wanted("E10.controlled", attestation=True),)
    assert [item.value for item in answer.evidence] == [code]


@pytest.mark.parametrize(
    ("more", "over"),
    [
        ({"onset": "2015-01-01", "abatement": "2024-05-31"}, True),
        ({"onset": "2015-01-01", "abatement": "2024-06-01"}, False),
        ({"abatement": "2024-05-31"}, True),
        ({"abatement": "2024-05"}, True),
        ({"abatement": "2024"}, False),
        ({"abatement": "2024-05-31", "clinical": "active"}, True),
        ({"onset": "2024-05-31", "clinical": "inactive"}, True),
        ({"onset": "2024-05-31", "clinical": "remission"}, True),
        ({"onset": "2024-05-31", "clinical": "resolved"}, True),
        ({"onset": "2024-06-01", "clinical": "resolved"}, False),
        ({"onset": "2024", "clinical": "resolved"}, False),
        ({"onset": "2015-01-01", "clinical": "active"}, False),
        ({"onset": "2015-01-01", "clinical": "recurrence"}, False),
        ({"onset": "2015-01-01", "clinical": None}, False),
        ({"onset": "2015-01-01", "clinical": "resolved", "abatement": "2025-01-01"}, False),
        # the day of the record is no onset
        ({"recorded": "2015-01-01", "clinical": "resolved"}, False),
        ({"clinical": "resolved"}, False),
    ],
)
def test_an_asking_condition_is_nothing_when_it_was_surely_over_before_the_window(
    more: dict[str, Any], over: bool
) -> None:
    entry = event("I50.0", **more)

    assert told(EVENT, entry) == (NOTHING if over else ASKS)
    assert told(EVENT, entry, site=DECLARED) == ((F, None) if over else ASKS)


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_a_condition_that_never_was_does_not_ask(verification: str) -> None:
    assert told(EVENT, event("I48.2", verification=verification)) == NOTHING


def test_a_condition_that_began_later_does_not_ask_yet() -> None:
    assert told(EVENT, event("I48.2", onset="2025-06-02")) == NOTHING
    assert told(EVENT, event("I48.2", onset="2025-06-02"), on=date(2025, 6, 2)) == ASKS


@pytest.mark.parametrize(("said", "truth"), [(True, F), (False, T)])
def test_a_person_says_whether_it_is_controlled(said: bool, truth: Truth) -> None:
    answer = found(EVENT, [event("I48.2", id="a"), event("I50.0", id="b"), control(said)])

    assert (answer.truth, answer.attested, answer.presumed) == (truth, True, False)
    assert {item.reference for item in answer.evidence} == {
        "Condition/a",
        "Condition/b",
        "QuestionnaireResponse/attestation-1",
    }


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([event("I63.9", onset="2025-03-01")], PROVEN),
        ([event("I63.9", onset="2025-03-01", verification="unconfirmed")], STATUS),
        ([event("I63.9", onset="2025")], IMPRECISE),
        ([event("I63.9", onset="2020-01-01")], (F, None)),
    ],
)
def test_control_does_not_answer_a_deciding_event(entries: list[Any], expected: tuple[Truth, Reason | None]) -> None:
    assert told(EVENT, event("I48.2"), control(True), *entries) == expected


def test_control_is_nothing_where_nothing_asks() -> None:
    assert told(EVENT, control(False)) == NOTHING
    assert told(EVENT, control(False), site=DECLARED) == (F, None)


@pytest.mark.parametrize(
    ("onset", "authored", "truth"),
    [
        ("2025-05-20", "2025-05-20", F),
        ("2025-05-21", "2025-05-20", U),
        ("2025-05-21", "2025-05-22", F),
        ("2025-05", "2025-05-20", F),
    ],
)
def test_what_surely_began_after_the_persons_word_asks_anew(onset: str, authored: str, truth: Truth) -> None:
    entries = [event("I48.2", onset="2015-01-01", id="a"), event("I50.0", onset=onset, id="b")]

    assert told(EVENT, *entries, control(True, authored=authored))[0] is truth


@pytest.mark.parametrize(("authored", "truth"), [("2025-05-04", F), ("2025-05-03", U)])
def test_the_persons_word_holds_as_long_as_the_trial_says(authored: str, truth: Truth) -> None:
    assert told(EVENT, event("I48.2"), control(True, authored=authored))[0] is truth


def test_two_words_of_one_instant_that_differ_are_a_conflict() -> None:
    assert told(EVENT, event("I48.2"), control(True), control(False)) == (U, Reason.CONFLICT)


@pytest.mark.parametrize(
    ("entry", "said", "expected"),
    [
        (event("I48.2"), False, (F, None)),
        (event("I48.2"), True, PROVEN),
        (event("I63.9", onset="2025"), False, (F, None)),
        (event("I63.9", onset="2025-03-01"), True, PROVEN),
        (event("I63.9", onset="2025-03-01"), False, (U, Reason.CONFLICT)),
    ],
)
def test_the_whole_may_be_attested(entry: Any, said: bool, expected: tuple[Truth, Reason | None]) -> None:
    assert told(EVENT, entry, {"attest": {"E10": said}}) == expected


# Absence, time, order


@pytest.mark.parametrize(
    ("start", "end", "truth"),
    [
        (date(2024, 6, 1), date(2025, 6, 1), F),
        (date(2024, 6, 2), date(2025, 6, 1), U),
        (date(2024, 6, 1), date(2025, 5, 31), U),
    ],
)
def test_absence_is_presumed_where_the_whole_window_is_declared(start: date, end: date, truth: Truth) -> None:
    answer = found(EVENT, [], site=complete("condition", start, end))

    assert (answer.truth, answer.presumed) == (truth, truth is F)


def test_another_domain_declares_nothing() -> None:
    assert told(EVENT, site=complete("medication-administration")) == NOTHING


@pytest.mark.parametrize(
    ("entries", "site", "expected"),
    [
        ([event(onset="2024-07-15")], PLAIN, date(2025, 7, 16)),
        ([stent("2024-07-15")], PLAIN, date(2025, 7, 16)),
        # of 29 February the year is over after 28 February
        ([event(onset="2024-06-30")], PLAIN, date(2025, 7, 1)),
        ([event(onset="2024-07")], DECLARED, date(2025, 7, 2)),
        ([event(onset="2025-06")], PLAIN, date(2025, 6, 30)),
        ([event("I50.0", onset="2015-01-01", abatement="2024-09-01")], DECLARED, date(2025, 9, 2)),
        ([event("I50.0", onset="2024-09-01", clinical="resolved")], DECLARED, date(2025, 9, 2)),
        ([event("I50.0", onset="2015-01-01")], DECLARED, None),
        ([], complete("condition", end=date(2025, 8, 1)), date(2025, 8, 2)),
        ([], PLAIN, None),
        ([event("I48.2"), control(True)], PLAIN, date(2025, 6, 18)),
        # what cannot be read matters for as long as it may be of the window
        ([in_words(abatement="2024-09-01", clinical="resolved")], DECLARED, date(2025, 9, 2)),
        ([in_words(abatement="2024-09", clinical="resolved")], DECLARED, date(2025, 10, 1)),
        ([in_words()], DECLARED, None),
    ],
)
def test_the_day_is_named_on_which_time_alone_changes_it(entries: list[Any], site: Site, expected: date | None) -> None:
    assert flips(EVENT, *entries, site=site) == expected


@pytest.mark.parametrize(("on", "truth"), [(date(2025, 2, 28), T), (date(2025, 3, 1), U)])
def test_months_are_clamped_to_the_end_of_the_month(on: date, truth: Truth) -> None:
    assert told(EVENT, event(onset="2024-02-29"), on=on)[0] is truth


def test_the_day_named_is_right_at_a_clamped_month() -> None:
    assert flips(EVENT, event(onset="2024-02-29"), on=date(2025, 2, 1)) == date(2025, 3, 1)


def test_the_order_of_records_does_not_matter() -> None:
    entries = [
        event("I63.9", onset="2025", id="a"),
        event("I64", onset="2025-03-01", verification="unconfirmed", id="b"),
        event("I48.2", id="c"),
        event("I21.9", onset="2020-01-01", clinical="resolved", id="d"),
    ]
    answers = [found(EVENT, order) for order in permutations(entries)]

    assert len({(item.truth, item.reason, item.evidence, item.context) for item in answers}) == 1
