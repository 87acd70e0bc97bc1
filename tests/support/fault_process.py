"""In: settings of a machine that pulls from a fault server. Out: `reluth pull` as a process of its own, that may be killed at a point.

A point is a request, at which the server holds and the process is killed from outside, or a call in the process, at which it kills itself.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from adapter.store.runs import Run
from tests.support.fault_bench import SITE

__all__ = ["CALLS", "KillPoint", "PullProcess", "count_calls", "kill_point", "start_pull"]

_SECONDS: Final = 90
#: Calls at which a process may kill itself; of ``commit`` before it and after it.
CALLS: Final = ("replace", "fsync", "commit", "committed")
_PROGRAM: Final = """
import os, signal, sys, time
from adapter.cli import main
from adapter.client import Clock
from adapter.store.runs import Run
import adapter.sync

name, nth, at = sys.argv[1], int(sys.argv[2]), 0
# In the background of a shell it would be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Nothing is worth waiting for: the server is well.
own = Clock.__init__.__defaults__
Clock.__init__.__defaults__ = tuple((lambda seconds: None) if part is time.sleep else part for part in own)

def deadly(real, after=False):
    def call(*arguments, **more):
        global at
        at += 1
        done = real(*arguments, **more) if after else None
        if at == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return done if after else real(*arguments, **more)
    return call

if name in ("replace", "fsync"):
    setattr(os, name, deadly(getattr(os, name)))
elif name:
    Run.commit = deadly(Run.commit, after=name == "committed")
sys.exit(main(sys.argv[3:]))
"""


@dataclass(frozen=True)
class KillPoint:
    """Where a pull is killed.

    Args:
        where: ``request`` or one of `CALLS`.
        nth: from 1.
        sent: of a request, how much of the answer has been sent.
    """

    where: str
    nth: int
    sent: float = 0.0


def kill_point(seed: int, counts: Mapping[str, int]) -> KillPoint:
    """A point at random.

    Args:
        seed: the same for the same point.
        counts: how often each happens in a pull that is not disturbed.
    """
    chance = random.Random(seed)
    where = chance.choice(["request"] * 5 + ["replace"] * 2 + ["fsync"] * 2 + ["commit", "committed"])
    return KillPoint(where, chance.randint(1, counts[where]), chance.choice([0.0, 0.5, 1.0]))


@contextmanager
def count_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How often the calls happen within the block."""
    counts = dict.fromkeys(CALLS, 0)

    def counting(name: str, real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            counts[name] += 1
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", counting("replace", os.replace))
        patched.setattr(os, "fsync", counting("fsync", os.fsync))
        patched.setattr(Run, "commit", counting("commit", counting("committed", Run.commit)))
        yield counts


@dataclass
class PullProcess:
    """One `reluth pull` under way."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_SECONDS)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Exit code (below 0: the signal that killed it), closing object (empty where there is none) and what it said, once it has ended."""
        out, err = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, json.loads(out) if out else {}, err.decode()


@contextmanager
def start_pull(folder: Path, store: Path, *more: str, dies: KillPoint | None = None) -> Iterator[PullProcess]:
    """A pull that has begun; killed at the end of the block if it still runs.

    Args:
        folder: with the settings.
        store: the store's folder.
        more: arguments of `reluth pull`.
        dies: a call at which it kills itself.
    """
    options = ["--config", str(folder / "adapter.toml"), "--store", str(store), "pull", "--site", SITE, "--json", *more]
    point = ("", "0") if dies is None or dies.where == "request" else (dies.where, str(dies.nth))
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *point, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        try:
            yield PullProcess(process)
        finally:
            process.kill()
