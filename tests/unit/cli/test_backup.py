"""Promises of `reluth backup` and `reluth restore`: the same answers afterwards; killed at any moment, nothing half-made passes for whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.cli.patients import actor
from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.unit.store.making import fill, observation, patient

#: Runs `reluth`, and is killed (not ended: no handler runs) when it has written to the disk for the n-th time, 0 for never.
_KILLED = """
import os, signal, sys
from adapter.cli import main
left, real = int(sys.argv[1]), os.fsync
def fsync(descriptor):
    global left
    real(descriptor)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
sys.exit(main(sys.argv[2:]))
"""
ON = "2025-06-01"


def killed(call: int, *arguments: str | Path) -> int:
    command = [sys.executable, "-c", _KILLED, str(call), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "var") as opened:
        fill(opened, [patient("p"), observation("o", "p")])
    return tmp_path / "var"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def backups(home: Path) -> list[Path]:
    """Those that are done: what begins with a dot is not, whatever is in it."""
    return sorted(home.glob("[!.]*"))


def answers(store: Path) -> Iterator[str]:
    """What the commands say of a store, byte for byte."""
    for asked in (
        ("store", "stats", "--json"),
        ("worklist", "--json"),
        ("log", "--csv"),
        ("screen", "--on", ON, "--json"),
        ("why", "demo/p000016", "--on", ON),
    ):
        ran = reluth("--store", store, *asked)
        assert ran.code == 0, ran.err
        yield ran.out


def test_restored_store_gives_the_same_answers(tmp_path: Path, home: Path) -> None:
    var, again = tmp_path / "var", tmp_path / "again"
    reluth("simulate", tmp_path / "feed", "--patients", "60", "--seed", "1")
    reluth("--store", var, "pull", "--from", tmp_path / "feed", "--site", "demo")
    reluth("--store", var, "screen", "--on", ON)
    reluth("--store", var, "decide", "demo/p000016", "to-review", "--reason", "E07")
    before = list(answers(var))
    made = reluth("--store", var, "backup", home)
    put_back = reluth("--store", again, "restore", made.out.strip())

    assert (made.code, put_back.code) == (0, 0)
    assert list(answers(again)) == before
    assert reluth("--store", again, "store", "check").code == 0
    # A pull goes on where the backup was.
    ran = reluth("--store", again, "pull", "--from", tmp_path / "feed", "--site", "demo", "--json")
    assert {(counts["new"], counts["changed"]) for counts in ran.object["types"].values()} == {(0, 0)}


def test_backup_tells_machines_and_the_audit_trail(store: Path, home: Path) -> None:
    made = reluth("--store", store, "backup", home, "--json").object
    (folder,) = backups(home)
    again = home.parent / "again"
    put_back = reluth("--store", again, "restore", folder, "--json").object

    assert made == {
        "backup": str(folder),
        "files": 5,
        "linked": 0,
        "left_out": 0,
        "problems": [],
        **{key: made[key] for key in ("made_at", "bytes")},
    }
    assert put_back == {
        "store": str(again),
        "backup": str(folder),
        "version": "0.1.0",
        "sites": ["icm"],
        "problems": [],
        **{key: made[key] for key in ("made_at", "files", "bytes")},
    }
    with Store.open(store) as opened:
        trail = [(line.actor, line.action, line.subject, line.detail) for line in opened.audit_trail()]
        assert opened.last_backup() == opened.audit_trail()[0].at
    assert trail == [(actor(), "backup", "store", folder.name)]


def test_restore_ends_with_what_to_think_of(store: Path, home: Path) -> None:
    reluth("--store", store, "backup", home)
    (folder,) = backups(home)
    ran = reluth("--store", home.parent / "again", "restore", folder)

    assert "who was forgotten since then is in it again" in ran.err
    assert "everybody has to sign in again" in ran.err
    assert reluth("--store", home.parent / "third", "restore", folder, "--quiet").err == ""


def test_check_writes_nothing_and_names_what_is_wrong(store: Path, home: Path) -> None:
    reluth("--store", store, "backup", home)
    (folder,) = backups(home)
    whole = reluth("--store", home.parent / "again", "restore", "--check", folder)
    (segment,) = folder.glob("lake/icm/Patient/*")
    segment.write_bytes(b"")
    damaged = reluth("restore", "--check", folder)
    told = reluth("restore", "--check", folder, "--json").object
    refused = reluth("--store", home.parent / "again", "restore", folder)

    named = f"lake/icm/Patient/{segment.name}: is not as it was written"
    assert (whole.code, whole.out) == (0, "")
    assert (damaged.code, damaged.out) == (5, f"{named}\n")
    assert (told["ok"], told["damaged"], told["problems"]) == (False, [named], [])
    assert (refused.code, refused.err) == (5, f"reluth: {folder}: {named}\n")
    assert not (home.parent / "again").exists()


def test_store_that_lost_something_is_backed_up_and_says_so(store: Path, home: Path) -> None:
    (segment,) = (store / "lake/icm/Patient").iterdir()
    segment.unlink()
    ran = reluth("--store", store, "backup", home)
    (folder,) = backups(home)
    named = f"reluth: lake/icm/Patient/{segment.name}: is missing in the store\n"

    assert (ran.code, ran.err.endswith(named)) == (5, True)
    for ran in (reluth("restore", "--check", folder), reluth("--store", home / "again", "restore", folder)):
        assert (ran.code, ran.err.endswith(named)) == (5, True)
    with Store.open(store) as opened:
        assert [line.action for line in opened.audit_trail()] == ["backup-in-part"]
        assert opened.last_backup() is None


def test_files_of_no_run_are_left_out_and_told(store: Path, home: Path) -> None:
    for room in ("lake", "index"):
        (store / room / "icm" / "Patient" / "19990101T000000Z-000009-1.parquet").touch()
    ran = reluth("--store", store, "backup", home)
    (folder,) = backups(home)

    assert ran.code == 0
    assert "2 files that no run of this state wrote are left out" in ran.err
    assert len(list(folder.glob("lake/icm/Patient/*"))) == 1
    assert reluth("--store", store, "backup", home / "other", "--json").object["left_out"] == 2


def test_nothing_to_back_up_and_nothing_to_restore_is_usage(tmp_path: Path, home: Path) -> None:
    assert reluth("--store", tmp_path / "nowhere", "backup", home).code == 2
    assert reluth("--store", tmp_path / "nowhere", "restore", home).code == 2
    assert reluth("restore", "--check", tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_to_be_tried_again(store: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("adapter.store.backup.copy_file", full)
    ran = reluth("--store", store, "backup", home)

    assert (ran.code, "make room" in ran.err, backups(home)) == (75, True, [])


# Killed


@pytest.mark.parametrize("call", [1, 4, 9, 14, 15])
def test_backup_that_is_killed_is_none_and_the_next_clears_it_away(store: Path, home: Path, call: int) -> None:
    code = killed(call, "--store", store, "backup", home)
    made = [reluth("restore", "--check", folder).code for folder in backups(home)]

    assert (code, made) == (-signal.SIGKILL, [])
    assert reluth("--store", store, "store", "check").code == 0
    assert reluth("--store", store, "backup", home).code == 0
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == [".backup.lock"]
    assert [reluth("restore", "--check", folder).code for folder in backups(home)] == [0]


@pytest.mark.parametrize("call", [1, 3, 6, 8, 15])
def test_store_whose_restore_is_killed_is_none_until_it_is_done(store: Path, home: Path, call: int) -> None:
    reluth("--store", store, "backup", home)
    (folder,) = backups(home)
    again = home.parent / "again"
    code = killed(call, "--store", again, "restore", folder)
    opened = reluth("--store", again, "worklist")

    assert (code, opened.code) == (-signal.SIGKILL, 2)
    assert "run `reluth restore` again" in opened.err
    assert reluth("--store", again, "restore", folder).code == 0
    assert reluth("--store", again, "store", "check").code == 0
    assert json.loads(reluth("--store", again, "store", "stats", "--json").out) == stats(store)


def stats(store: Path) -> object:
    ran: Ran = reluth("--store", store, "store", "stats", "--json")
    return ran.object
