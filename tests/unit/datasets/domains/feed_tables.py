"""In: the handwritten pseudonymised feed beside this file. Out: the tables of the shipped views over it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from adapter.datasets.engines import ViewTable
from adapter.datasets.engines.duckdb import run
from adapter.documents import read_documents
from adapter.views import ViewDefinition, parse_view

FEED = Path(__file__).with_name("feed")


@lru_cache(maxsize=1)
def shipped_views() -> dict[str, ViewDefinition]:
    """The views below mappings/views, by name."""
    views = [parse_view(node) for node in read_documents("views").values()]
    return {view.name: view for view in views}


@lru_cache(maxsize=64)
def table_of(name: str, feed: Path = FEED) -> ViewTable:
    """A view's table over a feed."""
    view = shipped_views()[name]
    file = feed / f"{view.resource}.ndjson"
    return run(view, [file] if file.exists() else [])


def rows_of(name: str) -> list[dict[str, Any]]:
    """Its rows, empty cells left out."""
    return [{key: cell for key, cell in row.items() if cell is not None} for row in table_of(name).table.to_pylist()]


def row_of(name: str, key: str, place: int | None = None) -> dict[str, Any]:
    """The row of one resource, and of a place in it where it has several."""
    found = [row for row in rows_of(name) if row["id"] == key and place in (None, row.get("row"))]
    (row,) = found
    return row
