"""In: a simulated centre and its truth. Out: no difference between what was written and what `reluth screen` says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import Ran, reluth
from tests.support.truth import compare, read_truth

ON = "2025-06-01"
#: A test of a hundred lines of differences tells no more than one of these.
SHOWN = 40


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated centre, pulled from its folder."""
    folder = tmp_path_factory.mktemp("centre")
    made = reluth("simulate", folder / "feed", "--patients", "200", "--seed", "20250601")
    pulled = reluth("--store", folder / "store", "pull", "--from", folder / "feed")
    assert (made.code, pulled.code) == (0, 0)
    return folder


def _screen(centre: Path, *arguments: str) -> Ran:
    return reluth("--store", centre / "store", "screen", "--on", ON, "--json", *arguments)


@pytest.mark.parametrize("stage", ["registration", "randomisation"])
def test_pipeline_gives_the_truth_of_every_patient_and_criterion(centre: Path, stage: str) -> None:
    ran = _screen(centre, "--all", "--stage", stage)

    differences = compare(ran.objects, read_truth(centre / "feed" / "truth.ndjson"), stage=stage)

    assert ran.code == 0
    assert differences[:SHOWN] == []


def test_pipeline_finds_by_narrowing_every_candidate_that_screening_everybody_finds(centre: Path) -> None:
    narrowed = _screen(centre).out.splitlines()

    everybody = _screen(centre, "--all")

    assert narrowed == [
        line
        for line, verdict in zip(everybody.out.splitlines(), everybody.objects, strict=True)
        if verdict["candidate"]
    ]
    assert narrowed


def test_pipeline_is_the_same_from_a_feed_pulled_twice(centre: Path, tmp_path: Path) -> None:
    once = _screen(centre, "--all").out
    again = tmp_path / "again"
    again.mkdir()
    shutil.copytree(centre / "store", again / "store")
    shutil.copytree(centre / "feed", again / "feed")

    pulled = reluth("--store", again / "store", "pull", "--from", again / "feed", "--full", "--json").object

    assert {(counts["new"], counts["changed"]) for counts in pulled["types"].values()} == {(0, 0)}
    assert _screen(again, "--all").out == once


def test_compare_finds_what_differs_is_lost_or_comes_twice() -> None:
    verdict = {"patient": "Patient/1", "criteria": [{"id": "I01", "truth": "T"}]}
    extra = {"patient": "Patient/3", "criteria": []}
    truth = [
        {"patient": "Patient/1", "registration": {"I01": "F", "I02": "U"}},
        {"patient": "Patient/2", "registration": {"I01": "T"}},
    ]

    assert compare([verdict, verdict, extra], truth) == [
        "Patient/1: screened twice",
        "Patient/1 I01: truth F, screened T",
        "Patient/1 I02: truth U, screened None",
        "Patient/2: not screened",
        "Patient/3: screened, and not in the truth",
    ]
