"""In: a machine without room, at every stage of a pull. Out: exit 75 that says so, nothing corrupt, and all there once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_bench import SITE, Bench, bench, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Habits

MODES = ("bulk", "search")
KILOBYTE = 1024
_LIMITED = """
import resource, signal, sys
from adapter.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("Mounting a small file system needs rights that this process does not have.")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SkippingClock:
    clock = SkippingClock()
    clock.install(monkeypatch)
    return clock


def _fill(disk: Path, *, leave: int) -> Path:
    """Take all room but so many bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(disk)
        free = room.f_bavail * room.f_frsize
        file.write(b"\0" * max(0, free - leave))
    return filler


def _change(place: Bench) -> None:
    """As much that is new as there is."""
    place.clock.sleep(3600)
    for type_, id_, _ in place.server.ward.held():
        place.server.ward.change(type_, id_, place.clock.now())


@pytest.mark.parametrize("leave", [0, 40, 96, 152, 208])
@pytest.mark.parametrize("mode", MODES)
def test_pull_without_room_says_so_and_harms_nothing(
    tmp_path: Path, small_disk: Path, clock: SkippingClock, mode: str, leave: int
) -> None:
    with bench(tmp_path, clock, habits=Habits(polls=0)) as place:
        settings(tmp_path, place.server, mode=mode)
        place.store = small_disk / "var"
        assert place.pull().code == 0
        before = place.held()
        _change(place)
        filler = _fill(small_disk, leave=leave * KILOBYTE)

        ran = place.pull()

        filler.unlink()
        place.check_run(ran)
        assert ran.code in (0, 75), ran.err
        if leave <= 40:
            assert ran.code == 75
        if ran.code:
            assert "make room" in ran.err
            assert place.held() == before
        again = place.pull()
        place.check_run(again)
        assert again.code == 0, again.err


@pytest.mark.parametrize("limit", [16, 40])
@pytest.mark.parametrize("mode", MODES)
def test_pull_that_may_write_no_larger_file_says_so_and_harms_nothing(
    tmp_path: Path, clock: SkippingClock, mode: str, limit: int
) -> None:
    # As a quota does it, where no small file system can be mounted: no file may grow beyond the limit.
    with bench(tmp_path, clock, habits=Habits(polls=0)) as place:
        settings(tmp_path, place.server, mode=mode)
        assert place.pull().code == 0
        before = place.held()
        _change(place)
        options = ["--config", str(tmp_path / "adapter.toml"), "--store", str(place.store)]

        done = subprocess.run(
            [sys.executable, "-c", _LIMITED, str(limit * KILOBYTE), *options, "pull", "--site", SITE, "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode in ((75,) if limit == 16 else (0, 75)), done.stderr
        if done.returncode:
            assert "make room" in done.stderr
            assert place.held() == before
        again = place.pull()
        place.check_run(again)
        assert again.code == 0, again.err
