"""In: parsed documents with right and wrong values. Out: whether each accessor gives the value or a fault with file and pointer."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import DocumentError
from adapter.terminology import Node


def node(value: Any) -> Node:
    return Node({"key": value}, "doc")["key"]


@pytest.mark.parametrize(
    ("accessor", "value", "expected"),
    [
        ("text", "a", "a"),
        ("flag", False, False),
        ("integer", -3, -3),
        ("decimal", "1.50", Decimal("1.50")),
        ("decimal", 7, Decimal(7)),
        ("day", date(2025, 1, 2), date(2025, 1, 2)),
        ("day", "2025-01-02", date(2025, 1, 2)),
        ("texts", ["a", "b"], ("a", "b")),
        ("words", {"fr": "a", "en": "b"}, {"fr": "a", "en": "b"}),
        ("mapping", {"a": 1}, {"a": 1}),
    ],
)
def test_an_accessor_gives_the_value(accessor: str, value: Any, expected: Any) -> None:
    assert getattr(node(value), accessor)() == expected


@pytest.mark.parametrize(
    ("accessor", "value"),
    [
        ("text", ""),
        ("text", "  "),
        ("text", 5),
        ("text", None),
        ("flag", 0),
        ("flag", "true"),
        ("integer", True),
        ("integer", 1.0),
        ("integer", "1"),
        ("decimal", 1.5),
        ("decimal", True),
        ("decimal", "1,5"),
        ("decimal", "NaN"),
        ("decimal", "Infinity"),
        ("decimal", "sNaN"),
        ("decimal", ""),
        ("decimal", None),
        ("day", datetime(2025, 1, 2, 3, 4)),  # noqa: DTZ001 - as YAML gives a time without zone
        ("day", "2025-01"),
        ("day", 20250102),
        ("day", "2025-02-30"),
        ("mapping", []),
        ("mapping", {1: 2}),
        ("mapping", {True: 2}),
    ],
)
def test_an_accessor_refuses_another_type(accessor: str, value: Any) -> None:
    with pytest.raises(DocumentError) as caught:
        getattr(node(value), accessor)()

    assert str(caught.value).startswith("doc#/key: expected ")


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"fr": "a"}, "/key"),
        ({"fr": "a", "en": 5}, "/key/en"),
        ({"fr": "a", "en": "b", "de": "c"}, "/key"),
        ("a", "/key"),
    ],
)
def test_words_are_french_and_english_and_nothing_else(value: Any, pointer: str) -> None:
    with pytest.raises(DocumentError) as caught:
        node(value).words()

    assert caught.value.pointer == pointer


def test_one_of_names_what_is_allowed() -> None:
    with pytest.raises(DocumentError, match=r"doc#/key: expected one of a, b"):
        node("c").one_of("a", "b")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(DocumentError, match=r"doc#/key: name is missing"):
        node({})["name"]


def test_get_tells_absent_from_null() -> None:
    found = node({"there": None})

    assert found.get("absent") is None
    there = found.get("there")
    assert there is not None
    with pytest.raises(DocumentError):
        there.text()


def test_a_pointer_is_escaped() -> None:
    with pytest.raises(DocumentError) as caught:
        node({"a/b~c": [1]})["a/b~c"].texts()

    assert caught.value.pointer == "/key/a~1b~0c/0"


def test_close_refuses_the_first_key_that_nobody_asked_for() -> None:
    found = node({"a": 1, "z": 2, "k": 3})
    found["a"].integer()

    with pytest.raises(DocumentError, match=r"doc#/key: unknown key k"):
        found.close()


def test_close_takes_keys_that_were_asked_for_in_vain_or_walked_over() -> None:
    found = node({"a": 1})
    found.get("b")
    assert [key for key, _ in found.items()] == ["a"]

    found.close()


def test_contains_asks_without_reading() -> None:
    found = node({"a": 1})

    assert "a" in found
    with pytest.raises(DocumentError, match="unknown key a"):
        found.close()
