"""In: comparators, factors and numbers of every size. Out: intervals whose ends are exactly where they belong, open or closed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.fhir import NumberInterval, is_no_result, is_usable, plain, read_printed_number

ENDLESS = Decimal("Infinity")
FIVE = Decimal(5)


@pytest.mark.parametrize(
    ("comparator", "expected"),
    [
        (None, (FIVE, FIVE, False, False)),
        ("", (FIVE, FIVE, False, False)),
        ("<", (-ENDLESS, FIVE, True, True)),
        ("<=", (-ENDLESS, FIVE, True, False)),
        (">", (FIVE, ENDLESS, True, True)),
        (">=", (FIVE, ENDLESS, False, True)),
    ],
)
def test_a_comparator_opens_one_side_and_nothing_lies_at_infinity(
    comparator: str | None, expected: tuple[Decimal, Decimal, bool, bool]
) -> None:
    found = NumberInterval.from_comparator(comparator, FIVE)

    assert found is not None
    assert (found.low, found.high, found.low_open, found.high_open) == expected


def test_an_unknown_comparator_is_no_interval() -> None:
    assert NumberInterval.from_comparator("~", FIVE) is None


def test_scaling_between_two_factors_keeps_the_ends_as_open_as_they_were() -> None:
    found = NumberInterval(Decimal(2), Decimal(3), low_open=True).scaled_between(Decimal("0.5"), Decimal(4))

    assert found == NumberInterval(Decimal(1), Decimal(12), low_open=True)
    assert NumberInterval(Decimal(2), Decimal(3), high_open=True).scaled_between(
        Decimal(1), Decimal(1)
    ) == NumberInterval(Decimal(2), Decimal(3), high_open=True)


def test_scaling_rounds_nothing() -> None:
    long = Decimal("1.123456789012345678901234567890123456789")

    found = NumberInterval.exactly(long).scaled_between(Decimal("1.1"), Decimal("1.1"))

    assert found.low == found.high == Decimal("1.2358024679135802467913580246791358024679")


@pytest.mark.parametrize(
    ("number", "usable"),
    [
        ("12.1", True),
        ("1E+30", True),
        ("1E-30", True),
        ("1E+31", False),
        ("1E-31", False),
        ("NaN", False),
        ("Infinity", False),
        ("-Infinity", False),
        ("1." + "2" * 59, True),
        ("1." + "2" * 60, False),
    ],
)
def test_a_usable_number_is_finite_and_of_a_size_that_exact_arithmetic_holds(number: str, usable: bool) -> None:
    assert is_usable(Decimal(number)) is usable


def test_a_printed_range_of_one_number_is_that_number() -> None:
    found = read_printed_number("3-3 %")

    assert found is not None
    assert found.interval == NumberInterval.exactly(Decimal(3))


@pytest.mark.parametrize("text", ["5-3 %", "< 3-5"])
def test_a_printed_range_backwards_or_with_a_comparator_is_not_read(text: str) -> None:
    assert read_printed_number(text) is None


def test_a_whole_number_is_told_without_a_mark_and_without_an_exponent() -> None:
    found = read_printed_number("12 g/dL")

    assert found is not None
    assert plain(found.interval.low) == "12"
    assert plain(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize("text", ["X hémolysé", "xnd", "NDX"])
def test_a_word_beside_no_result_is_not_passed_over(text: str) -> None:
    assert not is_no_result(text)
