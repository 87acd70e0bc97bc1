"""In: single cells. Out: exact values, or what is wrong with them and what kind of value stands there."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.loading.cells import CellError, Row, value_class


def amount(text: str, *, comma: bool = False) -> Decimal | None:
    return Row(2, {"value": text}, comma=comma).amount("value")


def refusal(text: str, *, comma: bool = False) -> str:
    with pytest.raises(CellError) as caught:
        amount(text, comma=comma)
    assert text not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("text", ["12.1", "7.400", "0", "-3.5", "007", "0.0000001"])
def test_amount_keeps_all_its_digits(text: str) -> None:
    assert str(amount(text)) in (text, str(Decimal(text)))
    assert amount(text) == Decimal(text)


def test_decimal_comma_is_read_where_semicolons_separate() -> None:
    assert str(amount("7,400", comma=True)) == "7.400"
    assert amount("7.4", comma=True) == Decimal("7.4")


def test_decimal_comma_is_refused_where_commas_separate() -> None:
    assert "semicolons" in refusal("7,400")


@pytest.mark.parametrize("comma", [True, False])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("80 000", "thousands"),
        ("80\u202f000", "thousands"),
        ("1.234,5", "thousands"),
        ("1,234,567", "thousands"),
        ("1,2E+05", "written out"),
        ("1e5", "written out"),
        ("<5", "comparator"),
        (">= 90", "comparator"),
        ("traces", "a number is wanted"),
        ("1_000", "a number is wanted"),
        ("１２", "a number is wanted"),
        ("NaN", "a number is wanted"),
        ("+5", "a number is wanted"),
        ("=1+1", "a number is wanted"),
        (".5", "a number is wanted"),
        ("5.", "a number is wanted"),
        ("9" * 61, "a number is wanted"),
    ],
)
def test_amount_that_could_be_read_in_two_ways_is_refused(text: str, said: str, comma: bool) -> None:
    assert said in refusal(text, comma=comma)


@pytest.mark.parametrize(("text", "read"), [("yes", True), ("OUI", True), ("no", False), ("Non", False)])
def test_answer_is_yes_or_no(text: str, read: bool) -> None:
    assert Row(2, {"extravasation": text}, comma=False).answer("extravasation") is read


@pytest.mark.parametrize("text", ["1", "true", "peut-être"])
def test_answer_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(CellError, match="yes or no is wanted"):
        Row(2, {"extravasation": text}, comma=False).answer("extravasation")


@pytest.mark.parametrize("text", ["1.0", "-1", "one", "1" * 10, "٣"])
def test_count_is_a_whole_number(text: str) -> None:
    row = Row(2, {"cycle": text, "course": "2"}, comma=False)
    with pytest.raises(CellError, match="a whole number is wanted"):
        row.count("cycle")

    assert row.count("course") == 2


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        ("", "empty"),
        ("12", "number"),
        ("7,4", "number"),
        ("80 000", "number"),
        ("<5", "number"),
        ("1,2E+05", "number"),
        ("20250520", "number"),
        ("20/05/2025", "date-like"),
        ("20.5.25", "date-like"),
        ("2025-05", "date-like"),
        ("2025-05-20T08:10", "date-like"),
        ("2025/05/20", "date-like"),
        ("g/dL", "code-like"),
        ("=cmd|'/C", "code-like"),
        ("x" * 61, "code-like"),
        ("x" * 65, "text"),
        ("two words", "text"),
        (True, "true-or-false"),
        (3, "number"),
        (Decimal("1.5"), "number"),
        ([], "list"),
        ((), "list"),
        ({}, "object"),
    ],
)
def test_class_of_a_value_tells_its_kind(value: object, kind: str) -> None:
    assert value_class(value) == kind


def test_class_of_a_very_long_value_is_told_at_once() -> None:
    assert value_class("1 " * 500_000) == "text"
