"""Properties of a digest's schedule: once on each of its days, never before its time, never on the day after; whatever the clock does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.fhir import PARIS
from adapter.jobs.mail import due
from adapter.jobs.mail.schedule import WEEKDAYS

#: Days around both changes of the clock, and around an ordinary midnight.
BEGINNINGS = st.sampled_from([date(2025, 3, 29), date(2025, 10, 25), date(2024, 12, 30), date(2024, 2, 28)])
TIMES = st.times().map(lambda at: at.replace(microsecond=0))
DAYS = st.sets(st.sampled_from(WEEKDAYS), min_size=1)


def wall(moment: datetime) -> datetime:
    """What a clock on the wall in France shows."""
    return moment.astimezone(PARIS).replace(tzinfo=None)


def sent(at: time, days: set[str], moments: list[datetime]) -> list[datetime]:
    """The moments at which a machine that looks at these moments sends."""
    found: list[datetime] = []
    last: date | None = None
    for moment in moments:
        day = due(at, days, moment, last=last)
        if day is not None:
            found.append(moment)
            last = day
    return found


@given(begin=BEGINNINGS, at=TIMES, days=DAYS)
@example(begin=date(2025, 10, 25), at=time(2, 57), days={"sun"})
@example(begin=date(2025, 10, 25), at=time(2, 59, 30), days={"sun"})
@example(begin=date(2025, 3, 29), at=time(2, 30), days={"sun"})
def test_digest_is_sent_once_on_each_of_its_days_at_its_time(begin: date, at: time, days: set[str]) -> None:
    start = datetime.combine(begin, time(), PARIS).astimezone(UTC)
    end = datetime.combine(begin + timedelta(days=4), time(), PARIS).astimezone(UTC)
    step = timedelta(minutes=5)
    moments = [start + step * number for number in range(int((end - start) / step))]

    found = sent(at, days, moments)

    wanted = [begin + timedelta(days=number) for number in range(4)]
    # The last look of a day is at 23:55: what is scheduled later is missed here, as it is by a machine that is off then.
    seen = [day for day in wanted if WEEKDAYS[day.weekday()] in days and at <= time(23, 55)]
    assert [moment.astimezone(PARIS).date() for moment in found] == seen
    for moment in found:
        late = wall(moment) - datetime.combine(wall(moment).date(), at)
        # An hour more where the clock leapt over its time, an hour less where it has begun to show that hour again.
        assert timedelta(hours=-1) <= late < timedelta(hours=1, minutes=5)
        assert has_come(at, moment)


@given(
    begin=BEGINNINGS,
    at=TIMES,
    days=DAYS,
    looks=st.lists(st.integers(0, 4 * 24 * 60), min_size=1, max_size=40, unique=True).map(sorted),
)
def test_digest_of_a_machine_that_is_off_now_and_then_is_late_but_on_its_day(
    begin: date, at: time, days: set[str], looks: list[int]
) -> None:
    start = datetime.combine(begin, time(), PARIS).astimezone(UTC)
    moments = [start + timedelta(minutes=minute) for minute in looks]

    found = [moment.astimezone(PARIS).date() for moment in sent(at, days, moments)]

    came = {wall(moment).date() for moment in moments if has_come(at, moment)}
    assert found == sorted(day for day in came if WEEKDAYS[day.weekday()] in days)


def has_come(at: time, moment: datetime) -> bool:
    """Told without the code's own way: the clock has shown the time, or has leapt over it, some minute of the day until now."""
    here = moment.astimezone(PARIS)
    # The seconds of the time: a clock that goes back may show it in no whole minute.
    minute = datetime.combine(here.date(), time(second=at.second), PARIS).astimezone(UTC)
    while minute <= moment:
        if wall(minute).date() == here.date() and wall(minute).time() >= at:
            return True
        minute += timedelta(minutes=1)
    return wall(moment).time() >= at
