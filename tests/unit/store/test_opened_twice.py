"""In: a store that one process opens twice. Out: the locks of the first are held still: SQLite knows that the state is in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from adapter.store import Store

#: Asks as another process would: whether anybody holds SQLite's shared lock (its bytes: sqlite.org, os.h, SHARED_FIRST).
_ASK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        sys.exit(3)
"""


def is_in_use(store: Store) -> bool:
    """Whether another process finds the state locked."""
    asked = subprocess.run([sys.executable, "-c", _ASK, store.folder / "state.sqlite"], timeout=60, check=False)
    return asked.returncode == 3


def test_store_opened_again_by_its_process_keeps_its_locks(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        store.runs()
        before = is_in_use(store)
        with Store.open(tmp_path / "var") as again:
            again.runs()

        assert (before, is_in_use(store)) == (True, True)
    assert not is_in_use(store)
