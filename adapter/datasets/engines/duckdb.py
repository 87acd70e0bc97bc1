"""In: a view and files of resources, one a line. Out: its table, made by DuckDB inside this process.

A file is read once and in order, so its rows come in the order of its lines. What a column could not hold is counted on the
way; a line that cannot be read is named with its file and number.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adapter.datasets.engines.lines import copy_good_lines
from adapter.datasets.engines.tables import Tally, ViewTable, Written, arrow_schema
from adapter.errors import DefectError, DocumentError, QuarantinedError
from adapter.fhir.versions import FhirVersion
from adapter.views import (
    DEEPER,
    DUCKDB,
    NO_TYPE,
    SOURCE,
    CompiledView,
    Shape,
    ViewDefinition,
    compile_view,
    deeper,
    uncast_name,
)

__all__ = ["DEEPEST", "OnBadLine", "declared", "run", "write"]

OnBadLine = Literal["error", "quarantine"]
#: Levels that a ``repeat`` is unrolled to at most; resources that go deeper are refused.
DEEPEST = 12
#: Bytes of the longest line that is read at first, and at all: each thread holds buffers of twice that.
USUAL_LINE, LONGEST_LINE = 16_777_216, 400_000_000
_TOO_LONG = "maximum_object_size"
_BATCH = 60_000


class _TooDeepError(Exception):
    """A ``repeat`` did not reach the bottom."""


class _LongLineError(Exception):
    """A line is longer than DuckDB's buffers."""


class _UnreadableError(Exception):
    """DuckDB stopped at a line of a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(file.name)


class _Sink(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...


def run(
    view: ViewDefinition,
    files: Sequence[Path],
    *,
    version: FhirVersion = FhirVersion.R4,
    on_bad_line: OnBadLine = "error",
    strict: bool = True,
) -> ViewTable:
    """A view's table, in memory.

    Args:
        view: as parsed.
        files: of resources, one a line, ``.gz`` or not; other types of resources in them are passed over.
        version: of FHIR.
        on_bad_line: stop at a line that cannot be read, or leave it out and name it in the result.
        strict: an element that the version of FHIR lacks is a fault of the view.

    Raises:
        DocumentError: the view is wrong, or an expression gives several values where one belongs.
        QuarantinedError: a line cannot be read.
    """
    held = _Held()
    compiled, tally = _through(
        compile_view(view, version=version, dialect=DUCKDB, strict=strict), files, held.begin, on_bad_line=on_bad_line
    )
    return ViewTable(
        name=view.name,
        table=held.table(),
        columns=compiled.columns,
        uncast=tally.by_column(),
        uncast_by_file=tally.by_file(),
        bad_lines=tuple(tally.bad_lines),
    )


def write(
    view: ViewDefinition,
    files: Sequence[Path],
    out: Path,
    format: Literal["parquet", "csv"] = "parquet",  # noqa: A002 - the word that the command line has for it
    *,
    version: FhirVersion = FhirVersion.R4,
    on_bad_line: OnBadLine = "error",
    memory_limit: str | None = None,
) -> Written:
    """Write a view's table to a file, batch by batch; the file is there whole or not at all.

    Args:
        view: as parsed.
        files: of resources, one a line.
        out: file to write.
        format: of the file; in CSV a list is a JSON array.
        version: of FHIR.
        on_bad_line: as for `run`.
        memory_limit: in DuckDB's words, ``200MB``.

    Raises:
        DocumentError: the view is wrong, or an expression gives several values where one belongs.
        QuarantinedError: a line cannot be read.
    """
    partial = out.with_name(f".{out.name}.partial")
    try:
        compiled, tally = _through(
            compile_view(view, version=version, dialect=DUCKDB),
            files,
            lambda schema: _writer(partial, schema, format),
            on_bad_line=on_bad_line,
            memory_limit=memory_limit,
        )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return Written(
        name=view.name,
        path=out,
        rows=tally.rows,
        columns=compiled.columns,
        uncast=tally.by_column(),
        uncast_by_file=tally.by_file(),
        bad_lines=tuple(tally.bad_lines),
    )


def declared(shape: Shape) -> str:
    """What DuckDB's reader is told of a resource's elements: ``{'id': 'VARCHAR', ...}``."""
    fields = (f"{_quoted(name, chr(39))}: {_quoted(_type(child), chr(39))}" for name, child in _children(shape))
    return f"{{{', '.join(fields)}}}"


def _children(shape: Shape) -> list[tuple[str, Shape]]:
    return sorted(shape.children.items())


def _type(shape: Shape) -> str:
    inner = ", ".join(f"{_quoted(name, chr(34))} {_type(child)}" for name, child in _children(shape))
    return (f"STRUCT({inner})" if inner else "VARCHAR") + ("[]" if shape.is_list else "")


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


class _Held:
    """Keeps the batches."""

    def __init__(self) -> None:
        self.schema: pa.Schema | None = None
        self.batches: list[pa.RecordBatch] = []

    @contextmanager
    def begin(self, schema: pa.Schema) -> Iterator[_Held]:
        """Forget what was kept: the files are read anew."""
        self.schema = schema
        self.batches = []
        yield self

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Keep one."""
        self.batches.append(batch)

    def table(self) -> pa.Table:
        """All of them."""
        return pa.Table.from_batches(self.batches, schema=self.schema)


@contextmanager
def _writer(out: Path, schema: pa.Schema, form: str) -> Iterator[_Sink]:
    if form == "parquet":
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            yield writer
        return
    flat = pa.schema([(each.name, pa.string() if pa.types.is_list(each.type) else each.type) for each in schema])
    with pa_csv.CSVWriter(out, flat) as writer:
        yield _FlatCsv(writer, flat)


class _FlatCsv:
    """CSV has no lists."""

    def __init__(self, writer: pa_csv.CSVWriter, schema: pa.Schema) -> None:
        self.writer = writer
        self.schema = schema

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write one."""
        columns = [
            pa.array(
                [None if one is None else json.dumps(one, ensure_ascii=False) for one in column.to_pylist()],
                pa.string(),
            )
            if pa.types.is_list(column.type)
            else column
            for column in batch.columns
        ]
        self.writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self.schema))


def _through(
    compiled: CompiledView,
    files: Sequence[Path],
    begin: Any,
    *,
    on_bad_line: OnBadLine,
    memory_limit: str | None = None,
) -> tuple[CompiledView, Tally]:
    """Run a view over files into what ``begin`` opens; again, where lines had to be left out or a tree unrolled further."""
    sources = {file: file for file in files}  # what is read for each: a copy without its bad lines
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="reluth-views-") as folder, _connected(folder, memory_limit) as connection:
        while True:
            try:
                tally.rows, tally.uncast = 0, {}
                _once(connection, compiled, [(file, sources[file]) for file in files], begin, tally)
            except _TooDeepError:
                if compiled.depth >= DEEPEST:
                    raise DocumentError(
                        compiled.view.file, "", f"a repeat leads deeper than {DEEPEST} levels in these resources"
                    ) from None
                compiled = deeper(compiled, compiled.depth + 2)
            except _LongLineError:
                tally.long_lines = True
            except _UnreadableError as stopped:
                sources[stopped.file] = _cleaned(compiled, stopped.file, Path(folder), tally, on_bad_line)
            else:
                return compiled, tally


def _cleaned(compiled: CompiledView, file: Path, folder: Path, tally: Tally, on_bad_line: OnBadLine) -> Path:
    copy = folder / f"{len(tally.bad_lines)}-{file.name.removesuffix('.gz')}"
    bad = copy_good_lines(file, compiled.shape, copy)
    if bad and on_bad_line == "error":
        raise QuarantinedError(f"{bad[0].file}:{bad[0].line}", bad[0].reason)
    tally.bad_lines += bad
    return copy


@contextmanager
def _connected(folder: str, memory_limit: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": folder,
        "autoinstall_known_extensions": "false",
    }
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    connection = duckdb.connect(config=settings)
    try:
        # A time without a zone is compared alike on every machine, and as Spark does here.
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _once(connection: Any, compiled: CompiledView, sources: list[tuple[Path, Path]], begin: Any, tally: Tally) -> None:
    query = compiled.sql
    with begin(arrow_schema(compiled.columns)) as sink:
        for file, source in sources:
            _one_file(connection, compiled, query, file, source, sink, tally)


def _one_file(
    connection: Any, compiled: CompiledView, query: str, file: Path, source: Path, sink: _Sink, tally: Tally
) -> None:
    schema = arrow_schema(compiled.columns)
    counts = tally.uncast.setdefault(file.name, Counter())
    where = _quoted(str(source), "'")
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {SOURCE} AS SELECT * FROM "  # noqa: S608 - quoted above, the rest is our own
        f"read_json({where}, format='newline_delimited', columns={declared(compiled.shape)}, "
        f"maximum_object_size={LONGEST_LINE if tally.long_lines else USUAL_LINE})"
    )
    for batch in _batches(connection, query, explain=lambda fault: _explain(compiled, file, source, tally, fault)):
        for name in compiled.checked:
            counts[name] += _total(batch.column(uncast_name(name)))
        if compiled.depth and _total(batch.column(DEEPER)):
            raise _TooDeepError
        tally.rows += batch.num_rows
        own = batch.select(schema.names)
        # A literal is of 32 bits to DuckDB, a column of whole numbers always of 64.
        sink.write_batch(own if own.schema.equals(schema) else own.cast(schema))


def _batches(connection: Any, query: str, *, explain: Callable[[Exception], None]) -> Iterator[pa.RecordBatch]:
    """What the engine gives; its faults are explained, those of the one who takes the batches are not its own.

    A fault that DuckDB meets while batches are taken comes by Arrow's C stream, and pyarrow makes an OSError of it.
    """
    try:
        yield from connection.sql(query).to_arrow_reader(_BATCH)
    except (duckdb.Error, pa.ArrowException, OSError) as fault:
        explain(fault)


def _total(column: pa.Array) -> int:
    return int(pa.compute.sum(column).as_py() or 0)


def _explain(compiled: CompiledView, file: Path, source: Path, tally: Tally, fault: Exception) -> None:
    # The engine's own message holds the line: it is dropped.
    message = str(fault)
    failure = compiled.failure(message)
    if failure is not None:
        raise failure from None
    if _TOO_LONG in message and not tally.long_lines:
        raise _LongLineError from None
    unreadable = "JSON" in message or NO_TYPE in message
    if unreadable and source == file:
        raise _UnreadableError(file) from None
    if unreadable:
        raise DefectError(f"{file.name}: DuckDB cannot read what was found to be right") from None
    # Its words may hold what stood in a line.
    raise DefectError(f"{file.name}: DuckDB stopped, {type(fault).__name__}") from None
