"""In: resources, ETags and business identifiers. Out: proof that they are read whole and searched for unambiguously."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from adapter.client.found import Head, batches, head_of, identifier_query, identifier_search, version_of


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("42", "42"),
        ("A,1", r"A\,1"),
        ("A|1", r"A\|1"),
        ("A$1", r"A\$1"),
        ("A\\1", r"A\\1"),
        ("\\,", r"\\\,"),
        ("A 1&b=+é%", "A 1&b=+é%"),
    ],
)
def test_value_in_a_search_is_escaped(value: str, escaped: str) -> None:
    form = identifier_search([("urn:x", value), ("", "7")], count=9)

    assert parse_qs(form) == {"identifier": [f"urn:x|{escaped},|7"], "_count": ["9"]}
    assert parse_qs(identifier_query("urn:x", value)) == {"identifier": [f"urn:x|{escaped}"]}


def test_system_in_a_search_is_escaped() -> None:
    assert parse_qs(identifier_search([("urn:a|b,c", "1")], count=9))["identifier"] == [r"urn:a\|b\,c|1"]


def test_query_of_a_conditional_create_is_ascii_without_separators() -> None:
    query = identifier_query("https://h.example.org/id?x=1&y", "é &#+%")

    assert query.isascii()
    assert not set(query.removeprefix("identifier=")) & set("?&=# +")


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (b'[{"system":"s","value":"1"},{"value":"2"}]', {("s", "1"), ("", "2")}),
        (b'{"system":"s","value":"1"}', {("s", "1")}),
        (b'[{"system":"s"},{"system":7,"value":"1"},{"value":8},"text",null]', set()),
        (b'"text"', set()),
        (b"null", set()),
    ],
)
def test_identifiers_of_a_resource_are_read_from_list_and_single(
    identifier: bytes, expected: set[tuple[str, str]]
) -> None:
    head = head_of(b'{"resourceType":"Basic","id":"9","meta":{"versionId":"3"},"identifier":' + identifier + b"}")

    assert head == Head("Basic", "9", "3", frozenset(expected))


@pytest.mark.parametrize("raw", [b"", b"7", b"[]", b"{}", b'{"resourceType":7}', b'{"resourceType":"Basic"', b"\xff"])
def test_what_is_no_resource_has_no_head(raw: bytes) -> None:
    assert head_of(raw) is None


def test_head_of_a_bare_resource_is_bare() -> None:
    assert head_of(b'{"resourceType":"Basic","id":7,"meta":{"versionId":1}}') == Head("Basic")


def test_repr_of_a_head_does_not_show_identifiers() -> None:
    assert "4711" not in repr(head_of(b'{"resourceType":"Basic","identifier":[{"system":"s","value":"4711"}]}'))


@pytest.mark.parametrize(
    ("etag", "version"),
    [
        ('W/"3"', "3"),
        (' W/"a-1" ', "a-1"),
        ('"3"', "3"),
        ("3", "3"),
        ("W/3", "3"),
        ("", None),
        ('""', None),
        ("a b", None),
    ],
)
def test_version_is_read_from_every_form_of_an_etag(etag: str, version: str | None) -> None:
    assert version_of(etag) == version


@pytest.mark.parametrize(("size", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (6, [5])])
def test_batches_are_whole_and_in_order(size: int, sizes: list[int]) -> None:
    parts = list(batches("abcde", size))

    assert [len(part) for part in parts] == sizes
    assert "".join(map("".join, parts)) == "abcde"
