"""Promises of thinning: once a day, as far as one pass over everything; subjects and days of their history are left; a run tells of it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from adapter.jobs import thin_site
from adapter.store import Pseudonym, Store, StoredVerdict
from tests.support.subjects import event, subject

SITE, TRIAL, STAGE = "icm", "nct04954820", "registration"
BEGIN = datetime(2025, 6, 2, 3, tzinfo=UTC)
DAYS = 60


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "var")


def screened(store: Store, patient: str, days: range, *, site: str = SITE) -> None:
    store.save_verdicts(
        StoredVerdict(
            site=site,
            patient=patient,
            trial=TRIAL,
            stage=STAGE,
            on=(BEGIN + timedelta(days=day)).date(),
            screened_at=BEGIN + timedelta(days=day),
            run="r",
            content=json.dumps({"outcome": "eligible"}),
            input_hash="a",
        )
        for day in days
    )


def kept(store: Store, patient: str = "Patient/1") -> list[date]:
    history = store.verdict_history(TRIAL, STAGE, site=SITE, patients=[patient])
    return [one.verdict.on for one in history[patient]]


def test_a_pass_each_day_leaves_what_one_pass_leaves(store: Store, tmp_path: Path) -> None:
    screened(store, "Patient/1", range(100))
    removed = [
        thin_site(store, SITE, days=DAYS, now=BEGIN + timedelta(days=day, hours=hour))
        for day in range(60, 161)
        for hour in (1, 13)
    ]
    with Store.open(tmp_path / "other") as other:
        screened(other, "Patient/1", range(100))
        whole = thin_site(other, SITE, days=DAYS, now=BEGIN + timedelta(days=160, hours=1))
        assert kept(other) == kept(store)

    assert removed[1::2] == [None] * 101
    assert sum(one for one in removed[::2] if one is not None) == whole == 100 - 16


def test_a_run_tells_what_was_removed(store: Store) -> None:
    screened(store, "Patient/1", range(20))
    thin_site(store, SITE, days=DAYS, now=BEGIN + timedelta(days=400))
    [run] = store.runs("thin", site=SITE)

    assert (run.state, run.complete, json.loads(run.summary or "")["removed"]) == ("committed", True, 16)


def test_all_are_gone_through_again_where_that_is_asked_for(store: Store) -> None:
    now = BEGIN + timedelta(days=400)
    screened(store, "Patient/2", range(1))
    assert thin_site(store, SITE, days=DAYS, now=now) == 0
    screened(store, "Patient/1", range(20))

    assert thin_site(store, SITE, days=DAYS, now=now + timedelta(days=1)) == 0
    assert thin_site(store, SITE, days=DAYS, now=now + timedelta(days=1), whole=True) == 16


def test_subjects_and_the_days_of_loaded_ones_keep_their_verdicts(store: Store) -> None:
    screened(store, "Patient/1", range(20))
    screened(store, "Patient/2", range(20))
    store.subjects.keep(TRIAL, [Pseudonym(SITE, "Patient/2", "RELUTH-05-0001")], merged={})
    consented, registered = event("consented", "2025-06-01"), event("registered", "2025-06-11")
    store.entities.put_all(SITE, [subject("2", consented, registered)], source="subjects.csv", by="anna")
    thin_site(store, SITE, days=DAYS, now=BEGIN + timedelta(days=400))

    assert [day.day for day in kept(store)] == [2, 8, 11, 15, 21]
    assert len(kept(store, "Patient/2")) == 20


def test_site_without_a_verdict_has_no_run(store: Store) -> None:
    assert thin_site(store, SITE, days=DAYS, now=BEGIN) is None
    assert store.runs("thin") == []


def test_thinning_goes_on_once_a_clock_that_was_ahead_is_right(store: Store) -> None:
    screened(store, "Patient/1", range(100))
    now = BEGIN + timedelta(days=80)
    assert thin_site(store, SITE, days=DAYS, now=now + timedelta(days=3650)) is not None

    assert thin_site(store, SITE, days=DAYS, now=now) is not None
