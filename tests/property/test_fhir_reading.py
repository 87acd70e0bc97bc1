"""In: generated dates, numbers and JSON. Out: whether reading them keeps every possibility, every digit, and sees every key that stands twice."""

from __future__ import annotations

import calendar
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.fhir import PARIS, NumberInterval, When, add_months, age_on, parse_when, period_when, read_printed_number
from adapter.fhir.resources import Observation, decode
from adapter.fhir.summary import duplicate_key

STEADY = settings(derandomize=True, max_examples=100, deadline=None)
days = st.dates(date(1900, 1, 1), date(2100, 12, 30))


def read(text: str) -> When:
    found = parse_when(text)
    assert found is not None, text
    return found


@STEADY
@given(st.datetimes(datetime(1950, 1, 2), datetime(2100, 12, 30)), st.integers(-12 * 4, 14 * 4))  # noqa: DTZ001 - UTC is put on below
def test_a_partial_date_holds_every_completion_of_it(instant: datetime, quarters: int) -> None:
    moment = instant.replace(microsecond=0, tzinfo=UTC).astimezone(PARIS)
    day = moment.date()
    exact = read(moment.isoformat())
    # Each text says less than the one before it.
    for text in (moment.strftime("%Y-%m-%dT%H:%M%z"), f"{day:%Y-%m-%d}", f"{day:%Y-%m}", f"{day.year:04}"):
        vague = read(text)
        assert vague.start <= exact.start and exact.end <= vague.end
    elsewhere = moment.astimezone(timezone(timedelta(minutes=15 * quarters)))
    assert read(elsewhere.isoformat()) == exact
    assert exact.earliest == exact.latest == day


@STEADY
@given(st.datetimes(datetime(1975, 1, 2), datetime(2105, 12, 30)), st.integers(-12 * 4, 14 * 4), st.booleans())  # noqa: DTZ001 - a zone is put on below
def test_a_time_as_it_is_usually_written_is_the_same_as_written_otherwise(
    instant: datetime, quarters: int, whole: bool
) -> None:
    zone = timezone(timedelta(minutes=15 * quarters))
    text = instant.replace(microsecond=0 if whole else instant.microsecond, tzinfo=zone).isoformat()

    # With a space for the T it is read the long way.
    assert read(text) == read(text.replace("T", " "))
    assert (read(text).earliest, read(text).latest) == (
        read(text.replace("T", " ")).earliest,
        read(text.replace("T", " ")).latest,
    )


@STEADY
@given(days)
def test_a_date_is_its_own_day_in_paris(day: date) -> None:
    found = read(str(day))

    assert (found.earliest, found.latest, found.text()) == (day, day, str(day))
    assert read(f"{day:%Y-%m}").latest == day.replace(day=calendar.monthrange(day.year, day.month)[1])


@STEADY
@given(days, days, days)
def test_surely_after_is_an_order(one: date, two: date, three: date) -> None:
    a, b, c = (read(str(day)) for day in (one, two, three))

    assert a.surely_after(b) == (one > two)
    assert not (a.surely_after(b) and b.surely_after(a))
    assert not (a.surely_after(b) and b.surely_after(c)) or a.surely_after(c)


@STEADY
@given(days, days)
def test_a_vaguer_date_is_never_surely_after_what_the_exact_one_is_not(one: date, two: date) -> None:
    exact, other = read(str(one)), read(str(two))
    for vague in (read(f"{one:%Y-%m}"), read(f"{one.year:04}")):
        assert exact.surely_after(other) or not vague.surely_after(other)
        assert other.surely_after(exact) or not other.surely_after(vague)


@STEADY
@given(days, days)
def test_a_period_holds_its_ends(one: date, two: date) -> None:
    first, last = sorted((one, two))
    found = period_when(str(first), str(last))

    assert (found.earliest, found.latest) == (first, last)


@STEADY
@given(days, st.integers(-600, 600))
def test_months_move_by_that_many_and_keep_the_day_or_the_months_end(day: date, months: int) -> None:
    found = add_months(day, months)

    assert (found.year - day.year) * 12 + found.month - day.month == months
    assert found.day == min(day.day, calendar.monthrange(found.year, found.month)[1])


@STEADY
@given(days, days)
def test_age_grows_by_one_on_each_birthday(one: date, two: date) -> None:
    birth, day = sorted((one, two))
    years = age_on(birth, day)

    assert years >= 0
    assert age_on(birth, day + timedelta(days=1)) - years in (0, 1)
    assert age_on(birth + timedelta(days=1), day) <= years


digits = st.from_regex(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,12})?", fullmatch=True)


@STEADY
@given(digits)
def test_a_json_number_keeps_its_digits(text: str) -> None:
    found = decode(
        "Observation", f'{{"resourceType":"Observation","id":"1","valueQuantity":{{"value":{text}}}}}'.encode()
    )

    assert isinstance(found, Observation) and found.value_quantity is not None
    assert found.value_quantity.value is not None
    assert format(found.value_quantity.value, "f") == text


@STEADY
@given(digits, st.sampled_from([",", "."]), st.sampled_from(["", " g/dL", " %"]))
def test_a_printed_number_keeps_its_digits_or_is_not_read(text: str, mark: str, unit: str) -> None:
    found = read_printed_number(text.replace(".", mark) + unit)
    whole, _, fraction = text.partition(".")
    if len(fraction) == 3 and whole != "0":
        assert found is None
    else:
        assert found is not None
        assert found.interval == NumberInterval.exactly(Decimal(text))
        assert format(found.interval.low, "f") == text


@STEADY
@given(st.integers(1000, 999_999_999), st.sampled_from([" ", "\u00a0", "\u2009", "\u202f"]))
def test_thousands_may_be_parted_by_any_space(number: int, space: str) -> None:
    found = read_printed_number(f"{number:,}".replace(",", space) + " /mm3")

    assert found is not None
    assert (found.interval, found.unit) == (NumberInterval.exactly(Decimal(number)), "/mm3")


@STEADY
@given(st.text(max_size=30))
def test_any_text_is_read_or_left_and_never_trips(text: str) -> None:
    found = read_printed_number(text)

    assert found is None or found.interval.low <= found.interval.high
    when = parse_when(text)
    assert when is None or when.start < when.end


# JSON whose objects may say a key twice, written in every way that is still JSON.
names = st.sampled_from(["a", "b", "id", "status", 'q"', "k:", 'x":'])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", '"', '":', '{"a":1,"a":2}', "é", "a : b", "\\", '\\"']),
)


class Pairs(list[tuple[str, Any]]):
    """The members of one object, repetitions included."""


values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(names, inner), max_size=4).map(Pairs)),
    max_leaves=8,
)
objects = st.lists(st.tuples(names, values), min_size=1, max_size=5).map(Pairs)


def written(value: Any, colon: str, *, quote: str) -> str:
    def text(word: str) -> str:
        return (
            '"' + "".join(quote if char == '"' else json.dumps(char, ensure_ascii=False)[1:-1] for char in word) + '"'
        )

    if isinstance(value, Pairs):
        return "{" + ",".join(f"{text(key)}{colon}{written(item, colon, quote=quote)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, colon, quote=quote) for item in value) + "]"
    return text(value) if isinstance(value, str) else json.dumps(value)


def repeated(value: Any) -> bool:
    """The slow reference: walks the members that were written."""
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        return len(set(keys)) < len(keys) or any(repeated(item) for _, item in value)
    return isinstance(value, list) and any(repeated(item) for item in value)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(objects, st.sampled_from([":", " :", ": ", "\n:\t"]), st.sampled_from(['\\"', "\\u0022"]))
def test_a_key_that_stands_twice_is_found_however_it_is_written(members: Pairs, colon: str, quote: str) -> None:
    raw = written(members, colon, quote=quote).encode()

    assert (duplicate_key(raw, msgspec.json.decode(raw)) is not None) == repeated(members)
