"""Promises of a pull about what is gone: nothing is taken for deleted that the server still has, nothing deleted stays."""

from __future__ import annotations

import pytest

from adapter.store import Store
from adapter.sync import PullSummary, pull
from adapter.sync.sources import Gone, Problem
from tests.support.told_source import PAGE, Server
from tests.unit.store.making import live, observation, patient

P = patient("p", version=1)


def results(*names: str, version: int = 1) -> list[bytes]:
    return [observation(name, "p", version=version) for name in names]


def pulled(store: Store, server: Server, *, full: bool = False, accept_deletions: bool = False) -> PullSummary:
    return pull(store, server, site="icm", full=full, accept_deletions=accept_deletions)


def fill(store: Store, *names: str) -> None:
    pulled(store, Server({"Patient": [P], "Observation": results(*names)}))


def there(store: Store) -> list[bytes]:
    return [raw for raw in live(store)["Patient/p"] if raw != P]


def test_full_read_finds_what_is_no_longer_there(store: Store) -> None:
    fill(store, "a", "b", "c")

    server = Server({"Patient": [P], "Observation": results("a", "c")})
    summary = pulled(store, server, full=True)

    assert there(store) == results("a", "c")
    assert (summary.types["Observation"].deleted, summary.exit_code) == (1, 0)
    assert (server.asked, server.closed) == ([("Observation", ["b"])], True)
    assert store.lake.stats()["sites"]["icm"]["Observation"] == {"live": 2, "versions": 3}


def test_resource_that_a_page_skipped_is_asked_for_and_kept_as_it_is_now(store: Store) -> None:
    fill(store, "a", "b")
    (newer,) = results("b", version=2)

    summary = pulled(store, Server({"Patient": [P], "Observation": results("a")}, has={"b": newer}), full=True)

    assert there(store) == [*results("a"), newer]
    assert (summary.types["Observation"].deleted, summary.types["Observation"].changed) == (0, 1)


def test_read_since_a_bookmark_takes_nothing_for_deleted(store: Store) -> None:
    fill(store, "a", "b")

    server = Server({"Patient": [], "Observation": []})
    pulled(store, server)

    assert (there(store), server.asked) == (results("a", "b"), [])


@pytest.mark.parametrize("asks", [True, False])
def test_deletion_that_the_server_tells_of_is_applied(store: Store, asks: bool) -> None:
    fill(store, "a", "b")

    gone = [Gone("Observation", "a"), Gone("Observation", "never-seen")]
    summary = pulled(store, Server({"Patient": [], "Observation": []}, said_gone=gone, asks=asks))

    assert there(store) == results("b")
    assert (summary.types["Observation"].deleted, summary.exit_code) == (1, 0)


def test_deletion_of_a_type_that_is_not_pulled_now_is_applied_too(store: Store) -> None:
    fill(store, "a", "b")

    pulled(store, Server({"Patient": []}, said_gone=[Gone("Observation", "a")]))

    assert there(store) == results("b")


def test_deletion_of_a_type_that_is_not_pulled_now_is_asked_for_too(store: Store) -> None:
    fill(store, "a", "b")
    (a,) = results("a")

    pulled(store, Server({"Patient": []}, said_gone=[Gone("Observation", "a")], has={"a": a}))

    assert there(store) == results("a", "b")


def test_deletion_is_told_once(store: Store) -> None:
    fill(store, "a", "b")
    gone = Server({"Patient": [], "Observation": []}, said_gone=[Gone("Observation", "a")])

    first, second = pulled(store, gone), pulled(store, gone)

    assert (first.types["Observation"].deleted, second.types["Observation"].deleted) == (1, 0)


def test_resource_made_again_in_the_same_export_is_there(store: Store) -> None:
    fill(store, "a")
    again = results("a", version=3)

    server = Server({"Patient": [], "Observation": again}, said_gone=[Gone("Observation", "a")], asks=False)
    pulled(store, server)

    assert there(store) == again


def test_resource_that_came_unchanged_though_said_gone_is_there(store: Store) -> None:
    fill(store, "a")

    server = Server({"Patient": [], "Observation": results("a")}, said_gone=[Gone("Observation", "a")], asks=False)
    pulled(store, server)

    assert there(store) == results("a")


def test_resource_deleted_while_the_pull_read_it_is_gone(store: Store) -> None:
    fill(store, "b")

    server = Server({"Patient": [], "Observation": results("a")}, said_gone=[Gone("Observation", "a")])
    pulled(store, server)

    assert there(store) == results("b")


def test_deleted_patient_is_nobody_any_more(store: Store) -> None:
    pulled(store, Server({"Patient": [P, patient("q")]}))

    pulled(store, Server({"Patient": [P]}), full=True)

    assert list(store.lake.patients("icm")) == ["Patient/p"]


MANY = [f"o{number:03d}" for number in range(60)]


def test_much_that_does_not_come_any_more_is_not_believed_unasked(store: Store) -> None:
    """A right that was taken away looks like a hospital that deleted everything."""
    fill(store, *MANY)
    before = store.bookmark("icm", "Observation")

    empty = Server({"Patient": [P], "Observation": []}, transaction_time="2025-07-01T08:00:00Z")
    summary = pulled(store, empty, full=True)

    assert there(store) == results(*MANY)
    assert (summary.exit_code, summary.complete) == (5, False)
    (missing,) = summary.missing
    assert "60 of 60 stored resources did not come any more" in missing.reason
    assert store.bookmark("icm", "Observation") == before


def test_much_that_is_gone_is_believed_once_a_person_says_so(store: Store) -> None:
    fill(store, *MANY)

    summary = pulled(store, Server({"Patient": [P], "Observation": []}), full=True, accept_deletions=True)

    assert (there(store), summary.types["Observation"].deleted, summary.exit_code) == ([], 60, 0)


def test_half_is_believed(store: Store) -> None:
    fill(store, *MANY)

    summary = pulled(store, Server({"Patient": [P], "Observation": results(*MANY[:30])}), full=True)

    assert (len(there(store)), summary.exit_code) == (30, 0)


@pytest.mark.parametrize("full", [True, False])
def test_server_that_cannot_be_asked_costs_the_type_and_nothing_is_taken_for_deleted(store: Store, full: bool) -> None:
    fill(store, "a", "b")

    server = Server({"Patient": [P], "Observation": []}, said_gone=[Gone("Observation", "a")], fails=True)
    summary = pulled(store, server, full=full)

    assert there(store) == results("a", "b")
    assert (summary.exit_code, [item.type for item in summary.missing]) == (75, ["Observation"])


def test_type_that_was_not_read_whole_finds_nothing_gone(store: Store) -> None:
    fill(store, "a", "b")
    problem = Problem(b"", PAGE, "a file is missing", incomplete=True, of_all=True)

    server = Server({"Patient": [P], "Observation": []}, problem=problem)
    summary = pulled(store, server, full=True)

    assert (there(store), server.asked, summary.complete) == (results("a", "b"), [], False)


def test_problem_of_nobody_knows_which_type_moves_no_bookmark(store: Store) -> None:
    problem = Problem(b"", PAGE, "a file is missing", incomplete=True, of_all=True, exit_code=75)

    summary = pulled(store, Server({"Patient": [P], "Observation": results("a")}, problem=problem))

    assert (store.bookmark("icm", "Patient"), store.bookmark("icm", "Observation")) == (None, None)
    assert (summary.exit_code, there(store)) == (75, results("a"))


def test_source_that_cannot_be_asked_takes_only_what_is_about_patients_for_gone(store: Store) -> None:
    drug = b'{"resourceType":"Medication","id":"m"}'
    pulled(store, Server({"Patient": [P], "Observation": results("a", "b"), "Medication": [drug]}))

    pulled(store, Server({"Patient": [P], "Observation": results("a"), "Medication": []}, asks=False), full=True)

    assert there(store) == results("a")
    assert store.lake.shared("icm", ["Medication/m"]) == {"Medication/m": drug}
