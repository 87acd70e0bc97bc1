"""In: results and adverse events about the first course, at every limit and edge. Out: what proves grade 4, asks and refutes (E03.a)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.terminology import Site
from tests.support.record_kinds import GRADE_URL
from tests.unit.criteria import single
from tests.unit.criteria.making import criterion, infusion, infusions
from tests.unit.criteria.single import flips, found

T, F, U = Truth.T, Truth.F, Truth.U
SITE = Site("icm", adverse_event_grade=GRADE_URL)
COURSE = criterion(
    {
        "toxicity_in_first_course": {
            "analytes": ["platelets", "neutrophils", "leukocytes", "creatinine"],
            "asks": ["lymphocytes"],
            "grade": 4,
            "after_days": 56,
            "wanted": "E03.a",
        }
    },
    "E03",
)
#: Cycles of 4 January, 1 March, 26 April and 21 June 2021; the last counts until 16 August.
CYCLES = infusions(56, 56, 56)
#: A day in each interval.
DAYS = ("2021-02-01", "2021-04-01", "2021-06-01", "2021-07-15")
CLEAN = {"platelets": 150, "neutrophils": 3, "leukocytes": 5, "creatinine": 80}
UNITS = {
    "hb": "g/dL",
    "creatinine": "umol/L",
    "alt": "U/L",
    "ast": "U/L",
    "bilirubin": "umol/L",
    "albumin": "g/L",
}
ULN = {"creatinine": 100, "alt": 40, "ast": 40, "bilirubin": 20}
NOTHING = (U, Reason.NO_DATA)
ASKS = (U, Reason.ASKS)


def told(*entries: Any, site: Site = SITE, **more: Any) -> tuple[Truth, Reason | None]:
    return single.told(COURSE, *entries, site=site, **more)


def lab(of: str, value: Any = None, when: str | None = "2021-05-20", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"of": of, "date": when}
    if value is not None:
        fields |= {"value": Decimal(str(value)), "ucum": UNITS.get(of, "10*9/L")}
        fields |= {"high": ULN[of]} if of in ULN else {}
    return {"lab": {**fields, **more}}


def clean(*, without: tuple[str, str] | None = None) -> list[dict[str, Any]]:
    """Results free of toxicity in every interval; ``without`` leaves one analyte's of one day out."""
    return [lab(of, value, day) for day in DAYS for of, value in CLEAN.items() if (of, day) != without]


# Results


@pytest.mark.parametrize(
    ("of", "grade_4", "grade_3"),
    [
        ("platelets", "24.9", "25"),
        ("neutrophils", "0.49", "0.5"),
        ("leukocytes", "0.99", "1.0"),
        ("creatinine", "600.1", "600"),
    ],
)
def test_a_result_of_grade_4_in_the_first_course_proves(of: str, grade_4: str, grade_3: str) -> None:
    worst = found(COURSE, [*CYCLES, *clean(), lab(of, grade_4, id="worst")])

    assert (worst.truth, [item.reference for item in worst.evidence]) == (T, ["Observation/worst"])
    assert told(*CYCLES, lab(of, grade_4)) == (T, None)
    assert told(*CYCLES, *clean(), lab(of, grade_3)) == (F, None)
    assert told(*CYCLES, lab(of, grade_3)) == NOTHING


@pytest.mark.parametrize(
    ("when", "truth"),
    [
        ("2021-01-03", F),
        ("2021-01-04", T),
        ("2021-08-16", T),
        ("2021-08-17", F),
        ("2021-08-16T21:59:00Z", T),
        ("2021-08-16T22:00:00Z", F),
        ("2021-03", T),
        ("2021-09", F),
    ],
)
def test_the_first_course_lasts_from_its_first_cycle_to_56_days_after_its_last(when: str, truth: Truth) -> None:
    assert told(*CYCLES, *clean(), lab("platelets", 10, when))[0] is truth


@pytest.mark.parametrize("when", ["2021", "2021-01", "2021-08"])
def test_a_result_of_a_partial_date_across_an_end_is_open(when: str) -> None:
    assert told(*CYCLES, *clean(), lab("platelets", 10, when)) == (U, Reason.IMPRECISE_DATE)
    assert told(*CYCLES, *clean(), lab("platelets", 100, when)) == (F, None)


def test_the_worst_result_counts_whatever_came_after() -> None:
    assert told(*CYCLES, lab("platelets", 10, "2021-04-01"), lab("platelets", 200, "2021-04-02"))[0] is T


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (lab("platelets", 25, comparator="<"), (T, None)),
        (lab("platelets", 30, comparator="<"), (U, Reason.COMPARATOR)),
        (lab("platelets", 100, comparator=">"), (F, None)),
        (lab("platelets", text="voir CR"), (U, Reason.NOT_READ)),
        (lab("platelets", text="22 G/L"), (T, None)),
        (lab("platelets", text="hémolysé"), (F, None)),
        (lab("platelets", 22, ucum="g"), (U, Reason.UNKNOWN_UNIT)),
        (lab("platelets", 5000), (U, Reason.IMPLAUSIBLE)),
        (lab("platelets", 10, status="preliminary"), (F, None)),
        (lab("platelets", 10, status="entered-in-error"), (F, None)),
        (lab("platelets", 10, status="corrected"), (T, None)),
        (lab("creatinine", value=700, ranges=[]), (T, None)),
        (
            {"lab": {"of": "creatinine", "value": 700, "ucum": "umol/L", "date": "2021-05-20"}},
            (U, Reason.NO_REFERENCE_RANGE),
        ),
        (lab("hb", 3), (F, None)),
        (lab("lymphocytes", "0.19"), ASKS),
        (lab("lymphocytes", "0.2"), (F, None)),
        (lab("lymphocytes", text="voir CR"), (F, None)),
        (lab("platelets", 10, note="amas plaquettaires"), ASKS),
        (lab("platelets", 200, note="amas plaquettaires"), (F, None)),
    ],
)
def test_beside_complete_results_one_more_may_prove_or_open(entry: Any, expected: tuple[Truth, Reason | None]) -> None:
    assert told(*CYCLES, *clean(), entry) == expected


def test_a_grade_4_beside_lymphopenia_and_doubt_proves_all_the_same() -> None:
    doubt = [lab("lymphocytes", "0.1"), lab("neutrophils", text="voir CR"), lab("platelets", 22)]

    assert told(*CYCLES, *doubt) == (T, None)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("of", CLEAN)
def test_each_of_the_four_needs_a_result_in_each_interval(of: str, day: str) -> None:
    answer = found(COURSE, [*CYCLES, *clean(without=(of, day))])

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.NO_DATA, False)
    assert answer.wanted == (Wanted("first-course-results"),)


@pytest.mark.parametrize(
    ("missing", "when", "truth"),
    [
        ("2021-02-01", "2021-01-04", U),
        ("2021-02-01", "2021-01-05", F),
        ("2021-02-01", "2021-03-01", F),
        ("2021-02-01", "2021-03-02", U),
        ("2021-04-01", "2021-03-01", U),
        ("2021-04-01", "2021-03-02", F),
        ("2021-04-01", "2021-04-26", F),
        ("2021-06-01", "2021-06-21", F),
        ("2021-06-01", "2021-06-22", U),
        ("2021-07-15", "2021-06-21", U),
        ("2021-07-15", "2021-06-22", F),
        ("2021-07-15", "2021-08-16", F),
        ("2021-07-15", "2021-08-17", U),
        ("2021-07-15", "2021-07", F),
        ("2021-07-15", "2021", U),
    ],
)
def test_an_interval_begins_after_a_cycle_and_holds_the_day_of_the_next(missing: str, when: str, truth: Truth) -> None:
    entries = [*clean(without=("platelets", missing)), lab("platelets", 150, when)]

    assert told(*CYCLES, *entries)[0] is truth


@pytest.mark.parametrize("status", ["preliminary", "registered", "entered-in-error", "cancelled"])
def test_a_result_that_is_not_usable_fills_no_interval(status: str) -> None:
    entries = [*clean(without=("platelets", DAYS[0])), lab("platelets", 150, DAYS[0], status=status)]

    assert told(*CYCLES, *entries) == NOTHING


def test_a_course_without_toxicity_is_shown_by_its_worst_results() -> None:
    answer = found(COURSE, [*CYCLES, *clean(), lab("platelets", 61, id="low"), lab("creatinine", 200, id="high")])

    assert answer.truth is F
    assert {"Observation/low", "Observation/high"} <= {item.reference for item in answer.evidence}
    assert len(answer.evidence) == len(CLEAN)


@pytest.mark.parametrize(("on", "truth"), [(date(2021, 8, 15), U), (date(2021, 8, 16), F), (date(2021, 8, 17), F)])
def test_a_course_is_free_of_toxicity_only_when_its_time_is_over(on: date, truth: Truth) -> None:
    assert told(*CYCLES, *clean(), on=on)[0] is truth


def test_the_day_is_named_on_which_the_time_of_the_course_is_over() -> None:
    assert flips(COURSE, *CYCLES, *clean(), on=date(2021, 8, 1)) == date(2021, 8, 16)
    assert flips(COURSE, *CYCLES, on=date(2021, 8, 1)) is None
    assert flips(COURSE, *CYCLES, lab("platelets", 10), on=date(2021, 8, 1)) is None


def test_a_grade_4_counts_before_the_time_of_the_course_is_over() -> None:
    assert told(*CYCLES, lab("platelets", 10, "2021-07-01"), on=date(2021, 7, 2)) == (T, None)
    assert told(*CYCLES, lab("platelets", 10, "2021-07-03"), on=date(2021, 7, 2)) == NOTHING


@pytest.mark.parametrize("gaps", [(56, 56), (56, 56, 56, 56), (56, 56, 200), (56, 56, 56, 200), ()])
def test_without_an_established_first_course_nothing_is_decided(gaps: tuple[int, ...]) -> None:
    answer = found(COURSE, [*(infusions(*gaps) if gaps else []), *clean(), lab("platelets", 10)])

    assert (answer.truth, answer.reason) == (U, Reason.COURSE_UNDECIDED)
    assert answer.wanted == (Wanted("first-course"),)


def test_an_attested_first_course_ends_with_its_fourth_cycle() -> None:
    cycles = [*infusions(56, 56, 56, 200), {"attest": {"I03": True}}]

    assert told(*cycles, *clean()) == (F, None)
    assert told(*cycles, *clean(), lab("platelets", 10, "2021-08-16")) == (T, None)
    assert told(*cycles, *clean(), lab("platelets", 10, "2022-02-01")) == (F, None)


def test_results_of_the_second_course_do_not_count() -> None:
    second = [infusion("2023-01-02"), infusion("2023-02-27"), lab("platelets", 10, "2023-03-20")]

    assert told(*CYCLES, *second, *clean()) == (F, None)


@pytest.mark.parametrize(
    ("entries", "said", "expected"),
    [
        ([], False, (F, None)),
        ([], True, (T, None)),
        ([lab("lymphocytes", "0.15")], False, (F, None)),
        ([lab("platelets", 22)], False, (U, Reason.CONFLICT)),
        (clean(), True, (U, Reason.CONFLICT)),
        ([lab("platelets", text="voir CR")], False, (F, None)),
    ],
)
def test_the_first_course_may_be_attested(
    entries: list[Any], said: bool, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(*CYCLES, *entries, {"attest": {"E03": said}}) == expected


def test_complete_results_with_a_question_are_a_persons_to_answer() -> None:
    answer = found(COURSE, [*CYCLES, *clean(), lab("lymphocytes", "0.1")])

    assert (answer.reason, answer.attestable) == (Reason.ASKS, True)


def test_a_question_beside_a_gap_does_not_end_with_a_persons_word_alone() -> None:
    assert not found(COURSE, [*CYCLES, lab("lymphocytes", "0.1")]).attestable


def test_the_order_of_results_does_not_matter() -> None:
    entries = [*CYCLES, *clean(), lab("lymphocytes", "0.1", id="a"), lab("platelets", 10, "2021", id="b")]
    named = [{kind: {"id": f"r{at}", **fields} for kind, fields in item.items()} for at, item in enumerate(entries)]
    answers = [found(COURSE, order) for order in (named, named[::-1], named[7:] + named[:7])]

    assert len({(item.truth, item.reason, item.evidence) for item in answers}) == 1


# Adverse events


def event(grade: int | None = 2, **more: Any) -> dict[str, Any]:
    return {"adverse-event": {**({} if grade is None else {"grade": grade}), **more}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (event(4, date="2021-05-01"), ASKS),
        (event(5, date="2021-05-01"), ASKS),
        (event(3, date="2021-05-01"), (F, None)),
        (event(None, date="2021-05-01"), (F, None)),
        (event(4, date="2021-01-03"), (F, None)),
        (event(4, date="2021-01-04"), ASKS),
        (event(4, date="2021-08-16"), ASKS),
        (event(4, date="2021-08-17"), (F, None)),
        (event(4, date="2021"), ASKS),
        (event(4, date=None), ASKS),
        (event(4, date="2021-05-01", outcome="resolved"), ASKS),
        (event(4, date="2021-05-01", actuality="potential"), (F, None)),
        (event(4, date="2021-05-01", status="entered-in-error"), (F, None)),
        (event(4, date="2021-05-01", **{"grade-url": "urn:example:other"}), (F, None)),
    ],
)
def test_an_adverse_event_of_grade_4_in_the_first_course_asks(
    entry: Any, expected: tuple[Truth, Reason | None]
) -> None:
    assert told(*CYCLES, *clean(), entry) == expected


def test_adverse_events_have_no_grade_where_the_site_names_no_extension() -> None:
    entries = [*CYCLES, *clean(), event(4, date="2021-05-01")]

    assert told(*entries, site=Site.plain("icm")) == (F, None)
