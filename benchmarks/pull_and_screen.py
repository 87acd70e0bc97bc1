"""In: sizes (simulated patients). Out: a table: pull-from-folder MB/s, screen patients/s, peak memory, each beside a plain orjson loop.

Every step runs in a process of its own, one after the other, in one run on one machine: the ratios can be compared,
the absolute numbers depend on the machine. No test depends on them.

    python benchmarks/pull_and_screen.py            # 500, 2,000 and 8,000 patients
    python benchmarks/pull_and_screen.py 200 400
"""

# ruff: noqa: PLC0415 - a step imports only what it measures, so that the peak memory is its own

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

SIZES = (500, 2_000, 8_000)
SEED = 1
DAY = date(2025, 6, 1)
SITE = "bench"
TRIAL = "nct04954820"


@dataclass(frozen=True)
class Measure:
    """One step: wall and CPU seconds without start-up, peak memory of its process, how many it handled."""

    wall: float
    cpu: float
    peak_mb: float
    handled: int


def main() -> int:
    """Run all steps at each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES), help="numbers of simulated patients")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(STEPS[given.step](given.folder)))
        return 0
    print(
        f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}\n"
    )
    print(HEAD)
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
            print(row(size, Path(name)), flush=True)
    print(NOTES)
    return 0


HEAD = """\
| patients | feed MB | orjson MB/s | pull MB/s | x CPU | screen --all /s | x CPU | screen /s | peak MB orjson | pull | x | screen --all | x |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""
NOTES = """
orjson: read every line of every file and decode it. pull: the same files into a new store. screen --all: every patient evaluated and written as JSON;
screen: narrowing, then the candidates, in persons of the centre a second. x CPU: CPU seconds over those of the orjson loop. x: peak memory over its peak."""


def row(size: int, folder: Path) -> str:
    """One line of the table."""
    from adapter.simulate import simulate

    simulate(folder / "feed", patients=size, seed=SEED, on=DAY)
    (folder / "feed" / "truth.ndjson").unlink()
    megabytes = sum(path.stat().st_size for path in (folder / "feed").iterdir()) / 1e6
    loop, pulled, everybody, candidates = (
        measured(step, folder) for step in ("orjson", "pull", "screen-all", "screen")
    )
    cells = [
        f"{size:,}",
        f"{megabytes:.1f}",
        f"{megabytes / loop.wall:.0f}",
        f"{megabytes / pulled.wall:.1f}",
        f"{pulled.cpu / loop.cpu:.1f}",
        f"{everybody.handled / everybody.wall:.0f}",
        f"{everybody.cpu / loop.cpu:.1f}",
        f"{everybody.handled / candidates.wall:.0f}",
        f"{loop.peak_mb:.0f}",
        f"{pulled.peak_mb:.0f}",
        f"{pulled.peak_mb / loop.peak_mb:.1f}",
        f"{everybody.peak_mb:.0f}",
        f"{everybody.peak_mb / loop.peak_mb:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def measured(step: str, folder: Path) -> Measure:
    """Run one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, "--folder", str(folder)], capture_output=True, text=True, check=True
    )
    return Measure(**json.loads(done.stdout))


def timed(work: Callable[[], int]) -> dict[str, float]:
    """Run the work; what was imported before does not count."""
    wall, cpu = time.perf_counter(), time.process_time()
    handled = work()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "handled": handled,
    }


def peak_mb() -> float:
    """Peak resident memory of this process.

    proc(5) VmHWM starts anew at exec; getrusage(2) ru_maxrss, used where there is no /proc, begins with the parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def orjson_loop(folder: Path) -> dict[str, float]:
    """Decode every line."""
    import orjson

    def work() -> int:
        read = 0
        for path in sorted((folder / "feed").iterdir()):
            with path.open("rb") as lines:
                for line in lines:
                    orjson.loads(line)
                    read += 1
        return read

    return timed(work)


def pull_folder(folder: Path) -> dict[str, float]:
    """Pull the feed into a new store."""
    from adapter.store import Store
    from adapter.sync import FolderSource, pull

    def work() -> int:
        with Store.open(folder / "store") as store:
            summary = pull(store, FolderSource(folder / "feed"), site=SITE)
        return sum(counts.read for counts in summary.types.values())

    return timed(work)


def screen_everybody(folder: Path) -> dict[str, float]:
    """Evaluate every patient."""
    return _screen(folder, everyone=True)


def screen_candidates(folder: Path) -> dict[str, float]:
    """Narrow, then evaluate the candidates."""
    return _screen(folder, everyone=False)


def _screen(folder: Path, *, everyone: bool) -> dict[str, float]:
    import msgspec

    from adapter.documents import load_site, load_trial
    from adapter.screening import Asked, screen
    from adapter.store import Store

    trial, site = load_trial(TRIAL), load_site(SITE)

    def work() -> int:
        evaluated = 0
        asked = Asked(today=DAY, on=DAY, everyone=everyone, save=False)
        with Store.open(folder / "store") as store, (folder / "verdicts.ndjson").open("wb") as out:
            for verdict in screen(store, trial, site, asked):
                out.write(msgspec.json.encode(verdict.to_json()) + b"\n")
                evaluated += 1
        return evaluated

    return timed(work)


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {
    "orjson": orjson_loop,
    "pull": pull_folder,
    "screen": screen_candidates,
    "screen-all": screen_everybody,
}


if __name__ == "__main__":
    sys.exit(main())
