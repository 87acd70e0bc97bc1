"""In: dateTimes at the edges of what can be written. Out: the very instant, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapter.fhir import When, parse_when


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-05-20T10:00:00+14:00", datetime(2025, 5, 19, 20, tzinfo=UTC)),
        ("2025-05-20T10:00:00-11:30", datetime(2025, 5, 20, 21, 30, tzinfo=UTC)),
        ("2025-05-20T10:00:00-03:30", datetime(2025, 5, 20, 13, 30, tzinfo=UTC)),
        ("2025-05-20T10:00:00+05:45", datetime(2025, 5, 20, 4, 15, tzinfo=UTC)),
        ("2025-05-20T10:00:00-1030", datetime(2025, 5, 20, 20, 30, tzinfo=UTC)),
        ("2025-05-20T10:00:00+00:59", datetime(2025, 5, 20, 9, 1, tzinfo=UTC)),
        ("2025-05-20T10:00:00.5Z", datetime(2025, 5, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2025-05-20T10:00:00.000001Z", datetime(2025, 5, 20, 10, 0, 0, 1, tzinfo=UTC)),
        ("2025-05-20T10:00:00.1234567Z", datetime(2025, 5, 20, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2025-12-31T23:59:60Z", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_datetime_is_its_very_instant(text: str, instant: datetime) -> None:
    found = parse_when(text)

    assert found is not None
    assert found.start == instant
    assert found.exact


@pytest.mark.parametrize(
    "text",
    [
        "2025-05-20T10:00:00+15:00",
        "2025-05-20T10:00:00+24:00",
        "2025-05-20T10:00:00-01:60",
        "2025-05-20T10:00:00+00:99",
        "2025-05-20T10:00:61Z",
        "2025-05-20T24:00:00Z",
        "2025-02-30",
        "1799-12-31",
        "2201-01-01",
    ],
)
def test_what_is_no_datetime_is_none(text: str) -> None:
    assert parse_when(text) is None


def test_a_datetime_lasts_as_long_as_its_last_digit() -> None:
    lengths = {
        text: found.end - found.start
        for text in ("2025-05-20T10:00Z", "2025-05-20T10:00:00Z", "2025-05-20T10:00:00.0Z", "2025-05-20")
        if (found := parse_when(text))
    }

    assert list(lengths.values()) == [
        timedelta(minutes=1),
        timedelta(seconds=1),
        timedelta(microseconds=1),
        timedelta(days=1),
    ]


def test_the_last_day_of_an_interval_is_that_of_its_last_microsecond() -> None:
    midnight = datetime(2025, 5, 20, 22, tzinfo=UTC)  # 21 May begins in Paris

    assert When(midnight - timedelta(hours=1), midnight).latest.day == 20
    assert When(midnight - timedelta(hours=1), midnight + timedelta(microseconds=1)).latest.day == 21


@pytest.mark.parametrize("text", ["2025-05-20", "2025-05-20T10:00"])
def test_every_instant_is_told_in_utc(text: str) -> None:
    found = parse_when(text)

    assert found is not None
    assert (found.start.tzinfo, found.end.tzinfo) == (UTC, UTC)
