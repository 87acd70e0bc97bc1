"""Promises of a pull about what was put aside: it is missing until a version that is no older was read and is in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.errors import StorageError
from adapter.store import LakeWriter, Store
from adapter.sync import FolderSource, PullSummary, pull
from adapter.sync.sources import Gone
from tests.support.told_source import Server
from tests.unit.store.making import live, observation, patient, write_folder
from tests.unit.sync.test_pull_deletions import pulled, results, there

P = patient("p", version=1)
EARLY, LATE = "2025-05-01T10:00:00Z", "2025-05-02T10:00:00Z"


def bad(**meta: Any) -> bytes:
    """An Observation that tells which one it is and cannot be read."""
    return observation("o", "p", **meta)[:-1] + b',"valueQuantity":17}'


def _pull(store: Store, folder: Path, *lines: bytes) -> PullSummary:
    return pull(
        store, FolderSource(write_folder(folder, {"Observation.ndjson": b"\n".join([*lines, b""])})), site="icm"
    )


def aside(store: Store) -> list[str | None]:
    return [item.reference for item in store.quarantined("icm")]


NEWER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "by-version": ({"version": 2}, {"version": 10}),
    "by-time": ({"updated": EARLY}, {"updated": LATE}),
    "same-version": ({"version": 2}, {"version": 2}),
    "no-order": ({}, {}),
}


@pytest.mark.parametrize("name", NEWER)
def test_what_was_put_aside_is_mended_by_a_version_that_is_no_older(store: Store, tmp_path: Path, name: str) -> None:
    before, after = NEWER[name]
    _pull(store, tmp_path, bad(**before))

    _pull(store, tmp_path, observation("o", "p", **after))

    assert aside(store) == []
    assert list((store.folder / "quarantine" / "icm").iterdir()) == []


@pytest.mark.parametrize("name", ["by-version", "by-time"])
def test_older_version_that_comes_once_more_mends_nothing(store: Store, tmp_path: Path, name: str) -> None:
    older, newer = NEWER[name]
    _pull(store, tmp_path, observation("o", "p", **older))
    _pull(store, tmp_path, bad(**newer))

    _pull(store, tmp_path, observation("o", "p", **older))

    assert aside(store) == ["Observation/o"]


def test_bytes_that_are_no_utf_8_are_mended_by_a_version_that_is_no_older(store: Store, tmp_path: Path) -> None:
    spoiled = observation("o", "p", version=2)[:-1] + b',"note":[{"text":"Z\xe9"}]}'
    _pull(store, tmp_path, spoiled)

    _pull(store, tmp_path, observation("o", "p", version=1))

    assert aside(store) == ["Observation/o"]

    _pull(store, tmp_path, observation("o", "p", version=3))

    assert aside(store) == []


def test_newer_version_mends_an_older_one_that_lies_beside_it_in_the_file(store: Store, tmp_path: Path) -> None:
    lines = [observation("o", "p", version=3), bad(version=2)]
    _pull(store, tmp_path, *lines)

    _pull(store, tmp_path, *lines)

    assert aside(store) == []


def test_every_item_of_a_resource_is_mended(store: Store, tmp_path: Path) -> None:
    _pull(store, tmp_path, bad(version=2), bad(version=3))

    _pull(store, tmp_path, observation("o", "p", version=4))

    assert aside(store) == []


def test_what_was_put_aside_stays_missing_when_the_commit_fails(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pull(store, tmp_path, bad(version=1))

    def full(*_: object, **__: object) -> None:
        raise StorageError("the store", "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(LakeWriter, "commit", full)
        with pytest.raises(StorageError):
            _pull(store, tmp_path, observation("o", "p", version=2))

    (item,) = store.quarantined("icm")
    assert store.quarantined_raw(item) == bad(version=1)


def test_resource_whose_new_version_cannot_be_read_is_not_taken_for_deleted(store: Store) -> None:
    good = observation("o", "p", version=1)
    pulled(store, Server({"Patient": [P], "Observation": [good]}))

    summary = pulled(store, Server({"Patient": [P], "Observation": [bad(version=2)]}, asks=False), full=True)

    assert there(store) == [good]
    assert (summary.types["Observation"].deleted, summary.types["Observation"].quarantined) == (0, 1)


def test_line_that_nobody_knows_what_it_is_may_be_what_did_not_come(store: Store) -> None:
    pulled(store, Server({"Patient": [P], "Observation": results("a", "b")}))
    before = store.bookmark("icm", "Observation")

    cut = Server({"Patient": [P], "Observation": [*results("a"), b'{"resourceType":"Obs']}, asks=False)
    cut.transaction_time = "2025-07-01T08:00:00Z"
    summary = pulled(store, cut, full=True)

    assert there(store) == results("a", "b")
    assert (summary.exit_code, summary.complete, summary.types["Observation"].deleted) == (5, False, 0)
    (missing,) = summary.missing
    assert "1 stored resources that did not come any more may be among them" in missing.reason
    assert store.bookmark("icm", "Observation") == before


def test_line_that_nobody_knows_what_it_is_costs_nothing_where_the_server_can_be_asked(store: Store) -> None:
    pulled(store, Server({"Patient": [P], "Observation": results("a", "b")}))

    summary = pulled(store, Server({"Patient": [P], "Observation": [*results("a"), b"{"]}), full=True)

    assert there(store) == results("a")
    assert (summary.complete, summary.types["Observation"].deleted) == (True, 1)


@pytest.mark.parametrize("full", [True, False])
def test_what_was_put_aside_and_is_deleted_at_the_hospital_is_no_longer_missing(store: Store, full: bool) -> None:
    pulled(store, Server({"Patient": [P], "Observation": [bad(version=1)]}))

    said = [] if full else [Gone("Observation", "o")]
    pulled(store, Server({"Patient": [P], "Observation": []}, said_gone=said), full=full)

    assert aside(store) == []
    assert live(store) == {"Patient/p": [P]}
