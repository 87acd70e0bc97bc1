"""In: what coded data and a person say, in every combination. Out: whether one decides, the other does, or it is a conflict."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from adapter.criteria import Answer, Evidence, Reason, Truth
from adapter.criteria.attestation import FOR_GOOD, Validity, attestations, decide_with, latest_attestation
from adapter.fhir import When, parse_when
from tests.unit.criteria.making import ON, record

T, F, U = Truth.T, Truth.F, Truth.U
TRIAL = "nct04954820"
GIVEN = parse_when("2025-05-20")
assert GIVEN is not None
CODED, SAID, LATER = (Evidence(f"{kind}/1") for kind in ("Observation", "QuestionnaireResponse", "Condition"))
DAYS = frozenset({date(2025, 6, 10)})


def coded(truth: Truth, *, presumed: bool = False) -> Answer:
    return Answer(truth, Reason.TOO_OLD if truth is U else None, (CODED,), presumed=presumed, changes=DAYS)


def said(truth: Truth) -> tuple[Answer, When]:
    assert GIVEN is not None
    if truth is U:
        return Answer(U, Reason.CONFLICT, (SAID,)), GIVEN
    return Answer(truth, evidence=(SAID,), attested=True, changes=frozenset({date(2025, 6, 18)})), GIVEN


def alone(truth: Truth | None) -> Callable[[When], Answer]:
    """What later data give alone; None: there are none."""

    def answer(moment: When) -> Answer:
        assert moment is GIVEN
        if truth is None:
            return Answer(U, Reason.NO_DATA)
        return Answer(truth, Reason.TOO_OLD if truth is U else None, (LATER,))

    return answer


LATERS = (None, T, F, U)


@pytest.mark.parametrize(("truth", "later"), list(itertools.product(Truth, LATERS)))
def test_without_an_attestation_coded_data_decide(truth: Truth, later: Truth | None) -> None:
    assert decide_with(coded(truth), None, later=alone(later)) == coded(truth)


def expected_outcome(data: Truth, person: Truth, later: Truth | None) -> str:
    """clarifications.md 26 and 32, as a table."""
    if person is U:
        return "conflict"
    if data is person:
        return "agreed"
    reopened = later is not None and later is not U and later is not person
    if data is U:
        return "data" if reopened or later is U else "person"
    return "data" if reopened else "conflict"


@pytest.mark.parametrize(("data", "person", "later"), list(itertools.product(Truth, Truth, LATERS)))
def test_attestation_and_data_are_put_together_by_the_table(data: Truth, person: Truth, later: Truth | None) -> None:
    found = decide_with(coded(data), said(person), later=alone(later))
    outcome = expected_outcome(data, person, later)

    if outcome == "conflict":
        assert (found.truth, found.reason) == (U, Reason.CONFLICT)
        assert set(found.evidence) == {CODED, SAID}
    elif outcome == "agreed":
        assert (found.truth, found.presumed, set(found.evidence)) == (data, False, {CODED, SAID})
    elif outcome == "person":
        assert (found.truth, found.attested, found.evidence[0]) == (person, True, SAID)
    else:
        assert (found.truth, found.attested, found.evidence) == (data, False, (CODED,))
    assert found.changes >= coded(data).changes | said(person)[0].changes


@pytest.mark.parametrize("person", [T, F])
def test_an_attestation_never_flips_what_data_prove(person: Truth) -> None:
    proven = F if person is T else T
    found = decide_with(coded(proven), said(person), later=alone(None))

    assert found.truth is U


@pytest.mark.parametrize("person", [T, F])
def test_an_attestation_outweighs_a_presumption(person: Truth) -> None:
    presumed = F if person is T else T
    found = decide_with(coded(presumed, presumed=True), said(person), later=alone(None))

    assert (found.truth, found.presumed, found.attested) == (person, False, True)


def test_an_attestation_that_agrees_with_a_presumption_makes_it_no_presumption() -> None:
    assert not decide_with(coded(F, presumed=True), said(F), later=alone(None)).presumed


def read(*entries: dict[str, Any], on: date = ON) -> list[tuple[str, str]]:
    found = attestations(record([{"attest": entry} for entry in entries]), trial=TRIAL, on=on)
    return [(item.link, str(item.truth)) for items in found.values() for item in items]


def test_attestations_are_in_times_order() -> None:
    found = read({"I08": True, "authored": "2025-05-21"}, {"I08": False, "authored": "2025-05-20"})

    assert found == [("I08", "F"), ("I08", "T")]


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 1),
        ({"author": "PractitionerRole/1"}, 1),
        ({"author": "https://h/fhir/Practitioner/1"}, 1),
        ({"author": "Patient/1"}, 0),
        ({"author": "Device/1"}, 0),
        ({"author": "urn:uuid:1"}, 0),
        ({"author": "#p"}, 0),
        ({"author": None}, 0),
        ({"status": "amended"}, 0),
        ({"status": "in-progress"}, 0),
        ({"questionnaire": "urn:reluth:attestation:nct04954820|2"}, 1),
        ({"questionnaire": "urn:reluth:attestation:nct049548200"}, 0),
        ({"authored": None}, 0),
        ({"authored": "hier"}, 0),
        ({"authored": "2025-06-01T21:59:59Z"}, 1),
        ({"authored": "2025-06-01T22:00:00Z"}, 0),
        ({"nested": True}, 1),
    ],
)
def test_only_what_a_professional_signed_for_this_trial_by_then_counts(change: dict[str, Any], count: int) -> None:
    assert len(read({"I08": True, **change})) == count


def test_an_item_without_a_link_or_a_boolean_attests_nothing() -> None:
    assert read({"answers": {"I08": [{"valueDate": "2025-05-01"}]}}) == []


def test_an_answer_and_its_date_are_kept_as_sent() -> None:
    entry = {"attest": {"answers": {"E12.treated": [{"valueBoolean": True, "valueDate": "2024-11"}]}}}
    ((found,),) = attestations(record([entry]), trial=TRIAL, on=ON).values()

    assert found.evidence.value == "E12.treated = true, 2024-11"
    assert found.since == parse_when("2024-11")


FOUR_WEEKS = Validity(days=28)


def latest(*entries: dict[str, Any], validity: Validity = FOUR_WEEKS, on: date = ON) -> tuple[Answer, When] | None:
    found = attestations(record([{"attest": entry} for entry in entries]), trial=TRIAL, on=on)
    return latest_attestation(found, "I08", on=on, validity=validity)


@pytest.mark.parametrize(
    ("authored", "validity", "counts"),
    [
        ("2025-05-04", Validity(days=28), True),
        ("2025-05-03", Validity(days=28), False),
        ("2025-05-03T22:30:00Z", Validity(days=28), True),
        ("2000-01-01", FOR_GOOD, True),
        ("2025-06-01", Validity(days=0), True),
        ("2025-05-31", Validity(days=0), False),
        ("2025-02-01", Validity(months=4), True),
        ("2025-01-31", Validity(months=4), False),
    ],
)
def test_an_attestation_holds_for_its_time(authored: str, validity: Validity, counts: bool) -> None:
    assert (latest({"I08": True, "authored": authored}, validity=validity) is not None) is counts


@pytest.mark.parametrize("months", [1, 4, 12, 60])
@pytest.mark.parametrize(
    "given", [date(2024, 2, 28), date(2024, 2, 29), date(2025, 2, 28), date(2025, 1, 31), date(2025, 8, 30)]
)
def test_the_day_on_which_calendar_months_lapse_is_the_one_told(given: date, months: int) -> None:
    validity = Validity(months=months)
    day = given
    while (first := validity.first_day(day)) is not None and first <= given:
        day += timedelta(days=1)

    assert validity.lapses(given) == {day}


def test_an_attestation_ends_the_day_after_its_last_one() -> None:
    found = latest({"I08": True, "authored": "2025-05-20"})

    assert found is not None
    assert found[0].changes == {date(2025, 6, 18)}


def test_an_attestation_for_good_does_not_end() -> None:
    found = latest({"I08": True}, validity=FOR_GOOD)

    assert found is not None
    assert found[0].changes == frozenset()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("2025-05-20", True), ("2025-05-21", False), "F"),
        (("2025-05-21", True), ("2025-05-20", False), "T"),
        (("2025-05-20", True), ("2025-05-20", False), "U"),
        (("2025-05-20", True), ("2025-05-20T08:00:00Z", False), "U"),
        (("2025-05-20T08:00:00Z", True), ("2025-05-20T08:00:01Z", False), "F"),
        (("2025-05-20", True), ("2025-05-20", True), "T"),
    ],
)
def test_the_latest_attestation_holds_and_two_of_one_time_conflict(
    first: tuple[str, bool], second: tuple[str, bool], expected: str
) -> None:
    found = latest(*({"I08": truth, "authored": authored} for authored, truth in (first, second)))

    assert found is not None
    assert str(found[0].truth) == expected
    assert (found[0].reason is Reason.CONFLICT) == (expected == "U")
    assert found[0].attested == (expected != "U")


def test_no_attestation_is_nobody_said() -> None:
    assert latest({"I09": True}) is None
    assert latest() is None


@pytest.mark.parametrize(
    ("author", "contained", "count"),
    [
        ({"reference": "#p"}, [{"resourceType": "Practitioner", "id": "p"}], 1),
        ({"reference": "#p"}, [{"resourceType": "PractitionerRole", "id": "p"}], 1),
        ({"reference": "#p"}, [{"resourceType": "Patient", "id": "p"}], 0),
        ({"reference": "#p", "type": "Practitioner"}, [{"resourceType": "Patient", "id": "p"}], 0),
        ({"reference": "#p"}, [{"resourceType": "Practitioner", "id": "q"}, 5, {"id": "p", "resourceType": 5}], 0),
        ({"reference": "#p"}, "p", 0),
    ],
)
def test_who_signed_may_stand_in_the_response(author: Any, contained: Any, count: int) -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "id": "q",
        "status": "completed",
        "questionnaire": f"urn:reluth:attestation:{TRIAL}",
        "authored": "2025-05-20",
        "author": author,
        "contained": contained,
        "item": [{"linkId": "I08", "answer": [{"valueBoolean": True}]}],
    }

    assert len(attestations(record([response]), trial=TRIAL, on=ON)) == count
