"""In: PATIENT as typed. Out: the person meant, or a sentence that says how to say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.cli.patients import actor, find_person
from adapter.errors import UsageError
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.clinic import clinic, patient, write_feed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two sites that have one id in common."""
    with Store.open(tmp_path / "store") as opened:
        pull(opened, FolderSource(write_feed(tmp_path / "a", clinic())), site="clinic")
        pull(opened, FolderSource(write_feed(tmp_path / "b", [patient("breast"), patient("only")])), site="icm")
        yield opened


@pytest.mark.parametrize("typed", ["icm/only", "icm/Patient/only", "Patient/only", "only"])
def test_patient_may_be_typed_in_four_ways(store: Store, typed: str) -> None:
    person = find_person(store, typed)

    assert (person.site, person.patient, str(person)) == ("icm", "Patient/only", "icm/only")


def test_patient_at_two_sites_is_ambiguous_and_both_are_named(store: Store) -> None:
    with pytest.raises(UsageError, match="known at clinic and icm; say which as clinic/breast"):
        find_person(store, "breast")


def test_patient_at_two_sites_is_found_with_the_site(store: Store) -> None:
    assert find_person(store, "icm/breast").site == "icm"
    assert find_person(store, "breast", site="clinic").site == "clinic"


def test_patient_that_was_merged_is_the_survivor(store: Store) -> None:
    person = find_person(store, "clinic/old")

    assert (person.patient, person.asked) == ("Patient/survivor", "Patient/old")


def test_patient_of_whom_nothing_could_be_read_is_found(store: Store, tmp_path: Path) -> None:
    faulty = {"resourceType": "Observation", "id": "o", "status": 5, "subject": {"reference": "Patient/aside"}}
    pull(store, FolderSource(write_feed(tmp_path / "c", [faulty])), site="icm")

    assert str(find_person(store, "aside")) == "icm/aside"


@pytest.mark.parametrize("typed", ["nobody", "icm/nobody", "nowhere/only"])
def test_patient_that_nobody_knows_is_a_usage_error(store: Store, typed: str) -> None:
    with pytest.raises(UsageError, match="unknown in"):
        find_person(store, typed)


@pytest.mark.parametrize("typed", ["", "/", "icm/", "/only", "a/b/c/d", "icm/Group/only"])
def test_patient_of_another_form_is_a_usage_error(store: Store, typed: str) -> None:
    with pytest.raises(UsageError, match="SITE/ID"):
        find_person(store, typed)


def test_patient_must_be_at_the_site_asked_for(store: Store) -> None:
    with pytest.raises(UsageError, match="is not at site clinic"):
        find_person(store, "icm/only", site="clinic")


def test_actor_is_whoever_is_logged_in_and_never_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", unknown)

    assert actor() == "command-line"
