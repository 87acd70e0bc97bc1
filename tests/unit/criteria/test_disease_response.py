"""In: assessments after each course, of every kind and date. Out: response to the first, progression on the second, a recent one (E01, E02)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria import Reason, Trial, Truth
from adapter.criteria.answer import Wanted
from tests.unit.criteria.making import ON, START, criterion, infusion, infusions, tiny
from tests.unit.criteria.single import flips, found, told

T, F, U = Truth.T, Truth.F, Truth.U
NET: dict[str, Any] = {"condition": {"icd10": "C17.2", "onset": "2019-01-01", "id": "net"}}
BREAST: dict[str, Any] = {"condition": {"icd10": "C50.9", "onset": "2019-01-01", "id": "breast"}}
#: The last cycle of the first course: 21 June 2021.
LAST = START + timedelta(days=168)
FIRST = [NET, *infusions(56, 56, 56)]
RESPONSE = tiny(
    criterion({"no_response_to_first_course": {"control": "I04"}}, "E01", kind="exclusion"),
    criterion({"control_after_first_course": {"at_least_months": 12}}, "I04"),
)
#: Cycles of the second course on 26 July and 20 September 2022.
BOTH = [NET, *infusions(56, 56, 56, 400, 56)]
SECOND_RULE = {
    "cases": [
        {
            "if": {"second_course": {"at_least_cycles": 2}},
            "then": {"attestable": {"link": "E02", "rule": {"progression_on_second_course": {"after_cycles": 2}}}},
        },
        {"otherwise": {"second_course": {"at_least_cycles": 2}}},
    ]
}
SECOND = tiny(criterion(SECOND_RULE, "E02", kind="exclusion", attestable=False))
RECENT = tiny(criterion({"progression_within": {"from_months": 24, "to_months": 1}}, "I06"))
NOTHING = (U, Reason.NO_DATA)
ASKS = (U, Reason.ASKS)
IMPRECISE = (U, Reason.IMPRECISE_DATE)
CONFLICT = (U, Reason.CONFLICT)
UNATTRIBUTED = (U, Reason.UNATTRIBUTED)
UNDECIDED = (U, Reason.COURSE_UNDECIDED)
PROVEN, REFUTED = (T, None), (F, None)


def best(value: str, when: str = "2021-08-01", **more: Any) -> dict[str, Any]:
    return {"best-response": {"value": value, "date": when, **more}}


def recist(value: str, when: str = "2021-08-01", **more: Any) -> dict[str, Any]:
    return {"recist": {"value": value, "date": when, **more}}


def status(value: str, when: str = "2021-08-01", **more: Any) -> dict[str, Any]:
    return {"progress": {"status": value, "date": when, **more}}


# E01: no response to the first course


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (best("CR"), REFUTED),
        (best("PR"), REFUTED),
        (best("SD"), REFUTED),
        (best("PD"), PROVEN),
        (best("NE"), ASKS),
        (recist("CR"), REFUTED),
        (recist("PR"), REFUTED),
        (recist("SD"), REFUTED),
        (recist("PD"), ASKS),
        (recist("NE"), ASKS),
        (status("improved"), REFUTED),
        (status("stable"), REFUTED),
        (status("worsened"), ASKS),
        (status("undetermined"), ASKS),
    ],
)
def test_a_response_refutes_and_a_best_response_pd_alone_proves(
    entry: Any, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RESPONSE, *FIRST, entry) == expected


def test_no_assessment_is_no_answer() -> None:
    answer = found(RESPONSE, FIRST)

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.NO_DATA, False)
    assert answer.wanted == (Wanted("response"),)


@pytest.mark.parametrize("form", ["text", "code", "concept"])
@pytest.mark.parametrize(("value", "expected"), [("SD", REFUTED), ("PD", PROVEN)])
def test_a_category_counts_as_code_and_as_text(form: str, value: str, expected: tuple[Truth, Reason | None]) -> None:
    assert told(RESPONSE, *FIRST, best(value, form=form)) == expected


def test_a_category_in_other_words_is_for_a_person() -> None:
    assert told(RESPONSE, *FIRST, best("réponse partielle", form="text")) == (U, Reason.NOT_READ)
    assert told(RESPONSE, *FIRST, best("non-CR/non-PD", form="text")) == REFUTED


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        (str(LAST), False),
        (str(LAST + timedelta(days=1)), True),
        ("2021-03-15", False),
        ("2021-07", True),
        ("2025-06-01", True),
        ("2025-06-02", False),
    ],
)
@pytest.mark.parametrize("entry", [best, recist])
def test_what_comes_surely_after_the_last_cycle_counts_up_to_the_day(when: str, counts: bool, entry: Any) -> None:
    assert told(RESPONSE, *FIRST, entry("SD", when)) == (REFUTED if counts else NOTHING)


@pytest.mark.parametrize("when", ["2021", "2021-06", "2025-06", "2025"])
@pytest.mark.parametrize("entry", [best, recist])
def test_a_partial_date_across_an_end_leaves_it_open(when: str, entry: Any) -> None:
    assert told(RESPONSE, *FIRST, entry("SD", when)) == IMPRECISE


@pytest.mark.parametrize(
    ("when", "expected"), [("2023-04-30", REFUTED), ("2023-05-01", NOTHING), ("2023-07-01", NOTHING)]
)
def test_what_comes_after_the_second_course_began_does_not_count(
    when: str, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RESPONSE, *FIRST, infusion("2023-05-01"), best("SD", when)) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([recist("SD", "2021-08-01"), recist("PD", "2021-12-01")], REFUTED),
        ([recist("PD", "2021-08-01"), recist("SD", "2021-12-01")], ASKS),
        ([status("worsened", "2021-08-01"), recist("SD", "2021-12-01")], ASKS),
        ([recist("PD", "2021-08-01"), status("stable", "2021-12-01")], ASKS),
        ([recist("PD", "2021-08-01"), recist("SD", "2021-08-01")], ASKS),
        ([recist("PD", "2021-08-01"), best("SD", "2021-12-01")], REFUTED),
        # a worsening before the course was over says nothing of the response to it
        ([recist("PD", "2021-05-01"), recist("SD", "2021-12-01")], REFUTED),
        ([recist("PD", "2021-08-01", observation="preliminary"), recist("SD", "2021-12-01")], REFUTED),
        # of a worsening of an unknown day it is not known whether it came first
        ([recist("PD", "2021"), recist("SD", "2021-12-01")], IMPRECISE),
        ([recist("NE", "2021-08-01"), recist("SD", "2021-12-01")], REFUTED),
    ],
)
def test_a_response_counts_before_the_first_worsening(
    entries: list[Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RESPONSE, *FIRST, *entries) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([status("worsened", "2022-06-21")], REFUTED),
        ([status("worsened", "2022-06-20")], ASKS),
        ([recist("PD", "2023-01-01")], REFUTED),
        ([{"attest": {"I04": True}}], REFUTED),
        ([{"attest": {"I04": False}}], NOTHING),
    ],
)
def test_lasting_control_refutes(entries: list[Any], expected: tuple[Truth, Reason | None]) -> None:
    assert told(RESPONSE, *FIRST, *entries) == expected


@pytest.mark.parametrize(
    "other",
    [best("SD"), recist("PR"), status("stable"), recist("PD", "2023-01-01"), {"attest": {"I04": True}}],
)
def test_a_best_response_pd_beside_a_response_is_a_conflict(other: Any) -> None:
    answer = found(RESPONSE, [*FIRST, best("PD"), other])

    assert (answer.truth, answer.reason) == CONFLICT
    assert len(answer.evidence) >= 2


@pytest.mark.parametrize(
    "other", [recist("PD"), status("worsened"), best("NE"), recist("SD", "2025-06-02"), recist("SD", "2021-03-01")]
)
def test_a_best_response_pd_stands_beside_what_is_no_response(other: Any) -> None:
    assert told(RESPONSE, *FIRST, best("PD"), other) == PROVEN


@pytest.mark.parametrize("observation", ["preliminary", "registered", "entered-in-error", "cancelled", "unknown"])
@pytest.mark.parametrize("entry", [best, recist, status])
def test_an_assessment_that_is_not_usable_does_not_count(entry: Any, observation: str) -> None:
    value = "stable" if entry is status else "SD"

    assert told(RESPONSE, *FIRST, entry(value, observation=observation)) == NOTHING


@pytest.mark.parametrize("observation", ["amended", "corrected"])
def test_a_corrected_assessment_counts(observation: str) -> None:
    assert told(RESPONSE, *FIRST, best("SD", observation=observation)) == REFUTED


@pytest.mark.parametrize("value", ["SD", "PD"])
def test_an_assessment_of_nobody_knows_which_tumour_is_unattributed(value: str) -> None:
    assert told(RESPONSE, BREAST, *FIRST, best(value)) == UNATTRIBUTED


def test_an_assessment_of_another_tumour_does_not_count() -> None:
    assert told(RESPONSE, BREAST, *FIRST, best("PD", focus="breast")) == NOTHING
    assert told(RESPONSE, BREAST, *FIRST, best("PD", focus="net")) == PROVEN


@pytest.mark.parametrize("gaps", [(56, 56), (56, 56, 56, 56), (56, 56, 200), (56, 56, 56, 200)])
def test_without_an_established_first_course_the_response_is_open(gaps: tuple[int, ...]) -> None:
    assert told(RESPONSE, NET, *infusions(*gaps), best("PD", "2024-01-01")) == UNDECIDED


@pytest.mark.parametrize(("said", "expected"), [(True, PROVEN), (False, REFUTED)])
def test_the_response_may_be_attested_without_any_course(said: bool, expected: tuple[Truth, Reason | None]) -> None:
    assert told(RESPONSE, {"attest": {"E01": said}}) == expected


@pytest.mark.parametrize(
    ("entries", "said", "expected"),
    [
        ([best("PD")], False, CONFLICT),
        ([best("SD")], True, CONFLICT),
        ([best("PD")], True, PROVEN),
        ([best("NE")], False, REFUTED),
        ([best("NE", "2025-05-25")], False, ASKS),
    ],
)
def test_an_attestation_does_not_override_a_recorded_response(
    entries: list[Any], said: bool, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RESPONSE, *FIRST, *entries, {"attest": {"E01": said}}) == expected


# E02: progression after two cycles of the second course


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], NOTHING),
        ([recist("PD", "2022-09-20")], NOTHING),
        ([recist("PD", "2022-09-21")], PROVEN),
        ([recist("PD", "2022-07-01")], NOTHING),
        ([recist("PD", "2025-06-01")], PROVEN),
        ([recist("PD", "2025-06-02")], NOTHING),
        ([recist("SD", "2022-10-25")], REFUTED),
        ([recist("PR", "2022-10-25")], REFUTED),
        ([recist("CR", "2022-10-25")], REFUTED),
        ([recist("NE", "2022-10-25")], ASKS),
        ([recist("SD", "2022-09-20")], NOTHING),
        ([recist("SD", "2022-10-25"), recist("PD", "2022-12-20")], PROVEN),
        ([recist("PD", "2022-10-25"), recist("SD", "2022-12-20")], PROVEN),
        ([recist("NE", "2022-10-25"), recist("SD", "2022-12-20")], REFUTED),
        ([status("worsened", "2022-10-25")], ASKS),
        ([status("stable", "2022-10-25")], ASKS),
        ([best("PD", "2022-10-25")], ASKS),
        ([status("worsened", "2022-10-25"), recist("SD", "2022-10-25")], REFUTED),
        ([recist("PD", "2022-10-25", form="text")], PROVEN),
        ([recist("PD", "2022-10-25", form="concept")], PROVEN),
        ([recist("PD", "2022-10-25", observation="preliminary")], NOTHING),
        ([recist("PD", "2022")], IMPRECISE),
        ([recist("SD", "2022-09")], IMPRECISE),
        ([recist("PD", "2022-10")], PROVEN),
        ([recist("PD", "2025-06")], IMPRECISE),
        ([recist("PD", "2022-09"), recist("SD", "2022-12-20")], IMPRECISE),
        ([recist("SD", "2022-09"), recist("SD", "2022-12-20")], REFUTED),
        ([recist("SD", "2022-09"), recist("PD", "2022-12-20")], PROVEN),
        # the one that led to the second course
        ([recist("PD", "2022-06-25"), recist("SD", "2022-12-20")], REFUTED),
    ],
)
def test_recist_after_the_second_cycle_decides(entries: list[Any], expected: tuple[Truth, Reason | None]) -> None:
    assert told(SECOND, *BOTH, *entries) == expected


@pytest.mark.parametrize(
    ("cycles", "expected"),
    [
        (infusions(56, 56, 56, 400, 56), PROVEN),
        (infusions(56, 56, 56, 400), UNDECIDED),
        (infusions(56, 56, 56), UNDECIDED),
        ([*infusions(56, 56, 56, 400), infusion("2022-09-20", status="stopped")], UNDECIDED),
        (infusions(56, 56, 400, 56), UNDECIDED),
        ([], UNDECIDED),
    ],
)
@pytest.mark.parametrize("said", [None, True, False])
def test_it_stays_open_without_two_completed_second_cycles_whatever_is_attested(
    cycles: list[Any], expected: tuple[Truth, Reason | None], said: bool | None
) -> None:
    attested = [] if said is None else [{"attest": {"E02": said}}]

    assert told(SECOND, NET, *cycles, recist("PD", "2022-12-01"), *attested) == (
        CONFLICT if expected == PROVEN and said is False else expected
    )


@pytest.mark.parametrize(("said", "expected"), [(True, PROVEN), (False, REFUTED)])
def test_with_two_cycles_a_person_may_decide_what_is_open(said: bool, expected: tuple[Truth, Reason | None]) -> None:
    word = {"attest": {"E02": said}}

    assert told(SECOND, *BOTH, word) == expected
    assert told(SECOND, *BOTH, word, status("worsened", "2022-10-25")) == expected


def test_a_third_cycle_is_shown_and_changes_nothing() -> None:
    third = {"infusion": {"date": "2022-11-15", "id": "third"}}
    for entry, expected in (
        (recist("PD", "2022-10-25"), PROVEN),
        (recist("PD", "2022-12-25"), PROVEN),
        (recist("SD", "2022-12-25"), REFUTED),
        (status("worsened", "2022-12-25"), ASKS),
    ):
        answer = found(SECOND, [*BOTH, third, entry])
        assert (answer.truth, answer.reason) == expected
        assert "MedicationAdministration/third" in {item.reference for item in answer.shown}


def test_a_progression_of_another_or_an_unknown_tumour_does_not_prove() -> None:
    assert told(SECOND, BREAST, *BOTH, recist("PD", "2022-10-25")) == UNATTRIBUTED
    assert told(SECOND, BREAST, *BOTH, recist("SD", "2022-10-25")) == UNATTRIBUTED
    assert told(SECOND, BREAST, *BOTH, recist("PD", "2022-10-25", focus="breast")) == NOTHING


def test_what_is_missing_after_the_second_cycle_is_named() -> None:
    assert found(SECOND, BOTH).wanted == (Wanted("recist"),)
    assert found(SECOND, FIRST).wanted == (Wanted("second-course"),)


# A progression of the last months


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2023-05-31", (U, Reason.TOO_OLD)),
        ("2023-06-01", PROVEN),
        ("2025-05-01", PROVEN),
        ("2024", PROVEN),
        ("2023", IMPRECISE),
        ("2025", IMPRECISE),
        ("2023-05", (U, Reason.TOO_OLD)),
        ("2025-06-02", NOTHING),
    ],
)
def test_a_progression_lies_between_both_months_both_days_included(
    when: str, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RECENT, NET, recist("PD", when)) == expected


def test_a_progression_that_is_too_recent_does_not_count_yet() -> None:
    assert told(RECENT, NET, recist("PD", "2025-05-02"))[0] is U


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], NOTHING),
        ([recist("SD", "2024-06-01")], NOTHING),
        ([best("PD", "2024-06-01")], NOTHING),
        ([status("worsened", "2024-06-01")], ASKS),
        ([status("worsened", "2024-06-01"), recist("PD", "2024-08-01")], PROVEN),
        ([status("worsened", "2024-06-01"), recist("PD", "2020-01-01")], ASKS),
        ([recist("PD", "2024-06-01", observation="preliminary")], NOTHING),
        ([recist("PD", "2024-06-01", form="text")], PROVEN),
        ([recist("PD", "2020-01-01"), recist("PD", "2024-06-01")], PROVEN),
        ([BREAST, recist("PD", "2024-06-01")], UNATTRIBUTED),
        ([BREAST, recist("PD", "2024-06-01", focus="breast")], NOTHING),
        ([BREAST, recist("PD", "2024-06-01", focus="net")], PROVEN),
        # no course of treatment is needed, and none is in the way
        ([*infusions(56, 56), recist("PD", "2024-06-01")], PROVEN),
    ],
)
def test_a_recist_progression_of_the_study_tumour_proves(
    entries: list[Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert told(RECENT, NET, *entries) == expected


@pytest.mark.parametrize(
    ("when", "on", "expected"),
    [
        ("2025-05-15", ON, date(2025, 6, 15)),
        ("2023-06-10", ON, date(2025, 6, 11)),
        # a month before 30 June is 30 May
        ("2025-05-31", date(2025, 6, 15), date(2025, 7, 1)),
        ("2024-02-29", date(2026, 2, 1), date(2026, 3, 1)),
        ("2020-01-01", ON, None),
    ],
)
def test_the_day_is_named_on_which_a_progression_comes_or_goes(when: str, on: date, expected: date | None) -> None:
    assert flips(RECENT, NET, recist("PD", when), on=on) == expected


@pytest.mark.parametrize("trial", [RESPONSE, SECOND, RECENT])
def test_the_order_of_assessments_does_not_matter(trial: Trial) -> None:
    entries = [
        recist("PD", "2022-10-25", id="a"),
        recist("SD", "2022-10-25", id="b"),
        best("PD", "2021-08-01", id="c"),
        status("stable", "2021-08-01", id="d"),
    ]
    answers = [found(trial, [*BOTH, *order]) for order in permutations(entries)]

    assert len({(item.truth, item.reason, item.evidence, item.context) for item in answers}) == 1
