"""What holds for any days and any texts: order, contiguity, exactness."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.datasets.sdtm.dates import certainly_before, iso_time, study_day
from adapter.datasets.sdtm.numbers import number_of, plain, shortened
from adapter.datasets.sdtm.plain import folded, pieces
from tests.support.sdtm_views import event_rows, made, records

ONE = "RELUTH-05-0001"
DAYS = st.dates(date(2020, 1, 1), date(2026, 12, 31))
PARTIAL = st.builds(lambda day, size: day.isoformat()[:size], DAYS, st.sampled_from([4, 7, 10]))


def _possible(text: str) -> set[str]:
    """Every day that a partial date may be, of those that are generated."""
    first = date(2020, 1, 1)
    days = ((first + timedelta(days=at)).isoformat() for at in range(7 * 366))
    return {day for day in days if day.startswith(text)}


@given(PARTIAL, PARTIAL)
@settings(max_examples=60, deadline=None)
def test_before_is_certain_only_if_every_pair_of_possible_days_is(first: str, then: str) -> None:
    assert certainly_before(first, then) == (max(_possible(first)) < min(_possible(then)))


@given(DAYS, DAYS)
def test_study_day_grows_by_one_a_day_and_leaves_out_zero(day: date, reference: date) -> None:
    here = study_day(day.isoformat(), reference.isoformat())
    next_day = study_day((day + timedelta(days=1)).isoformat(), reference.isoformat())

    assert here is not None and next_day is not None and here != 0
    assert next_day - here == (2 if here == -1 else 1)


@given(st.datetimes(), st.sampled_from(["", "Z", "+02:00", "-11:30"]))
def test_time_is_read_again_as_itself(moment: Any, zone: str) -> None:
    told = iso_time(moment.isoformat(timespec="seconds") + zone)

    assert told is None or iso_time(told) == told


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_number_survives_its_text(number: Decimal) -> None:
    assert number_of(plain(number)) == number
    assert abs(shortened(number) - number) <= abs(number) * Decimal("1e-11")
    assert int(shortened(number).as_tuple().exponent) <= 0


@given(st.text(max_size=600), st.integers(20, 200))
def test_any_text_becomes_pieces_that_a_file_can_hold(text: str, size: int) -> None:
    plain_text = folded(text)

    assert plain_text.isascii() and plain_text.isprintable()
    assert all(len(one) <= size for one in pieces(plain_text, size))
    assert "".join(pieces(plain_text, size)).replace(" ", "") == plain_text.replace(" ", "")


_GAPS = st.lists(st.integers(0, 90), min_size=9, max_size=9)
_ARM = st.sampled_from(["experimental", "control"])
_KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "consented"},
    {"kind": "registered"},
    {"kind": "cycle", "cycle": 1},
    {"kind": "cycle", "cycle": 2},
    {"kind": "randomised"},
    {"kind": "treatment-over"},
    {"kind": "progression"},
    {"kind": "died"},
    {"kind": "ended", "reason": "completed"},
)


@given(_GAPS, _ARM, st.integers(1, 9), st.sets(st.integers(1, 8)))
@settings(max_examples=40, deadline=None)
def test_elements_follow_one_another_without_a_gap(gaps: list[int], arm: str, last: int, skipped: set[int]) -> None:
    day, events = date(2022, 1, 1), []
    for at, (kind, gap) in enumerate(zip(_KINDS, gaps, strict=True)):
        day += timedelta(days=gap)
        if at < last and at not in skipped:
            events.append({**kind, "on": day.isoformat(), **({"arm": arm} if kind["kind"] == "randomised" else {})})
    package = made({"subject_event": event_rows(ONE, *events)})

    elements = records(package.dataset("SE"), "ETCD", "SESTDTC", "SEENDTC", "TAETORD")
    assert elements[0][:2] == ("SCRN", "2022-01-01" if gaps[0] == 0 else events[0]["on"])
    for before, after in pairwise(elements):
        assert before[2] == after[1]
        assert before[3] < after[3]
    assert all(end is None or start <= end for _, start, end, _ in elements)
    (ended,) = records(package.dataset("DM"), "RFPENDTC")
    assert elements[-1][2] == ended[0]
