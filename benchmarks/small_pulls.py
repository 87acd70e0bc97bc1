"""In: a number of small pulls. Out: how long a pull, one person's screening and everybody's take as they go on, with segments merged and without.

Each pull brings a new version of one Observation and of one Condition, as a pull each quarter of an hour does. The same pulls go into
two stores; in one of them segments are never merged, as before. Ratios are of the same moment of one run; no test depends on them.

    python benchmarks/small_pulls.py            # 800 pulls: eight days of a pull each quarter of an hour
    python benchmarks/small_pulls.py 3000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

from adapter.criteria import Trial
from adapter.documents import load_site, load_trial
from adapter.screening import Asked, screen
from adapter.simulate import simulate
from adapter.store import Store
from adapter.store.lake import Lake
from adapter.sync import FolderSource, pull
from adapter.terminology import Site

DAY = date(2025, 6, 1)
SITE, TRIAL = "bench", "nct04954820"
PATIENTS = 300
HEAD = "| pulls | segments | | pull s | | one person s | | everybody s | |\n|---|---|---|---|---|---|---|---|---|"


def main() -> int:
    """Pull, measure at some moments, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pulls", nargs="?", type=int, default=800)
    given = parser.parse_args()
    print(f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    print(f"left merged, right never merged\n\n{HEAD}")
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        folder = Path(name)
        simulate(folder / "feed", patients=PATIENTS, seed=1, on=DAY)
        (folder / "feed" / "truth.ndjson").unlink()
        with Store.open(folder / "store") as store:
            pull(store, FolderSource(folder / "feed"), site=SITE)
        shutil.copytree(folder / "store", folder / "never")
        with Store.open(folder / "store") as store, Store.open(folder / "never") as never:
            _go_on(store, never, folder, pulls=given.pulls)
    return 0


def _go_on(store: Store, never: Store, folder: Path, *, pulls: int) -> None:
    trial, site = load_trial(TRIAL), load_site(SITE)
    lines = {
        type_: (folder / "feed" / f"{type_}.ndjson").read_bytes().splitlines() for type_ in ("Observation", "Condition")
    }
    moments = {1, *(pulls * part // 4 for part in range(1, 5))}
    for number in range(1, pulls + 1):
        small = folder / "small"
        small.mkdir(exist_ok=True)
        for type_, found in lines.items():
            resource = json.loads(found[number % len(found)])
            resource["meta"] = {"versionId": str(1_000 + number), "lastUpdated": "2025-05-20T10:00:00Z"}
            (small / f"{type_}.ndjson").write_text(json.dumps(resource) + "\n")
        mine = _seconds(partial(pull, store, FolderSource(small), site=SITE))
        with patch.object(Lake, "compact", return_value={}):
            theirs = _seconds(partial(pull, never, FolderSource(small), site=SITE))
        if number in moments:
            _print(number, [(store, mine), (never, theirs)], trial, site)


def _print(number: int, stores: list[tuple[Store, float]], trial: Trial, site: Site) -> None:
    cells: list[list[str]] = [[], [], [], []]
    for store, pulled in stores:
        person = max(store.lake.records(SITE), key=lambda found: len(found.resources)).patient
        one = Asked(today=DAY, on=DAY, patients=(person,), save=False)
        everybody = Asked(today=DAY, on=DAY, save=False)
        values = (
            str(len(store.lake.index_files(SITE))),
            f"{pulled:.2f}",
            *(f"{_seconds(partial(_screened, store, trial, site, asked)):.2f}" for asked in (one, everybody)),
        )
        for cell, value in zip(cells, values, strict=True):
            cell.append(value)
    print(f"| {number} | {' | '.join(' | '.join(cell) for cell in cells)} |", flush=True)


def _screened(store: Store, trial: Trial, site: Site, asked: Asked) -> None:
    for _ in screen(store, trial, site, asked):
        pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
