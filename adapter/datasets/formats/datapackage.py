"""In: files of tables and their columns. Out: ``datapackage.json`` (Frictionless Data Package 1), with bytes and hash of each file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from adapter.datasets.formats.manifest import sha256_of
from adapter.errors import DefectError

__all__ = ["Field", "Resource", "field_type", "write_datapackage"]

#: By file ending: Frictionless format and media type.
_FORMATS = {
    ".csv": ("csv", "text/csv"),
    ".parquet": ("parquet", "application/vnd.apache.parquet"),
    ".ndjson": ("ndjson", "application/x-ndjson"),
}
#: FHIR dates may be partial (2024-05), which a Frictionless date is not: they are strings.
_TYPES = {
    "boolean": "boolean",
    "integer": "integer",
    "integer64": "integer",
    "positiveInt": "integer",
    "unsignedInt": "integer",
    "decimal": "number",
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A column.

    Attributes:
        name: of the column.
        type: of Frictionless, see ``field_type``.
        description: e.g. the FHIRPath that fills it.
    """

    name: str
    type: str
    description: str | None = None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A table in a file.

    Attributes:
        name: of the table.
        path: in the package's folder.
        fields: its columns.
        rows: how many.
        description: in words.
    """

    name: str
    path: str
    fields: tuple[Field, ...]
    rows: int
    description: str | None = None


def field_type(fhir_type: str | None, *, collection: bool = False) -> str:
    """The Frictionless type of a FHIR one.

    >>> field_type("positiveInt"), field_type("dateTime"), field_type("code", collection=True)
    ('integer', 'string', 'array')
    """
    return "array" if collection else _TYPES.get(fhir_type or "", "string")


def write_datapackage(folder: Path, resources: Sequence[Resource], *, name: str, title: str) -> Path:
    """Write ``datapackage.json`` beside the files of tables.

    Args:
        folder: that the paths are in.
        resources: one a file; a table in two formats is two resources, told apart by their format in the name.
        name: of the package, lower case with hyphens.
        title: of the package.

    Returns:
        Its path.

    Raises:
        DefectError: a resource has no file, or two have one name.
    """
    listed = [_resource(folder, one) for one in sorted(resources, key=lambda one: one.path)]
    names = [one["name"] for one in listed]
    if len(set(names)) < len(names):
        raise DefectError("two resources of a data package have the same name")
    path = folder / "datapackage.json"
    said = {"profile": "data-package", "name": name, "title": title, "resources": listed}
    path.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
    return path


def _resource(folder: Path, resource: Resource) -> dict[str, Any]:
    path = folder / resource.path
    if not path.is_file() or path.suffix not in _FORMATS:
        raise DefectError(f"{resource.path}: no file of a known format for a data package")
    form, media = _FORMATS[path.suffix]
    found: dict[str, Any] = {
        "name": f"{resource.name.lower().replace('_', '-')}-{form}",
        "path": resource.path,
        "format": form,
        "mediatype": media,
        "encoding": "utf-8",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256_of(path)}",
        "rows": resource.rows,
        "schema": {"fields": [_field(one) for one in resource.fields], "missingValues": [""]},
    }
    if form == "csv":
        found["profile"] = "tabular-data-resource"
        found["dialect"] = {"delimiter": ",", "header": True}
    if resource.description:
        found["description"] = resource.description
    return found


def _field(field: Field) -> dict[str, str]:
    found = {"name": field.name, "type": field.type}
    return found | ({"description": field.description} if field.description else {})
