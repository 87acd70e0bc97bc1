"""Promises of the standing decision: it is the one that was made last, also where a clock was set back before it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from adapter.accounts import Viewer
from adapter.config import Settings
from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.screening import Asked, screen
from adapter.screening.listed import listed
from adapter.service.desk import Desk
from adapter.service.patient.file import read_patient
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.cli import reluth
from tests.support.clinic import ON, clinic, write_feed

SITE, TRIAL = "clinic", "nct04954820"
OLD, NEW = "Patient/old", "Patient/survivor"
JUNE, MAY = datetime(2025, 6, 2, 8, tzinfo=UTC), datetime(2025, 5, 2, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in which two records of one person were decided on, the first by a clock that was a month ahead."""
    with Store.open(tmp_path / "var") as store:
        pull(store, FolderSource(write_feed(tmp_path / "feed", clinic())), site=SITE)
        for who, state, at in ((OLD, "declined", JUNE), (NEW, "contacted", MAY)):
            monkeypatch.setattr("adapter.store.decisions.now", lambda at=at: at)
            store.decide(SITE, who, trial=TRIAL, state=state, reason="other", by="nurse")
        list(screen(store, load_trial(TRIAL), Site.plain(SITE), Asked(today=date.fromisoformat(ON))))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "var"


def test_worklist_shows_it(folder: Path) -> None:
    with Store.open(folder) as store:
        found = {one.patient: one.state for one in listed(store, load_trial(TRIAL), Stage.REGISTRATION)}
    rows = reluth("--store", folder, "worklist", "--json").object["rows"]

    assert found[NEW] == "contacted"
    assert {row["patient"]: row["state"] for row in rows}[NEW] == "contacted"


def test_why_tells_it(folder: Path) -> None:
    assert reluth("--store", folder, "why", "clinic/survivor", "--json").object["decision"]["state"] == "contacted"


def test_patient_page_shows_it_and_tells_decisions_in_their_order(folder: Path) -> None:
    with Store.open(folder) as store:
        desk = Desk(store, load_trial(TRIAL), Settings(), viewer=Viewer.of_this_machine("nurse"))
        found = read_patient(desk, store.patient_key(SITE, NEW), Stage.REGISTRATION)

    assert found is not None
    assert found.state == "contacted"
    assert [one.state for one in found.decisions] == ["declined", "contacted"]


def test_cards_go_by_it(folder: Path) -> None:
    with Store.open(folder) as store:
        known = store.cards.known(SITE, [NEW, OLD], trial=TRIAL, stage="registration")

    assert known.decided is not None
    assert known.decided.state == "contacted"
