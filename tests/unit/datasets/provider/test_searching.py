"""Promises of `_typeFilter`: R4's search as far as its table goes, and a refusal that repeats nothing where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.datasets.provider import SEARCH_PARAMETERS
from adapter.datasets.provider.searching import BadFilter, parse_filter
from adapter.datasets.staging.feed_types import FEED_TYPES

LOINC = "http://loinc.org"
RESULT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "k1",
    "status": "final",
    "category": [{"coding": [{"system": "urn:c", "code": "laboratory"}]}],
    "code": {"coding": [{"system": LOINC, "code": "718-7"}, {"code": "HGB"}]},
    "subject": {"reference": "Patient/RELUTH-05-0001"},
    "effectiveDateTime": "2025-05-20",
}


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("status=final", True),
        ("status=amended,final", True),
        ("status=amended", False),
        ("status=final&code=HGB", True),
        ("status=final&code=ALT", False),
        (f"code={LOINC}|718-7", True),
        (f"code={LOINC}|", True),
        (f"code={LOINC}|HGB", False),
        ("code=|HGB", True),
        ("code=|718-7", False),
        ("category=laboratory", True),
        ("category=imaging%2Claboratory", True),
        ("patient=RELUTH-05-0001", True),
        ("subject=Patient/RELUTH-05-0001", True),
        ("subject=RELUTH-05-0002", False),
        ("_id=k0,k1", True),
        ("_id=k2", False),
        ("date=2025-05-20", True),
        ("date=2025-05", True),
        ("date=2025-05-21", False),
        ("date=ne2025-05-20", False),
        ("date=ge2025-05-20", True),
        ("date=gt2025-05-20", False),
        ("date=gt2025-05-19", True),
        ("date=le2025-05-20", True),
        ("date=lt2025-05-20", False),
        ("date=lt2025-05-21", True),
        ("date=sa2025-05-19", True),
        ("date=eb2025-05-21", True),
        ("date=ge2025-05-01&date=lt2025-06-01", True),
        ("date=ge2025-05-01&date=lt2025-05-10", False),
        ("", True),
    ],
)
def test_search_finds_what_r4_says(query: str, is_found: bool) -> None:
    assert parse_filter(f"Observation?{query}").finds(RESULT) is is_found


def test_search_by_a_date_looks_at_periods_too() -> None:
    course = {"effectivePeriod": {"start": "2025-05-01", "end": "2025-05-03"}}

    assert parse_filter("MedicationAdministration?effective-time=2025-05").finds(course)
    assert not parse_filter("MedicationAdministration?effective-time=2025-05-02").finds(course)


def test_resource_without_the_element_is_not_found() -> None:
    for query in ("date=ne2025-05-20", "code=HGB", "patient=x", "status=final"):
        assert not parse_filter(f"Observation?{query}").finds({"resourceType": "Observation", "id": "k1"})


@pytest.mark.parametrize(
    "text",
    [
        "Observation",
        "Device?status=active",
        "Dupont?x=y",
        "Observation?value-string=Dupont",
        "Observation?code:text=Dupont",
        "Observation?date=Dupont",
        "Observation?date=",
        "Observation?status=final,",
        "Observation?_lastUpdated=gt2025",
        "?status=final",
        "Observation?" + "status=final&" * 600,
    ],
)
def test_search_that_cannot_be_followed_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadFilter) as raised:
        parse_filter(text)

    assert "Dupont" not in str(raised.value)


def test_every_type_of_the_feed_can_be_searched_for() -> None:
    assert set(SEARCH_PARAMETERS) == set(FEED_TYPES)
