"""Promises of a kick-off's parameters: read as the guide says, refused as a whole, or left aside where that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapter.datasets.provider import NotSupported, parse_wanted
from adapter.datasets.staging.feed_types import FEED_TYPES


def test_nothing_asked_for_is_all_types() -> None:
    assert parse_wanted([]).types == FEED_TYPES


def test_types_by_commas_or_one_by_one_are_the_same() -> None:
    listed = parse_wanted([("_type", "Patient,Observation")])
    repeated = parse_wanted([("_type", "Observation"), ("_type", "Patient"), ("_type", "Patient")])

    assert listed == repeated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-06-01T10:00:00Z", datetime(2025, 6, 1, 10, tzinfo=UTC)),
        ("2025-06-01T10:00:00+02:00", datetime(2025, 6, 1, 8, tzinfo=UTC)),
        ("2025-06-01T10:00:00 02:00", datetime(2025, 6, 1, 8, tzinfo=UTC)),
        ("2025-06-01T10:00:00.123Z", datetime(2025, 6, 1, 10, 0, 0, 123_000, tzinfo=UTC)),
        ("2025-06-01T10:00:00.123456789Z", datetime(2025, 6, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2025-06-01T10:00:00.5-01:00", datetime(2025, 6, 1, 11, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_since_is_an_instant_of_any_zone(text: str, expected: datetime) -> None:
    assert parse_wanted([("_since", text)]).since == expected


@pytest.mark.parametrize(
    "text", ["2025-06-01", "2025-06-01T10:00:00", "2025-13-01T10:00:00Z", "0001-01-01T00:00:00+14:00", ""]
)
def test_since_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotSupported) as raised:
        parse_wanted([("_since", text)], lenient=True)

    assert raised.value.issues[0][0] == "invalid"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Observation?status=final,Observation?code=1", 2),
        ("Observation?status=final,amended", 1),
        ("Observation?status=final%2Camended", 1),
        ("Patient?gender=female,Observation?status=final", 2),
    ],
)
def test_filters_are_parted_before_a_type_and_not_within_a_value(text: str, count: int) -> None:
    assert len(parse_wanted([("_typeFilter", text)]).filters) == count


def test_all_reasons_are_told_at_once() -> None:
    with pytest.raises(NotSupported) as raised:
        parse_wanted([("_type", "Device,x"), ("_elements", "id"), ("_outputFormat", "csv"), ("_since", "now")])

    assert len(raised.value.issues) == 5


def test_same_parameter_twice_is_refused_where_it_has_one_value() -> None:
    with pytest.raises(NotSupported):
        parse_wanted([("_since", "2025-06-01T10:00:00Z")] * 2, lenient=True)


def test_types_that_may_not_be_had_are_refused_or_left_out() -> None:
    def may(type_: str) -> bool:
        return type_ == "Patient"

    with pytest.raises(NotSupported) as raised:
        parse_wanted([("_type", "Patient,Consent")], may=may)
    lenient = parse_wanted([("_type", "Patient,Consent")], may=may, lenient=True)

    assert [code for code, _ in raised.value.issues] == ["forbidden"]
    assert (parse_wanted([], may=may).types, lenient.types) == (("Patient",), ("Patient",))
    assert "Consent" in lenient.remarks[0]


def test_client_that_may_have_nothing_gets_nothing_however_lenient() -> None:
    with pytest.raises(NotSupported) as raised:
        parse_wanted([], may=lambda _type: False, lenient=True)

    assert raised.value.issues[0][0] == "forbidden"


def test_request_without_bounds_is_refused() -> None:
    with pytest.raises(NotSupported):
        parse_wanted([("_type", "Patient")] * 201)
    with pytest.raises(NotSupported):
        parse_wanted([("_typeFilter", "Patient?_id=" + "x," * 50_000)])
