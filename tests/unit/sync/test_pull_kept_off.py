"""Promises of a pull where somebody was forgotten: nothing of them is taken, whatever its shape, and nobody else is touched by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter.store import Store, Whom
from adapter.sync import FolderSource, PullSummary, pull
from tests.unit.store.making import everything, live, observation, patient, write_folder

SITE = "icm"
GONE = "Patient/gone"


@pytest.fixture
def kept_off(store: Store) -> Store:
    store.forget(SITE, Whom(GONE, (GONE,)), by="dpo", reason="objection")
    return store


def pulled(store: Store, folder: Path, **files: list[bytes]) -> PullSummary:
    content = {f"{type_}.ndjson": b"".join(line + b"\n" for line in lines) for type_, lines in files.items()}
    return pull(store, FolderSource(write_folder(folder, content)), site=SITE)


def test_nothing_of_them_is_taken_and_it_is_told_by_number_only(kept_off: Store, tmp_path: Path) -> None:
    people, results = [patient("gone"), patient("b")], [observation("g1", "gone"), observation("b1", "b")]
    summary = pulled(kept_off, tmp_path / "in", Patient=people, Observation=results)

    assert live(kept_off, SITE) == {"Patient/b": [observation("b1", "b"), patient("b")]}
    assert (summary.exit_code, summary.complete) == (0, True)
    assert summary.notices == ["2 resources of people who were forgotten came and were not taken"]
    assert summary.types["Observation"].read == 1
    assert "gone" not in summary.to_json()


@pytest.mark.parametrize(
    "faulty",
    [
        b'{"resourceType":"Observation","id":"g2","subject":{"reference":"Patient/gone"},"status":1}',
        b'{"resourceType":"Observation","id":"g2","subject":{"reference":"Patient/gone"},"valueQu',
        b'{"resourceType":"Patient","id":"gone","name":[{"family":"\xe9"}]}',
    ],
)
def test_what_cannot_be_read_of_them_is_not_put_aside(kept_off: Store, tmp_path: Path, faulty: bytes) -> None:
    summary = pulled(kept_off, tmp_path / "in", Patient=[patient("b")], Observation=[faulty, observation("b1", "b")])

    assert (summary.quarantine, kept_off.quarantined(SITE)) == ([], [])
    assert not list((kept_off.folder / "quarantine").rglob("*/*"))
    assert summary.notices == ["1 resources of people who were forgotten came and were not taken"]


def test_resource_that_becomes_theirs_is_not_left_with_whom_it_was_taken_from(kept_off: Store, tmp_path: Path) -> None:
    pulled(kept_off, tmp_path / "one", Patient=[patient("b")], Observation=[observation("o", "b", version=1)])
    summary = pulled(kept_off, tmp_path / "two", Observation=[observation("o", "gone", version=2)])

    assert live(kept_off, SITE) == {"Patient/b": [patient("b")]}
    assert summary.types["Observation"].deleted == 1
    pulled(kept_off, tmp_path / "three", Observation=[observation("o", "b", version=3)])
    assert live(kept_off, SITE)["Patient/b"] == [observation("o", "b", version=3), patient("b")]


def test_record_that_they_were_merged_into_is_kept_off_too(kept_off: Store, tmp_path: Path) -> None:
    into = patient("new", links=[("replaces", "gone")])
    summary = pulled(kept_off, tmp_path / "in", Patient=[into], Observation=[observation("n1", "new")])

    assert everything(kept_off, SITE) == []
    assert kept_off.kept_off.patients(SITE) == {GONE: GONE, "Patient/new": GONE}
    assert len(summary.notices) == 2
    assert "`reluth forget --list` names them" in summary.notices[1]


def test_who_only_knows_them_is_taken(kept_off: Store, tmp_path: Path) -> None:
    other = patient("b", links=[("seealso", "gone")])
    result = json.loads(observation("b1", "b"))
    result["performer"] = [{"reference": GONE}]
    pulled(kept_off, tmp_path / "in", Patient=[other], Observation=[json.dumps(result).encode()])

    assert len(everything(kept_off, SITE)) == 2
    assert kept_off.kept_off.patients(SITE) == {GONE: GONE}


def test_who_may_come_back_comes_back(kept_off: Store, tmp_path: Path) -> None:
    kept_off.kept_off.remove(SITE, GONE)
    summary = pulled(kept_off, tmp_path / "in", Patient=[patient("gone")])

    assert live(kept_off, SITE) == {GONE: [patient("gone")]}
    assert summary.notices == []
