"""Promises of a pull from a folder: a bad line costs itself only, and everything is told."""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import BusyError
from adapter.fhir import Summariser, Summary, summarise
from adapter.store import Run, Store
from adapter.store.compaction import FAN
from adapter.sync import FolderSource, PullSummary, pull
from tests.unit.store.making import everything, line, live, observation, patient, write_folder

A, B = patient("a"), patient("b")


def _pull(store: Store, folder: Path, files: dict[str, bytes]) -> PullSummary:
    return pull(store, FolderSource(write_folder(folder, files)), site="icm")


def test_pull_tells_the_contract(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": A + b"\n" + B + b"\n", "Medication.ndjson": b""})

    nothing = {"read": 0, "new": 0, "changed": 0, "deleted": 0, "quarantined": 0}
    assert json.loads(summary.to_json()) == {
        "site": "icm",
        "run": summary.run,
        "complete": True,
        "transaction_time": None,
        "types": {"Medication": nothing, "Patient": nothing | {"read": 2, "new": 2}},
        "quarantine": [],
    }
    assert summary.exit_code == 0
    assert "\n" not in summary.to_json()
    last = store.runs("pull")[0]
    assert last is not None
    assert last.summary == summary.to_json()


BAD = {
    "truncated-in-the-middle": (b'{"resourceType":"Patient","id":"x","na', "not JSON: cut short"),
    "duplicate-key": (
        b'{"resourceType":"Patient","id":"x","active":true,"active":false}',
        "the key active stands twice",
    ),
    "unknown-type": (b'{"resourceType":"Patent","id":"x"}', "unknown resource type"),
    "no-id": (b'{"resourceType":"Patient"}', "no valid id"),
    "bundle": (
        b'{"resourceType":"Bundle","id":"x","type":"collection","entry":[{"resource":' + observation("o", "a") + b"}]}",
        "a Bundle: what it holds is not read",
    ),
    "not-an-object": (b'["Patient"]', "not a JSON object"),
    "not-utf-8": (b'{"resourceType":"Patient","id":"x","name":[{"family":"\xe9"}]}', "not UTF-8"),
    "absurd-number": (b'{"resourceType":"Basic","id":"x","a" :' + b"9" * 5_000 + b"}", ""),
}


def test_file_of_resources_that_is_not_read_makes_a_pull_incomplete(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": A + b"\n", "part-2.ndjson": B + b"\n"})

    assert (summary.complete, summary.exit_code) == (False, 5)
    (missing,) = summary.as_object()["missing"]
    assert (missing["type"], missing["reason"].partition(":")[0]) == ("Patient", "part-2.ndjson")


@pytest.mark.parametrize("name", BAD)
def test_bad_line_costs_itself_only(store: Store, tmp_path: Path, name: str) -> None:
    raw, reason = BAD[name]
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": b"\n".join([A, raw, B, b""])})

    (entry,) = summary.as_object()["quarantine"]
    assert entry["file"] == "Patient.ndjson"
    assert entry["line"] == 2
    assert entry["reason"].startswith(reason)
    assert (summary.complete, summary.exit_code) == (True, 5)
    assert live(store) == {"Patient/a": [A], "Patient/b": [B]}
    (item,) = store.quarantined("icm")
    assert store.quarantined_raw(item) == raw


def test_line_that_no_parser_can_nest_costs_itself_only(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_deep(_: Summariser, raw: bytes) -> Summary:
        if raw == A:
            raise RecursionError
        return summarise(raw)

    monkeypatch.setattr(Summariser, "summarise", too_deep)
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": A + b"\n" + B})

    assert [(item.line, item.reason) for item in summary.quarantine] == [(1, "cannot be read (RecursionError)")]
    assert live(store) == {"Patient/b": [B]}


def test_bad_line_in_a_rerun_is_told_again_and_kept_once(store: Store, tmp_path: Path) -> None:
    files = {"Patient.ndjson": b"\n".join([A, b"{", B, b""])}
    first = _pull(store, tmp_path / "in", files)
    second = _pull(store, tmp_path / "in", files)

    assert first.as_object()["quarantine"] == second.as_object()["quarantine"]
    assert second.types["Patient"].quarantined == 1
    assert len(store.quarantined("icm")) == 1


def test_reason_never_holds_patient_content(store: Store, tmp_path: Path) -> None:
    raw = b'{"resourceType":"Patient","id":"x","name":[{"family":"Dupont","family":"Durand"}],"birthDate":17}'
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": raw + b"\n"})

    (entry,) = summary.as_object()["quarantine"]
    assert not {"Dupont", "Durand", "17"} & set(entry["reason"].replace("'", " ").split())


def test_byte_order_mark_and_crlf_cost_nothing(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": b"\xef\xbb\xbf" + A + b"\r\n\r\n" + B})

    assert (summary.complete, summary.exit_code) == (True, 0)
    assert live(store) == {"Patient/a": [A], "Patient/b": [B]}


def test_file_cut_in_its_last_line_is_incomplete(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": A + b"\n" + B[:-5]})

    assert (summary.complete, summary.exit_code) == (False, 5)
    assert [item.line for item in summary.quarantine] == [2]
    assert live(store) == {"Patient/a": [A]}
    last = store.runs("pull")[0]
    assert last is not None
    assert last.complete is False


def test_gzip_cut_short_is_incomplete_and_names_the_file(store: Store, tmp_path: Path) -> None:
    content = b"".join(patient(f"p{number}", active=bool(number % 3)) + b"\n" for number in range(2_000))
    packed = gzip.compress(content)
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson.gz": packed[:-2_000], "Basic.ndjson": line("Basic", "1")})

    (entry,) = summary.as_object()["quarantine"]
    assert (entry["file"], entry["reason"]) == ("Patient.ndjson.gz", "the gzip data ends early")
    assert (summary.complete, summary.exit_code) == (False, 5)
    assert 100 < summary.types["Patient"].new < 2_000
    assert summary.types["Basic"].new == 1


def test_resource_is_stored_under_its_own_type(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": A + b"\n" + observation("o", "a") + b"\n"})

    assert (summary.types["Patient"].new, summary.types["Observation"].new) == (1, 1)
    assert store.lake.stats()["sites"]["icm"].keys() == {"Patient", "Observation"}


def test_replay_of_a_folder_adds_nothing(store: Store, tmp_path: Path) -> None:
    files = {"Patient.ndjson": b"\n".join([A, B, A]), "Observation.ndjson": observation("o", "a")}
    _pull(store, tmp_path / "in", files)
    before = everything(store)
    again = _pull(store, tmp_path / "in", files)

    assert (again.types["Patient"].read, again.types["Patient"].new, again.types["Patient"].changed) == (3, 0, 0)
    assert everything(store) == before
    assert len(before) == 3


def test_pull_moves_no_bookmark_for_a_folder(store: Store, tmp_path: Path) -> None:
    _pull(store, tmp_path / "in", {"Patient.ndjson": A})

    assert store.bookmark("icm", "Patient") is None


def test_pull_that_is_cut_right_after_its_commit_has_told_what_it_did(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Run.commit

    def cut(run: Run, *told: Any, **more: Any) -> None:
        commit(run, *told, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "commit", cut)
    folder = write_folder(tmp_path / "feed", {"Patient.ndjson": patient("1")})
    with pytest.raises(KeyboardInterrupt):
        pull(store, FolderSource(folder), site="icm")

    (run,) = store.runs("pull")
    assert (run.state, json.loads(run.summary or "{}")["types"]["Patient"]["new"]) == ("committed", 1)


def test_pull_of_a_busy_site_touches_nothing(store: Store, tmp_path: Path) -> None:
    with store.begin_run("icm", "pull"), pytest.raises(BusyError):
        _pull(store, tmp_path / "in", {"Patient.ndjson": A})
    assert store.lake.sites() == []


class _Shown:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, int]] = []

    def start(self, type_: str) -> None:
        self.said.append(("start", type_, 0))

    def advance(self, type_: str, resources: int) -> None:
        self.said.append(("advance", type_, resources))

    def finish(self, type_: str) -> None:
        self.said.append(("finish", type_, 0))

    def fetching(self, what: str, done: int, parts: int) -> None:
        raise AssertionError("a folder is there already")


def test_progress_is_told_of_every_resource(store: Store, tmp_path: Path) -> None:
    shown = _Shown()
    content = b"".join(patient(f"p{number}") + b"\n" for number in range(1_100))
    folder = write_folder(tmp_path / "in", {"Patient.ndjson": content})
    pull(store, FolderSource(folder), site="icm", progress=shown)

    assert shown.said[0] == ("start", "Patient", 0)
    assert shown.said[-1] == ("finish", "Patient", 0)
    assert sum(resources for _, _, resources in shown.said) == 1_100


def test_notices_name_what_was_left_out(store: Store, tmp_path: Path) -> None:
    summary = _pull(store, tmp_path / "in", {"truth.ndjson": b"{}", "Patient.ndjson": A})

    assert [notice.partition(":")[0] for notice in summary.notices] == ["truth.ndjson"]
    assert summary.complete


def test_small_pulls_leave_few_segments(store: Store, tmp_path: Path) -> None:
    for number in range(FAN + 1):
        _pull(store, tmp_path / str(number), {"Observation.ndjson": observation(f"o{number}", "a") + b"\n"})

    assert len(store.lake.index_files("icm")) == 2
    assert len(everything(store)) == FAN + 1


def test_pull_is_whole_also_where_there_is_no_room_to_merge(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("adapter.store.compaction.write_pair", full)
    for number in range(FAN):
        summary = _pull(store, tmp_path / str(number), {"Observation.ndjson": observation(f"o{number}", "a") + b"\n"})

        assert (summary.complete, summary.exit_code) == (True, 0)
    assert len(everything(store)) == FAN
    [run] = store.runs("pull", limit=1)
    assert (run.state, run.complete) == ("committed", True)
