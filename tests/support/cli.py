"""In: arguments of `reluth`. Out: its stdout, stderr and exit code; run in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter.cli import main

__all__ = ["Ran", "reluth", "reluth_process"]


@dataclass(frozen=True)
class Ran:
    """One run of `reluth`."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        """Stdout as one JSON object."""
        return json.loads(self.out)

    @property
    def objects(self) -> list[Any]:
        """Stdout as NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def reluth(*arguments: str | Path) -> Ran:
    """Run `reluth` in this process, through the door that the installed command uses."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def reluth_process(*arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Ran:
    """Run `reluth` as a process of its own."""
    program = "import sys; from adapter.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
