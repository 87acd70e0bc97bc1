"""Promises of two sources as one: each is asked for its own types, and the earlier time holds for both."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter.client import Capability, ExportRequest, TypeCapability, Unavailable
from adapter.jobs.pulling import _not_exported
from adapter.store import Store
from adapter.sync import BulkOptions, CombinedSource, pull
from adapter.sync.sources import Gone, Progress
from tests.support.told_source import Server
from tests.unit.store.making import live, observation, patient

P, A = patient("p"), observation("a", "p")
DRUG = b'{"resourceType":"Medication","id":"m"}'


class Planned(Server):
    """Remembers what it was asked to prepare."""

    def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
        self.plan = dict(plan)


def test_each_source_is_asked_for_its_own_types(store: Store) -> None:
    exported, searched = Planned({"Observation": [A], "Patient": [P]}), Planned({"Medication": [DRUG]})

    summary = pull(store, CombinedSource([exported, searched]), site="icm")

    assert (exported.plan, searched.plan) == ({"Patient": None, "Observation": None}, {"Medication": None})
    assert live(store) == {"Patient/p": [A, P]}
    assert store.lake.shared("icm", ["Medication/m"]) == {"Medication/m": DRUG}
    assert (summary.exit_code, exported.closed, searched.closed) == (0, True, True)


def test_earlier_time_holds_for_all(store: Store) -> None:
    exported = Server({"Patient": [P]}, transaction_time="2025-06-01T10:00:00+02:00")
    searched = Server({"Medication": [DRUG]}, transaction_time="2025-06-01T09:00:00Z")

    pull(store, CombinedSource([searched, exported]), site="icm")

    assert {mark.transaction_time for mark in store.bookmarks("icm")} == {"2025-06-01T10:00:00+02:00"}


def test_source_without_a_time_moves_no_bookmark(store: Store) -> None:
    untimed = Server({"Medication": [DRUG]}, transaction_time=None)

    pull(store, CombinedSource([Server({"Patient": [P]}), untimed]), site="icm")

    assert store.bookmarks("icm") == []


def test_deletions_are_asked_of_the_source_of_the_type(store: Store) -> None:
    pull(
        store,
        CombinedSource([Server({"Patient": [P], "Observation": [A]}), Server({"Medication": [DRUG]})]),
        site="icm",
    )
    exported = Server({"Patient": [P], "Observation": []}, said_gone=[Gone("Medication", "m")])
    searched = Server({"Medication": []}, has={"m": DRUG})

    pull(store, CombinedSource([exported, searched]), site="icm", full=True)

    assert (exported.asked, searched.asked) == ([("Observation", ["a"])], [("Medication", ["m"])])
    assert live(store) == {"Patient/p": [P]}
    assert store.lake.shared("icm", ["Medication/m"]) == {"Medication/m": DRUG}


def test_source_that_fails_ends_the_pull_and_nothing_is_stored(store: Store) -> None:
    class Broken(Server):
        def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
            raise Unavailable("GET https://fhir.hospital.example/r4", "answered 503", attempts=6)

    with pytest.raises(Unavailable):
        pull(store, CombinedSource([Server({"Patient": [P]}), Broken({"Medication": []})]), site="icm")

    assert store.lake.sites() == []


def capability(**interactions: set[str]) -> Capability:
    types = {type_: TypeCapability(interactions=frozenset(stated)) for type_, stated in interactions.items()}
    return Capability("4.0.1", types=types)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("patient", ["Medication"]), ("group", ["Medication"]), ("system", [])],
)
def test_what_is_about_no_patient_is_searched_for_beside_an_export_of_patients(level: str, expected: list[str]) -> None:
    request = ExportRequest(level=level, group="g" if level == "group" else None)  # type: ignore[arg-type]
    server = capability(
        Medication={"search-type"}, ResearchStudy={"read"}, Observation={"search-type"}, Patient={"search-type"}
    )

    found = _not_exported(["Medication", "Observation", "Patient", "ResearchStudy"], BulkOptions(request), server)

    assert found == expected
