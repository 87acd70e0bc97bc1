"""Promises of `reluth store compact`: small files become few, nothing else changes, a site that is worked on is told and the others are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.unit.jobs.test_thinning import screened
from tests.unit.store.making import everything, fill, live, observation, patient

PULLS = 5


@pytest.fixture
def worn(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "var") as store:
        for site in ("icm", "other"):
            fill(store, [patient("p")], site=site)
            for number in range(PULLS):
                fill(store, [observation(f"o{number}", "p")], site=site)
    return tmp_path / "var"


def compact(store: Path, *more: str) -> Ran:
    return reluth("--store", store, "store", "compact", *more)


def held(folder: Path, site: str = "icm") -> tuple[object, object]:
    with Store.open(folder) as store:
        return everything(store, site), live(store, site)


def test_small_files_become_few_and_nothing_else_changes(worn: Path) -> None:
    before = held(worn)
    ran = compact(worn, "--json")

    assert (ran.code, ran.object) == (
        0,
        {"sites": {site: {"before": PULLS + 1, "after": 2, "verdicts_removed": 0} for site in ("icm", "other")}},
    )
    assert held(worn) == before
    assert reluth("--store", worn, "store", "check").code == 0
    with Store.open(worn) as store:
        [run] = store.runs("compact", site="icm")
    assert (run.state, run.complete) == ("committed", True)


def test_old_verdicts_are_thinned_by_the_settings(worn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(worn) as store:
        screened(store, "Patient/p", range(20), site="icm")
    monkeypatch.setenv("RELUTH_RETENTION__VERDICTS_DAYS", "36500")
    kept = compact(worn, "--json")
    monkeypatch.setenv("RELUTH_RETENTION__VERDICTS_DAYS", "60")
    thinned = compact(worn)

    assert kept.object["sites"]["icm"]["verdicts_removed"] == 0
    assert thinned.err.splitlines()[0] == "site icm: 2 segments before, 2 now; 16 old verdicts removed"


def test_only_the_site_asked_for_is_merged(worn: Path) -> None:
    ran = compact(worn, "--site", "other")

    assert ran.err == "site other: 6 segments before, 2 now\n"
    with Store.open(worn) as store:
        assert len(store.lake.index_files("icm")) == PULLS + 1
    assert compact(worn, "--site", "nowhere").code == 2


def test_site_that_is_worked_on_is_told_and_the_others_are_done(worn: Path) -> None:
    with Store.open(worn) as store, store.begin_run("icm", "pull"):
        ran = compact(worn, "--json")

    assert ran.code == 75
    assert "site icm" in ran.err
    assert ran.object == {"sites": {"other": {"before": PULLS + 1, "after": 2, "verdicts_removed": 0}}}


def test_store_without_anything_has_nothing_to_merge(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var"):
        pass
    ran = compact(tmp_path / "var", "--json")

    assert (ran.code, ran.object) == (0, {"sites": {}})
