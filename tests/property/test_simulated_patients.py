"""In: any seed, number and reference date. Out: what every simulated patient keeps to."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.simulate.facts import the_day
from adapter.simulate.kleene import Span, exactly
from adapter.simulate.moments import plus_months, written, years_on
from adapter.simulate.patient import patient
from adapter.simulate.people import ins
from adapter.simulate.responses import Response, no_response
from adapter.simulate.results import Result
from adapter.simulate.toxicity import Blood, grade_4

SEEDS = st.integers(0, 10_000)
DAYS = st.dates(date(2021, 1, 1), date(2031, 12, 31))
FIGURES = st.decimals(-1000, 1000, places=2, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, index=st.integers(0, 5000), on=DAYS)
def test_patient_is_told_the_same_way_twice(seed: int, index: int, on: date) -> None:
    assert patient(seed, index, on) == patient(seed, index, on)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, index=st.integers(0, 5000), on=DAYS)
def test_patient_gives_ids_of_its_own_and_one_version_each(seed: int, index: int, on: date) -> None:
    lines = [(r["resourceType"], r["id"], r["meta"]["versionId"]) for r in patient(seed, index, on).resources]

    assert len(set(lines)) == len(lines)
    assert all(identity.startswith(f"p{index:06d}") for _, identity, _ in lines)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, index=st.integers(0, 5000), on=DAYS)
def test_patient_shares_the_answers_of_both_stages(seed: int, index: int, on: date) -> None:
    for line in patient(seed, index, on).truths:
        again = {name: truth for name, truth in line["randomisation"].items() if name != "E02"}

        assert again.items() <= line["registration"].items()


@given(seed=SEEDS, gender=st.sampled_from(("male", "female")), born=st.dates(date(1930, 1, 1), date(2010, 1, 1)))
def test_ins_has_fifteen_characters_and_a_correct_key(seed: int, gender: str, born: date) -> None:
    number = ins(Random(seed), gender=gender, born=born)
    digits = number.replace("2A", "19").replace("2B", "18")

    assert len(number) == 15
    assert int(digits[:13]) % 97 + int(digits[13:]) == 97
    assert number[7:10] >= "910"


@given(day=DAYS, months=st.integers(-300, 300))
def test_plus_months_keeps_the_day_or_clamps_to_the_month_end(day: date, months: int) -> None:
    moved = plus_months(day, months)
    last = calendar.monthrange(moved.year, moved.month)[1]

    assert moved.day == min(day.day, last)
    assert (moved.year - day.year) * 12 + moved.month - day.month == months


@given(born=st.dates(date(1930, 1, 1), date(2010, 1, 1)), days=st.integers(0, 30_000))
def test_years_on_counts_birthdays(born: date, days: int) -> None:
    day = born + timedelta(days=days)
    birthdays = sum(
        (year, born.month, born.day) <= (day.year, day.month, day.day) for year in range(born.year + 1, 2100)
    )

    assert years_on(day, born) == birthdays


@given(day=DAYS, hour=st.sampled_from((0, 8, 12, 23)))
def test_written_names_one_instant_in_every_style(day: date, hour: int) -> None:
    stamps = {datetime.fromisoformat(written(day, hour * 60 + 30, style)) for style in ("paris", "utc", "winter")}

    assert len(stamps) == 1


@given(figure=FIGURES, limit=FIGURES)
def test_span_of_a_number_is_decided_on_every_limit(figure: Decimal, limit: Decimal) -> None:
    assert exactly(figure).above(limit) == ("T" if figure > limit else "F")
    assert exactly(figure).below(limit) == ("T" if figure < limit else "F")


@given(figure=FIGURES, limit=FIGURES)
def test_span_of_a_comparator_decides_on_one_side_only(figure: Decimal, limit: Decimal) -> None:
    under = Span(None, figure, high_open=True)

    assert under.below(limit) == ("T" if figure <= limit else "U")
    assert under.above(limit) == ("F" if figure <= limit else "U")


DECIDED = st.lists(st.sampled_from(("CR", "PR", "SD", "PD", "NE", "improved", "stable", "worsened")), max_size=5)


@given(values=DECIDED, gaps=st.lists(st.integers(1, 90), min_size=5, max_size=5), best=st.booleans(), i04=st.booleans())
def test_no_response_is_true_only_beside_a_recorded_best_response_of_progression(
    values: list[str], gaps: list[int], best: bool, i04: bool
) -> None:
    on = date(2025, 6, 1)
    days = accumulate(gaps, lambda day, gap: day + timedelta(days=gap), initial=date(2024, 1, 1))
    seen = [
        Response("status" if value.islower() else "best" if best else "recist", value, the_day(day))
        for value, day in zip(values, days, strict=False)
    ]
    truth = no_response(on, the_day(date(2023, 12, 1)), seen, i04="T" if i04 else "U")

    assert truth != "T" or (best and "PD" in values and not i04)
    assert truth == no_response(on, the_day(date(2023, 12, 1)), seen[::-1], i04="T" if i04 else "U")


@given(extra=st.sampled_from((0, 1, 7, 28)), grade=st.sampled_from(("24", "25", "26")))
def test_grade_4_needs_every_interval_to_be_refuted_and_one_value_to_be_proven(extra: int, grade: str) -> None:
    cycles = [date(2024, 1, 1) + timedelta(days=56 * number) for number in range(4)]
    plain = {"platelets": "150", "neutrophils": "3", "leukocytes": "5", "creatinine": "80"}
    blood = [
        Blood(name, day + timedelta(days=20), Result(exactly(Decimal(value)), Decimal(100)))
        for day in cycles
        for name, value in plain.items()
    ]
    low = Blood("platelets", cycles[2] + timedelta(days=extra), Result(exactly(Decimal(grade))))

    assert grade_4(date(2025, 6, 1), cycles, [*blood, low]) == ("T" if grade == "24" else "F")
    assert grade_4(date(2025, 6, 1), cycles, [*blood[1:], low]) == ("T" if grade == "24" else "U")
