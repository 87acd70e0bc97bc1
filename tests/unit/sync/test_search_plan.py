"""Promises of the plan of a search: each type in the ways that its server may answer, and every patient in one part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.client import Capability, TypeCapability
from adapter.config import SearchSettings
from adapter.sync.search_plan import Batch, StoredPatients, Way, includes_of, parts_of, patient_parameter, ways_of

SINCE = "2025-06-01T00:00:00Z"
CONDITION = TypeCapability(frozenset({"search-type"}), frozenset({"patient", "subject"}))


@pytest.mark.parametrize(
    ("plan", "since", "ways"),
    [
        ("type", None, [Way()]),
        ("type", SINCE, [Way(timed=True), Way()]),
        ("patient", None, [Way("patient", True), Way("patient")]),
        ("auto", None, [Way(), Way("patient", True), Way("patient")]),
    ],
)
def test_ways_are_those_of_the_settings(plan: str, since: str | None, ways: list[Way]) -> None:
    settings = SearchSettings.model_validate({"plan": plan})

    assert ways_of("Condition", CONDITION, settings, since=since) == ways


def test_no_way_but_by_post_is_taken_where_that_is_set() -> None:
    found = ways_of("Condition", CONDITION, SearchSettings(post=True), since=SINCE)

    assert {way.post for way in found} == {True}


def test_type_whose_search_is_not_stated_is_asked_for_by_patient_first() -> None:
    stated = TypeCapability(frozenset({"read"}), frozenset({"patient"}))

    found = ways_of("Condition", stated, SearchSettings(), since=None)

    assert [way.by for way in found] == ["patient", "patient", ""]


@pytest.mark.parametrize(
    ("type_", "stated", "by"),
    [
        ("Condition", ["patient", "subject"], "patient"),
        ("AdverseEvent", ["subject"], "subject"),
        ("Condition", ["code"], ""),
        ("Patient", ["patient"], ""),
        ("Organization", [], ""),
        ("ResearchStudy", ["patient"], ""),
    ],
)
def test_types_are_asked_for_by_patient_where_they_are_of_patients(type_: str, stated: list[str], by: str) -> None:
    assert patient_parameter(type_, TypeCapability(search_params=frozenset(stated))) == by


@given(st.sets(st.integers(0, 400)), st.sets(st.integers(0, 400)), st.integers(0, 9), st.booleans())
def test_every_patient_is_in_one_part(known: set[int], pulled: set[int], until: int, post: bool) -> None:
    stored = StoredPatients({str(number): number % 10 for number in known}, {"Condition": until})
    way = Way("patient", post, timed=True)

    parts = parts_of("Condition", way, since=SINCE, stored=stored, pulled={str(number) for number in pulled})

    ids = [id_ for part in parts for id_ in part.patients]
    assert sorted(ids) == sorted(str(number) for number in known | pulled)
    timed = {id_ for part in parts if part.since == SINCE for id_ in part.patients}
    assert timed == {str(number) for number in known if number % 10 <= until}
    assert len({part.name for part in parts}) == len(parts)


def test_way_without_time_asks_for_everything() -> None:
    stored = StoredPatients({"1": 1}, {"Condition": 1})

    found = parts_of("Condition", Way("patient", True), since=SINCE, stored=stored, pulled=())

    assert found == [Batch("Condition.patients-00000", None, ("1",))]


def test_medications_are_included_only_with_types_that_refer_to_them() -> None:
    stated = TypeCapability(search_includes=frozenset({"MedicationRequest:medication", "MedicationRequest:encounter"}))
    capability = Capability("4.0.1", types={"MedicationRequest": stated, "Condition": stated})

    assert includes_of("MedicationRequest", {"Medication"}, capability) == ["MedicationRequest:medication"]
    assert includes_of("Condition", {"Medication"}, capability) == []
    assert includes_of("MedicationRequest", {"Condition"}, capability) == []
