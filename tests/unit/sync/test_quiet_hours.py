"""Promises of quiet hours: wall-clock time in France, over midnight and through both changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.sync.quiet_hours import quiet_until


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("spans", "now", "until"),
    [
        pytest.param(["07:30-18:00"], "2025-06-02T05:29:59+00:00", None, id="before-in-summer"),
        pytest.param(["07:30-18:00"], "2025-06-02T05:30:00+00:00", "2025-06-02T18:00:00+02:00", id="begins-in-summer"),
        pytest.param(["07:30-18:00"], "2025-12-02T05:30:00+00:00", None, id="before-in-winter"),
        pytest.param(["07:30-18:00"], "2025-12-02T06:30:00+00:00", "2025-12-02T18:00:00+01:00", id="begins-in-winter"),
        pytest.param(["07:30-18:00"], "2025-06-02T18:00:00+02:00", None, id="the-end-is-outside"),
        pytest.param(["22:00-06:00"], "2025-06-02T23:00:00+02:00", "2025-06-03T06:00:00+02:00", id="before-midnight"),
        pytest.param(["22:00-06:00"], "2025-06-03T01:00:00+02:00", "2025-06-03T06:00:00+02:00", id="after-midnight"),
        pytest.param(["22:00-00:00"], "2025-06-02T23:00:00+02:00", "2025-06-03T00:00:00+02:00", id="to-midnight"),
        pytest.param(
            ["07:00-12:00", "12:00-14:00", "13:30-15:00"],
            "2025-06-02T08:00:00+02:00",
            "2025-06-02T15:00:00+02:00",
            id="spans-that-touch-are-one",
        ),
        pytest.param([], "2025-06-02T08:00:00+02:00", None, id="none"),
        pytest.param(["22:00-06:00"], "2025-03-29T23:00:00+01:00", "2025-03-30T06:00:00+02:00", id="into-summer"),
        pytest.param(["22:00-06:00"], "2025-10-25T23:00:00+02:00", "2025-10-26T06:00:00+01:00", id="into-winter"),
        pytest.param(["01:00-02:30"], "2025-03-30T01:30:00+01:00", "2025-03-30T03:00:00+02:00", id="end-is-no-time"),
        pytest.param(["02:30-03:15"], "2025-03-30T03:05:00+02:00", "2025-03-30T03:15:00+02:00", id="begin-is-no-time"),
        pytest.param(["02:00-03:00"], "2025-03-30T01:59:00+01:00", None, id="the-whole-span-is-no-time"),
        pytest.param(
            ["02:30-03:15"], "2025-10-26T02:45:00+02:00", "2025-10-26T02:00:00+01:00", id="set-back-out-of-it"
        ),
        pytest.param(["02:30-03:15"], "2025-10-26T02:15:00+01:00", None, id="between-the-two"),
        pytest.param(["02:30-03:15"], "2025-10-26T02:45:00+01:00", "2025-10-26T03:15:00+01:00", id="begins-again"),
        pytest.param(
            ["02:30-02:15"], "2025-10-26T02:45:00+02:00", "2025-10-26T02:15:00+01:00", id="set-back-before-its-end"
        ),
        pytest.param(["01:00-02:30"], "2025-10-26T02:15:00+02:00", "2025-10-26T02:30:00+02:00", id="end-comes-twice"),
        pytest.param(["01:00-02:30"], "2025-10-26T02:15:00+01:00", "2025-10-26T02:30:00+01:00", id="the-second-time"),
    ],
)
def test_quiet_hours_end_when_the_clock_in_france_says_so(spans: list[str], now: str, until: str | None) -> None:
    found = quiet_until(spans, at(now))

    assert (None if found is None else found.timestamp()) == (None if until is None else at(until).timestamp())


@given(
    st.lists(st.tuples(st.integers(0, 95), st.integers(1, 94)), max_size=4),
    st.integers(0, 4 * 24 * 366),
)
def test_quiet_hours_end_later_than_now(quarters: list[tuple[int, int]], step: int) -> None:
    spans = [f"{_clock(begin)}-{_clock((begin + length) % 96)}" for begin, length in quarters]
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * step)

    until = quiet_until(spans, now)

    assert until is None or until.timestamp() > now.timestamp()


@pytest.mark.parametrize("night", ["2025-03-29T12:00:00+00:00", "2025-10-25T12:00:00+00:00"])
@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York"])
@given(st.lists(st.tuples(st.integers(0, 16), st.integers(1, 94)), min_size=1, max_size=3), st.integers(40, 72))
def test_quiet_until_the_clock_shows_a_time_of_no_span_for_the_first_time(
    night: str, zone: str, quarters: list[tuple[int, int]], step: int
) -> None:
    spans = [f"{_clock(begin)}-{_clock((begin + length) % 96)}" for begin, length in quarters]
    now = at(night) + timedelta(minutes=15 * step)

    def shown(moment: datetime) -> bool:
        local = moment.astimezone(ZoneInfo("Europe/Paris"))
        quarter = local.hour * 4 + local.minute // 15
        return any((quarter - begin) % 96 < length for begin, length in quarters)

    later = [now + timedelta(minutes=15 * quarter) for quarter in range(4 * 26)]
    expected = next((moment for moment in later if not shown(moment)), None)
    found = quiet_until(spans, now.astimezone(ZoneInfo(zone)))

    if expected == now:
        assert found is None
    else:
        assert found is not None
        assert expected is None or found.timestamp() == expected.timestamp()


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


def test_spans_of_the_whole_day_have_some_end() -> None:
    assert quiet_until(["00:00-12:00", "12:00-00:00"], at("2025-06-02T08:00:00+02:00")) is not None


def test_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        quiet_until(["07:30-18:00"], datetime(2025, 6, 2, 8))  # noqa: DTZ001 - that is the point


def test_span_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="07:30-18:00"):
        quiet_until(["0730"], at("2025-06-02T08:00:00+02:00"))
