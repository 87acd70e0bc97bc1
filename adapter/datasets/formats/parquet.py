"""In: a dataset, its package's facts. Out: a Parquet file that describes itself; and the other way, with all that its documents said.

The schema's metadata hold the dataset without its records, and the study and codelists: packages of several sites are merged from these files
alone (``merging``), and a reader of the columns finds label and type beside each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapter.datasets.formats.readback import ReadBack, ReadVariable, exact_number
from adapter.datasets.model import Cell, Codelist, Dataset, Package, Row, Study, Variable
from adapter.errors import DefectError, UsageError

__all__ = ["Described", "read_described", "read_parquet", "write_parquet"]

_KEY = b"reluth"


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """A ``Dataset`` without its rows: msgspec does not read their cells, which are one of two kinds of text to it."""

    name: str
    label: str
    domain: str
    class_: str
    structure: str
    keys: tuple[str, ...]
    variables: tuple[Variable, ...]
    reference: bool


class _Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the schema's metadata."""

    study: Study
    standard: str
    terminology: str | None
    dataset: _Head
    codelists: tuple[Codelist, ...]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a Parquet file of a dataset says besides its cells.

    Attributes:
        study: as named.
        standard: of the package.
        terminology: of the package.
        dataset: with its rows, but without their keys and sources, which a package does not carry.
        codelists: the ones that its variables name.
    """

    study: Study
    standard: str
    terminology: str | None
    dataset: Dataset
    codelists: tuple[Codelist, ...]


def write_parquet(dataset: Dataset, path: Path, *, package: Package) -> None:
    """Write a dataset as Parquet: texts as strings, whole numbers as int64, all others as doubles.

    Args:
        dataset: as ``prepared`` gives it.
        path: of the file.
        package: it belongs to.

    Raises:
        DefectError: a cell is not of its variable's kind, or no double.
    """
    fields = [
        pa.field(one.name, _type(one), metadata={"label": one.label, "type": one.type}) for one in dataset.variables
    ]
    named = _named(dataset)
    described = _Metadata(
        study=package.study,
        standard=package.standard,
        terminology=package.terminology,
        dataset=_Head(**{name: getattr(dataset, name) for name in _Head.__struct_fields__}),
        codelists=tuple(one for one in package.codelists if one.id in named),
    )
    schema = pa.schema(
        fields, metadata={b"name": dataset.name, b"label": dataset.label, _KEY: msgspec.json.encode(described)}
    )
    arrays = [
        pa.array(_column(dataset, variable, cells), _type(variable))
        for variable, cells in zip(dataset.variables, dataset.columns(), strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")


def _type(variable: Variable) -> Any:
    if not variable.numeric:
        return pa.string()
    return pa.int64() if variable.type == "integer" else pa.float64()


def _named(dataset: Dataset) -> set[str]:
    lists = {one.codelist for one in dataset.variables} | {
        value.codelist for one in dataset.variables for value in one.values
    }
    return {one for one in lists if one}


def _column(dataset: Dataset, variable: Variable, cells: tuple[Cell, ...]) -> Sequence[Cell | int | float]:
    whole = variable.type == "integer"
    known: dict[Cell, int | float | None] = {None: None}
    for cell in dict.fromkeys(cells):
        if cell is None:
            continue
        if isinstance(cell, Decimal) is not variable.numeric:
            raise DefectError(f"{dataset.name}.{variable.name}: a cell is not of its kind; prepare the package first")
        if isinstance(cell, Decimal):
            if exact_number(cell) != cell or (whole and cell != cell.to_integral_value()):
                raise DefectError(f"{dataset.name}.{variable.name}: a number is not exact; prepare the package first")
            known[cell] = int(cell) if whole else float(cell)
    return [known[cell] for cell in cells] if variable.numeric else cells


def read_parquet(path: Path) -> ReadBack:
    """Read a dataset's Parquet file.

    Args:
        path: of the file.

    Returns:
        Its cells.

    Raises:
        UsageError: it is none of a dataset, or broken.
    """
    return _read(path)[0]


def read_described(path: Path) -> Described:
    """Read a dataset's Parquet file with all that is known of it.

    Args:
        path: of the file.

    Returns:
        Its description, whose dataset has its rows.

    Raises:
        UsageError: it is none of a dataset, or broken.
    """
    back, metadata = _read(path)
    head = metadata.dataset
    if tuple(one.name for one in head.variables) != tuple(one.name for one in back.variables):
        raise UsageError(f"{path.name}: its columns are not the variables that it describes")
    rows = tuple(Row(cells=cells, key="") for cells in back.rows)
    dataset = Dataset(**msgspec.structs.asdict(head), rows=rows)
    return Described(
        study=metadata.study,
        standard=metadata.standard,
        terminology=metadata.terminology,
        dataset=dataset,
        codelists=metadata.codelists,
    )


def _read(path: Path) -> tuple[ReadBack, _Metadata]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        metadata = msgspec.json.decode((table.schema.metadata or {}).get(_KEY, b""), type=_Metadata)
    except (OSError, pa.ArrowException, msgspec.DecodeError):
        raise UsageError(f"{path.name}: no Parquet file of a dataset that can be read") from None
    variables = tuple(
        ReadVariable(
            name=field.name,
            label=(field.metadata or {}).get(b"label", b"").decode("utf-8"),
            numeric=not pa.types.is_string(field.type),
        )
        for field in table.schema
    )
    columns = [list(map(_cell, column.to_pylist())) for column in table.columns]
    rows: list[tuple[Cell, ...]] = list(zip(*columns, strict=True))
    head = metadata.dataset
    return ReadBack(name=head.name, label=head.label, variables=variables, rows=rows), metadata


def _cell(value: str | float | None) -> Cell:
    if value is None or isinstance(value, str):
        return value or None
    return None if math.isnan(value) else exact_number(Decimal(repr(value)))
