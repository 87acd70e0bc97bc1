"""Promises of the screening of a cycle: candidates of a site, their verdicts kept, a run that tells so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from adapter.documents import load_trial
from adapter.errors import BusyError, DefectError, UsageError
from adapter.jobs import ScreenSummary, noted_screening, screen_site
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import clinic, write_feed

TRIAL = "nct04954820"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        pull(opened, FolderSource(write_feed(tmp_path / "feed", clinic())), site="clinic")
        yield opened


def screened(store: Store) -> ScreenSummary:
    return screen_site(store, Site.plain("clinic"), [load_trial(TRIAL)], today=date(2025, 6, 1))


def test_screening_keeps_the_verdicts_of_candidates_and_counts_them(store: Store) -> None:
    summary = screened(store)
    kept = list(store.latest_verdicts(TRIAL, "registration"))

    assert summary.exit_code == 0
    assert summary.candidates == len(kept) > 0
    assert sum(summary.outcomes[TRIAL].values()) == summary.candidates


def test_screening_is_a_run_of_the_store(store: Store) -> None:
    summary = screened(store)
    (run,) = store.runs("screen", site="clinic")

    assert (run.name, run.state, run.complete) == (summary.run, "committed", True)
    assert json.loads(run.summary or "")["candidates"] == summary.candidates


def test_screening_of_a_site_that_is_held_tries_again_later(store: Store) -> None:
    with store.begin_run("clinic", "pull"), pytest.raises(BusyError, match="site clinic"):
        screened(store)


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        (ScreenSummary("s", "r"), 0),
        (ScreenSummary("s", "r", unreadable=["Observation/1"]), 5),
        (ScreenSummary("s", "r", unreadable=["Observation/1"], failed=["Patient/1 (ValueError)"]), 1),
    ],
)
def test_exit_code_tells_what_was_left_out(summary: ScreenSummary, code: int) -> None:
    assert summary.exit_code == code


def test_screening_by_hand_is_noted_while_another_run_holds_the_site(store: Store) -> None:
    with store.begin_run("clinic", "pull"), noted_screening(store, "clinic") as summary:
        summary.evaluated = 3
    run, pulled = store.runs(site="clinic", limit=2)

    assert (run.kind, run.state, run.complete) == ("screen", "committed", True)
    assert json.loads(run.summary or "")["evaluated"] == 3
    assert pulled.kind == "pull"


def test_screening_by_hand_that_ends_midway_is_noted_as_one_that_died(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), noted_screening(store, "clinic"):
        raise KeyboardInterrupt
    (run,) = store.runs("screen", site="clinic")

    assert (run.state, run.complete, run.summary) == ("failed", None, None)


def test_screening_by_hand_with_a_defect_tells_what_it_did(store: Store) -> None:
    def screening() -> None:
        with noted_screening(store, "clinic") as summary:
            summary.failed.append("Patient/1 (ValueError)")
            raise DefectError("a defect of ours")

    with pytest.raises(DefectError):
        screening()
    (run,) = store.runs("screen", site="clinic")

    assert (run.state, run.complete) == ("committed", False)
    assert json.loads(run.summary or "")["failed"] == ["Patient/1 (ValueError)"]


def test_screening_by_hand_that_was_asked_wrongly_leaves_no_run(store: Store) -> None:
    with pytest.raises(UsageError), noted_screening(store, "clinic"):
        raise UsageError("no criterion at that stage")

    assert store.runs("screen", site="clinic") == []
