"""In: a dataset and its study. Out: a Dataset-JSON 1.1 file, as one object or as lines; and the other way, checked against the schema."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from adapter.datasets.formats.dataset_json_schema import HEAD_SCHEMA
from adapter.datasets.formats.readback import ReadBack, ReadVariable, exact_number
from adapter.datasets.model import Cell, Dataset, Study, Variable
from adapter.errors import DefectError, UsageError

__all__ = ["item_group_oid", "item_oid", "metadata_oid", "read_dataset_json", "study_oid", "write_dataset_json"]

_VERSION = "1.1.0"
#: A date of SDTM may be partial (``2024-05``), which ``date`` and ``datetime`` are not: all texts are ``string``.
_TYPES = {"integer": "integer", "float": "float", "decimal": "decimal"}
_HEAD = jsonschema.Draft202012Validator(HEAD_SCHEMA)


def study_oid(study: Study) -> str:
    """The study's OID in Dataset-JSON and Define-XML."""
    return f"STDY.{study.id}"


def metadata_oid(study: Study) -> str:
    """The metadata version's OID in Dataset-JSON and Define-XML."""
    return f"MDV.{study.id}"


def item_group_oid(dataset: Dataset) -> str:
    """A dataset's OID in Dataset-JSON and Define-XML."""
    return f"IG.{dataset.name}"


def item_oid(dataset: Dataset, variable: str) -> str:
    """A variable's OID in Dataset-JSON and Define-XML."""
    return f"IT.{dataset.name}.{variable}"


def write_dataset_json(dataset: Dataset, *paths: Path, study: Study, created: date) -> None:
    """Write a dataset as Dataset-JSON 1.1.

    A missing number is ``null``, a missing text ``""`` (as in the specification's examples); a number has its exact digits.

    Args:
        dataset: as ``prepared`` gives it.
        paths: of the files: ``.ndjson`` is a line of metadata and one a record, all others one object.
        study: it belongs to.
        created: the day of ``datasetJSONCreationDateTime``, at midnight.

    Raises:
        DefectError: the file would not meet the schema.
    """
    metadata = _head(dataset, study, created)
    columns = [
        _cells(dataset, variable, cells) for variable, cells in zip(dataset.variables, dataset.columns(), strict=True)
    ]
    for problem in _HEAD.iter_errors(metadata):
        raise DefectError(f"{dataset.name}: {problem.json_path} is not as Dataset-JSON 1.1 wants it")
    head, lines = (
        msgspec.json.encode(metadata),
        [b"[" + b",".join(cells) + b"]" for cells in zip(*columns, strict=True)],
    )
    for path in paths:
        if path.suffix == ".ndjson":
            path.write_bytes(b"\n".join((head, *lines)) + b"\n")
        else:
            path.write_bytes(head[:-1] + b',"rows":[\n' + b",\n".join(lines) + b"\n]}\n")


def _cells(dataset: Dataset, variable: Variable, cells: tuple[Cell, ...]) -> list[bytes]:
    """The cells of a variable as they stand in the file; equal cells are turned once."""
    known: dict[Cell, bytes] = {None: b"null" if variable.numeric else b'""'}
    for cell in dict.fromkeys(cells):
        if cell is not None:
            if isinstance(cell, Decimal) is not variable.numeric:
                raise DefectError(
                    f"{dataset.name}.{variable.name}: a cell is not of its kind; prepare the package first"
                )
            known[cell] = _written(cell, variable)
    return [known[cell] for cell in cells]


def _written(cell: Cell, variable: Variable) -> bytes:
    if not isinstance(cell, Decimal):
        return msgspec.json.encode(cell)
    number = format(cell, "f")
    return f'"{number}"'.encode("ascii") if variable.type == "decimal" else number.encode("ascii")


def _head(dataset: Dataset, study: Study, created: date) -> dict[str, Any]:
    return {
        "datasetJSONCreationDateTime": f"{created.isoformat()}T00:00:00",
        "datasetJSONVersion": _VERSION,
        "fileOID": f"{study_oid(study)}.{dataset.name}.{created.isoformat()}",
        "originator": study.id,
        "studyOID": study_oid(study),
        "metaDataVersionOID": metadata_oid(study),
        "metaDataRef": "../define.xml",
        "itemGroupOID": item_group_oid(dataset),
        "records": len(dataset.rows),
        "name": dataset.name,
        "label": dataset.label,
        "columns": [_column(dataset, one) for one in dataset.variables],
    }


def _column(dataset: Dataset, variable: Variable) -> dict[str, Any]:
    column: dict[str, Any] = {
        "itemOID": item_oid(dataset, variable.name),
        "name": variable.name,
        "label": variable.label,
        "dataType": _TYPES.get(variable.type, "string"),
    }
    if variable.type == "decimal":
        column["targetDataType"] = "decimal"
    if not variable.numeric:
        column["length"] = max(variable.length, 1)
    if variable.name in dataset.keys:
        column["keySequence"] = dataset.keys.index(variable.name) + 1
    return column


def read_dataset_json(path: Path) -> ReadBack:
    """Read a Dataset-JSON 1.1 file, ``.json`` or ``.ndjson``.

    Args:
        path: of the file; its ending tells the form.

    Returns:
        Its cells; ``null`` and ``""`` are None.

    Raises:
        UsageError: it is none, or not as the specification wants it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ndjson":
            lines = map(_parsed, text.splitlines())
            head: Any = next(lines, None)
            rows: Any = list(lines)
        else:
            head = _parsed(text)
            rows = head.pop("rows", None) if isinstance(head, dict) else None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise UsageError(f"{path.name}: no Dataset-JSON that can be read") from None
    for problem in _HEAD.iter_errors(_plain(head)):
        raise UsageError(f"{path.name}: {problem.json_path} is not as Dataset-JSON 1.1 wants it")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise UsageError(f"{path.name}: its rows are not as Dataset-JSON 1.1 wants them")
    return _read(path, head, rows)


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _plain(value: Any) -> Any:
    """As jsonschema knows numbers: a Decimal is none of its types."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _read(path: Path, head: dict[str, Any], rows: list[list[Any]]) -> ReadBack:
    variables = tuple(
        ReadVariable(name=one["name"], label=one["label"], numeric=one["dataType"] in _TYPES) for one in head["columns"]
    )
    if len(rows) != head["records"] or any(len(row) != len(variables) for row in rows):
        raise UsageError(f"{path.name}: it has not the records and columns that it names")
    cells = [
        tuple(_cell(path, cell, variable.numeric) for cell, variable in zip(row, variables, strict=True))
        for row in rows
    ]
    return ReadBack(name=head["name"], label=head["label"], variables=variables, rows=cells)


def _cell(path: Path, value: Any, numeric: bool) -> Cell:
    if value is None or value == "":
        return None
    if not numeric:
        if not isinstance(value, str):
            raise UsageError(f"{path.name}: a number stands where a text belongs")
        return value
    try:
        if isinstance(value, str | Decimal):
            return exact_number(Decimal(value))
    except InvalidOperation:
        pass
    raise UsageError(f"{path.name}: a text stands where a number belongs")
