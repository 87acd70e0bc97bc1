"""In: the official test suite of SQL-on-FHIR v2 and an engine. Out: of each test whether it passes, and why not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from adapter.datasets.engines import ViewTable
from adapter.datasets.engines import duckdb as on_duckdb
from adapter.datasets.engines import spark as on_spark
from adapter.errors import ReluthError
from adapter.fhir.versions import FhirVersion
from adapter.terminology import Node
from adapter.views import ViewDefinition, parse_view

SUITE = Path(__file__).resolve().parents[3] / "shared" / "sql-on-fhir" / "tests"
MISSING = "the official SQL-on-FHIR suite is not here (shared/sql-on-fhir/tests beside the project)"

#: Tests that an engine does not pass, each with its reason; such a test must fail (strict).
EXPECTED_FAILURES: dict[str, dict[str, str]] = {"duckdb": {}, "spark": {}}

Run = Callable[[ViewDefinition, Sequence[Path]], ViewTable]


@dataclass(frozen=True)
class Case:
    """A test of the suite: the file it is from, its title, the test itself, the resources of its file."""

    file: str
    title: str
    test: dict[str, Any]
    resources: tuple[dict[str, Any], ...]

    @property
    def id(self) -> str:
        return f"{self.file}: {self.title}"

    @property
    def shareable(self) -> bool:
        return "shareable" in self.test.get("tags", ())


def cases(folder: Path = SUITE) -> list[Case]:
    """All tests of the suite, none where it is missing."""
    found = []
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        resources = tuple(document["resources"])
        found += [Case(file.stem, test["title"], test, resources) for test in document["tests"]]
    return found


def on_engine(name: str, spark: Any = None) -> Run:
    """How an engine runs a view of the suite: its tests name an element that FHIR lacks, so not strictly."""
    if name == "duckdb":
        return partial(on_duckdb.run, version=FhirVersion.R4, strict=False)
    return partial(on_spark.run, spark=spark, version=FhirVersion.R4, strict=False)


def failure(case: Case, run: Run) -> str | None:
    """Why a test fails; None where it passes."""
    with tempfile.TemporaryDirectory() as folder:
        files = _written(case.resources, Path(folder))
        try:
            view = parse_view(Node(case.test["view"], f"{case.file}.json"))
            table = run(view, [files[view.resource]] if view.resource in files else [])
        except ReluthError as fault:
            return None if case.test.get("expectError") else str(fault)
    if case.test.get("expectError"):
        return "an error was expected"
    return _difference(case, table)


def _written(resources: Sequence[dict[str, Any]], folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for resource in resources:
        kind = resource["resourceType"]
        found.setdefault(kind, folder / f"{kind}.ndjson")
        with found[kind].open("a", encoding="utf-8") as out:
            out.write(json.dumps(resource) + "\n")
    return found


def _difference(case: Case, table: ViewTable) -> str | None:
    decimals = {column.name for column in table.columns if column.type == "decimal"}
    got = sorted((_row(row, decimals) for row in table.table.to_pylist()), key=repr)
    expected = sorted((_row(row, decimals) for row in case.test["expect"]), key=repr)
    columns = case.test.get("expectColumns")
    if columns is not None and table.table.column_names != columns:
        return f"columns {table.table.column_names}, expected {columns}"
    if table.uncast:
        return f"values were not held: {table.uncast}"
    return None if got == expected else f"rows {got}, expected {expected}"


def _row(row: dict[str, Any], decimals: set[str]) -> list[tuple[str, Any]]:
    return sorted((name, _value(value, exact=name in decimals)) for name, value in row.items())


def _value(value: Any, *, exact: bool) -> Any:
    if isinstance(value, list):
        return [_value(each, exact=exact) for each in value]
    if value is None or isinstance(value, bool):
        return value
    if exact or isinstance(value, int | float):
        return Decimal(str(value)).normalize()
    return value
