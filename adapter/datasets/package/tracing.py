"""In: a package's records with their sources, and which resource of which hospital each source is. Out: where every cell came from.

Two tables. The one in the package names resources by their keys and has keyed hashes of what was read. The one that tells which
hospital's resource a key is stays in the store (``datasets/trace``), one for each package that was made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.datasets.model import Cell, CellSource, Package
from adapter.datasets.pseudonymising import TraceEntry
from adapter.errors import UsageError
from adapter.pseudonyms import keyed_digest
from adapter.store import OriginInfo, Store, private_folder

__all__ = ["TRACE", "Traced", "digests_of", "keep_trace", "trace", "write_cells", "write_resources"]

_Value = TypeVar("_Value")
#: In a package.
TRACE: Final = "trace.parquet"
_FOLDER: Final = "datasets/trace"
_LATEST: Final = "latest"
_ID: Final = re.compile(r"[0-9a-f]{64}")
_CELLS: Final = pa.schema(
    [
        pa.field("dataset", pa.string(), False),
        pa.field("usubjid", pa.string()),
        pa.field("seq", pa.int64()),
        pa.field("variables", pa.list_(pa.field("element", pa.string(), False)), False),
        pa.field("resource", pa.string(), False),
        pa.field("path", pa.string(), False),
        pa.field("mapping", pa.string(), False),
        pa.field("digest", pa.string()),
    ]
)
_RESOURCES: Final = pa.schema([pa.field("resource", pa.string(), False), pa.field("digest", pa.string(), False)])
_SITE: Final = pa.schema(
    [*(pa.field(name, pa.string()) for name in ("key", "site", "type", "id", "version", "sha256")), ("seq", pa.int64())]
)


class Traced(msgspec.Struct, frozen=True):
    """Where some cells of a record came from.

    Attributes:
        variables: whose cells.
        path: FHIRPath in the resource.
        mapping: id and version of the document that says so, ``LB/laboratory@1.0.0``.
        resource: of the pseudonymised feed.
        site: whose resource; this and what follows is None for a resource that was made here (a ResearchSubject).
        reference: the hospital's ``Type/id``.
        version: ``meta.versionId``.
        sha256: of its bytes as they came.
        origin: which run brought that version, and whether it still holds; None where the store has it no longer.
    """

    variables: tuple[str, ...]
    path: str
    mapping: str
    resource: str
    site: str | None = None
    reference: str | None = None
    version: str | None = None
    sha256: str | None = None
    origin: OriginInfo | None = None


def _digest(key: bytes, sha256: str) -> str:
    """What a package says of the bytes of a resource: enough to tell that they changed, not what they were."""
    return keyed_digest(key, "source", sha256).hex()


def digests_of(key: bytes, entries: Iterable[TraceEntry]) -> dict[str, str]:
    """By resource of the feed; one that was made of several stands for all of them."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.key, []).append(entry.sha256)
    return {resource: _digest(key, " ".join(sorted(said))) for resource, said in found.items()}


def write_cells(package: Package, digests: Mapping[str, str], path: Path) -> None:
    """Write a package's own trace, one line for each group of cells of a record that share their source.

    Args:
        package: with the rows' sources.
        digests: by resource of the pseudonymised feed.
        path: of the file.
    """
    records: list[tuple[str, Cell, int | None]] = []  # each with as many lines as it has sources
    lines: list[int] = []
    sources: list[CellSource] = []
    for dataset in package.datasets:
        variables = [variable.name for variable in dataset.variables]
        subject = variables.index("USUBJID") if "USUBJID" in variables else None
        sequence = variables.index(name) if (name := f"{dataset.domain}SEQ") in variables else None
        for row in dataset.rows:
            if row.sources:
                number = row.cells[sequence] if sequence is not None else None
                usubjid = row.cells[subject] if subject is not None else None
                records.append((dataset.name, usubjid, int(number) if isinstance(number, Decimal) else None))
                lines.append(len(row.sources))
                sources += row.sources
    groups, group_at = _distinct([(one.variables, one.path, one.mapping) for one in sources])
    resources, resource_at = _distinct([one.resource for one in sources])
    record_at = pa.array([place for place, count in enumerate(lines) for _ in range(count)], pa.int32())
    told = [
        *((column, record_at) for column in _columns(records)),
        *((column, group_at) for column in _columns(groups)),
        (resources, resource_at),
        ([digests.get(resource) for resource in resources], resource_at),
    ]
    names = ("dataset", "usubjid", "seq", "variables", "path", "mapping", "resource", "digest")
    made = {
        name: pa.array(column, _CELLS.field(name).type).take(at) for name, (column, at) in zip(names, told, strict=True)
    }
    _write(pa.Table.from_arrays([made[name] for name in _CELLS.names], schema=_CELLS), path)


def _distinct(values: Sequence[_Value]) -> tuple[list[_Value], pa.Array]:
    """Values of which many are the same: each different one once, and where each stands among these."""
    places: dict[_Value, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return list(places), pa.array(at, pa.int32())


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """Three columns of rows of three."""
    return list(zip(*rows, strict=True)) if rows else [(), (), ()]


def write_resources(digests: Mapping[str, str], path: Path) -> None:
    """Write the trace of a package whose records are resources or rows of them: each resource with its digest."""
    found = sorted(digests.items())
    _write(pa.table({"resource": [key for key, _ in found], "digest": [said for _, said in found]}, _RESOURCES), path)


def keep_trace(
    store: Store, package_id: str, *, entries: Iterable[TraceEntry], cells: Path, latest: str | None
) -> None:
    """Keep at the site what leads a package's records back to the hospital's.

    Args:
        store: open.
        package_id: sha256 of the package's manifest.
        entries: which resource each key is.
        cells: the package's own trace, which is kept beside it.
        latest: the trial of which this package is now the newest with domains; None for one without.
    """
    folder = private_folder(store.folder / _FOLDER)
    listed = sorted(entries, key=lambda entry: (entry.key, entry.type, entry.id))
    columns = {name: [getattr(entry, name) for entry in listed] for name in _SITE.names}
    _write(pa.table(columns, _SITE), folder / f"{package_id}.resources.parquet")
    _replace(folder / f"{package_id}.cells.parquet", cells.read_bytes())
    if latest is not None:
        _replace(folder / f"{_LATEST}-{latest}", package_id.encode())


def _kept(store: Store, package_id: str) -> dict[str, list[TraceEntry]] | None:
    """Which hospital's resources each key of a package is; None for a package that was not made here."""
    path = store.folder / _FOLDER / f"{package_id}.resources.parquet"
    if not _ID.fullmatch(package_id) or not path.is_file():
        return None
    found: dict[str, list[TraceEntry]] = {}
    for row in pq.read_table(path).to_pylist():
        found.setdefault(row["key"], []).append(TraceEntry(**row))
    return found


def trace(
    store: Store, trial: str, record: tuple[str, str | None, int | None], *, package_id: str | None = None
) -> list[Traced]:
    """Where the cells of a record came from.

    Args:
        store: open.
        trial: whose newest package is meant, where none is named.
        record: dataset, subject, number; the last two None where a dataset has none.
        package_id: sha256 of a package's manifest.

    Returns:
        one entry a group of cells and a resource that they were made of.

    Raises:
        UsageError: no such package was made here, or nothing was read for such a record: it has none, or it is trial design.
    """
    folder = store.folder / _FOLDER
    if package_id is None:
        try:
            package_id = (folder / f"{_LATEST}-{trial}").read_text()
        except OSError:
            raise UsageError(f"no package of {trial} was made here: `reluth export DIR` makes one") from None
    resources = _kept(store, package_id)
    if resources is None:
        raise UsageError("this package was not made here: where its records came from is known where it was made")
    rows = _rows(folder / f"{package_id}.cells.parquet", record)
    nothing: Sequence[TraceEntry | None] = (None,)
    return [_traced(store, row, entry) for row in rows for entry in resources.get(row["resource"], nothing)]


def _rows(path: Path, record: tuple[str, str | None, int | None]) -> Sequence[dict[str, Any]]:
    if "dataset" not in pq.read_schema(path).names:
        raise UsageError("this package has no domains: its records name their resource themselves (column id)")
    dataset, subject, number = record
    wanted = pc.field("dataset") == dataset
    wanted &= pc.field("usubjid").is_null() if subject is None else pc.field("usubjid") == subject
    if number is not None:
        wanted &= pc.field("seq") == number
    found: list[dict[str, Any]] = pq.read_table(path, filters=wanted).to_pylist()
    if not found:
        raise UsageError(
            f"{' '.join(str(part) for part in record if part is not None)}: nothing was read for such a record"
        )
    return found


def _traced(store: Store, row: Mapping[str, Any], entry: TraceEntry | None) -> Traced:
    said = Traced(tuple(row["variables"]), row["path"], row["mapping"], row["resource"])
    if entry is None:
        return said
    # A subject that was loaded is no resource of the lake.
    origins = [] if entry.seq is None else store.lake.origins(entry.site, entry.type, entry.id)
    origins = [origin for origin in origins if entry.version is None or origin.version == entry.version]
    return msgspec.structs.replace(
        said,
        site=entry.site,
        reference=f"{entry.type}/{entry.id}",
        version=entry.version,
        sha256=entry.sha256,
        origin=origins[-1] if origins else None,
    )


def _write(table: pa.Table, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
