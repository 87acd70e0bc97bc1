"""In: a ViewDefinition in short and resources. Out: the view's table, on DuckDB."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapter.datasets.engines import ViewTable
from adapter.datasets.engines import duckdb as on_duckdb
from adapter.fhir.versions import FhirVersion
from adapter.terminology import Node
from adapter.views import ViewDefinition, parse_view

__all__ = ["column", "one", "table", "view"]


def view(resource: str, *select: dict[str, Any], **parts: Any) -> ViewDefinition:
    """A view of a type of resource."""
    return parse_view(Node({"resource": resource, "select": list(select), **parts}, "test.json"))


def column(path: str, type_name: str | None = None, *, name: str = "v", collection: bool = False) -> dict[str, Any]:
    """A column; the FHIR type of its path where none is given."""
    found: dict[str, Any] = {"name": name, "path": path, "collection": collection}
    return found if type_name is None else {**found, "type": type_name}


def table(definition: ViewDefinition, *resources: dict[str, Any] | str, **options: Any) -> ViewTable:
    """Run a view over resources; a text is a line as it stands."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{definition.resource}.ndjson"
        _write(file, resources)
        return on_duckdb.run(definition, [file], **options)


def _write(file: Path, resources: Sequence[dict[str, Any] | str]) -> None:
    lines = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in resources)
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def one(resource: dict[str, Any], path: str, type_name: str | None = None, **options: Any) -> Any:
    """What a path gives of a resource, as a column of a type."""
    collection = options.pop("collection", False)
    constants = options.pop("constants", [])
    options.setdefault("version", FhirVersion.R4)
    kind = resource["resourceType"]
    definition = view(kind, {"column": [column(path, type_name, collection=collection)]}, constant=constants)
    return table(definition, {"id": "1", **resource}, **options).table.to_pylist()[0]["v"]
