"""Promises of what the store knows of patients: of whom a type was read whole, and of whom nobody knows."""

from __future__ import annotations

import msgspec

from adapter.fhir import summarise
from adapter.store import Origin, Store, Whom
from adapter.sync.search_plan import StoredPatients, Way, parts_of
from adapter.sync.stored_patients import stored_patients
from tests.unit.store.making import patient

SITE = "icm"


def run(store: Store, *ids: str, time: str | None, whole: tuple[str, ...] = (), kept: bool = True) -> int:
    """A pull that brings patients and reads some types whole; gives its number."""
    with store.begin_run(SITE, "pull") as begun:
        writer = store.lake.writer(begun)
        for id_ in ids:
            writer.add(summarise(patient(id_)), patient(id_), Origin("test"))
        told = msgspec.json.encode({"transaction_time": time}).decode()
        marks = {} if time is None else dict.fromkeys(whole, time)
        writer.commit(bookmarks=marks, told=(lambda _: told) if kept else None)
        return begun.number


def covered(store: Store, type_: str = "Condition") -> set[str]:
    return stored_patients(store, SITE, ["Condition"]).covered(type_)


def test_empty_store_knows_nobody(store: Store) -> None:
    assert stored_patients(store, SITE, ["Condition"]) == StoredPatients()


def test_patients_are_covered_by_the_pull_that_read_the_type_whole(store: Store) -> None:
    run(store, "a", time="t1", whole=("Condition",))
    run(store, "b", time="t2")

    found = stored_patients(store, SITE, ["Condition", "Observation"])

    assert (found.covered("Condition"), found.covered("Observation")) == ({"a"}, set())
    assert set(found.first_run) == {"a", "b"}


def test_patients_are_covered_again_once_the_type_is_read_whole(store: Store) -> None:
    run(store, "a", time="t1", whole=("Condition",))
    run(store, "b", time="t2")
    run(store, time="t3", whole=("Condition",))

    assert covered(store) == {"a", "b"}


def test_patients_of_a_folder_are_covered_by_a_later_pull(store: Store) -> None:
    run(store, "a", time=None)
    run(store, "b", time="t1", whole=("Condition",))

    assert covered(store) == {"a", "b"}


def test_pulls_of_one_time_cover_those_whom_the_first_knew(store: Store) -> None:
    # A pull that goes on with what another began has its time.
    run(store, "a", time="t1", whole=("Condition",))
    run(store, "b", time="t1")

    assert covered(store) == {"a"}


def test_bookmark_of_a_pull_that_left_no_summary_covers_nobody(store: Store) -> None:
    run(store, "a", time="t1", whole=("Condition",), kept=False)

    assert covered(store) == set()


def test_pulls_of_other_sites_cover_nobody_here(store: Store) -> None:
    run(store, "a", time=None)
    store.set_bookmark(SITE, "Condition", "t1")
    with store.begin_run("other", "pull") as other:
        other.commit([], summary='{"transaction_time":"t1"}')

    assert covered(store) == set()


def test_who_was_forgotten_is_left_out_though_they_come_again(store: Store) -> None:
    assert stored_patients(store, SITE, []).left_out == frozenset()
    store.forget(SITE, Whom("Patient/a", ("Patient/a",)), by="dpo", reason="objection")
    assert stored_patients(store, SITE, []) == StoredPatients(left_out=frozenset({"a"}))
    run(store, "b", time="t1", whole=("Condition",))

    found = stored_patients(store, SITE, ["Condition"])
    parts = parts_of("Condition", Way("patient", timed=True), since="t1", stored=found, pulled={"a", "c"})

    assert found.left_out == {"a"}
    assert [(part.since, part.patients) for part in parts] == [("t1", ("b",)), (None, ("c",))]
