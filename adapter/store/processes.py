"""In: a process number. Out: whether it lives, to tell a lock or folder in use from one left by a killed run."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["start_of"]


def start_of(pid: int) -> str | None:
    """When a living process started, in ticks since the machine did.

    Returns:
        "" where the system does not tell; None for a process that is gone, or is a zombie.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        # proc(5): the command in brackets may hold spaces; state is the field after it, starttime the 22nd.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in "ZX" else fields[19]
