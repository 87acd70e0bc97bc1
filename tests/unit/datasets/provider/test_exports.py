"""Promises of exports over time: what a killed service left is made by the next one, what is over is thrown away."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import update

from adapter.config import Settings
from adapter.datasets.provider import Exports, Wanted
from adapter.documents import load_trial
from adapter.store import Store
from adapter.store.provider import ProviderJob
from adapter.store.provider_models import ProviderJobRow
from tests.support.sponsor import StagingDouble, subject

SETTINGS = Settings.model_validate({"sites": {"icm": {}}})
TRIAL = load_trial("nct04954820")
WANTED = Wanted(types=("Patient", "Observation"), sites=("icm",))
GONE = msgspec.json.encode(
    {"host": os.uname().nodename, "pid": 4194304, "start": "1", "token": "of a process that is gone"}
).decode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


@pytest.fixture
def stage() -> StagingDouble:
    return StagingDouble({"icm": subject("05-0001")})


def exports(store: Store, stage: StagingDouble) -> Exports:
    return Exports(store, SETTINGS, TRIAL, stage=stage)


def asked(store: Store, wanted: Wanted = WANTED) -> str:
    text = msgspec.json.encode(wanted).decode()
    job = store.provider.ask(client="sponsor", trial=TRIAL.id, request="http://h/fhir/$export", wanted=text, most=9)
    assert job is not None
    return job


def woken(made: Exports) -> str:
    """A job that the thread is told of."""
    job = made.ask("sponsor", WANTED, request="http://h/fhir/$export")
    assert job is not None
    return job


def ended(store: Store, job: str) -> ProviderJob:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = store.provider.job(job)
        assert found is not None
        if found.state not in ("accepted", "running"):
            return found
        time.sleep(0.01)
    raise AssertionError("the export does not end")


def folders(store: Store) -> list[str]:
    return sorted(item.name for item in (store.folder / "datasets/jobs").iterdir() if item.is_dir())


def test_job_that_a_killed_process_left_is_made_by_the_next(store: Store, stage: StagingDouble) -> None:
    job = asked(store)
    assert store.provider.claim(job, GONE)
    (store.folder / "datasets/jobs" / f"{job}.making").mkdir(parents=True)
    with exports(store, stage):
        found = ended(store, job)

    assert (found.state, found.attempts) == ("complete", 2)
    assert folders(store) == [job]


def test_job_that_two_processes_left_has_failed_and_says_so(store: Store, stage: StagingDouble) -> None:
    job = asked(store)
    for _ in range(2):
        assert store.provider.claim(job, GONE)
        store.provider.release(job, GONE)
    assert store.provider.claim(job, GONE)
    with exports(store, stage):
        found = ended(store, job)

    assert found.state == "failed"
    assert found.problem.startswith("The service was stopped twice")
    assert stage.calls == []


def test_job_of_a_living_process_is_left_to_it(store: Store, stage: StagingDouble) -> None:
    stage.go.clear()
    job = asked(store)
    with exports(store, stage):
        assert stage.reached.wait(10)
        with exports(store, StagingDouble()):
            time.sleep(0.1)
            stage.go.set()
            found = ended(store, job)

    assert (found.state, found.attempts) == ("complete", 1)


def test_service_that_ends_leaves_its_job_to_the_next(store: Store, stage: StagingDouble) -> None:
    stage.go.clear()
    job = asked(store)
    with exports(store, stage):
        assert stage.reached.wait(10)
        # The thread is within staging as long as the service waits for it.
        threading.Timer(0.2, stage.go.set).start()
    left = store.provider.job(job)
    with exports(store, stage):
        found = ended(store, job)

    assert left is not None and (left.state, left.owner) == ("accepted", "")
    assert found.state == "complete"


def test_job_that_was_cancelled_while_it_was_made_leaves_nothing(store: Store, stage: StagingDouble) -> None:
    stage.go.clear()
    job = asked(store)
    with exports(store, stage) as made:
        assert stage.reached.wait(10)
        made.cancel(job)
        stage.go.set()
        after = ended(store, woken(made))

    cancelled = store.provider.job(job)
    assert cancelled is not None and cancelled.state == "cancelled"
    assert folders(store) == [after.id]


def test_export_whose_time_is_over_is_gone_with_its_files(store: Store, stage: StagingDouble) -> None:
    with exports(store, stage) as made:
        job = ended(store, woken(made)).id
        there = made.of(job, "sponsor")
        with store._state.session() as session:
            session.execute(update(ProviderJobRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        over = made.of(job, "sponsor")
        # Whatever is asked for next wakes the thread, which clears up first.
        later = ended(store, woken(made)).id

    assert there is not None and over is None
    assert folders(store) == [later]
    expired = store.provider.job(job)
    assert expired is not None and expired.state == "expired"


def test_export_of_another_client_or_trial_is_not_there(store: Store, stage: StagingDouble) -> None:
    with exports(store, stage) as made:
        job = ended(store, woken(made)).id

        assert made.of(job, "sponsor") is not None
        assert made.of(job, "other") is None
        assert made.of("unknown", "sponsor") is None


def test_folder_that_nobody_knows_is_thrown_away(store: Store, stage: StagingDouble) -> None:
    (store.folder / "datasets/jobs/left").mkdir(parents=True)
    with exports(store, stage) as made:
        ended(store, woken(made))

    assert "left" not in folders(store)


def test_feed_with_a_type_that_is_not_served_fails_the_export(store: Store, stage: StagingDouble) -> None:
    stage.feeds["icm"].append({"resourceType": "Device", "id": "k1"})
    with exports(store, stage) as made:
        assert ended(store, woken(made)).state == "failed"


def test_feed_is_not_kept(store: Store, stage: StagingDouble) -> None:
    with exports(store, stage) as made:
        job = ended(store, woken(made)).id
    there = {item.name for item in (store.folder / "datasets/jobs" / job).iterdir()}

    assert there == {f"{type_}.0.ndjson{end}" for type_ in WANTED.types for end in ("", ".gz")}
    assert not list((store.folder / "datasets/jobs").glob("*.feed"))


def test_same_feed_gives_the_same_bytes_packed_or_not(store: Store, stage: StagingDouble) -> None:
    with exports(store, stage) as made:
        jobs = [ended(store, woken(made)).id for _ in range(2)]
    one, two = (
        {item.name: item.read_bytes() for item in (store.folder / "datasets/jobs" / job).iterdir()} for job in jobs
    )

    assert one == two
