"""CPU seconds of flattening Observations (NDJSON) to Parquet with a compiled view, beside parsers and other tools on the same file.

Each step runs in a process of its own; seconds are those of all its threads, user and system. The parse rate is that of
pysimdjson, which looks at every byte of every line and keeps nothing. Imports are not in the seconds. Others make the same columns, as far as they can. What
is not the product's is installed into .cache/bench-views, where an index is at hand; what cannot be had is said so. No test
depends on the numbers.

    python benchmarks/views.py                     # 100 MB, three rounds
    python benchmarks/views.py --megabytes 1000 --rounds 1   # 1 GB of disk
"""

# ruff: noqa: PLC0415 - a step imports only what it measures, so that the peak memory is its own

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench-views"
WANTED_OF_PARSER, WANTED_OF_POLARS, WANTED_OF_PYSOF, WANTED_MB = 0.25, 5, 10, 400
HEAD = "| step | CPU seconds (median) | MB per CPU second | peak MB | rows |\n|---|---|---|---|---|"

LOINC = "http://loinc.org"
VIEW: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "name": "laboratory",
    "resource": "Observation",
    "status": "active",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "id"},
                {"name": "version", "path": "meta.versionId", "type": "id"},
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "string"},
                {"name": "status", "path": "status", "type": "code"},
                {"name": "code", "path": f"code.coding.where(system = '{LOINC}').code.first()", "type": "code"},
                {"name": "effective", "path": "effective.ofType(dateTime)", "type": "dateTime"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "unit", "path": "value.ofType(Quantity).unit", "type": "string"},
                {"name": "unit_code", "path": "value.ofType(Quantity).code", "type": "code"},
                {"name": "low", "path": "referenceRange.low.value.first()", "type": "decimal"},
                {"name": "high", "path": "referenceRange.high.value.first()", "type": "decimal"},
            ]
        }
    ],
}
TESTS = (
    *(("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 8, 17), ("777-3", "Platelets", "10*9/L", 40, 400)),
    *(("2160-0", "Creatinine [Mass/volume] in Serum", "mg/dL", 0, 3), ("1742-6", "ALT", "U/L", 5, 90)),
    *(("1975-2", "Bilirubin.total", "umol/L", 3, 40), ("751-8", "Neutrophils", "10*9/L", 1, 9)),
)


def feed(file: Path, megabytes: int) -> None:
    """Observations of one file, always the same."""
    chance, size, number = random.Random(1), 0, 0
    with file.open("w", encoding="utf-8") as out:
        while size < megabytes * 1_000_000:
            line = json.dumps(_observation(number, chance), separators=(",", ":")) + "\n"
            out.write(line)
            size, number = size + len(line), number + 1


def _observation(number: int, chance: random.Random) -> dict[str, Any]:
    code, display, unit, low, high = chance.choice(TESTS)
    day = f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    quantity = {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "meta": {"versionId": str(chance.randrange(1, 4)), "lastUpdated": f"{day}T10:00:00.000+01:00"},
        "status": chance.choice(["final", "final", "final", "corrected"]),
        "category": [{"coding": [{"system": category, "code": "laboratory", "display": "Laboratory"}]}],
        "code": {
            "coding": [
                {"system": "urn:local", "code": display[:3]},
                {"system": LOINC, "code": code, "display": display},
            ],
            "text": display,
        },
        "subject": {"reference": f"Patient/p{chance.randrange(5000)}"},
        "encounter": {"reference": f"Encounter/e{number // 12}"},
        "effectiveDateTime": f"{day}T08:15:00+01:00",
        "issued": f"{day}T10:00:00.000+01:00",
        "valueQuantity": {"value": round(chance.uniform(low, high), 1), **quantity},
        "referenceRange": [{"low": {"value": low, **quantity}, "high": {"value": high, **quantity}}],
    }


def ours(file: Path, out: Path, memory_limit: str | None = None) -> int:
    from adapter.datasets.engines.duckdb import write
    from adapter.terminology import Node
    from adapter.views import parse_view

    written = write(parse_view(Node(VIEW, "laboratory.json")), [file], out, memory_limit=memory_limit)
    assert not written.uncast
    return written.rows


def limited(file: Path, out: Path) -> int:
    return ours(file, out, "200MB")


def hand_written(file: Path, out: Path) -> int:
    import duckdb

    part = "STRUCT(value VARCHAR, unit VARCHAR, code VARCHAR)"
    columns = (
        "{id: 'VARCHAR', status: 'VARCHAR', effectiveDateTime: 'VARCHAR', meta: 'STRUCT(versionId VARCHAR)', "
        "subject: 'STRUCT(reference VARCHAR)', code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])', "
        f"valueQuantity: '{part}', referenceRange: 'STRUCT(low {part}, high {part})[]'}}"
    )
    [(rows,)] = (
        duckdb.connect()
        .execute(
            f"""COPY (SELECT id, meta.versionId AS version, substr(subject.reference, 9) AS patient, status,
            list_filter(code.coding, lambda x: x.system = '{LOINC}')[1].code AS code, effectiveDateTime AS effective,
            valueQuantity.value AS value, valueQuantity.unit AS unit, valueQuantity.code AS unit_code,
            referenceRange[1].low.value AS low, referenceRange[1].high.value AS high
            FROM read_json('{file}', format = 'newline_delimited', columns = {columns}))
            TO '{out}' (FORMAT parquet, COMPRESSION zstd)"""
        )
        .fetchall()
    )
    return int(rows)


def simdjson(file: Path, _: Path) -> int:
    import simdjson as parser_library  # type: ignore[import-not-found]

    parser, rows = parser_library.Parser(), 0
    with file.open("rb") as lines:
        for line in lines:
            parser.parse(line)
            rows += 1
    return rows


def polars(file: Path, out: Path) -> int:
    import polars as pl  # type: ignore[import-not-found]

    value, reference = pl.col("valueQuantity").struct, pl.col("referenceRange").list.first().struct
    loinc = pl.element().filter(pl.element().struct.field("system") == LOINC).struct.field("code")
    (
        pl.scan_ndjson(file)
        .select(
            pl.col("id"),
            pl.col("meta").struct.field("versionId").alias("version"),
            pl.col("subject").struct.field("reference").str.strip_prefix("Patient/").alias("patient"),
            pl.col("status"),
            pl.col("code").struct.field("coding").list.eval(loinc).list.first().alias("loinc"),
            pl.col("effectiveDateTime").alias("effective"),
            value.field("value"),
            value.field("unit"),
            value.field("code").alias("unit_code"),
            reference.field("low").struct.field("value").alias("low"),
            reference.field("high").struct.field("value").alias("high"),
        )
        .collect()
        .write_parquet(out)
    )
    return int(pl.scan_parquet(out).select(pl.len()).collect().item())


def pysof(file: Path, out: Path) -> int:
    import pysof as runner  # type: ignore[import-not-found]

    resources = [{"resource": json.loads(line)} for line in file.open(encoding="utf-8")]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": resources}
    out.write_bytes(runner.run_view_definition(VIEW, bundle, "parquet"))
    return len(resources)


STEPS: dict[str, Callable[[Path, Path], int]] = {
    "ours": ours,
    "ours, memory_limit 200MB": limited,
    "DuckDB SQL by hand": hand_written,
    "pysimdjson": simdjson,
    "polars": polars,
    "pysof": pysof,
}
FOREIGN = {"pysimdjson": "simdjson", "polars": "polars", "pysof": "pysof"}


def interpreter(step: str) -> str | None:
    """The Python that has what a step needs; None where that cannot be installed or run."""
    if step not in FOREIGN:
        return sys.executable
    python = CACHE / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", CACHE], check=True)
    found = [str(python), "-c", f"import {FOREIGN[step]}"]
    if subprocess.run(found, check=False, capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", step], check=False, capture_output=True)
    return None if subprocess.run(found, check=False, capture_output=True).returncode else str(python)


def measured(step: str, python: str, file: Path, folder: Path) -> dict[str, Any] | None:
    """Run a step in a process of its own; None where it did not come to an end."""
    command = [python, __file__, "--step", step, "--file", str(file), "--out", str(folder / "out.parquet")]
    path = str(ROOT) if step not in FOREIGN else ""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        print(f"{step}: it failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def step(name: str, file: Path, out: Path) -> None:
    # Imports are paid once, whatever the file's size: a run over a few lines pays them before the clock starts.
    few = out.with_name("few.ndjson")
    with file.open("rb") as lines:
        few.write_bytes(b"".join(islice(lines, 100)))
    STEPS[name](few, out)
    started = time.process_time()
    rows = STEPS[name](file, out)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.process_time() - started
    print(json.dumps({"rows": rows, "cpu": seconds, "peak": usage.ru_maxrss / 1024}))


def main() -> int:
    """Make the feed, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], choices=STEPS, help="steps to leave out")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        step(given.step, given.file, given.out)
        return 0
    print(
        f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        folder = Path(name)
        file = folder / "Observation.ndjson"
        feed(file, given.megabytes)
        megabytes = file.stat().st_size / 1_000_000
        print(f"{megabytes:.0f} MB\n\n{HEAD}")
        pythons = {name: interpreter(name) for name in STEPS if name not in given.without}
        verdicts(rounds(file, folder, given.rounds, pythons))
    return 0


def rounds(file: Path, folder: Path, count: int, pythons: dict[str, str | None]) -> dict[str, dict[str, float]]:
    """The median of each step, printed."""
    found, megabytes = {}, file.stat().st_size / 1_000_000
    runs: dict[str, list[dict[str, Any] | None]] = {name: [] for name in pythons}
    for _ in range(count):
        for name, python in pythons.items():
            runs[name].append(None if python is None else measured(name, python, file, folder))
    for name, results in runs.items():
        whole = [each for each in results if each is not None]
        if not whole:
            print(f"| {name} | missing: it cannot be installed, or did not come to an end | | | |")
            continue
        cpu = statistics.median(each["cpu"] for each in whole)
        peak = max(each["peak"] for each in whole)
        print(f"| {name} | {cpu:.2f} | {megabytes / cpu:.0f} | {peak:.0f} | {whole[0]['rows']} |")
        found[name] = {"cpu": cpu, "peak": peak}
    return found


def verdicts(found: dict[str, dict[str, float]]) -> None:
    """What was promised, and what came out."""
    own = found["ours"]
    print(f"\npeak memory {own['peak']:.0f} MB, wanted under {WANTED_MB}")
    if "pysimdjson" in found:
        print(
            f"of the parse rate of pysimdjson: {found['pysimdjson']['cpu'] / own['cpu']:.2f}, wanted {WANTED_OF_PARSER}"
        )
    for other, wanted in (("polars", WANTED_OF_POLARS), ("pysof", WANTED_OF_PYSOF)):
        if other in found:
            print(f"times {other}: {found[other]['cpu'] / own['cpu']:.1f}, wanted {wanted}")
        else:
            print(f"times {other}: not measured, it is missing here or was left out")


if __name__ == "__main__":
    sys.exit(main())
