"""In: the batches of a view's rows. Out: a table in memory, or files: Parquet, CSV, or both at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

__all__ = ["Begin", "Form", "Held", "Sink", "written_to"]

Form = Literal["parquet", "csv"]


class Sink(Protocol):
    """What takes the batches."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Take one."""


#: Opens what takes the batches of a schema, anew each time.
Begin = Callable[[Any], AbstractContextManager[Sink]]


class Held:
    """Keeps the batches."""

    def __init__(self) -> None:
        self.schema: pa.Schema | None = None
        self.batches: list[pa.RecordBatch] = []

    @contextmanager
    def begin(self, schema: pa.Schema) -> Iterator[Held]:
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
def written_to(outs: Mapping[Form, Path], schema: pa.Schema) -> Iterator[Sink]:
    """Writes each batch to all files."""
    with ExitStack() as stack:
        yield _All([stack.enter_context(_writer(out, schema, form)) for form, out in outs.items()])


class _All:
    """Several in place of one."""

    def __init__(self, sinks: list[Sink]) -> None:
        self._sinks = sinks

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Give it to each."""
        for sink in self._sinks:
            sink.write_batch(batch)


@contextmanager
def _writer(out: Path, schema: pa.Schema, form: Form) -> Iterator[Sink]:
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
