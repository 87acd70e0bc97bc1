"""In: a small clinic's store. Out: proof of whose records are told to have changed, and that their verdicts follow a notification."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.config import Settings, StoreSettings
from adapter.documents import load_site, load_trial
from adapter.jobs import screen_site
from adapter.jobs.catch_up import Changes, start_catch_up
from adapter.jobs.notified import Pace
from adapter.store import Store, Tombstone
from adapter.sync import FolderSource, PullSummary, pull
from tests.support.clinic import condition, patient, refute, write_feed

SITE = "clinic"
TRIAL = "nct04954820"
TODAY = date(2025, 6, 1)
PACE = Pace(settle=0.05, longest=0.5, rest=0.0, every=600.0, again=0.05)
LIMIT = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as found:
        yield found


class Clinic:
    """A folder for each pull."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._number = 0

    def pull(self, *resources: dict[str, Any]) -> PullSummary:
        self._number += 1
        folder = write_feed(self._folder / f"feed-{self._number}", resources)
        return pull(self._store, FolderSource(folder), site=SITE)


@pytest.fixture
def clinic(tmp_path: Path, store: Store) -> Clinic:
    found = Clinic(tmp_path, store)
    found.pull(patient("a"), patient("b"), condition("c-a", "a", "C17.2"), condition("c-b", "b", "C50.9"))
    return found


@pytest.fixture
def changes(store: Store, clinic: Clinic) -> Changes:
    """What is asked for the second time."""
    found = Changes(store, SITE, today=lambda: TODAY)
    assert found.people() is None
    return found


def test_nobody_changed_where_nothing_came(changes: Changes, clinic: Clinic) -> None:
    assert changes.people() == frozenset()
    clinic.pull(patient("a"))
    assert changes.people() == frozenset()


def test_those_changed_of_whom_something_came(changes: Changes, clinic: Clinic) -> None:
    clinic.pull(patient("a"), condition("c-b2", "b", "C17.2"), patient("new"))

    assert changes.people() == frozenset({"Patient/b", "Patient/new"})
    assert changes.people() == frozenset()


def test_merged_segments_are_no_change(changes: Changes, clinic: Clinic, store: Store) -> None:
    clinic.pull(condition("c-b2", "b", "C17.2"))
    merge_segments(store)
    assert changes.people() == frozenset({"Patient/b"})

    clinic.pull(condition("c-a2", "a", "C17.2"))
    assert changes.people() == frozenset({"Patient/a"})
    merge_segments(store)
    assert changes.people() == frozenset()


def test_everybody_may_have_changed_where_versions_are_gone(
    changes: Changes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = store.lake.mark(SITE)
    monkeypatch.setattr(store.lake, "mark", lambda _: was._replace(versions=was.versions - 1))

    assert changes.people() is None


def merge_segments(store: Store) -> None:
    with store.begin_run(SITE, "compact") as run:
        assert store.lake.compact(run, fan=2)
        run.commit([])


def test_both_changed_where_one_is_merged_into_the_other_or_taken_out_again(changes: Changes, clinic: Clinic) -> None:
    clinic.pull(
        patient("a", meta={"versionId": "2"}, link=[{"other": {"reference": "Patient/b"}, "type": "replaced-by"}])
    )
    merged = changes.people()
    clinic.pull(patient("a", meta={"versionId": "3"}))

    assert merged == changes.people() == frozenset({"Patient/a", "Patient/b"})


def test_everybody_may_have_changed_where_what_is_about_nobody_came(changes: Changes, clinic: Clinic) -> None:
    clinic.pull({"resourceType": "Medication", "id": "m", "code": {"text": "x"}})

    assert changes.people() is None


def test_everybody_may_have_changed_where_something_was_deleted(changes: Changes, store: Store) -> None:
    with store.begin_run(SITE, "pull") as run:
        store.lake.writer(run).commit(deleted=[Tombstone("Condition", "c-a", run.last_seq)])

    assert changes.people() is None


def test_everybody_may_have_changed_where_something_was_put_aside(changes: Changes, clinic: Clinic) -> None:
    clinic.pull({"resourceType": "Condition", "id": "c-x", "subject": "b"})

    assert changes.people() is None


def test_everybody_may_have_changed_on_another_day(store: Store, clinic: Clinic) -> None:
    days = iter([TODAY, date(2025, 6, 2), date(2025, 6, 2)])
    found = Changes(store, SITE, today=lambda: next(days))

    assert [found.people() for _ in range(3)] == [None, None, frozenset()]


def test_everybody_may_have_changed_where_many_did(
    changes: Changes, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.jobs.catch_up._MOST_PEOPLE", 2)
    clinic.pull(patient("n1"), patient("n2"), patient("n3"))

    assert changes.people() is None


def verdicts(store: Store) -> dict[str, str]:
    return {kept.patient: kept.run for kept in store.latest_verdicts(TRIAL, "registration", site=SITE)}


def test_only_the_patients_named_get_a_new_verdict(store: Store, clinic: Clinic) -> None:
    site, trials = load_site(SITE), [load_trial(TRIAL)]
    clinic.pull(patient("d"), condition("c-d", "d", "C17.2"))
    first = screen_site(store, site, trials, patients=None, today=TODAY)
    before = verdicts(store)
    clinic.pull(condition("c-a2", "a", "C25.4"))
    second = screen_site(store, site, trials, patients=frozenset({"Patient/a"}), today=TODAY)
    after = verdicts(store)

    assert (first.candidates, second.evaluated) == (2, 1)
    assert before.keys() == after.keys() == {"Patient/a", "Patient/d"}
    assert [name for name in after if after[name] != before[name]] == ["Patient/a"]


def test_patient_who_is_no_candidate_any_more_is_told_so(store: Store, clinic: Clinic, tmp_path: Path) -> None:
    site, trials = load_site(SITE), [load_trial(TRIAL)]
    screen_site(store, site, trials, patients=None, today=TODAY)
    refute(store, tmp_path, "a")
    screen_site(store, site, trials, patients=frozenset({"Patient/a"}), today=TODAY)
    [kept] = store.latest_verdicts(TRIAL, "registration", site=SITE)

    assert '"candidate":false' in kept.content


def test_later_stage_is_screened_for_those_only_who_have_reached_it(store: Store, clinic: Clinic) -> None:
    site, trials = load_site(SITE), [load_trial(TRIAL)]
    screen_site(store, site, trials, patients=None, today=TODAY)

    assert list(store.latest_verdicts(TRIAL, "randomisation", site=SITE)) == []


# The threads


def settings_of(store: Store, **told: Any) -> Settings:
    notified = {"endpoint": "https://reluth.chu.example", "secret": "secret-of-the-tests-01"}
    site = {"base_url": "https://fhir.example.org/r4", "notifications": notified, **told}
    return Settings(store=StoreSettings(path=store.folder), sites={SITE: site, "silent": {}})


def until_verdict_of(store: Store, name: str) -> None:
    deadline = time.monotonic() + LIMIT
    while f"Patient/{name}" not in verdicts(store):
        assert time.monotonic() < deadline, "no verdict came"
        time.sleep(0.02)


def test_notification_leads_to_a_pull_and_to_the_verdict_of_whom_it_was_about(
    store: Store, clinic: Clinic, tmp_path: Path
) -> None:
    asked: list[frozenset[str] | None] = []
    folder = write_feed(tmp_path / "hospital", [])

    def pull_folder(opened: Store, site: str, types: frozenset[str] | None) -> PullSummary:
        asked.append(types)
        return pull(opened, FolderSource(folder), site=site)

    with start_catch_up(settings_of(store), pull_folder, today=lambda: TODAY, pace=PACE) as catch_up:
        until_verdict_of(store, "a")
        before = verdicts(store)["Patient/a"]
        write_feed(folder, [patient("e"), condition("c-e", "e", "C17.2")])
        catch_up.mark(SITE, frozenset({"Condition", "NoSuchType"}))
        until_verdict_of(store, "e")
        # Of what is not pulled, and of sites that are not notified, nothing is.
        catch_up.mark(SITE, frozenset({"NoSuchType"}))
        catch_up.mark("silent", None)
        time.sleep(0.3)

    assert asked == [None, frozenset({"Condition"})]
    assert verdicts(store)["Patient/a"] == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("catch-up")]


def test_store_that_cannot_be_opened_is_tried_again(
    store: Store, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("adapter.jobs.catch_up._OPEN_AGAIN", 0.05)
    opening, failed = Store.open, threading.Event()

    def fail_once(path: Path, database: str | None = None) -> Store:
        if not failed.is_set():
            failed.set()
            raise OSError("no room")
        return opening(path, database)

    monkeypatch.setattr("adapter.jobs.catch_up.Store.open", fail_once)
    folder = write_feed(tmp_path / "hospital", [])
    with start_catch_up(
        settings_of(store),
        lambda opened, site, types: pull(opened, FolderSource(folder), site=site),
        today=lambda: TODAY,
        pace=PACE,
    ):
        until_verdict_of(store, "a")

    assert failed.is_set()


def test_settings_without_notifications_start_nothing(store: Store) -> None:
    def never(opened: Store, site: str, types: frozenset[str] | None) -> PullSummary:
        raise AssertionError

    settings = Settings(store=StoreSettings(path=store.folder))
    with start_catch_up(settings, never, today=lambda: TODAY) as catch_up:
        catch_up.mark(SITE, None)

        assert not [thread for thread in threading.enumerate() if thread.name.startswith("catch-up")]
