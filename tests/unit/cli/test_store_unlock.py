"""Promises of `reluth store unlock`: a site that a lost machine held is free, audited; a living process keeps it, and who lost it keeps nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import update

from adapter.cli.patients import actor
from adapter.errors import BusyError
from adapter.store import Run, Store
from adapter.store.models import SiteLockRow
from tests.support.cli import Ran, reluth
from tests.unit.store.making import fill, patient

LOST = 4711


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("p")])
    return tmp_path / "var"


def unlock(folder: Path, *more: str) -> Ran:
    return reluth("--store", folder, "store", "unlock", "--site", "icm", *more)


def held_elsewhere(store: Store) -> Run:
    run = store.begin_run("icm", "pull")
    with store._state.session() as session:
        session.execute(update(SiteLockRow).values(host="elsewhere.example.org", pid=LOST))
    return run


def test_site_that_a_lost_machine_held_is_free_and_audited(folder: Path) -> None:
    with Store.open(folder) as store:
        held_elsewhere(store)
    ran = unlock(folder, "--yes", "--json")

    assert (ran.code, ran.object) == (0, {"site": "icm", "unlocked": True})
    with Store.open(folder) as store:
        line = store.audit_trail()[-1]
        assert next(run.state for run in store.runs("pull")) == "failed"
        with store.begin_run("icm", "pull"):
            pass
    assert (line.actor, line.action, line.subject) == (actor(), "unlock-site", "icm")
    assert line.detail == f"{LOST}@elsewhere.example.org"


def test_without_a_person_s_word_nothing_is_let_go(folder: Path) -> None:
    with Store.open(folder) as store:
        held_elsewhere(store)
        ran = unlock(folder)

        assert ran.code == 2
        assert f"process {LOST} on elsewhere.example.org" in ran.err
        with pytest.raises(BusyError):
            store.begin_run("icm", "pull")
        assert store.audit_trail() == []


def test_process_that_lives_on_this_machine_keeps_its_site(folder: Path) -> None:
    with Store.open(folder) as store, store.begin_run("icm", "pull") as run:
        ran = unlock(folder, "--yes")
        run.commit([])

        assert ran.code == 75
        assert f"process {os.getpid()}" in ran.err
        assert store.audit_trail() == []


def test_site_that_nobody_holds_is_told_and_an_unknown_one_refused(folder: Path) -> None:
    free = unlock(folder, "--yes", "--json")
    unknown = reluth("--store", folder, "store", "unlock", "--site", "nowhere", "--yes")

    assert (free.code, free.object) == (0, {"site": "icm", "unlocked": False})
    assert unknown.code == 2


def test_run_whose_lock_was_taken_keeps_nothing(folder: Path) -> None:
    with Store.open(folder) as store:
        lost = held_elsewhere(store)
        assert unlock(folder, "--yes").code == 0
        with store.begin_run("icm", "pull") as other:
            with pytest.raises(BusyError, match="its lock was taken"):
                lost.commit([], bookmarks={"Patient": "2025-06-01T00:00:00Z"})
            other.commit([])

        assert store.bookmark("icm", "Patient") is None
        assert [run.state for run in store.runs("pull")][:2] == ["committed", "failed"]
