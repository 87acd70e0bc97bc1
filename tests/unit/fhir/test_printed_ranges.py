"""Promises of printed ranges and numbers: a word and its range are told apart, and no text takes long."""

from __future__ import annotations

import time

import pytest

from adapter.fhir import read_printed_number
from adapter.fhir.printed_ranges import PRINTED_RANGE

#: Before, the shortest of these took minutes.
LENGTH = 100_000


@pytest.mark.parametrize(
    ("text", "word", "range_"),
    [
        ("N: 3,5 - 5,0", "N", "3,5 - 5,0"),
        ("  VN 3.5-5  mmol/L  ", "VN", "3.5-5  mmol/L"),
        ("Femme : < 35", "Femme", "< 35"),
        ("(10 - 40)", None, "10 - 40"),
        ("réf. [ 10 - 40 ] ", "réf.", "10 - 40"),
        ("< 41", None, "< 41"),
        ("10 - 40)", None, "10 - 40"),
        ("", None, ""),
    ],
)
def test_printed_range_is_told_from_its_word(text: str, word: str | None, range_: str) -> None:
    found = PRINTED_RANGE.fullmatch(text)

    assert found is not None
    assert (found["word"], found["range"]) == (word, range_)


@pytest.mark.parametrize("text", ["((1 - 2))", "N (1 - 2) (3 - 4)", "1 (2", "N : : ("])
def test_text_with_more_brackets_is_no_printed_range(text: str) -> None:
    assert PRINTED_RANGE.fullmatch(text) is None


@pytest.mark.parametrize("text", ["N" + " " * LENGTH + "((", "N : " + "1  " * LENGTH + "((", "a" * LENGTH + "(("])
def test_printed_range_of_any_length_is_looked_at_once(text: str) -> None:
    begun = time.process_time()

    assert PRINTED_RANGE.fullmatch(text) is None
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "text", [" " * LENGTH, "1" + " " * LENGTH + "\n\nx", "1 -" + " " * LENGTH, "<" + " " * LENGTH, "1 000 " * LENGTH]
)
def test_printed_number_of_any_length_is_looked_at_once(text: str) -> None:
    begun = time.process_time()

    read_printed_number(text)
    assert time.process_time() - begun < 2


def test_printed_number_stands_between_blanks_and_line_ends_as_without_them() -> None:
    assert read_printed_number(" \n < 5  g/dL \n") == read_printed_number("< 5 g/dL")
    assert read_printed_number("5 g\n/dL") is None
