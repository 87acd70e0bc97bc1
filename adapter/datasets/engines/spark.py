"""In: a view and files of resources, one a line. Out: its table, made by Apache Spark; the extra ``spark`` brings it.

The expression is the one that DuckDB runs, in Spark's words. Spark's own JSON reader takes the last of two equal keys without
a word, so every line is checked before: that is done here in Python, as it is where DuckDB stopped.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from adapter.datasets.engines.duckdb import DEEPEST, OnBadLine
from adapter.datasets.engines.lines import copy_good_lines
from adapter.datasets.engines.tables import Tally, ViewTable, arrow_schema
from adapter.errors import DocumentError, QuarantinedError
from adapter.fhir.versions import FhirVersion
from adapter.views import (
    DEEPER,
    SOURCE,
    SPARK,
    CompiledView,
    Shape,
    ViewDefinition,
    compile_view,
    deeper,
    uncast_name,
)

__all__ = ["declared", "run", "session"]


@contextmanager
def session(cores: int = 1) -> Iterator[Any]:
    """A Spark of this process's own, without its web page.

    Args:
        cores: to use.

    Yields:
        a ``SparkSession``, which is stopped at the end.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra, and slow to import

    with tempfile.TemporaryDirectory(prefix="reluth-spark-") as folder:
        found = (
            SparkSession.builder.master(f"local[{cores}]")
            .appName("reluth views")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", folder)
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .getOrCreate()
        )
        try:
            found.sparkContext.setLogLevel("OFF")  # its messages hold what stood in a line
            yield found
        finally:
            found.stop()


def run(
    view: ViewDefinition,
    files: Sequence[Path],
    *,
    spark: Any,
    version: FhirVersion = FhirVersion.R4,
    on_bad_line: OnBadLine = "error",
    strict: bool = True,
) -> ViewTable:
    """A view's table, in memory.

    Args:
        view: as parsed.
        files: of resources, one a line.
        spark: a ``SparkSession``.
        version: of FHIR.
        on_bad_line: stop at a line that cannot be read, or leave it out and name it in the result.
        strict: an element that the version of FHIR lacks is a fault of the view.

    Raises:
        DocumentError: the view is wrong, or an expression gives several values where one belongs.
        QuarantinedError: a line cannot be read.
    """
    compiled = compile_view(view, version=version, dialect=SPARK, strict=strict)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="reluth-views-") as folder:
        while True:
            tables, too_deep = [], False
            tally.bad_lines, tally.uncast = [], {}
            for number, file in enumerate(files):
                copy = _checked(compiled, file, Path(folder) / f"{compiled.depth}-{number}.ndjson", tally, on_bad_line)
                table = _table(spark, compiled, copy)
                too_deep = too_deep or bool(compiled.depth and _total(table[DEEPER]))
                counts = tally.uncast.setdefault(file.name, Counter())
                counts.update({name: _total(table[uncast_name(name)]) for name in compiled.checked})
                tables.append(table)
            if not too_deep:
                break
            if compiled.depth >= DEEPEST:
                raise DocumentError(view.file, "", f"a repeat leads deeper than {DEEPEST} levels in these resources")
            compiled = deeper(compiled, compiled.depth + 2)
        tables = tables or [_table(spark, compiled, _empty(Path(folder)))]
    # Spark counts in 32 bits where the expression says 64.
    schema = arrow_schema(compiled.columns)
    return ViewTable(
        name=view.name,
        table=pa.concat_tables(tables).select(schema.names).cast(schema),
        columns=compiled.columns,
        uncast=tally.by_column(),
        uncast_by_file=tally.by_file(),
        bad_lines=tuple(tally.bad_lines),
    )


def declared(shape: Shape) -> str:
    """What Spark's reader is told of a resource's elements: ``id string, name array<struct<...>>``."""
    return ", ".join(f"`{name}` {_type(child)}" for name, child in sorted(shape.children.items()))


def _type(shape: Shape) -> str:
    inner = ", ".join(f"`{name}`: {_type(child)}" for name, child in sorted(shape.children.items()))
    one = f"struct<{inner}>" if inner else "string"
    return f"array<{one}>" if shape.is_list else one


def _empty(folder: Path) -> Path:
    found = folder / "empty.ndjson"
    found.touch()
    return found


def _checked(compiled: CompiledView, file: Path, copy: Path, tally: Tally, on_bad_line: OnBadLine) -> Path:
    bad = copy_good_lines(file, compiled.shape, copy)
    if bad and on_bad_line == "error":
        raise QuarantinedError(f"{bad[0].file}:{bad[0].line}", bad[0].reason)
    tally.bad_lines += bad
    return copy


def _table(spark: Any, compiled: CompiledView, file: Path) -> pa.Table:
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra

    frame = spark.read.schema(declared(compiled.shape)).option("mode", "FAILFAST").json(str(file))
    frame.createOrReplaceTempView(SOURCE)
    try:
        return spark.sql(compiled.sql).toArrow()
    except PySparkException as fault:
        failure = compiled.failure(str(fault))
        raise (failure or fault) from None


def _total(column: pa.ChunkedArray) -> int:
    return sum(each or 0 for each in column.to_pylist())
