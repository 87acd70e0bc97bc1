"""In: a resource as two sides have it. Out: proof that only what a side says by itself counts as a difference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.compare import Difference, decode_resource, differences, digest_of, encode_resource, is_same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"value": Decimal("7400.0")}, {"value": 7400}, True),
        ({"value": Decimal("1.10")}, {"value": Decimal("1.1")}, True),
        ({"value": Decimal("0.1")}, {"value": Decimal("0.10000000000000001")}, False),
        ({"active": True}, {"active": 1}, False),
        ({"active": 1}, {"active": True}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {}}, {}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1, "id": "1", "meta": {"versionId": "1"}, "text": {"status": "generated"}}, {"a": 1, "id": "2"}, True),
        ({"subject": {"id": "a"}}, {"subject": {"id": "b"}}, False),
    ],
)
def test_resources_are_the_same_where_they_say_the_same(one: Any, other: Any, same: bool) -> None:
    assert (is_same(one, other), is_same(other, one)) == (same, same)
    assert bool(differences(one, other)) is not same


def test_differences_name_the_deepest_paths_in_order() -> None:
    one = {"status": "final", "code": {"coding": [{"code": "1"}, {"code": "2"}]}, "note": [{"text": "a"}]}
    other = {"status": "amended", "code": {"coding": [{"code": "1"}, {"code": "3"}]}, "issued": "x"}

    assert differences(one, other) == [
        Difference("code.coding[1].code", "2", "3"),
        Difference("issued", None, "x"),
        Difference("note", [{"text": "a"}], None),
        Difference("status", "final", "amended"),
    ]


def test_decimals_go_in_and_out_as_they_are() -> None:
    raw = b'{"a":1.10,"b":[0.1,100,1E+2,123456789.123456789012345]}'

    assert decode_resource(raw)["a"] == Decimal("1.10")
    assert encode_resource(decode_resource(raw)) == raw


@pytest.mark.parametrize("raw", [b"", b"[]", b'"x"', b'{"a":', b"\xff\xfe", b"<html>", b'{"a":' * 9999])
def test_what_is_no_object_is_refused_without_quoting_it(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"^no JSON( object)?$"):
        decode_resource(raw)


def test_digest_is_that_of_the_content_in_whatever_order() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})
    assert digest_of({"a": 1}) != digest_of({"a": 1, "id": "1"})
