"""Bytes a second of storing what was fetched (checked, indexed, raw and index in Parquet), beside an orjson loop over the same bytes.

The feed is made of simulated centres of 1,000 patients, each with a seed and ids of its own: one centre again and again would
please what remembers what it has read. Each step runs in a process of its own, in random order; the ratio is the median of the
rounds'. Peak memory is that of the storing process: what matters is that it is the same for a small and a large feed. No test
depends on the numbers.

    python benchmarks/storing.py                              # 100 MB, five rounds
    python benchmarks/storing.py --megabytes 1000 --rounds 1  # 1.2 GB of disk
    python benchmarks/storing.py --megabytes 5000 --rounds 1  # 6 GB of disk
"""

# ruff: noqa: PLC0415 - a step imports only what it measures, so that the peak memory is its own

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pull_and_screen import STEPS, Measure

WANTED = 0.3
WANTED_MB = 500
PATIENTS = 1_000
HEAD = "| round | orjson MB/s | ours MB/s | ratio | ratio of CPU | peak MB |\n|---|---|---|---|---|---|"


def main() -> int:
    """Make the feed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", choices=("orjson", "pull"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(STEPS[given.step](given.folder)))
        return 0
    print(
        f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}\n"
    )
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        folder = Path(name)
        megabytes = make_feed(folder, wanted=given.megabytes)
        print(f"{megabytes:.0f} MB\n\n{HEAD}")
        ratios, peaks = [], []
        for number in range(given.rounds):
            found: dict[str, Measure] = {}
            for step in random.sample(("orjson", "pull"), 2):
                shutil.rmtree(folder / "store", ignore_errors=True)
                found[step] = measured(step, folder)
            ratios.append(found["orjson"].wall / found["pull"].wall)
            peaks.append(found["pull"].peak_mb)
            speeds = [megabytes / found[step].wall for step in ("orjson", "pull")]
            cpu = found["orjson"].cpu / found["pull"].cpu
            print(
                f"| {number + 1} | {speeds[0]:.0f} | {speeds[1]:.1f} | {ratios[-1]:.3f} | {cpu:.3f} | {peaks[-1]:.0f} |",
                flush=True,
            )
    print(
        f"\nratio, median: {statistics.median(ratios):.3f} (wanted {WANTED}); peak {max(peaks):.0f} MB (below {WANTED_MB})"
    )
    return 0


def make_feed(folder: Path, *, wanted: int) -> float:
    """Write the feed; its size in MB."""
    from adapter.simulate import simulate

    (folder / "feed").mkdir()
    size, centre = 0, 0
    while size < wanted * 1_000_000:
        simulate(folder / "once", patients=PATIENTS, seed=centre + 1)
        (folder / "once" / "truth.ndjson").unlink()
        for path in sorted((folder / "once").iterdir()):
            with path.open("rb") as lines, (folder / "feed" / path.name).open("ab") as out:
                for line in lines:
                    own = line.replace(b'"id":"', b'"id":"c%d-' % centre, 1)
                    size += out.write(own.replace(b'"Patient/', b'"Patient/c%d-' % centre))
        shutil.rmtree(folder / "once")
        centre += 1
    return size / 1e6


def measured(step: str, folder: Path) -> Measure:
    """Run one step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Measure(**json.loads(done.stdout))


if __name__ == "__main__":
    raise SystemExit(main())
