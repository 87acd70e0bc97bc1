"""In: numbers as laboratories send and print them. Out: whether they become exact intervals, and what is two-faced stays unread."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.fhir import NumberInterval, is_no_result, plain, read_printed_number

NBSP, NARROW, THIN = "\u00a0", "\u202f", "\u2009"


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("12,1 g/dL", "12.1", "12.1", "g/dL"),
        ("12.10", "12.10", "12.10", None),
        ("12,1g/dL", "12.1", "12.1", "g/dL"),
        ("80 000 /mm3", "80000", "80000", "/mm3"),
        (f"80{NBSP}000{NBSP}/mm3", "80000", "80000", "/mm3"),
        (f"80{NARROW}000 /mm3", "80000", "80000", "/mm3"),
        (f"80{THIN}000", "80000", "80000", None),
        ("5 000 000", "5000000", "5000000", None),
        ("1 500,250", "1500.250", "1500.250", None),
        ("0,500", "0.500", "0.500", None),
        ("0.125 g/L", "0.125", "0.125", "g/L"),
        ("1,50", "1.50", "1.50", None),
        ("1,5000", "1.5000", "1.5000", None),
        ("3-5 %", "3", "5", "%"),
        ("3,5 – 5,0", "3.5", "5.0", None),
        ("1 à 2", "1", "2", None),
        ("1 a 2", "1", "2", None),
        ("3 500 - 4 500 /mm3", "3500", "4500", "/mm3"),
        ("10 g/100 mL", "10", "10", "g/100 mL"),
        ("7 10*9/L", "7", "7", "10*9/L"),
        ("150 10⁹/L", "150", "150", "10⁹/L"),
        ("12\n", "12", "12", None),
    ],
)
def test_a_printed_number_is_read_digit_for_digit(text: str, low: str, high: str, unit: str | None) -> None:
    found = read_printed_number(text)

    assert found is not None
    assert (str(found.interval.low), str(found.interval.high), found.unit) == (low, high, unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("< 5", "<5"),
        ("<5", "<5"),
        ("≤ 5", "<=5"),
        ("<= 5,5", "<=5.5"),
        (">90", ">90"),
        ("≥90", ">=90"),
        (">= 90 mL", ">=90"),
        ("> 1 000", ">1000"),
    ],
)
def test_a_printed_comparator_leaves_an_interval(text: str, expected: str) -> None:
    found = read_printed_number(text)

    assert found is not None
    assert found.interval.text() == expected


@pytest.mark.parametrize(
    "text",
    [
        "1,500 /mm3",
        "1.500",
        "12,500",
        "80.000",
        "00,500",
        "4,500-10,000",
        "3,5-10,000",
        "1.500.000",
        "1,2,3",
        "1..2",
        "12.",
        "7-5",
        "< 5-7",
        "> 1,500",
        "-5",
        "+5",
        "=5",
        "~5",
        ",5",
        "<",
        "",
        "traces",
        "hémolysé",
        "voir CR",
        "ECOG 1",
        "environ 12",
        "g/dL 12",
    ],
)
def test_a_text_of_two_readings_or_none_is_not_read(text: str) -> None:
    assert read_printed_number(text) is None


@pytest.mark.parametrize("text", ["120/80", "1e5", "5 0000", "12 120 80", "2 / 5", "12 à jeun", "1-2-3"])
def test_what_stands_behind_a_number_is_never_dropped(text: str) -> None:
    # Whatever is not part of the number becomes its unit, which then is unknown: the number decides nothing.
    found = read_printed_number(text)

    assert found is not None
    assert found.unit is not None


@pytest.mark.parametrize(
    ("comparator", "text"),
    [(None, "5"), ("", "5"), ("<", "<5"), ("<=", "<=5"), (">", ">5"), (">=", ">=5")],
)
def test_a_quantity_comparator_leaves_an_interval(comparator: str | None, text: str) -> None:
    found = NumberInterval.from_comparator(comparator, Decimal(5))

    assert found is not None
    assert found.text() == text


@pytest.mark.parametrize("comparator", ["ad", "~", "<<", "=", "lt", " <"])
def test_an_unknown_comparator_is_not_guessed(comparator: str) -> None:
    assert NumberInterval.from_comparator(comparator, Decimal(5)) is None


def test_an_open_end_is_on_the_strict_side_only() -> None:
    below = NumberInterval.from_comparator("<", Decimal(5))
    upto = NumberInterval.from_comparator("<=", Decimal(5))

    assert below is not None and upto is not None
    assert (below.surely_below(Decimal(5)), below.surely_at_most(Decimal(5))) == (True, True)
    assert (upto.surely_below(Decimal(5)), upto.surely_at_most(Decimal(5))) == (False, True)


def test_an_open_beginning_is_on_the_strict_side_only() -> None:
    above = NumberInterval.from_comparator(">", Decimal(5))
    from_five = NumberInterval.from_comparator(">=", Decimal(5))

    assert above is not None and from_five is not None
    assert (above.surely_above(Decimal(5)), above.surely_at_least(Decimal(5))) == (True, True)
    assert (from_five.surely_above(Decimal(5)), from_five.surely_at_least(Decimal(5))) == (False, True)


def test_a_range_is_written_with_both_ends() -> None:
    assert NumberInterval(Decimal("3.5"), Decimal("5.0")).text() == "3.5-5.0"


def test_times_keeps_open_and_infinite_ends() -> None:
    below = NumberInterval.from_comparator("<", Decimal(80))

    assert below is not None
    assert below.times(Decimal("0.1")).text() == "<8.0"


def test_plain_has_no_exponent() -> None:
    assert [plain(Decimal(text)) for text in ("1E+3", "1.10", "0.00001", "-2E-2")] == [
        "1000",
        "1.10",
        "0.00001",
        "-0.02",
    ]


@pytest.mark.parametrize(
    "text", ["hémolysé", "HEMOLYSE", "en cours.", " Prélèvement  coagulé ", f"en{NBSP}cours", "ND"]
)
def test_no_result_is_recognised_as_printed(text: str) -> None:
    assert is_no_result(text)


@pytest.mark.parametrize("text", ["traces", "voir CR", "12", "", "hémolysé 12", "négatif"])
def test_a_result_that_cannot_be_read_is_still_a_result(text: str) -> None:
    assert not is_no_result(text)
