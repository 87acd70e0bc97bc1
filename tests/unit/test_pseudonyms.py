"""Promises of keyed names and of the date shift."""

from __future__ import annotations

import re
from datetime import date

import pytest

from adapter.fhir import parse_when
from adapter.pseudonyms import keyed_digest, resource_key, shift_date, shift_text, shift_weeks

KEY = bytes(range(32))


def test_key_is_an_id_of_fhir_and_the_same_every_time() -> None:
    found = resource_key(KEY, "icm", "Observation/1")

    assert re.fullmatch(r"k[a-z2-7]{26}", found)
    assert found == resource_key(KEY, "icm", "Observation/1")


@pytest.mark.parametrize(
    "other", [(KEY, "aura", "Observation/1"), (KEY, "icm", "Observation/2"), (bytes(32), "icm", "Observation/1")]
)
def test_key_is_another_for_another_site_resource_or_secret(other: tuple[bytes, str, str]) -> None:
    assert resource_key(*other) != resource_key(KEY, "icm", "Observation/1")


def test_digest_does_not_run_its_parts_together() -> None:
    assert keyed_digest(KEY, "1:a", "b") != keyed_digest(KEY, "1", ":ab")


def test_shift_is_a_whole_number_of_weeks_within_half_a_year_and_never_none() -> None:
    found = {shift_weeks(KEY, "nct04954820", f"RELUTH-05-{number:04}") for number in range(2000)}

    assert found == {*range(-26, 0), *range(1, 27)}


def test_shift_of_a_day_keeps_its_weekday() -> None:
    day = date(2025, 5, 20)

    assert shift_date(day, 7).weekday() == day.weekday()
    assert shift_text("2025-05-20", -3) == "2025-04-29"


@pytest.mark.parametrize("weeks", [-26, -13, -1, 1, 13, 26])
@pytest.mark.parametrize(
    "text",
    ["2025-06-01T00:00:00+02:00", "2025-05-31T22:30:00Z", "2025-01-10T23:59:59.500+01:00", "2025-03-30T00:30:00Z"],
)
def test_shift_moves_the_calendar_day_in_paris_by_exactly_so_much(text: str, weeks: int) -> None:
    moved = shift_text(text, weeks)

    before, after = parse_when(text), parse_when(moved)
    assert before is not None and after is not None
    assert (after.earliest - before.earliest).days == 7 * weeks


@pytest.mark.parametrize(("text", "weeks", "moved"), [("2025-05", 2, "2025"), ("2025-12", 3, None), ("2025", 1, None)])
def test_shift_of_a_partial_date_says_nothing_that_is_not_so(text: str, weeks: int, moved: str | None) -> None:
    assert shift_text(text, weeks) == moved


def test_shift_of_what_is_no_date_is_nothing() -> None:
    assert shift_text("hier", 1) is None
