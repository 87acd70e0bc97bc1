"""In: the lake, a resource's type and id. Out: every version of it that is kept, byte for byte, with the run that brought it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapter.store.lake import Lake
from adapter.store.segments import bucket_of

__all__ = ["StoredVersion", "stored_versions", "versions_about"]

_COLUMNS = "r.id, r.raw, r.run, r.origin, r.line, r.version, r.last_updated"


class StoredVersion(msgspec.Struct, frozen=True):
    """One version: what came, by which run, from where (``source``: file, or address without its query), ``line`` in the file."""

    id: str
    raw: bytes
    run: str
    source: str
    line: int | None
    version: str | None
    last_updated: str | None


def stored_versions(lake: Lake, site: str, type_: str, id_: str) -> list[StoredVersion]:
    """Every version of a resource, in the order in which they came."""
    return _read(lake, site, type_, where="r.id = $wanted", wanted=id_)


def versions_about(lake: Lake, site: str, type_: str, patients: Sequence[str]) -> list[StoredVersion]:
    """Every version of every resource of a type about some patients (``Patient/id``), in the order in which they came."""
    buckets = sorted({bucket_of(patient) for patient in patients})
    # Rows lie in the order of their buckets: those of others are passed over.
    where = f"list_contains({buckets}, r.bucket) and r.patient in (select unnest($wanted))"
    return _read(lake, site, type_, where=where, wanted=list(patients))


def _read(lake: Lake, site: str, type_: str, *, where: str, wanted: str | list[str]) -> list[StoredVersion]:
    files = [str(lake.raw_path(site, type_, Path(file).stem)) for file in lake.index_files(site, type_)]
    if not files:
        return []
    with lake.engine.connection() as connection:
        rows = connection.execute(
            f"select {_COLUMNS} from read_parquet($files, hive_partitioning = false) r where {where} order by r.seq",  # noqa: S608 - only texts of this file are put in; values are parameters
            {"files": files, "wanted": wanted},
        ).fetchall()
    return [StoredVersion(*row) for row in rows]
