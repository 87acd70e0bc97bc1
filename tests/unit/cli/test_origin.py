"""Promises of `reluth store origin`: which run brought each version of a resource, from where, and which one holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import reluth
from tests.support.clinic import clinic, condition, write_feed


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_feed(Path("first"), clinic())
    write_feed(Path("second"), [condition("c-intestinal", "intestinal", "C17.1", meta={"versionId": "2"})])
    for folder in ("first", "second"):
        reluth("pull", "--from", folder, "--site", "clinic")


def test_every_version_is_told_with_its_run_file_and_line() -> None:
    runs = [one["id"] for one in reluth("audit").objects]
    first, second = reluth("store", "origin", "Condition/c-intestinal", "--site", "clinic", "--json").objects

    assert (first["run"], second["run"]) == tuple(runs)
    assert (first["source"], first["line"], first["live"]) == ("Condition.ndjson", 1, False)
    assert (second["version"], second["live"], second["site"]) == ("2", True, "clinic")
    assert first["pulled_at"] <= second["pulled_at"]


def test_patient_is_named_as_everywhere() -> None:
    found = [reluth("store", "origin", name, "--json").object for name in ("clinic/intestinal", "Patient/intestinal")]

    assert [one["reference"] for one in found] == ["Patient/intestinal"] * 2


def test_record_that_was_merged_away_is_told_by_its_own_name() -> None:
    found = reluth("store", "origin", "clinic/old", "--json").object

    assert (found["reference"], found["live"]) == ("Patient/old", True)


def test_people_are_shown_a_table() -> None:
    ran = reluth("store", "origin", "Condition/c-intestinal")

    assert ran.code == 0
    assert "Condition.ndjson:1" in ran.out


@pytest.mark.parametrize("what", ["Condition/unknown", "Patient/unknown", "nowhere/intestinal"])
def test_what_is_not_there_is_a_usage_error(what: str) -> None:
    assert reluth("store", "origin", what).code == 2


def test_resource_of_two_sites_asks_which() -> None:
    reluth("pull", "--from", "first", "--site", "other")

    ran = reluth("store", "origin", "Condition/c-intestinal")

    assert ran.code == 2
    assert "clinic and other" in ran.err
