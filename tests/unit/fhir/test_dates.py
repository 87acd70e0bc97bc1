"""In: dates as hospitals write them. Out: whether they become the interval that the text leaves possible, in Paris days."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adapter.fhir import ALWAYS, When, add_months, age_on, parse_when, period_when


def read(text: str) -> When:
    found = parse_when(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023-02", date(2023, 2, 1), date(2023, 2, 28)),
        ("2024-12", date(2024, 12, 1), date(2024, 12, 31)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        (" 2024-05 ", date(2024, 5, 1), date(2024, 5, 31)),
        ("1800", date(1800, 1, 1), date(1800, 12, 31)),
        ("2200-12-31", date(2200, 12, 31), date(2200, 12, 31)),
    ],
)
def test_a_partial_date_leaves_its_whole_span(text: str, first: date, last: date) -> None:
    found = read(text)

    assert (found.earliest, found.latest, found.exact) == (first, last, False)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-05-31T22:30:00Z", date(2025, 6, 1)),
        ("2025-05-31T21:59:59Z", date(2025, 5, 31)),
        ("2025-05-31T22:00:00Z", date(2025, 6, 1)),
        ("2025-01-31T23:00:00Z", date(2025, 2, 1)),
        ("2025-01-31T22:59:59.999Z", date(2025, 1, 31)),
        ("2025-06-01T00:30:00+02:00", date(2025, 6, 1)),
        ("2025-06-01T00:30:00+0200", date(2025, 6, 1)),
        ("2025-06-01T00:30:00+01:00", date(2025, 6, 1)),
        ("2025-06-01T00:30:00+05:30", date(2025, 5, 31)),
        ("2025-05-31T20:00:00-05:00", date(2025, 6, 1)),
        ("2025-06-01T00:30:00", date(2025, 6, 1)),
        ("2025-06-01 23:59", date(2025, 6, 1)),
        ("2025-03-30T02:30:00", date(2025, 3, 30)),
        ("2025-10-26T02:30:00", date(2025, 10, 26)),
        ("2025-06-30T23:59:60+02:00", date(2025, 6, 30)),
    ],
)
def test_a_time_lies_on_its_day_in_paris(text: str, day: date) -> None:
    found = read(text)

    assert (found.earliest, found.latest, found.exact) == (day, day, True)


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-06-01", 24)])
def test_a_day_lasts_as_long_as_it_does_in_paris(day: str, hours: int) -> None:
    found = read(day)

    assert (found.end - found.start).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2025-05-20T10:00Z", 60), ("2025-05-20T10:00:00Z", 1), ("2025-05-20T10:00:00.123456789Z", 0.000001)],
)
def test_a_time_is_as_precise_as_it_is_written(text: str, seconds: float) -> None:
    found = read(text)

    assert (found.end - found.start).total_seconds() == seconds


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "01/02/2024",
        "20240501",
        "2024-5",
        "2024-13",
        "2024-00-10",
        "2023-02-29",
        "2024-04-31",
        "24-05-20",
        "2024-05-20T25:00:00Z",
        "2024-05-20T24:00:00Z",
        "2024-05-20T10Z",
        "2024-05-20T10:61:00Z",
        "2024-05-20T10:00:00+1",
        "2024-05-20 environ",
        "mai 2024",
        "0001-01-01",
        "1799-12-31",
        "2201",
        "9999-12-31",
    ],
)
def test_what_is_no_date_is_not_guessed(text: str | None) -> None:
    assert parse_when(text) is None


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2025-05-01", "2025-05-03", "2025-05-01..2025-05-03"),
        ("2025-05", None, "2025-05-01.."),
        (None, "2025-05", "..2025-05-31"),
        ("2025-05-20T10:00:00+02:00", "2025-05-20T10:30:00+02:00", "2025-05-20"),
        ("gestern", "2025-05-03", "..2025-05-03"),
        ("2025-05-03", "gestern", "2025-05-03.."),
        (None, None, None),
    ],
)
def test_a_period_leaves_its_open_or_unreadable_ends_unknown(
    start: str | None, end: str | None, text: str | None
) -> None:
    assert period_when(start, end).text() == text


def test_a_period_without_ends_is_always() -> None:
    assert period_when(None, "") == ALWAYS


def test_a_period_is_exact_when_its_beginning_is() -> None:
    exact = period_when("2025-05-20T10:00:00Z", "2025-05-21")
    vague = period_when("2025-05-20", "2025-05-21T10:00:00Z")

    assert (exact.exact, vague.exact) == (True, False)


def test_a_period_that_ends_before_it_begins_spans_no_time() -> None:
    found = period_when("2025-05-20", "2025-05-10")

    assert found.start == found.end
    assert found.latest == date(2025, 5, 20)


def test_surely_after_needs_every_instant_later() -> None:
    may, twentieth, june = read("2025-05"), read("2025-05-20"), read("2025-06")

    assert june.surely_after(may)
    assert not may.surely_after(twentieth)
    assert not twentieth.surely_after(may)
    assert not twentieth.surely_after(twentieth)


def test_an_upper_bound_says_only_not_later() -> None:
    bound = read("2025-05-20").upper_bound()

    assert (bound.text(), bound.is_bounded, bound.latest) == ("..2025-05-20", False, date(2025, 5, 20))


def test_when_tells_whether_it_is_one_day_and_bounded() -> None:
    assert (read("2025-05-20").is_one_day, read("2025-05").is_one_day) == (True, False)
    assert (read("2025").is_bounded, ALWAYS.is_bounded) == (True, False)
    assert ALWAYS.text() is None


def test_an_interval_of_no_length_has_one_day() -> None:
    moment = datetime(2025, 5, 20, 12, tzinfo=UTC)

    assert When(moment, moment).latest == date(2025, 5, 20)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2025, 6, 30), -4, date(2025, 2, 28)),
        (date(2024, 6, 30), -4, date(2024, 2, 29)),
        (date(2023, 1, 31), 12, date(2024, 1, 31)),
        (date(2023, 2, 28), 12, date(2024, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2025, 12, 31), 2, date(2026, 2, 28)),
        (date(2025, 1, 15), -1, date(2024, 12, 15)),
        (date(2025, 1, 15), 0, date(2025, 1, 15)),
    ],
)
def test_months_are_calendar_months_clamped_to_their_end(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        (date(2007, 6, 1), date(2025, 6, 1), 18),
        (date(2007, 6, 2), date(2025, 6, 1), 17),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 2, 29), date(2028, 2, 29), 20),
        (date(2025, 6, 1), date(2025, 6, 1), 0),
    ],
)
def test_age_is_in_completed_years(birth: date, day: date, age: int) -> None:
    assert age_on(birth, day) == age
