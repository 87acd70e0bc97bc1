"""A pull that is killed leaves nothing half-seen, and run again gives the store of one that was not disturbed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.unit.store.making import everything, live, observation, patient, write_folder

#: Kills itself, as kill -9 would, at the n-th call of one function.
_SCRIPT = """
import os, signal, sys
from pathlib import Path
from adapter.store import Store, writer
from adapter.store.runs import Run
from adapter.store.writer import LakeWriter
from adapter.sync import FolderSource, pull

folder, where, at, point, nth = Path(sys.argv[1]), Path(sys.argv[2]), 0, sys.argv[3], int(sys.argv[4])
writer._BATCH_ROWS = 10

def deadly(real):
    def call(*args, **kwargs):
        global at
        at += 1
        if at == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call

if point == "replace":
    os.replace = deadly(os.replace)
elif point == "fsync":
    os.fsync = deadly(os.fsync)
elif point == "before-commit":
    Run.commit = deadly(Run.commit)
elif point == "after-commit":
    LakeWriter._delete = deadly(LakeWriter._delete)
elif point == "before-letting-go":
    Run.close = deadly(Run.close)
with Store.open(folder) as store:
    pull(store, FolderSource(where), site="icm")
print("not killed")
"""

BEFORE = {
    "Patient.ndjson": b"".join(patient(f"p{n}", version=1) + b"\n" for n in range(5)),
    "Observation.ndjson": b"".join(observation(f"o{n}", f"p{n % 5}", version=1) + b"\n" for n in range(15)),
}
AFTER = {
    "Patient.ndjson": b"".join(patient(f"p{n}", version=1) + b"\n" for n in range(25)),
    "Observation.ndjson": b"".join(observation(f"o{n}", f"p{n % 25}", version=1 + n % 2) + b"\n" for n in range(60))
    + b'{"cut":\n',
}


def _pull(folder: Path, feed: Path) -> None:
    with Store.open(folder) as store:
        pull(store, FolderSource(feed), site="icm")


@pytest.mark.parametrize(
    ("point", "nth", "seen"),
    [
        pytest.param("fsync", 1, False, id="writing-the-first-file"),
        pytest.param("replace", 1, False, id="naming-the-first-file"),
        pytest.param("replace", 2, False, id="between-raw-and-index"),
        pytest.param("replace", 7, False, id="in-the-middle"),
        pytest.param("before-commit", 1, False, id="before-the-commit"),
        pytest.param("after-commit", 1, True, id="after-the-commit"),
        pytest.param("before-letting-go", 1, True, id="before-the-site-is-let-go"),
    ],
)
def test_pull_killed_and_run_again_is_a_pull_undisturbed(tmp_path: Path, point: str, nth: int, seen: bool) -> None:
    before, after = write_folder(tmp_path / "before", BEFORE), write_folder(tmp_path / "after", AFTER)
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for folder in (quiet, killed):
        _pull(folder, before)
    _pull(quiet, after)

    command = [sys.executable, "-c", _SCRIPT, str(killed), str(after), point, str(nth)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (-9, b""), done.stderr.decode()

    with Store.open(quiet) as expected, Store.open(killed) as store:
        stats = store.lake.stats()["sites"]["icm"]
        assert (stats["Patient"]["live"] == 25) is seen
        assert (stats["Observation"]["live"] == 60) is seen
        # What is seen has told what it did.
        assert (store.runs("pull")[0].summary is not None) is seen
        pull(store, FolderSource(after), site="icm")

        assert everything(store) == everything(expected)
        assert live(store) == live(expected)
        assert len(store.quarantined("icm")) == len(expected.quarantined("icm")) == 1
        on_disk = {str(path) for path in killed.glob("index/icm/*/*")}
        assert on_disk == set(store.lake.index_files("icm"))
        assert len(list(killed.glob("lake/icm/*/*"))) == len(on_disk)
