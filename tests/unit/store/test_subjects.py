"""Promises of the pseudonyms and record numbers in the state."""

from __future__ import annotations

from contextlib import suppress

import pytest

from adapter.errors import BusyError
from adapter.store import Pseudonym, Store

TRIAL = "nct04954820"


def test_numbers_go_on_where_they_ended_and_are_never_given_twice(any_store: Store) -> None:
    with any_store.subjects.sequences(TRIAL) as sequences:
        first = [sequences.number("LB", "RELUTH-05-0001", key) for key in ("a", "b", "c")]
        other = sequences.number("LB", "RELUTH-05-0002", "a"), sequences.number("VS", "RELUTH-05-0001", "a")
    with any_store.subjects.sequences(TRIAL, ["RELUTH-05-0001"]) as sequences:
        again = [sequences.number("LB", "RELUTH-05-0001", key) for key in ("c", "d", "a")]

    assert first == [1, 2, 3]
    assert other == (1, 1)
    assert again == [3, 4, 1]


def test_numbers_of_an_export_that_failed_are_not_kept(any_store: Store) -> None:
    with suppress(RuntimeError), any_store.subjects.sequences(TRIAL) as failing:
        failing.number("LB", "RELUTH-05-0001", "a")
        raise RuntimeError

    with any_store.subjects.sequences(TRIAL) as sequences:
        assert sequences.number("LB", "RELUTH-05-0001", "b") == 1


def test_two_exports_do_not_give_one_number_to_two_records(any_store: Store) -> None:
    first, second = any_store.subjects.sequences(TRIAL), any_store.subjects.sequences(TRIAL)
    first.number("LB", "RELUTH-05-0001", "a")
    second.number("LB", "RELUTH-05-0001", "b")
    first.save()

    with pytest.raises(BusyError):
        second.save()


def test_many_numbers_are_kept(any_store: Store) -> None:
    with any_store.subjects.sequences(TRIAL) as sequences:
        for at in range(5000):
            sequences.number("LB", "RELUTH-05-0001", f"Observation/k{at:026}#component={at}")

    with any_store.subjects.sequences(TRIAL) as sequences:
        assert sequences.number("LB", "RELUTH-05-0001", "new") == 5001


def test_pseudonyms_are_kept_and_replaced(any_store: Store) -> None:
    one, two = Pseudonym("icm", "Patient/1", "RELUTH-05-0001"), Pseudonym("icm", "Patient/2", "RELUTH-05-0002", True)
    any_store.subjects.keep(TRIAL, [one, two], merged={})
    survivor = Pseudonym("icm", "Patient/3", "RELUTH-05-0001")
    any_store.subjects.keep(TRIAL, [survivor, two], merged={("icm", "Patient/1"): "Patient/3"})

    assert any_store.subjects.pseudonyms(TRIAL) == [survivor, two]
    assert any_store.subjects.pseudonyms("start-net") == []


def test_next_number_is_after_all_that_are_known_or_told(any_store: Store) -> None:
    any_store.subjects.keep(TRIAL, [Pseudonym("icm", "Patient/1", "RELUTH-05-0007")], merged={})

    assert any_store.subjects.next_number(TRIAL, "RELUTH-05-") == 8
    assert any_store.subjects.next_number(TRIAL, "RELUTH-05-", taken=["RELUTH-05-0011", "RELUTH-06-0099"]) == 12
    assert any_store.subjects.next_number(TRIAL, "RELUTH-06-") == 1
