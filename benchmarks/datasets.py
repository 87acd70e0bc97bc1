"""In: a number of subjects. Out: a table: seconds on the wall and of the processor that each stage of `reluth export` takes.

Every run exports in a process of its own, as the command does, from a centre that is made and pulled first. The first run of a store
compiles the views, numbers the records and keeps both; it is told beside the fastest. The ratio to a loop of orjson over
the same subjects' resources, measured in the same run, can be compared between machines. Wanted: the SDTM package of 146 subjects in
under 10 seconds.

    python benchmarks/datasets.py                     # 146 subjects, three formats
    python benchmarks/datasets.py --subjects 20 --runs 1 --quiet
"""

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
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

import orjson

from adapter.config import Settings
from adapter.datasets.package import export as exporting
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull

SITE, TRIAL = "icm", "nct04954820"
FORMS = ("sdtm", "views", "fhir")
WANTED_S = 10.0
#: Functions of the export, by the stage that they are; what no stage has is the rest.
STAGES = {
    "stage": ("stage",),
    "views": ("view_tables", "written_views"),
    "build": ("build_package",),
    "prepare and check": ("prepared", "check"),
    "write": ("write_sdtm", "write_datapackage", "reviewers_guide", "write_findings", "write_manifest"),
    "trace": ("digests_of", "write_cells", "write_resources", "keep_trace"),
}
Spent = tuple[float, float]


def main() -> int:
    """Print the table; 1 when the package with domains takes longer than wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=146)
    parser.add_argument("--runs", type=int, default=3, help="of each format; the fastest counts")
    parser.add_argument("--format", choices=FORMS, action="append")
    parser.add_argument("--quiet", action="store_true", help="one line a format, as JSON")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "FORMAT"), help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        print(json.dumps(_measured(Path(told.one[0]), told.one[1])))
        return 0
    slow = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder, told.subjects)
        loop = min(_orjson_loop(folder / "F") for _ in range(3))
        if not told.quiet:
            size = sum(path.stat().st_size for path in (folder / "F").glob("*.ndjson")) / 1e6
            print(
                f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
            )
            print(
                f"{told.subjects} subjects, {size:.0f} MB of NDJSON, a loop of orjson over it: {loop:.2f} s of the processor\n"
            )
        for form in told.format or FORMS:
            runs = [_in_a_process(folder, form) for _ in range(told.runs)]
            best = min(runs, key=lambda run: float(run["whole"][0]))
            _tell(form, best | {"first": runs[0]["whole"]}, loop, quiet=told.quiet)
            slow = slow or (form == "sdtm" and best["whole"][0] >= WANTED_S)
    return int(slow)


def _fill(folder: Path, subjects: int) -> None:
    simulate(folder / "F", patients=subjects, seed=5, on=date(2025, 6, 1), enrolled=subjects)
    (folder / "F/truth.ndjson").unlink()
    with Store.open(folder / "V") as store:
        pull(store, FolderSource(folder / "F"), site=SITE)


def _orjson_loop(feed: Path) -> float:
    begun = time.process_time()
    for path in feed.glob("*.ndjson"):
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
    return time.process_time() - begun


def _in_a_process(folder: Path, form: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(folder), form], capture_output=True, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(folder: Path, form: str) -> dict[str, Any]:
    spent: dict[str, list[float]] = {}
    for stage, functions in STAGES.items():
        for name in functions:
            _watch(name, spent.setdefault(stage, [0.0, 0.0]))
    settings = Settings.model_validate({"store": {"path": folder / "V"}, "sites": {SITE: {"site_code": "05"}}})
    request = exporting.Request(trial=TRIAL, format=form)  # type: ignore[arg-type] # one of FORMS
    with Store.open(folder / "V") as store:
        begun = _now()
        made = exporting.export(store, settings, folder / form, request)
        ended = _now()
    whole = (ended[0] - begun[0], ended[1] - begun[1])
    rest = [whole[at] - sum(some[at] for some in spent.values()) for at in (0, 1)]
    return {
        "whole": whole,
        "stages": {stage: some for stage, some in spent.items() if some[0]} | {"rest": rest},
        "subjects": made.subjects,
        "records": sum(made.records.values()),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _now() -> Spent:
    return time.perf_counter(), time.process_time()


def _watch(name: str, spent: list[float]) -> None:
    """Count what a function of the export takes, wherever it is called from there."""
    function: Callable[..., Any] = getattr(exporting, name)

    @wraps(function)
    def watched(*arguments: Any, **options: Any) -> Any:
        begun = _now()
        try:
            return function(*arguments, **options)
        finally:
            ended = _now()
            spent[0] += ended[0] - begun[0]
            spent[1] += ended[1] - begun[1]

    setattr(exporting, name, watched)


def _tell(form: str, run: dict[str, Any], loop: float, *, quiet: bool) -> None:
    if quiet:
        print(json.dumps({"format": form, "loop": round(loop, 3), **run}))
        return
    wall, processor = run["whole"]
    print(f"{form}: {run['subjects']} subjects, {run['records']} records, {run['memory']:.0f} MB at most")
    for stage, (seconds, cpu) in [*run["stages"].items(), ("whole", (wall, processor))]:
        print(f"  {stage:20} {seconds:7.2f} s  {cpu:7.2f} s of the processor  {cpu / loop:7.1f} loops of orjson")
    print(f"  {'the first run':20} {run['first'][0]:7.2f} s  {run['first'][1]:7.2f} s of the processor")
    if form == "sdtm":
        print(f"  wanted: below {WANTED_S:.0f} s; {'met' if wall < WANTED_S else 'not met'}")
    print()


if __name__ == "__main__":
    sys.exit(main())
