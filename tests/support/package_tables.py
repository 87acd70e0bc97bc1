"""In: records by domain. Out: a folder as a finished package has it: ``sdtm/parquet/<domain>.parquet``, texts as strings and numbers as doubles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["write_package"]

_NUMBERS = frozenset({"VISITNUM"})


def write_package(folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], **manifest: Any) -> Path:
    """Write the tables; with anything said of the manifest, that too."""
    place = folder / "sdtm" / "parquet"
    place.mkdir(parents=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        fields = [(column, pa.float64() if column in _NUMBERS else pa.string()) for column in columns]
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], pa.schema(fields)), place / f"{name}.parquet")
    if manifest:
        (folder / "manifest.json").write_text(json.dumps({"files": [], **manifest}))
    return folder
