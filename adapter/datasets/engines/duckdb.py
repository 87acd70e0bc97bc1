"""In: a view and files of resources, one a line. Out: its table, made by DuckDB inside this process.

A file is read once and in order, so its rows come in the order of its lines. What a column could not hold is counted on the
way; a line that cannot be read is named with its file and number.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute

from adapter.datasets.engines.lines import copy_good_lines
from adapter.datasets.engines.queries import Queries
from adapter.datasets.engines.reading import KeptFile, reader, together
from adapter.datasets.engines.sinks import Begin, Form, Held, Sink, written_to
from adapter.datasets.engines.tables import Tally, ViewTable, Written, arrow_schema
from adapter.errors import DefectError, DocumentError, QuarantinedError
from adapter.fhir.versions import FhirVersion
from adapter.views import (
    DEEPER,
    DUCKDB,
    NO_TYPE,
    SOURCE,
    CompiledView,
    ViewDefinition,
    compile_view,
    deeper,
    uncast_name,
)

__all__ = ["DEEPEST", "Engine", "OnBadLine", "opened", "run", "write"]

OnBadLine = Literal["error", "quarantine"]
#: Levels that a ``repeat`` is unrolled to at most; resources that go deeper are refused.
DEEPEST = 12
#: Bytes of the largest file that is read once for several views.
_MOST_KEPT = 200_000_000
_TOO_LONG = "maximum_object_size"
_BATCH = 60_000
#: Table that a view's rows are made in, where all are kept.
_MADE = "made"


class _TooDeepError(Exception):
    """A ``repeat`` did not reach the bottom."""


class _LongLineError(Exception):
    """A line is longer than DuckDB's buffers."""


class _UnreadableError(Exception):
    """DuckDB stopped at a line of a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(file.name)


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
    with opened() as engine:
        return engine.run(view, files, version=version, on_bad_line=on_bad_line, strict=strict)


def write(
    view: ViewDefinition,
    files: Sequence[Path],
    out: Path,
    format: Form = "parquet",  # noqa: A002 - the word that the command line has for it
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
    with opened(memory_limit) as engine:
        [written] = engine.write(view, files, {format: out}, version=version, on_bad_line=on_bad_line)
    return written


@contextmanager
def opened(memory_limit: str | None = None, *, queries: Queries | None = None) -> Iterator[Engine]:
    """An engine for several views: to start one takes longer than to run a view over a small file.

    Args:
        memory_limit: in DuckDB's words, ``200MB``.
        queries: views that were compiled before.
    """
    with tempfile.TemporaryDirectory(prefix="reluth-views-") as folder, _connected(folder, memory_limit) as connection:
        yield Engine(connection, Path(folder), queries or Queries())


class Engine:
    """A database in this process (`opened`).

    Args:
        connection: to it.
        folder: for files while it is open.
        queries: compiles the views.
    """

    def __init__(self, connection: Any, folder: Path, queries: Queries) -> None:
        self._connection = connection
        self._folder = folder
        self._queries = queries
        self._kept: list[KeptFile] = []
        self._copies = 0

    def keep(self, views: Iterable[ViewDefinition], file: Path) -> None:
        """Read a file into memory once for several views, which else read it one by one.

        What is read is what they declare, taken together. A file that is large, or cannot be read at once, is left to the views.

        Args:
            views: all of the type of resource that the file is of.
            file: of resources, one a line.
        """
        if file.suffix == ".gz" or file.stat().st_size > _MOST_KEPT:
            return
        for shape, count in together(self._compiled(view) for view in views):
            if count > 1:
                name = f"kept{len(self._kept)}"
                try:
                    self._connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {reader(file, shape)}")  # noqa: S608 - ours
                except duckdb.Error:
                    # What is wrong, and where, is told by the first view that meets it.
                    return
                self._kept.append(KeptFile(file, shape, name))

    def run(
        self,
        view: ViewDefinition,
        files: Sequence[Path],
        *,
        version: FhirVersion = FhirVersion.R4,
        on_bad_line: OnBadLine = "error",
        strict: bool = True,
    ) -> ViewTable:
        """As the function of this name."""
        held = Held()
        compiled, tally = self._through(
            self._compiled(view, version, strict=strict),
            files,
            held.begin,
            on_bad_line=on_bad_line,
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
        self,
        view: ViewDefinition,
        files: Sequence[Path],
        outs: Mapping[Form, Path],
        *,
        version: FhirVersion = FhirVersion.R4,
        on_bad_line: OnBadLine = "error",
    ) -> list[Written]:
        """As the function of this name, for several forms at once: the view is run once.

        Args:
            view: as parsed.
            files: of resources, one a line.
            outs: file to write, by form.
            version: of FHIR.
            on_bad_line: as for `run`.

        Returns:
            One a form, in their order.
        """
        partial = {form: out.with_name(f".{out.name}.partial") for form, out in outs.items()}
        try:
            compiled, tally = self._through(
                self._compiled(view, version),
                files,
                lambda schema: written_to(partial, schema),
                on_bad_line=on_bad_line,
            )
            for form, out in outs.items():
                partial[form].replace(out)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
        return [
            Written(
                name=view.name,
                path=out,
                rows=tally.rows,
                columns=compiled.columns,
                uncast=tally.by_column(),
                uncast_by_file=tally.by_file(),
                bad_lines=tuple(tally.bad_lines),
            )
            for out in outs.values()
        ]

    def _compiled(
        self, view: ViewDefinition, version: FhirVersion = FhirVersion.R4, *, strict: bool = True
    ) -> CompiledView:
        if version is FhirVersion.R4 and strict:
            return self._queries.of(view)
        return compile_view(view, version=version, dialect=DUCKDB, strict=strict)

    def _through(
        self, compiled: CompiledView, files: Sequence[Path], begin: Begin, *, on_bad_line: OnBadLine
    ) -> tuple[CompiledView, Tally]:
        """Run a view over files into what ``begin`` opens; again, where lines had to be left out or a tree unrolled further."""
        sources = {file: file for file in files}  # what is read for each: a copy without its bad lines
        tally = Tally()
        while True:
            try:
                tally.rows, tally.uncast = 0, {}
                with begin(arrow_schema(compiled.columns)) as sink:
                    for file in files:  # one that is named twice is read twice
                        self._one_file(compiled, file, sources[file], sink, tally)
            except _TooDeepError:
                if compiled.depth >= DEEPEST:
                    raise DocumentError(
                        compiled.view.file, "", f"a repeat leads deeper than {DEEPEST} levels in these resources"
                    ) from None
                compiled = deeper(compiled, compiled.depth + 2)
            except _LongLineError:
                tally.long_lines = True
            except _UnreadableError as stopped:
                sources[stopped.file] = self._cleaned(compiled, stopped.file, tally, on_bad_line)
            else:
                return compiled, tally

    def _cleaned(self, compiled: CompiledView, file: Path, tally: Tally, on_bad_line: OnBadLine) -> Path:
        self._copies += 1
        copy = self._folder / f"{self._copies}-{file.name.removesuffix('.gz')}"
        bad = copy_good_lines(file, compiled.shape, copy)
        if bad and on_bad_line == "error":
            raise QuarantinedError(f"{bad[0].file}:{bad[0].line}", bad[0].reason)
        tally.bad_lines += bad
        return copy

    def _one_file(self, compiled: CompiledView, file: Path, source: Path, sink: Sink, tally: Tally) -> None:
        schema = arrow_schema(compiled.columns)
        counts = tally.uncast.setdefault(file.name, Counter())
        kept = next((one.name for one in self._kept if one.serves(compiled, source)), None)
        where = kept or reader(source, compiled.shape, long_lines=tally.long_lines)
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {SOURCE} AS SELECT * FROM {where}")  # noqa: S608 - ours

        def explain(fault: Exception) -> None:
            _explain(compiled, file, source, tally, fault)

        for batch in _batches(self._connection, compiled.sql, explain=explain, at_once=isinstance(sink, Held)):
            for name in compiled.checked:
                counts[name] += _total(batch.column(uncast_name(name)))
            if compiled.depth and _total(batch.column(DEEPER)):
                raise _TooDeepError
            tally.rows += batch.num_rows
            own = batch.select(schema.names)
            # A literal is of 32 bits to DuckDB, a column of whole numbers always of 64.
            sink.write_batch(own if own.schema.equals(schema) else own.cast(schema))


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


def _batches(
    connection: Any, query: str, *, explain: Callable[[Exception], None], at_once: bool = False
) -> Iterator[pa.RecordBatch]:
    """What the engine gives; its faults are explained, those of the one who takes the batches are not its own.

    A fault that DuckDB meets while batches are taken comes by Arrow's C stream, and pyarrow makes an OSError of it.

    Args:
        connection: to DuckDB.
        query: whose rows are wanted.
        explain: raises what is told of a fault.
        at_once: all rows are kept anyway: they are made first, as DuckDB plans a query twice to give it out batch by batch.
    """
    try:
        if at_once:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {_MADE} AS {query}")
            query = f"SELECT * FROM {_MADE}"  # noqa: S608 - our own name
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
