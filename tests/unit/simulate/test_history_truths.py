"""In: courses, results and diagnoses in the story's words. Out: the truths of the worded vectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest

from adapter.simulate import cardiac, radiation
from adapter.simulate.adverse import Event, raised, unresolved
from adapter.simulate.attestations import Answer
from adapter.simulate.body import de_indexed
from adapter.simulate.cardiac import Revascularisation, uncontrolled
from adapter.simulate.facts import Diagnosis, the_day, the_month
from adapter.simulate.kleene import Truth, exactly
from adapter.simulate.othertumours import history, other_tumour
from adapter.simulate.radiation import irradiated
from adapter.simulate.responses import Response, no_response, progressed_again
from adapter.simulate.results import Result
from adapter.simulate.toxicity import Blood, grade_4

ON = date(2025, 6, 1)
LAST = the_day(date(2023, 6, 1))
CYCLES = [date(2024, 1, 1) + timedelta(days=56 * number) for number in range(4)]
AGAIN = (date(2025, 1, 6), date(2025, 3, 3))


def _seen(text: str) -> list[Response]:
    """`best PD 2023-08-01` and the like, separated by commas."""
    found = []
    for part in text.split(", "):
        kind, value, day = part.split()
        found.append(Response(kind, value, the_day(date.fromisoformat(day))))
    return found


@pytest.mark.parametrize(
    ("seen", "i04", "truth"),
    [
        ("best PD 2023-08-01", "U", "T"),
        ("best PD 2023-08-01", "F", "T"),
        ("best PD 2023-08-01", "T", "U"),
        ("best SD 2023-08-01", "F", "F"),
        ("best NE 2023-08-01", "U", "U"),
        ("best NE 2023-08-01", "T", "F"),
        ("best PD 2023-06-01", "U", "U"),
        ("best PD 2023-06-02", "U", "T"),
        ("best PD 2025-06-02", "U", "U"),
        ("recist SD 2023-08-01, status worsened 2023-12-01", "F", "F"),
        ("status worsened 2023-08-01, recist SD 2023-12-01", "F", "U"),
        ("status worsened 2023-08-01, best PR 2023-12-01", "F", "F"),
        ("status improved 2023-08-01, best PD 2023-09-01", "F", "U"),
        ("status stable 2023-05-01", "U", "U"),
    ],
)
def test_no_response_follows_the_best_response(seen: str, i04: Truth, truth: str) -> None:
    assert no_response(ON, LAST, _seen(seen), i04=i04) == truth


def test_no_response_needs_an_established_course_and_ends_with_the_second() -> None:
    seen = _seen("best PD 2024-08-01")

    assert no_response(ON, None, seen) == "U"
    assert no_response(ON, LAST, seen, second=date(2024, 8, 1)) == "U"
    assert no_response(ON, LAST, seen, second=date(2024, 8, 2)) == "T"
    assert no_response(ON, LAST, [Response("best", "PD", LAST, counts=False)]) == "U"


@pytest.mark.parametrize(
    ("seen", "truth"),
    [
        ("recist PD 2025-04-07", "T"),
        ("recist SD 2025-04-07", "F"),
        ("recist PD 2025-03-03", "U"),
        ("recist PD 2025-03-04", "T"),
        ("recist PD 2024-12-20", "U"),
        ("recist PD 2025-02-01", "U"),
        ("recist NE 2025-04-07", "U"),
        ("status worsened 2025-04-07", "U"),
        ("best PD 2025-04-07", "U"),
        ("recist PD 2025-04-07, recist SD 2025-05-07", "T"),
        ("recist PD 2025-06-02", "U"),
        ("recist PD 2025-06-01", "T"),
    ],
)
def test_progression_again_comes_after_the_second_cycle(seen: str, truth: str) -> None:
    assert progressed_again(ON, AGAIN, _seen(seen)) == truth
    assert progressed_again(ON, (*AGAIN, date(2025, 4, 28)), _seen(seen)) == truth
    assert progressed_again(ON, AGAIN[:1], _seen(seen)) == "U"


def test_progression_again_of_a_month_that_lies_across_is_open() -> None:
    month = Response("recist", "PD", the_month(AGAIN[1]))

    assert progressed_again(ON, AGAIN, [month]) == "U"
    assert progressed_again(ON, AGAIN, [month, *_seen("recist SD 2025-04-07")]) == "U"
    assert progressed_again(ON, AGAIN, [month, *_seen("recist PD 2025-04-07")]) == "T"


def _blood(*extra: Blood, without: Sequence[tuple[str, int]] = ()) -> list[Blood]:
    plain = {"platelets": "61", "neutrophils": "2", "leukocytes": "4", "creatinine": "90"}
    return [
        *(
            Blood(name, day + timedelta(days=21), Result(exactly(Decimal(value)), Decimal(100)))
            for number, day in enumerate(CYCLES, 1)
            for name, value in plain.items()
            if (name, number) not in without
        ),
        *extra,
    ]


def _one(name: str, value: str, day: date, *, clumps: bool = False) -> Blood:
    return Blood(name, day, Result(exactly(Decimal(value)), Decimal(100)), clumps)


@pytest.mark.parametrize(
    ("name", "value", "truth"),
    [
        ("platelets", "24", "T"),
        ("platelets", "25", "F"),
        ("neutrophils", "0.49", "T"),
        ("neutrophils", "0.5", "F"),
        ("leukocytes", "0.99", "T"),
        ("leukocytes", "1", "F"),
        ("creatinine", "600", "F"),
        ("creatinine", "601", "T"),
        ("lymphocytes", "0.15", "U"),
        ("lymphocytes", "0.2", "F"),
        ("hemoglobin", "1", "F"),
    ],
)
def test_grade_4_starts_below_or_above_its_limit(name: str, value: str, truth: str) -> None:
    if name == "hemoglobin":
        assert grade_4(ON, CYCLES, _blood()) == truth  # it has no grade 4 by a number, so nothing writes one
        return
    assert grade_4(ON, CYCLES, _blood(_one(name, value, CYCLES[2] + timedelta(days=5)))) == truth


def test_grade_4_counts_from_the_first_cycle_to_56_days_after_the_last() -> None:
    def found(day: date) -> str:
        return grade_4(ON, CYCLES, _blood(_one("platelets", "20", day)))

    end = CYCLES[-1] + timedelta(days=56)

    assert [found(day) for day in (CYCLES[0] - timedelta(days=1), CYCLES[0], end, end + timedelta(days=1))] == [*"FTTF"]


def test_grade_4_is_open_with_a_gap_clumps_no_limit_or_before_its_time() -> None:
    clumped = _one("platelets", "20", CYCLES[1] + timedelta(days=5), clumps=True)
    unlimited = Blood("creatinine", CYCLES[1] + timedelta(days=5), Result(exactly(Decimal(80))))

    assert grade_4(ON, CYCLES, _blood(without=[("leukocytes", 3)])) == "U"
    assert grade_4(ON, CYCLES, _blood(clumped)) == "U"
    assert grade_4(ON, CYCLES, _blood(unlimited)) == "U"
    assert grade_4(CYCLES[-1] + timedelta(days=55), CYCLES, _blood()) == "U"
    assert grade_4(CYCLES[-1] + timedelta(days=56), CYCLES, _blood()) == "F"
    assert grade_4(ON, [], _blood(_one("platelets", "20", CYCLES[1]))) == "U"


@pytest.mark.parametrize(
    ("event", "graded", "truth"),
    [
        (Event(), False, "F"),
        (Event(), True, "U"),  # attested none beside an event
        (Event(1), True, "F"),
        (Event(outcome="resolved"), True, "F"),
        (Event(outcome="fatal"), True, "F"),
        (Event(words="Alopécie"), True, "F"),
        (Event(words="Neuropathie périphérique"), True, "F"),
        (Event(before=-1), True, "F"),
        (Event(suspect=""), True, "F"),
    ],
)
def test_adverse_event_decides_only_where_its_grade_is_known(event: Event, graded: bool, truth: str) -> None:
    assert unresolved([event], {}, Answer("F", ON), graded=graded) == truth


def test_adverse_event_of_lutathera_is_true_without_an_attestation() -> None:
    assert unresolved([Event()], {}, Answer(), graded=True) == "T"
    assert unresolved([Event(suspect="other")], {}, Answer(), graded=True) == "U"


def test_unresolved_event_is_answered_until_a_later_result_of_grade_2() -> None:
    latest = {"hemoglobin": Result(exactly(Decimal("9.9")), day=date(2025, 5, 20))}

    assert unresolved([], latest, Answer()) == "U"
    assert unresolved([], latest, Answer("F", date(2025, 5, 20))) == "F"
    assert unresolved([], latest, Answer("F", date(2025, 5, 19))) == "U"
    assert unresolved([], {}, Answer("F", date(2025, 5, 19))) == "F"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("hemoglobin", "10", False),
        ("platelets", "75", False),
        ("platelets", "74", True),
        ("albumin", "29", True),
        ("alt", "300", False),
        ("alt", "301", True),
        ("bilirubin_total", "151", True),
        ("glucose", "999", False),
    ],
)
def test_result_of_grade_2_lies_beyond_its_limit(name: str, value: str, found: bool) -> None:
    latest = {name: Result(exactly(Decimal(value)), Decimal(100), ON)}

    assert (raised(latest) == ON) is found


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("none", "U"),
        ("met", "F"),
        ("course", "U"),
        ("history", "U"),
        ("course-and-fraction", "F"),
        ("quarter", "F"),
        ("over-quarter", "T"),
        ("over-then-under", "T"),
        ("course-after", "U"),
        ("course-ends-that-day", "F"),
        ("under-way", "U"),
        ("not-done", "F"),
        ("error", "F"),
        ("above", "T"),
        ("below", "F"),
        ("below-open", "U"),
        ("preliminary", "U"),
        ("future", "F"),
    ],
)
def test_radiation_needs_a_fraction_as_new_as_every_course(kind: str, truth: str) -> None:
    _, rays, fractions = radiation.KINDS[kind]

    assert irradiated(rays, fractions) == truth


@pytest.mark.parametrize(
    ("kind", "controlled", "truth"),
    [
        ("none", "U", "U"),
        ("stroke", "U", "T"),
        ("haemorrhage", "U", "T"),
        ("embolism-old", "U", "U"),
        ("embolism-first-day", "U", "T"),
        ("embolism-day-before", "U", "U"),
        ("stroke-year", "U", "U"),
        ("stroke-recorded", "U", "U"),
        ("stroke-provisional", "U", "U"),
        ("stroke-refuted", "U", "U"),
        ("stroke-later", "U", "U"),
        ("revascularised", "U", "T"),
        ("revascularisation-planned", "U", "U"),
        ("fibrillation", "U", "U"),
        ("fibrillation", "T", "F"),
        ("fibrillation", "F", "T"),
        ("failure-over", "T", "U"),
        ("failure-resolved", "T", "U"),
        ("failure-over-lately", "T", "F"),
        ("stroke-beside-controlled", "T", "T"),
        ("old-stroke-beside-controlled", "T", "F"),
    ],
)
def test_event_of_the_heart_decides_by_its_date_or_asks(kind: str, controlled: Truth, truth: str) -> None:
    events = cardiac.KINDS[kind][1](ON)
    diagnoses = [event for event in events if isinstance(event, Diagnosis)]
    procedures = [event for event in events if isinstance(event, Revascularisation)]

    assert uncontrolled(ON, diagnoses, procedures, controlled=controlled) == truth


@pytest.mark.parametrize(
    ("codes", "controlled", "truth"),
    [
        ("C17.2", "U", "U"),
        ("C17.2 C50.9~two-years", "U", "T"),
        ("C17.2 C61~five-years", "U", "T"),
        ("C17.2 C61~day-over-five-years", "U", "U"),
        ("C17.2 C50.9~over-eight-years", "U", "U"),
        ("C17.2 C50.9~over-three-years", "U", "T"),
        ("C17.2 C43~relapse", "U", "T"),
        ("C17.2 C64:unconfirmed~two-years", "U", "U"),
        ("C17.2 C50.9:refuted~two-years", "U", "U"),
        ("C17.2 C50.9~later", "U", "U"),
        ("C17.2 C44.3~two-years", "U", "U"),
        ("C17.2 C44.3~two-years", "T", "F"),
        ("C17.2 C44.3~two-years", "F", "T"),
        ("C17.2 C44.3~over-eight-years", "F", "U"),
        ("C17.2 D06.9~two-years", "T", "F"),
        ("C17.2 C44.3~two-years C61~two-years", "T", "T"),
        ("C17.2 C18.0~two-years", "T", "U"),
        ("C18.0~two-years", "U", "U"),
        ("C17.2 C80~two-years", "T", "U"),
        ("C17.2 C78.7~two-years C77.2~two-years", "U", "U"),
        ("C17.2 C95~two-years D46~two-years", "U", "U"),
        ("C17.2 C17.9~two-years D37.2~two-years", "U", "U"),
    ],
)
def test_other_tumour_is_solid_timely_and_not_the_study_tumour(codes: str, controlled: Truth, truth: str) -> None:
    diagnoses = []
    for written in codes.split():
        code, _, told = written.partition("~")
        icd, _, verification = code.partition(":")
        fields = dict(history(told, ON)) if told else {"onset": the_day(date(2016, 1, 1))}
        diagnoses.append(Diagnosis(icd, verification or "confirmed", **fields))

    assert other_tumour(ON, diagnoses, controlled=controlled) == truth


@pytest.mark.parametrize(
    ("rate", "height", "weight", "per_minute"),
    [(46.1, 150, 54, 40.0), (36.4, 180, 72, 39.9), (30.9, 190, 95, 40.0)],
)
def test_rate_per_minute_follows_body_surface(rate: float, height: int, weight: int, per_minute: float) -> None:
    assert de_indexed(rate, height, weight) == pytest.approx(per_minute, abs=0.15)
