"""The simulated centre, whole: every verdict is what the written records support, and narrowing loses nobody."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from adapter.criteria import Stage
from adapter.documents import load_site, load_trial
from adapter.screening import Asked, screen
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.truth import compare, read_truth

ON = date(2025, 6, 1)


def _prove(folder: Path, *, patients: int, seed: int) -> None:
    simulate(folder / "feed", patients=patients, seed=seed)
    trial, site = load_trial("nct04954820"), load_site("icm")
    with Store.open(folder / "store") as store:
        summary = pull(store, FolderSource(folder / "feed"), site="icm")

        assert summary.exit_code == 0

        candidates = set()
        for stage in Stage:
            asked = Asked(today=ON, on=ON, stage=stage, everyone=True, save=False)
            verdicts = [verdict.to_json() for verdict in screen(store, trial, site, asked)]

            assert compare(verdicts, read_truth(folder / "feed" / "truth.ndjson"), stage=str(stage)) == []

            candidates = {verdict["patient"] for verdict in verdicts if verdict["candidate"]}
        narrowed = {verdict.patient for verdict in screen(store, trial, site, Asked(today=ON, on=ON, save=False))}

    # Who has a signal when everybody is looked at is found by the set query alone.
    assert narrowed == candidates
    assert candidates


def test_screening_2000_patients_gives_exactly_the_truth(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    _prove(tmp_path, patients=2000, seed=2025)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2])
def test_screening_10000_patients_gives_exactly_the_truth(tmp_path: Path, seed: int) -> None:
    (tmp_path / "feed").mkdir()
    _prove(tmp_path, patients=10_000, seed=seed)
