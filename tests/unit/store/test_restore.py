"""Promises of putting a backup back: the store as it was, on any machine; nothing of what was under way or signed in; or nothing at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.accounts import Role
from adapter.errors import BusyError, ConfigurationError, DamagedError, StorageError, UsageError
from adapter.store import SignInFlow, Store, check_backup, restore
from adapter.store.backup_manifest import copy_file
from adapter.store.models import SiteLockRow
from adapter.store.state import RESTORING, now
from tests.support.people import add_person
from tests.unit.store.making import fill, fill_disk_at, live, observation, patient


@pytest.fixture
def backup(store: Store, tmp_path: Path) -> Path:
    fill(store, [patient("p"), observation("o", "p")])
    store.patient_key("icm", "Patient/p")
    store.set_bookmark("icm", "Observation", "2025-01-01T00:00:00Z")
    store.decide("icm", "Patient/p", trial="t", state="contacted", reason="to-contact", by="anna", note="called")
    return store.back_up(tmp_path / "backups").folder


@pytest.fixture
def again(tmp_path: Path) -> Path:
    return tmp_path / "again"


@pytest.fixture
def opened(backup: Path, again: Path) -> Iterator[Store]:
    restore(backup, again, by="it")
    with Store.open(again) as found:
        yield found


def test_restored_store_is_the_one_that_was_backed_up(store: Store, opened: Store) -> None:
    def told(one: Store) -> object:
        return (
            live(one),
            one.lake.stats(),
            one.bookmarks(),
            one.decision_history("t"),
            one.patient_key("icm", "Patient/p"),
        )

    assert told(opened) == told(store)
    assert [(line.actor, line.action) for line in opened.audit_trail()] == [("it", "restore")]
    assert opened.folder.stat().st_mode & 0o777 == 0o700


def test_run_that_was_under_way_elsewhere_holds_nothing_up(store: Store, tmp_path: Path, again: Path) -> None:
    with store.begin_run("icm", "pull"):
        with store._state.session() as session:
            # Of another machine: nobody could ever take it over.
            session.get_one(SiteLockRow, "icm").host = "elsewhere"
        done = store.back_up(tmp_path / "backups")
    restore(done.folder, again, by="it")

    with Store.open(again) as opened:
        (run,) = opened.runs("pull")
        assert (run.state, run.complete, run.ended_at is not None) == ("failed", None, True)
        fill(opened, [patient("p")])
        assert list(live(opened)) == ["Patient/p"]


def test_nobody_is_signed_in_and_no_token_holds_after_it(store: Store, tmp_path: Path, again: Path) -> None:
    anna = add_person(store, "anna", roles={"icm": [Role.NURSE]})
    session = store.accounts.begin_session(anna.number, lasting=timedelta(hours=1))
    store.accounts.begin_flow("state", SignInFlow("nonce", "verifier", "/"), lasting=timedelta(hours=1))
    token = store.provider.give_token("sponsor", ["system/*.rs"], until=now() + timedelta(minutes=5))
    restore(store.back_up(tmp_path / "backups").folder, again, by="it")

    with Store.open(again) as opened:
        assert opened.accounts.session_account(session, idle=timedelta(hours=1)) is None
        assert opened.accounts.take_flow("state") is None
        assert opened.provider.token(token) is None
        assert opened.accounts.by_name("anna") == anna
    assert store.provider.token(token) is not None


def test_export_under_way_is_made_anew_and_the_files_of_others_are_not_promised(
    store: Store, tmp_path: Path, again: Path
) -> None:
    ids = [store.provider.ask(client="c", trial="t", request="r", wanted="{}", most=9) for _ in range(2)]
    for job in map(str, ids):
        store.provider.claim(job, "somebody")
    store.provider.complete(str(ids[1]), "somebody", at=now(), files="[1]", expires_at=now() + timedelta(days=1))
    restore(store.back_up(tmp_path / "backups").folder, again, by="it")

    with Store.open(again) as opened:
        found = [opened.provider.job(str(job)) for job in ids]
        assert [(job.state, job.owner, job.files) for job in found if job] == [
            ("accepted", "", "[]"),
            ("expired", "", "[]"),
        ]


@pytest.mark.parametrize("name", ["state.sqlite", "a file"])
def test_what_is_there_is_not_written_over(backup: Path, again: Path, name: str) -> None:
    again.mkdir()
    (again / name).write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        restore(backup, again, by="it")

    assert [(path.name, path.read_text()) for path in again.iterdir()] == [(name, "mine")]


def test_store_is_not_restored_into_a_file_or_into_the_backup(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", backup, backup / "var"):
        with pytest.raises(UsageError):
            restore(backup, folder, by="it")

    assert check_backup(backup)[1] == []
    assert not (backup / "var").exists()


def test_empty_volume_takes_the_store(backup: Path, again: Path) -> None:
    (again / "lost+found").mkdir(parents=True)
    restore(backup, again, by="it")

    with Store.open(again) as opened:
        assert list(live(opened)) == ["Patient/p"]
    assert (again / "lost+found").is_dir()


# Damage


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")


def swap_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lead_elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("name", ["lake/icm/Observation/*", "index/icm/Patient/*", "state.sqlite"])
@pytest.mark.parametrize("harm", [spoil, swap_a_bit, Path.unlink, lead_elsewhere])
def test_damaged_backup_is_named_by_file_and_not_put_back(
    backup: Path, again: Path, name: str, harm: Callable[[Path], object]
) -> None:
    (path,) = backup.glob(name)
    harm(path)
    (problem,) = check_backup(backup)[1]
    with pytest.raises(DamagedError) as caught:
        restore(backup, again, by="it")

    where = path.relative_to(backup).as_posix()
    assert problem.startswith(f"{where}: ")
    assert [found.partition(":")[0] for found in caught.value.problems] == [where]
    assert not again.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"files": {}},
        {"files": {"state.sqlite": {"sha256": "0" * 64, "size": 1}, "../outside": {"sha256": "0" * 64, "size": 1}}},
        {"files": {"state.sqlite": {"sha256": "0" * 64, "size": 1}, "/outside": {"sha256": "0" * 64, "size": 1}}},
        {"made_at": "yesterday"},
        {"format": "one"},
    ],
)
def test_manifest_that_is_none_is_damage(backup: Path, again: Path, change: dict[str, Any]) -> None:
    told = json.loads((backup / "backup.json").read_text())
    (backup / "backup.json").write_text(json.dumps(told | change))
    with pytest.raises(DamagedError, match=r"backup\.json: is not as it was written"):
        restore(backup, again, by="it")
    (backup / "backup.json").write_bytes(b"\xff{")
    with pytest.raises(DamagedError, match=r"backup\.json: is not as it was written"):
        check_backup(backup)


@pytest.mark.parametrize(
    "change", [{"format": 2, "version": "9.0.0", "more": 1}, {"revision": "9999", "version": "9.0.0"}]
)
def test_backup_of_a_later_release_is_refused(backup: Path, again: Path, change: dict[str, Any]) -> None:
    told = json.loads((backup / "backup.json").read_text())
    (backup / "backup.json").write_text(json.dumps(told | change))
    with pytest.raises(UsageError, match=r"later release \(9\.0\.0.*upgrade this one"):
        restore(backup, again, by="it")

    assert not again.exists()


def test_folder_without_manifest_is_no_backup(backup: Path, again: Path) -> None:
    (backup / "backup.json").unlink()
    for folder in (backup, backup / "state.sqlite", backup / "nowhere"):
        with pytest.raises(UsageError, match="is no backup"):
            restore(folder, again, by="it")


@pytest.mark.parametrize("call", [1, 4, 7])
def test_full_disk_leaves_nothing(backup: Path, again: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    fill_disk_at(monkeypatch, call)
    with pytest.raises(StorageError, match="No space left on device"):
        restore(backup, again, by="it")

    assert not again.exists()


# Broken off


def test_store_half_put_back_is_not_opened_and_is_begun_anew(backup: Path, again: Path) -> None:
    again.mkdir()
    (again / RESTORING).touch()
    shutil.copytree(backup / "lake", again / "lake")
    with pytest.raises(ConfigurationError, match="run `reluth restore` again"):
        Store.open(again)
    assert not (again / "state.sqlite").exists()

    restore(backup, again, by="it")
    with Store.open(again) as opened:
        assert list(live(opened)) == ["Patient/p"]


def test_two_restores_at_once_do_not_mix(backup: Path, again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def copy(source: Path, target: Path) -> Any:
        with pytest.raises(BusyError, match="another process"):
            restore(backup, again, by="second")
        seen.append(source.name)
        return copy_file(source, target)

    monkeypatch.setattr("adapter.store.restoring.copy_file", copy)
    restore(backup, again, by="first")

    assert len(seen) == len(check_backup(backup)[0].files)
    with Store.open(again) as opened:
        assert [line.actor for line in opened.audit_trail()] == ["first"]
