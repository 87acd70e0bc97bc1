"""Promises of a backup: the store as it was at one moment, whoever writes meanwhile; whole or not there; nothing of it can be read by others."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from adapter.errors import BusyError, DamagedError, StorageError, UsageError
from adapter.store import Backup, Origin, Store, check_backup, pseudonym_key, restore
from adapter.store.backup_manifest import copy_file
from adapter.store.state import now
from adapter.store.state_copy import list_files
from tests.unit.store.making import everything, fill, fill_disk_at, live, observation, patient


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with something of everything that is kept."""
    fill(store, [patient("p")])
    for number in range(4):
        fill(store, [observation(f"o{number}", "p")])
    with store.begin_run("icm", "pull") as run:
        store.quarantine(run, b"{", origin=Origin("a.ndjson", 1), reason="not JSON")
        store.flush_quarantine(run)
        run.commit([])
    pseudonym_key(store.folder)
    for name in ("datasets/trace/latest-t", "datasets/packages/ab/.index.json", "datasets/packages/ab/xpt/dm.xpt"):
        write(store.folder / name, b"kept")
    return store


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def later(store: Store, home: Path) -> Backup:
    """Another backup, which has another name."""
    with time_machine.travel(now() + timedelta(minutes=1), tick=True):
        return store.back_up(home)


def held(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def rooms(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those whose bytes are the same in store and backup: the state's are not."""
    return {path: content for path, content in files.items() if "/" in path}


def test_backup_holds_what_cannot_be_had_again_byte_for_byte(filled: Store, home: Path) -> None:
    scratch = ("spool/icm/k/journal.ndjson", "tmp/1-a/x", "datasets/jobs/j/f.ndjson", "datasets/queries.json")
    under_way = ("datasets/packages/.cd-1/xpt/dm.xpt", "keys/.pseudonyms.key.1.tmp", "lake/icm/Patient/.x.parquet.tmp")
    before = rooms(held(filled.folder))
    for path in (*scratch, *under_way):
        write(filled.folder / path, b"scratch")
    done = filled.back_up(home)

    assert rooms(held(done.folder)) == before
    assert {"keys/pseudonyms.key", "datasets/packages/ab/.index.json"} < set(before)
    assert sorted(path.name for path in done.folder.iterdir()) == [
        *("backup.json", "datasets", "index", "keys", "lake", "quarantine", "state.sqlite")
    ]
    assert check_backup(done.folder) == (done.manifest, [])


def test_backup_is_its_owners_only(filled: Store, home: Path) -> None:
    before = os.umask(0)
    try:
        done = filled.back_up(home)
    finally:
        os.umask(before)

    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in done.folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in done.folder.rglob("*") if path.is_dir()} == {0o700}


def test_second_backup_shares_what_has_not_changed_and_stands_alone(filled: Store, home: Path) -> None:
    first = filled.back_up(home)
    fill(filled, [observation("new", "p")])
    second = later(filled, home)
    (key,) = second.folder.glob("quarantine/icm/*")
    shared = key.stat().st_nlink
    for path in sorted(first.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert (first.linked, second.linked) == (0, len(first.manifest.files) - 1)
    assert shared == 2
    assert check_backup(second.folder) == (second.manifest, [])


def test_file_that_is_damaged_in_the_backup_before_is_copied_from_the_store(filled: Store, home: Path) -> None:
    first = filled.back_up(home)
    (segment,) = first.folder.glob("lake/icm/Patient/*")
    segment.write_bytes(segment.read_bytes()[::-1])
    second = later(filled, home)

    assert second.linked == len(first.manifest.files) - 2
    assert check_backup(second.folder) == (second.manifest, [])
    assert check_backup(first.folder)[1] == [f"lake/icm/Patient/{segment.name}: is not as it was written"]


def test_file_system_without_links_gets_copies(filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.back_up(home)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    second = later(filled, home)

    assert second.linked == 0
    assert check_backup(second.folder) == (second.manifest, [])


# While others work


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None], *, times: int = 1) -> Iterator[list[int]]:
    """The state is copied, then somebody does this, then the files are copied; so often."""
    real = list_files
    done: list[int] = []

    def listed(copy: Path) -> Any:
        found = real(copy)
        if len(done) < times:
            done.append(1)
            action()
        return found

    with monkeypatch.context() as patched:
        patched.setattr("adapter.store.backup.list_files", listed)
        yield done


def restored(done: Backup, folder: Path) -> tuple[list[tuple[str, str, bytes]], dict[str, list[bytes]]]:
    restore(done.folder, folder, by="it")
    with Store.open(folder) as store:
        assert [store.lake.altered("icm"), store.lake.unknown_files(), store.state_problems()] == [[], [], []]
        return everything(store), live(store)


def test_pull_that_commits_meanwhile_is_left_out_whole(
    filled: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled), live(filled)

    with meanwhile(monkeypatch, lambda: void(fill(filled, [observation("new", "p")]))):
        done = filled.back_up(home)

    assert restored(done, tmp_path / "again") == before
    assert len(everything(filled)) == len(before[0]) + 1


def void(_: object) -> None:
    """What is done matters, not what it gives."""


def merge(store: Store) -> None:
    """Merge all segments, and remove the files of those that were, as six hours later."""
    with store.begin_run("icm", "compact") as run:
        store.lake.compact(run, fan=2)
        run.commit([])
    with time_machine.travel(now() + timedelta(hours=7)):
        store.lake.clear_leftovers("icm")


def test_segments_that_are_merged_and_removed_meanwhile_are_taken_merged(
    filled: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled), live(filled)

    with meanwhile(monkeypatch, lambda: merge(filled)):
        done = filled.back_up(home)

    assert done.manifest.problems == []
    assert check_backup(done.folder) == (done.manifest, [])
    assert rooms(held(done.folder)) == {
        path: content for path, content in rooms(held(filled.folder)).items() if not path.startswith("tmp/")
    }
    assert restored(done, tmp_path / "again") == before


def test_segment_that_was_copied_before_it_was_merged_is_not_there_twice(
    filled: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled), live(filled)
    copied: list[str] = []

    def copy(source: Path, target: Path) -> Any:
        found = copy_file(source, target)
        if "Observation" in source.parts and not any("Observation" in path for path in copied):
            merge(filled)
        copied.append(source.relative_to(filled.folder).as_posix())
        return found

    monkeypatch.setattr("adapter.store.backup.copy_file", copy)
    done = filled.back_up(home)
    lying = {path.relative_to(done.folder).as_posix() for path in done.folder.rglob("*") if path.is_file()}

    assert set(copied) - set(done.manifest.files) != set()
    assert lying == {*done.manifest.files, "backup.json"}
    assert restored(done, tmp_path / "again") == before


def test_what_is_mended_meanwhile_leaves_the_backup_too(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mend() -> None:
        (item,) = filled.quarantined("icm")
        with filled.begin_run("icm", "pull") as run:
            run.commit([], mended=[item.key])
        filled.forget_quarantined(item)

    with meanwhile(monkeypatch, mend):
        done = filled.back_up(home)

    assert done.manifest.problems == []
    assert [path for path in done.manifest.files if path.startswith("quarantine")] == []


def test_store_that_changes_without_end_is_for_later(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        fill(filled, [observation("another", "p", valueString=str(now()))])
        merge(filled)

    with meanwhile(monkeypatch, change, times=99), pytest.raises(BusyError, match="changes faster"):
        filled.back_up(home)
    assert [path.name for path in home.iterdir()] == [".backup.lock"]


def test_backups_under_a_writer_are_each_of_one_moment(filled: Store, home: Path, tmp_path: Path) -> None:
    ends = threading.Event()

    def work() -> None:
        with Store.open(filled.folder) as own:
            number = 0
            while not ends.is_set():
                # Both together, or neither.
                fill(own, [observation(f"a{number}", "p"), patient(f"q{number}")])
                if number % 3 == 2:
                    merge(own)
                number += 1

    with ThreadPoolExecutor() as pool:
        writer = pool.submit(work)
        try:
            # Not `later`: moving the clock would move the writer's, too.
            done = [filled.back_up(home / str(number)) for number in range(5)]
        finally:
            ends.set()

    assert writer.exception() is None
    for number, one in enumerate(done):
        found = {(type_, id_) for type_, id_, _ in restored(one, tmp_path / f"again{number}")[0]}
        assert one.manifest.problems == []
        assert {f"q{id_[1:]}" for type_, id_ in found if id_.startswith("a")} == {
            id_ for type_, id_ in found if id_.startswith("q")
        }


def test_package_that_is_published_meanwhile_is_there_whole_or_not(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str] = []

    def copy(source: Path, target: Path) -> Any:
        if "datasets" in source.parts and not began:
            began.append("x")
            write(filled.folder / "datasets/packages/ef/.index.json", b"new")
            write(filled.folder / "datasets/trace/latest-t", b"newer than that")
        return copy_file(source, target)

    monkeypatch.setattr("adapter.store.backup.copy_file", copy)
    done = filled.back_up(home)

    assert (done.folder / "datasets/packages/ef/.index.json").read_bytes() == b"new"
    assert (done.folder / "datasets/trace/latest-t").read_bytes() == b"newer than that"
    assert check_backup(done.folder) == (done.manifest, [])


def test_two_backups_at_once_do_not_mix(filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def second() -> None:
        with pytest.raises(BusyError, match="another backup"):
            filled.back_up(home)

    with meanwhile(monkeypatch, second):
        done = filled.back_up(home)

    assert check_backup(done.folder) == (done.manifest, [])


# What is wrong


def test_what_is_lost_or_altered_in_the_store_is_named_and_the_rest_is_kept(filled: Store, home: Path) -> None:
    (altered,) = (filled.folder / "lake/icm/Patient").iterdir()
    altered.write_bytes(altered.read_bytes() + b"x")
    (aside,) = (filled.folder / "quarantine/icm").iterdir()
    aside.unlink()
    done = filled.back_up(home)

    assert done.manifest.problems == [
        f"lake/icm/Patient/{altered.name}: is not as it was written, in the store already",
        f"quarantine/icm/{aside.name}: is missing in the store",
    ]
    assert check_backup(done.folder) == (done.manifest, [])


def test_file_that_the_disk_does_not_give_is_named_and_the_rest_is_kept(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bad,) = (filled.folder / "lake/icm/Patient").iterdir()
    real = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path) == str(bad):
            raise OSError(errno.EIO, "any")
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    done = filled.back_up(home)

    assert done.manifest.problems == [f"lake/icm/Patient/{bad.name}: cannot be read in the store (Input/output error)"]
    assert check_backup(done.folder) == (done.manifest, [])


def test_what_lies_on_another_disk_is_copied_and_a_link_to_nowhere_is_named(
    filled: Store, home: Path, tmp_path: Path
) -> None:
    (filled.folder / "datasets" / "packages").rename(tmp_path / "large")
    (filled.folder / "datasets" / "packages").symlink_to(tmp_path / "large")
    (filled.folder / "keys" / "again").symlink_to(filled.folder)
    (filled.folder / "keys" / "gone.pem").symlink_to(tmp_path / "nowhere")
    done = filled.back_up(home)

    assert (done.folder / "datasets/packages/ab/xpt/dm.xpt").read_bytes() == b"kept"
    assert [path for path in done.manifest.files if path.startswith("keys")] == ["keys/pseudonyms.key"]
    assert done.manifest.problems == ["keys/gone.pem: is a link that leads nowhere"]


@pytest.mark.parametrize("name", ["state.sqlite", "another.db"])
def test_state_that_a_url_names_in_the_folder_is_copied_once_as_a_state(tmp_path: Path, home: Path, name: str) -> None:
    url, again = f"sqlite:///{tmp_path}/var/{name}", f"sqlite:///{tmp_path}/again/{name}"
    with Store.open(tmp_path / "var", url) as store:
        fill(store, [patient("p")])
        done = store.back_up(home)
    restore(done.folder, tmp_path / "again", by="it", database=again)

    assert [path for path in done.manifest.files if "/" not in path] == ["state.sqlite"]
    with Store.open(tmp_path / "again", again) as opened:
        assert list(live(opened)) == ["Patient/p"]


def test_folder_of_backups_that_cannot_be_locked_is_refused(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("adapter.store.backup.fcntl.flock", refuse)
    with pytest.raises(UsageError, match="cannot be locked"):
        filled.back_up(home)


def test_folder_that_cannot_be_read_is_not_passed_over(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refused(path: Any) -> Any:
        # Root may read everything.
        if str(path).endswith("/keys"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError):
        filled.back_up(home)


def test_state_that_is_damaged_is_not_backed_up(filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    class Damaged(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> Any:
            return [("row 3 missing from index",)] if "integrity" in sql else super().execute(sql, *more)

    monkeypatch.setattr(sqlite3, "connect", lambda path: real(path, factory=Damaged))
    with pytest.raises(DamagedError, match="the store's state: row 3 missing from index"):
        filled.back_up(home)
    assert [path.name for path in home.iterdir()] == [".backup.lock"]


@pytest.mark.parametrize("call", range(1, 12, 3))
def test_full_disk_leaves_no_backup_and_the_store_as_it_was(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    first = filled.back_up(home)
    fill(filled, [observation(f"n{number}", "p") for number in range(3)])
    before = held(filled.folder)
    fill_disk_at(monkeypatch, call)
    with pytest.raises(StorageError, match="No space left on device"):
        later(filled, home)
    monkeypatch.undo()

    assert sorted(path.name for path in home.iterdir()) == [".backup.lock", first.folder.name]
    assert rooms(held(filled.folder)) == rooms(before)


def test_disk_that_does_not_give_back_what_was_written_makes_no_backup(
    filled: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.store.backup_manifest.digest_of", lambda path: "0" * 64)
    with pytest.raises(DamagedError, match="does not give back"):
        filled.back_up(home)
    assert [path.name for path in home.iterdir()] == [".backup.lock"]


@pytest.mark.parametrize("inside", [".", "keys", "backups"])
def test_backup_does_not_lie_in_the_store(filled: Store, inside: str) -> None:
    with pytest.raises(UsageError, match="lies in the store"):
        filled.back_up(filled.folder / inside)
    assert not (filled.folder / "backups").exists()


def test_backup_is_not_made_in_a_backup_nor_in_a_file(filled: Store, home: Path, tmp_path: Path) -> None:
    done = filled.back_up(home)
    (tmp_path / "file").write_text("x")
    for into in (done.folder, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError):
            filled.back_up(into)

    assert check_backup(done.folder) == (done.manifest, [])


def test_backup_of_one_second_is_not_written_over(filled: Store, home: Path) -> None:
    with time_machine.travel(now(), tick=False):
        done = filled.back_up(home)
        with pytest.raises(BusyError, match="this second"):
            filled.back_up(home)

    assert check_backup(done.folder) == (done.manifest, [])
