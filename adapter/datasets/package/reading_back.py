"""In: a file of a package, in any of its formats. Out: its records by what they are known by, each with its cells by name."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from adapter.datasets.formats import read_back
from adapter.datasets.model import Cell

__all__ = ["Table", "is_table", "leaves", "read_table"]

#: Folders of a package whose files are tables, with the endings that are.
_TABLES: Final[Mapping[str, frozenset[str]]] = {
    "sdtm": frozenset({".xpt", ".json", ".ndjson", ".parquet"}),
    "views": frozenset({".csv", ".parquet"}),
    "fhir": frozenset({".ndjson"}),
}
#: What tells records apart where no --SEQ does (SDTMIG: natural keys).
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "DM": ("USUBJID",),
    "SV": ("USUBJID", "VISITNUM"),
    "TA": ("ARMCD", "TAETORD"),
    "TE": ("ETCD",),
    "TI": ("IETESTCD",),
    "TV": ("VISITNUM", "ARMCD"),
    "TS": ("TSPARMCD", "TSSEQ"),
    "RELREC": ("USUBJID", "RELID", "RDOMAIN", "IDVAR", "IDVARVAL"),
}
_SUPPLEMENTAL: Final = ("USUBJID", "IDVAR", "IDVARVAL", "QNAM")
_EXACT = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class Table(msgspec.Struct, frozen=True):
    """A file as records.

    Attributes:
        columns: in their order; of FHIR resources none, each has its own.
        records: cells by name, by what the record is known by; records that share it have their place after it.
    """

    columns: tuple[str, ...]
    records: Mapping[str, Mapping[str, Cell]]


def is_table(name: str) -> bool:
    """Whether a file of a package, by its path in it, holds records.

    >>> is_table("sdtm/xpt/lb.xpt"), is_table("sdtm/define.xml")
    (True, False)
    """
    path = PurePosixPath(name)
    return path.suffix in _TABLES.get(path.parts[0], ())


def read_table(path: Path, name: str) -> Table:
    """Read a file of a package.

    Args:
        path: of the file.
        name: its path in the package, ``sdtm/xpt/lb.xpt``.

    Raises:
        UsageError: it is not what its name says.
        ValueError: likewise.
    """
    if name.startswith("fhir/"):
        return Table((), _known((_named_resource(one), leaves(one)) for one in _resources(path)))
    if name.startswith("sdtm/"):
        found = read_back(path)
        columns = tuple(variable.name for variable in found.variables)
        return _table(columns, found.rows, _keys_of(found.name, columns))
    columns, rows = _csv(path) if path.suffix == ".csv" else _parquet(path)
    return _table(columns, rows, tuple(column for column in ("usubjid", "id") if column in columns))


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], keys: tuple[str, ...]) -> Table:
    places = [columns.index(key) for key in keys]
    return Table(
        columns,
        _known(
            (" ".join(_shown(row[place]) for place in places), dict(zip(columns, row, strict=True))) for row in rows
        ),
    )


def _known(records: Iterable[tuple[str, Mapping[str, Cell]]]) -> dict[str, Mapping[str, Cell]]:
    """Records by name; those of one name are told apart by their order."""
    seen: Counter[str] = Counter()
    found: dict[str, Mapping[str, Cell]] = {}
    for name, cells in records:
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = cells
    return found


def _keys_of(dataset: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    sequence = f"{dataset}SEQ"
    if sequence in columns:
        return ("USUBJID", sequence) if "USUBJID" in columns else (sequence,)
    keys = _SUPPLEMENTAL if dataset.startswith("SUPP") else _KEYS.get(dataset, columns)
    return tuple(key for key in keys if key in columns)


def _csv(path: Path) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, strict=True)
        columns = tuple(next(lines))
        return columns, [tuple(cell or None for cell in line) for line in lines]


def _parquet(path: Path) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    table = pq.read_table(path)
    lists = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return tuple(table.column_names), list(zip(*lists, strict=True))


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | Decimal):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return Decimal(repr(value)) if isinstance(value, int | float) else msgspec.json.encode(value).decode()


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield _EXACT.decode(line)


def _named_resource(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def leaves(value: Any, path: str = "") -> dict[str, Cell]:
    """Each value that is no container, by its path: ``code.coding[0].code``."""
    found: dict[str, Cell] = {}
    if isinstance(value, Mapping):
        for name, inner in value.items():
            found |= leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found |= leaves(inner, f"{path}[{at}]")
    else:
        found[path] = _cell(value)
    return found


def _shown(cell: Cell) -> str:
    return "-" if cell is None else cell if isinstance(cell, str) else f"{cell:f}"
