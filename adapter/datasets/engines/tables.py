"""In: nothing. Out: what running a view gives: a table or a file of one, and what could not be held or read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from adapter.views import ViewColumn, data_type

__all__ = ["BadLine", "Tally", "ViewTable", "Written", "arrow_schema"]

_ARROW = {"boolean": pa.bool_(), "int64": pa.int64(), "string": pa.string()}


@dataclass(frozen=True)
class BadLine:
    """A line that holds no resource of the view's type, or one whose elements are not of the kind that FHIR says.

    Attributes:
        file: name of the file.
        line: number of the line, from 1.
        reason: what is wrong, without anything of the line.
    """

    file: str
    line: int
    reason: str


@dataclass
class Tally:
    """What a run could not hold or read, while it runs."""

    uncast: dict[str, Counter[str]] = field(default_factory=dict)
    bad_lines: list[BadLine] = field(default_factory=list)
    rows: int = 0
    long_lines: bool = False

    def by_column(self) -> dict[str, int]:
        """Values that their columns could not hold, over all files; only columns that have some."""
        found: Counter[str] = Counter()
        for counts in self.uncast.values():
            found.update(counts)
        return {name: count for name, count in found.items() if count}

    def by_file(self) -> dict[str, dict[str, int]]:
        """The same by file."""
        return {
            file: shown
            for file, counts in self.uncast.items()
            if (shown := {name: count for name, count in counts.items() if count})
        }


@dataclass(frozen=True)
class ViewTable:
    """A view's table.

    Attributes:
        name: of the view.
        table: its rows, in the order of the files' lines. A ``decimal`` is a text, exactly as received; dates and times are
            texts as precise as they came.
        columns: of the table, in order, with their FHIRPath.
        uncast: by column, how many of its cells are null because the value that came is none of the column's type.
        uncast_by_file: the same by name of the file.
        bad_lines: lines that were left out, where the caller allowed that.
    """

    name: str
    table: pa.Table
    columns: tuple[ViewColumn, ...]
    uncast: Mapping[str, int] = field(default_factory=dict)
    uncast_by_file: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    bad_lines: tuple[BadLine, ...] = ()


@dataclass(frozen=True)
class Written:
    """A view's table as a file.

    Attributes:
        name: of the view.
        path: of the file.
        rows: how many.
        columns: as in `ViewTable`, and so are the rest.
    """

    name: str
    path: Path
    rows: int
    columns: tuple[ViewColumn, ...]
    uncast: Mapping[str, int] = field(default_factory=dict)
    uncast_by_file: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    bad_lines: tuple[BadLine, ...] = ()


def arrow_schema(columns: Sequence[ViewColumn]) -> pa.Schema:
    """The types of a view's table."""
    return pa.schema([(column.name, _arrow(column)) for column in columns])


def _arrow(column: ViewColumn) -> pa.DataType:
    one = _ARROW[str(data_type(column.type))]
    return pa.list_(one) if column.collection else one
