"""In: two packages on disk, an older and a newer one. Out: each cell that differs, by file, record and variable."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from adapter.datasets.formats import MANIFEST, listed_files
from adapter.datasets.model import Cell
from adapter.datasets.package.reading_back import Table, is_table, read_table
from adapter.errors import UsageError

__all__ = ["CellChange", "compare_folders", "compare_tables", "files_of"]

#: In place of a record or a variable: all of the file, or of the record.
_WHOLE = "*"

Kind = Literal["changed", "added", "removed", "unreadable"]


class CellChange(NamedTuple):
    """One difference.

    Attributes:
        file: in the package, ``sdtm/xpt/lb.xpt``.
        record: what it is known by, ``RELUTH-05-0001 3``; ``*`` for the whole file.
        variable: of the cell; ``*`` for a whole record or file.
        kind: ``changed``; ``added`` or ``removed`` for what only the newer or the older one has; ``unreadable`` for a file
            that is not what its name says.
        old: the older one's cell, None where it has none.
        new: the newer one's cell, None where it has none.
    """

    file: str
    record: str
    variable: str
    kind: Kind
    old: str | None
    new: str | None

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return self._asdict()


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a package by their path in it, without its manifest.

    Raises:
        UsageError: the folder holds no package.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: no package there (no {MANIFEST})")
    return listed_files(folder)


def compare_folders(old: Path, new: Path) -> Iterator[CellChange]:
    """Each cell that differs between two packages, file by file; files that are no tables are compared as a whole.

    Raises:
        UsageError: one of the folders holds no package.
    """
    older, newer = files_of(old), files_of(new)
    for name in sorted(older.keys() | newer.keys()):
        if name not in newer:
            yield CellChange(name, _WHOLE, _WHOLE, "removed", None, None)
        elif name not in older:
            yield CellChange(name, _WHOLE, _WHOLE, "added", None, None)
        elif older[name].read_bytes() != newer[name].read_bytes():
            yield from _compare_files(name, older[name], newer[name])


def _compare_files(name: str, old: Path, new: Path) -> Iterator[CellChange]:
    if not is_table(name):
        yield CellChange(name, _WHOLE, _WHOLE, "changed", None, None)
        return
    tables = []
    for path in (old, new):
        try:
            tables.append(read_table(path, name))
        except Exception:  # noqa: BLE001 - a damaged file makes its reader fail in ways of its own, and is what is looked for
            yield CellChange(name, _WHOLE, _WHOLE, "unreadable", None, None)
            return
    found = list(compare_tables(name, *tables))
    # Bytes that differ where no cell does: a label, a length, a header.
    yield from found or [CellChange(name, _WHOLE, _WHOLE, "changed", None, None)]


def compare_tables(name: str, old: Table, new: Table) -> Iterator[CellChange]:
    """Each cell that differs between two tables of one name."""
    for column in sorted(set(old.columns) ^ set(new.columns)):
        yield CellChange(name, _WHOLE, column, "removed" if column in old.columns else "added", None, None)
    told = set(old.columns) ^ set(new.columns)
    for record in [*old.records, *(record for record in new.records if record not in old.records)]:
        if record not in new.records:
            yield CellChange(name, record, _WHOLE, "removed", None, None)
        elif record not in old.records:
            yield CellChange(name, record, _WHOLE, "added", None, None)
        else:
            before, after = old.records[record], new.records[record]
            for column in [*before, *(column for column in after if column not in before)]:
                if column not in told and before.get(column) != after.get(column):
                    yield CellChange(
                        name, record, column, "changed", _shown(before.get(column)), _shown(after.get(column))
                    )


def _shown(cell: Cell) -> str | None:
    return f"{cell:f}" if isinstance(cell, Decimal) else cell
