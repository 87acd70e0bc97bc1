"""In: types, bookmarks, what a server has. Out: proof of what all sources decide alike: order, what is missing, from when to read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapter.store import Origin
from adapter.sync import Item, Missing
from adapter.sync.sources import begin_before, confirmed, missing_of, moment_of, not_ahead, patient_first, served_of

OVERLAP = timedelta(minutes=5)


def test_patient_comes_first_and_each_type_once() -> None:
    types = ["Procedure", "Patient", "Account", "Procedure", "Observation"]

    assert patient_first(types) == ["Patient", "Account", "Observation", "Procedure"]
    assert patient_first(["Procedure", "Account"]) == ["Account", "Procedure"]


def test_wanted_types_are_served_or_missing_in_their_order() -> None:
    wanted, served = ["Patient", "Condition", "Procedure"], {"Procedure", "Patient", "Basic"}

    assert served_of(wanted, served) == ["Patient", "Procedure"]
    assert missing_of(wanted, served) == [Missing("Condition", "the server does not serve this type")]


@pytest.mark.parametrize(
    ("bookmark", "begin"),
    [
        ("2025-06-01T10:00:00Z", "2025-06-01T09:55:00Z"),
        ("2025-06-01T00:03:00+02:00", "2025-05-31T21:58:00Z"),
        ("2025-06-01T10:00:00.999Z", "2025-06-01T09:55:00Z"),
        ("2025-06-01T10:00:00", None),
        ("soon", None),
        ("", None),
        # Written where a time was not set.
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("0999-06-01T10:00:00Z", "0999-06-01T09:55:00Z"),
        # Within the overlap a clock may be ahead.
        ("2025-06-02T08:05:00Z", "2025-06-02T08:00:00Z"),
        ("2025-06-02T08:06:00Z", None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_reading_begins_the_overlap_before_the_bookmark_or_is_of_everything(bookmark: str, begin: str | None) -> None:
    assert begin_before(bookmark, OVERLAP, now=datetime(2025, 6, 2, 8, tzinfo=UTC)) == begin


def test_server_that_is_ahead_is_taken_to_be_at_our_time() -> None:
    ours = datetime(2025, 6, 1, 8, 0, 0, 500_000, tzinfo=UTC)

    assert not_ahead("2025-06-01T10:00:00.4+02:00", ours) == "2025-06-01T10:00:00.4+02:00"
    assert not_ahead("2025-06-01T10:00:01+02:00", ours) == "2025-06-01T08:00:00Z"
    assert not_ahead("soon", ours) == "soon"


def test_moment_is_in_utc_and_needs_a_zone() -> None:
    moment = moment_of("2025-06-01T10:00:00+02:00")

    assert (moment, moment and moment.tzinfo) == (datetime(2025, 6, 1, 8, tzinfo=UTC), UTC)
    assert moment_of("2025-06-01T10:00:00") is None


def test_what_the_server_has_not_is_gone_and_what_it_has_comes_with_its_place() -> None:
    place = "https://fhir.example.org/Patient"

    gone, items = confirmed(place, ["1", "2", "3"], {"2": b"{}"})

    assert gone == {"1", "3"}
    assert items == [Item(b"{}", Origin(place, is_url=True))]
