"""Promises of a hospital searched: overlap, the server's time, what is missing is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from adapter.client import Capability, SearchEntry, SearchPage, TypeCapability
from adapter.client.errors import Issue
from adapter.errors import RemoteError, TransientError
from adapter.store import Store
from adapter.sync import HttpSource, Item, Problem, pull
from tests.unit.store.making import live, observation, patient

TIME = "2025-06-01T10:00:00Z"


@dataclass
class Hospital:
    """Answers searches from lists of pages; an exception in a list is raised where it stands."""

    pages: dict[str, list[SearchPage | Exception]]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def capability(self) -> Capability:
        return Capability("4.0.1", types={type_: TypeCapability() for type_ in self.pages})

    def search(self, resource_type: str, *, since: str | None = None, count: int = 500) -> Iterator[SearchPage]:
        self.asked.append((resource_type, since))
        for page in self.pages[resource_type]:
            if isinstance(page, Exception):
                raise page
            yield page


def _page(*raw: bytes, time: str | None = TIME, total: int | None = None, issue: str | None = None) -> SearchPage:
    issues = (Issue(issue, "incomplete"),) if issue else ()
    entries = tuple(SearchEntry(each) for each in raw)
    return SearchPage("https://h.example.org/r4/X", 1, entries, issues, time, total)


def test_pull_over_http_moves_bookmarks_and_begins_before_them(store: Store) -> None:
    hospital = Hospital({"Patient": [_page(patient("1"))], "Observation": [_page(observation("a", "1"), time=None)]})
    first = pull(store, HttpSource(hospital, ["Observation", "Patient"]), site="icm")
    later = HttpSource(hospital, ["Observation", "Patient"], overlap=timedelta(minutes=10))
    second = pull(store, later, site="icm")

    assert first.complete
    assert first.transaction_time == TIME
    assert (store.bookmark("icm", "Patient"), store.bookmark("icm", "Observation")) == (TIME, TIME)
    before = "2025-06-01T09:50:00Z"
    assert hospital.asked == [
        ("Patient", None),
        ("Observation", None),
        ("Patient", before),
        ("Observation", before),
    ]
    assert second.types["Patient"].read == 1
    assert (second.types["Patient"].new, second.types["Patient"].changed) == (0, 0)


def test_full_pull_begins_at_the_beginning(store: Store) -> None:
    hospital = Hospital({"Patient": [_page(patient("1"))]})
    for _ in range(2):
        pull(store, HttpSource(hospital, ["Patient"]), site="icm", full=True)

    assert hospital.asked == [("Patient", None)] * 2


@pytest.mark.parametrize(("error", "code"), [(RemoteError("no"), 4), (TransientError("later"), 75)])
def test_type_that_fails_leaves_the_others_and_its_bookmark(store: Store, error: Exception, code: int) -> None:
    store.set_bookmark("icm", "Condition", "2025-01-01T00:00:00Z")
    pages: dict[str, list[SearchPage | Exception]] = {
        "Condition": [_page(), error],
        "Observation": [_page(observation("a", "1"))],
        "Patient": [_page(patient("1"))],
    }
    summary = pull(store, HttpSource(Hospital(pages), list(pages)), site="icm")

    assert summary.exit_code == code
    assert not summary.complete
    assert [(item.type, item.reason) for item in summary.missing] == [("Condition", str(error))]
    assert store.bookmark("icm", "Condition") == "2025-01-01T00:00:00Z"
    assert store.bookmark("icm", "Observation") == TIME
    assert live(store) == {"Patient/1": [observation("a", "1"), patient("1")]}


def test_type_that_is_not_served_is_named(store: Store) -> None:
    hospital = Hospital({"Patient": [_page(patient("1"))]})
    summary = pull(store, HttpSource(hospital, ["Patient", "ResearchSubject"]), site="icm")

    assert [item.type for item in summary.missing] == ["ResearchSubject"]
    assert (summary.complete, summary.exit_code) == (False, 5)
    assert store.bookmark("icm", "Patient") == TIME
    without = pull(store, HttpSource(hospital, ["Patient", "ResearchSubject"]), site="icm", types=["Patient"])
    assert (without.complete, without.exit_code) == (True, 0)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(_page(patient("1"), issue="error"), id="an-error-among-the-entries"),
        pytest.param(_page(patient("1"), total=2), id="fewer-than-announced"),
    ],
)
def test_search_that_lacks_matches_is_incomplete(store: Store, page: SearchPage) -> None:
    summary = pull(store, HttpSource(Hospital({"Patient": [page]}), ["Patient"]), site="icm")

    assert (summary.complete, summary.exit_code) == (False, 5)
    assert [item.url for item in summary.quarantine] == ["https://h.example.org/r4/X"]
    assert store.bookmark("icm", "Patient") is None
    assert live(store) == {"Patient/1": [patient("1")]}


def test_search_with_a_warning_is_complete(store: Store) -> None:
    page = _page(patient("1"), issue="warning", total=1)
    summary = pull(store, HttpSource(Hospital({"Patient": [page]}), ["Patient"]), site="icm")

    assert (summary.complete, summary.exit_code) == (True, 0)


def test_bad_entry_is_put_aside_with_its_address(store: Store) -> None:
    page = _page(b'{"resourceType":"Patient","id":"!"}', patient("1"))
    summary = pull(store, HttpSource(Hospital({"Patient": [page]}), ["Patient"]), site="icm")

    assert (summary.complete, summary.exit_code) == (True, 5)
    assert summary.as_object()["quarantine"] == [
        {"url": "https://h.example.org/r4/X", "reference": "Patient", "reason": "no valid id"}
    ]
    assert summary.types["Patient"].quarantined == 1


@pytest.mark.parametrize("bookmark", ["yesterday", "2025-06-01T10:00:00"])
def test_bookmark_that_is_no_instant_means_everything(bookmark: str) -> None:
    assert HttpSource(Hospital({}), []).since(bookmark) is None


def test_bookmark_of_another_zone_is_the_same_instant() -> None:
    assert HttpSource(Hospital({}), []).since("2025-06-01T12:00:00.123+02:00") == "2025-06-01T09:55:00Z"


def test_source_yields_items_and_problems_in_order() -> None:
    source = HttpSource(Hospital({"Patient": [_page(patient("1"), total=3), _page(patient("2"))]}), ["Patient"])

    kinds = [type(item) for item in source.fetch("Patient", None)]
    assert kinds == [Item, Item, Problem]
