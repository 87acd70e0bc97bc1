"""Promise: moved dates keep their order and every interval, in days and on the clock in Paris."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir import PARIS, parse_when
from adapter.pseudonyms import shift_text

MOMENTS = st.integers(630_720_000, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))
WEEKS = st.integers(-26, 26).filter(bool)
ZONES = st.sampled_from([UTC, PARIS])


def local(text: str) -> datetime:
    when = parse_when(text)
    assert when is not None
    return when.start.astimezone(PARIS).replace(tzinfo=None)


def is_on_the_clock_once(moment: datetime, weeks: int) -> bool:
    """Not in the two nights of a year in which the clock shows an hour twice, or leaves one out, here or where it is moved to."""
    there = moment.astimezone(PARIS)
    moved = (there.replace(tzinfo=None) + timedelta(weeks=weeks)).replace(tzinfo=PARIS)
    return all(
        one.replace(fold=0).utcoffset() == one.replace(fold=1).utcoffset()
        and one.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) == one.replace(tzinfo=None)
        for one in (there, moved)
    )


@given(first=MOMENTS, second=MOMENTS, weeks=WEEKS, zone=ZONES)
def test_intervals_and_order_are_as_before(first: datetime, second: datetime, weeks: int, zone: object) -> None:
    texts = [moment.astimezone(zone).replace(microsecond=0).isoformat() for moment in (first, second)]  # type: ignore[arg-type]

    moved = [shift_text(text, weeks) for text in texts]

    assert moved[0] is not None and moved[1] is not None
    if all(is_on_the_clock_once(moment, weeks) for moment in (first, second)):
        before, after = [local(text) for text in texts], [local(text) for text in moved if text]
        assert after[1] - after[0] == before[1] - before[0]
    days = [(parse_when(text), parse_when(other)) for text, other in zip(texts, moved, strict=True)]
    assert all((new.earliest - old.earliest).days == 7 * weeks for old, new in days if old and new)


@given(first=st.dates(), second=st.dates(), weeks=WEEKS)
def test_intervals_between_days_are_as_before(first: object, second: object, weeks: int) -> None:
    days = [parse_when(str(day)) for day in (first, second)]
    if any(day is None or not 1801 < day.earliest.year < 2199 for day in days):
        return

    moved = [parse_when(shift_text(str(day), weeks)) for day in (first, second)]

    assert moved[0] is not None and moved[1] is not None and days[0] is not None and days[1] is not None
    assert moved[1].earliest - moved[0].earliest == days[1].earliest - days[0].earliest
