"""Promises of a pull about versions that count on from a lower number: what the server has now holds, whatever was stored before."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter.store import Store
from adapter.sync import PullSummary
from adapter.sync.sources import Gone, Progress
from tests.support.told_source import Server
from tests.unit.store.making import everything, observation
from tests.unit.sync.test_pull_deletions import P, pulled, there

LATE = (5, "2025-05-20T10:00:00Z")
EARLY = (3, "2025-05-10T10:00:00Z")
MONTH = "2025-07-01T08:00:00Z"


def result(stamp: tuple[int, str], *, code: str = "718-7") -> bytes:
    return observation("a", "p", code=code, version=stamp[0], updated=stamp[1])


def brought(
    store: Store,
    *raws: bytes,
    now: bytes | None = None,
    time: str | None = MONTH,
    full: bool = False,
    asks: bool = True,
) -> tuple[PullSummary, Server]:
    has = {} if now is None else {"a": now}
    server = Server({"Patient": [P], "Observation": list(raws)}, has=has, asks=asks, transaction_time=time)
    return pulled(store, server, full=full), server


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("seen_before", [True, False])
def test_version_of_a_restored_server_holds(store: Store, full: bool, seen_before: bool) -> None:
    late, early = result(LATE), result(EARLY)
    if seen_before:
        brought(store, early)
    brought(store, late)

    summary, server = brought(store, early, now=early, full=full)

    assert there(store) == [early]
    assert server.asked == [("Observation", ["a"])]
    counts = summary.types["Observation"]
    assert (counts.new, counts.changed, counts.deleted, summary.exit_code) == (0, 1, 0, 0)
    assert any("restored from a backup" in notice for notice in summary.notices)


def test_id_that_is_given_again_is_of_the_new_resource(store: Store) -> None:
    brought(store, result(LATE))
    again = result((1, "2025-06-20T10:00:00Z"), code="777-3")

    server = Server({"Patient": [], "Observation": [again]}, said_gone=[Gone("Observation", "a")], has={"a": again})
    pulled(store, server)

    assert there(store) == [again]


def test_next_versions_of_a_restored_server_hold_too(store: Store) -> None:
    late, early = result(LATE), result(EARLY)
    fourth = result((4, "2025-07-02T10:00:00Z"), code="777-3")
    brought(store, late)
    brought(store, early, now=early)

    summary, server = brought(store, fourth)

    assert (there(store), server.asked, summary.notices) == ([fourth], [], [])


def test_version_that_was_taken_back_holds_when_it_comes_again(store: Store) -> None:
    late, early = result(LATE), result(EARLY)
    brought(store, late)
    brought(store, early, now=early)

    brought(store, late)

    assert there(store) == [late]


def test_page_of_an_earlier_moment_takes_nothing_back(store: Store) -> None:
    late, early = result(LATE), result(EARLY)
    brought(store, late)

    summary, _ = brought(store, early, now=late)

    assert (there(store), summary.notices) == ([late], [])


def test_resource_that_came_and_is_gone_by_now_is_deleted(store: Store) -> None:
    brought(store, result(LATE))

    summary, _ = brought(store, result(EARLY))

    assert there(store) == []
    assert (summary.types["Observation"].deleted, summary.exit_code) == (1, 0)


def test_server_that_does_not_answer_for_it_leaves_the_type_to_the_next_pull(store: Store) -> None:
    brought(store, result(LATE), time="2025-06-01T08:00:00Z")
    early = result(EARLY)

    server = Server({"Patient": [P], "Observation": [early]}, fails=True, transaction_time=MONTH)
    summary = pulled(store, server)

    assert (summary.exit_code, summary.complete) == (75, False)
    assert [missing.type for missing in summary.missing] == ["Observation"]
    assert store.bookmark("icm", "Observation") == "2025-06-01T08:00:00Z"


@pytest.mark.parametrize(
    ("time", "holds"),
    [(MONTH, EARLY), ("2025-05-31T08:00:00Z", LATE), (None, LATE)],
    ids=["a later export", "an export that began before what was read since", "a folder"],
)
def test_where_nobody_can_be_asked_the_later_word_holds(store: Store, time: str | None, holds: tuple[int, str]) -> None:
    brought(store, result(LATE), time="2025-06-01T08:00:00Z")

    brought(store, result(EARLY), time=time, asks=False)

    assert there(store) == [result(holds)]


def test_bytes_of_what_was_taken_back_stay(store: Store) -> None:
    late, early = result(LATE), result(EARLY)
    brought(store, late)
    brought(store, early, now=early)

    assert {raw for type_, _, raw in everything(store) if type_ == "Observation"} == {late, early}


def test_bookmarks_of_another_server_are_not_begun_from(store: Store) -> None:
    test, real = "https://test.hospital.example/r4", "https://fhir.hospital.example/r4"
    asked: list[Mapping[str, str | None]] = []

    class Planned(Server):
        def prepare(self, plan: Mapping[str, str | None], progress: Progress) -> None:
            asked.append(plan)

    first = result(LATE)
    for server, raws in ((test, [first]), (test, []), (real, []), (real, []), (None, []), (real, [])):
        pulled(store, Planned({"Patient": [P], "Observation": raws}, server=server))

    everything_read = {"Patient": None, "Observation": None}
    assert [plan == everything_read for plan in asked] == [True, False, True, False, False, False]
    assert there(store) == []
