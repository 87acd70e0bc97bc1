"""Promises of a digest's schedule at the two days of the year on which the clock leaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from adapter.jobs.mail import due

ALL = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPRING, AUTUMN = date(2025, 3, 30), date(2025, 10, 26)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2025, 3, 30, 0, 59, tzinfo=UTC), None),  # 01:59
        (datetime(2025, 3, 30, 1, 29, tzinfo=UTC), None),  # 03:29: the clock has leapt over 02:30
        (datetime(2025, 3, 30, 1, 30, tzinfo=UTC), SPRING),
        (datetime(2025, 10, 26, 0, 29, tzinfo=UTC), None),  # 02:29, summer
        (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), AUTUMN),  # 02:30, summer
        (datetime(2025, 10, 26, 1, 10, tzinfo=UTC), AUTUMN),  # 02:10, winter: its time has come already
    ],
)
def test_digest_at_half_past_two_comes_once_where_the_clock_leaps(moment: datetime, expected: date | None) -> None:
    assert due(time(2, 30), ALL, moment) == expected


def test_digest_is_not_due_after_it_was_sent_until_the_next_day() -> None:
    monday = datetime(2025, 6, 2, 20, 0, tzinfo=UTC)

    assert due(time(7, 30), ["mon", "tue"], monday, last=date(2025, 6, 2)) is None
    assert due(time(7, 30), ["mon", "tue"], monday.replace(day=3), last=date(2025, 6, 2)) == date(2025, 6, 3)


def test_digest_that_was_missed_is_due_until_midnight_and_no_longer() -> None:
    assert due(time(7, 30), ["mon"], datetime(2025, 6, 2, 21, 59, tzinfo=UTC)) == date(2025, 6, 2)
    assert due(time(7, 30), ["mon"], datetime(2025, 6, 2, 22, 0, tzinfo=UTC)) is None


def test_digest_is_not_due_on_other_days() -> None:
    assert due(time(7, 30), ["mon"], datetime(2025, 6, 3, 12, 0, tzinfo=UTC)) is None


def test_digest_wants_a_moment_with_a_zone() -> None:
    with pytest.raises(ValueError, match="without zone"):
        due(time(7, 30), ["mon"], datetime(2025, 6, 2))  # noqa: DTZ001 - the promise
