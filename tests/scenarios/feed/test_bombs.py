"""In: a megabyte that unpacks to a gigabyte, for a file and for a page. Out: it is refused and named, in little memory and time."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.fault_bench import bench, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Does, Fault, Habits
from tests.support.fault_process import start_pull

#: Of the process, at its height. What a store needs is within: about 200 MB.
MEGABYTES = 450
SECONDS = 60


def _peak_kilobytes(process: subprocess.Popen[bytes]) -> int:
    """Peak memory of a process, until it ends; what wait4(2) tells begins with that of its parent."""
    peak = 0
    while process.poll() is None:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.02)
    return peak


@pytest.mark.parametrize(
    ("mode", "at", "of", "does", "named"),
    [
        pytest.param("bulk", "file", "Patient.1", "bomb", "Patient.1.ndjson", id="file-of-one-line"),
        pytest.param("bulk", "file", "Patient.1", "bomb-lines", "Patient.1.ndjson", id="file-of-many-lines"),
        pytest.param("bulk", "status", "", "bomb", "status", id="manifest"),
        pytest.param("bulk", "metadata", "", "bomb", "metadata", id="metadata"),
        pytest.param("search", "next", "Observation", "bomb", "Observation", id="page"),
    ],
)
def test_bomb_is_refused_and_named_in_little_memory(
    tmp_path: Path, mode: str, at: str, of: str, does: Does, named: str
) -> None:
    with bench(tmp_path, SkippingClock(), habits=Habits(polls=0)) as place:
        settings(tmp_path, place.server, mode=mode)
        place.server.faults.add(Fault(at, does, of=of, times=0))
        began = time.monotonic()

        with start_pull(tmp_path, place.store) as pull:
            peak = _peak_kilobytes(pull.process)
            code, told, said = pull.end()

        assert code in (4, 5, 75), said
        assert named in said
        assert told.get("complete", False) is False
        assert 50 * 1024 < peak < MEGABYTES * 1024
        assert time.monotonic() - began < SECONDS
        place.check_sound()
        place.server.faults.clear()
        assert place.pull().code == 0
        place.check_all()
