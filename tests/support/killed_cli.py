"""In: a moment within the store's code, the words of a command. Out: `reluth` in a process of its own, killed at that moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["Moment", "reluth_killed_at"]

#: Whose function, its name, the how-manieth call; whether after it instead of before.
Moment = tuple[str, str, int, bool]

_KILLED_AT = """
import os, signal, sys
from adapter.cli import main
from adapter.store import forgetting, quarantine, removal, runs, shelf, state
place, name, at, after = eval(sys.argv[1])
owner = {"removal": removal, "run": runs.Run, "shelf": shelf.Shelf, "quarantine": quarantine.Quarantine, "state": state.State}[place]
whole, count = getattr(owner, name), 0
def killed(*told, **more):
    global count
    count += 1
    if count == at and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    found = whole(*told, **more)
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
setattr(owner, name, killed)
sys.exit(main(sys.argv[2:]))
"""


def reluth_killed_at(moment: Moment, *arguments: str, folder: Path) -> int:
    """Run a command and kill it at a moment; how the process ended."""
    command = [sys.executable, "-c", _KILLED_AT, repr(moment), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False).returncode
