"""In: summaries and raw bytes of resource versions. Out: a pair of Parquet files (raw, index), whole or not there.

A segment is sorted by bucket of its patient, so that reading one bucket touches few row groups. Its files are written
under another name, synced and renamed; they are seen only when a committed run lists them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.fhir import Summary
from adapter.store.state import private_file

__all__ = [
    "BUCKETS",
    "NO_BUCKET",
    "Batch",
    "Origin",
    "bucket_of",
    "instant",
    "keep_rows",
    "version_number",
    "write_pair",
]

#: Patients are spread over this many buckets; changing it needs every segment written again.
BUCKETS = 256
#: Bucket of resources that are about no patient (Medication, ResearchStudy, Practitioner).
NO_BUCKET = -1

_MAX_VERSION_DIGITS = 18
_RAW_ROW_GROUP = 2048
#: Rows wait as Python objects, several times their size, only up to this many bytes of raw; then as Arrow.
_PACK_BYTES = 2 * 2**20
_INDEX_ROW_GROUP = 16384

_RAW_SCHEMA = pa.schema(
    [
        ("type", pa.string()),
        ("id", pa.string()),
        ("version", pa.string()),
        ("last_updated", pa.string()),
        ("seq", pa.int64()),
        ("sha256", pa.binary()),
        ("patient", pa.string()),
        ("bucket", pa.int16()),
        ("raw", pa.binary()),
        ("origin", pa.string()),
        ("line", pa.int64()),
        ("run", pa.string()),
    ]
)
_INDEX_SCHEMA = pa.schema(
    [
        ("type", pa.string()),
        ("id", pa.string()),
        ("version", pa.string()),
        ("version_number", pa.int64()),
        ("last_updated", pa.string()),
        ("updated", pa.int64()),
        ("seq", pa.int64()),
        ("sha256", pa.binary()),
        ("patient", pa.string()),
        ("bucket", pa.int16()),
        ("status", pa.string()),
        ("start", pa.string()),
        ("end", pa.string()),
        ("codes", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
        ("references", pa.list_(pa.string())),
        ("links", pa.list_(pa.string())),
    ]
)
_ORDER = [("bucket", "ascending"), ("patient", "ascending"), ("id", "ascending"), ("seq", "ascending")]


class Origin(NamedTuple):
    """Where a resource came from: a file's name or an address without its query, and the line in the file."""

    source: str
    line: int | None = None
    is_url: bool = False


def bucket_of(patient: str | None) -> int:
    """The bucket of a patient's resources, the same on every machine and in every release."""
    return NO_BUCKET if patient is None else zlib.crc32(patient.encode()) % BUCKETS


def version_number(version: str | None) -> int | None:
    """A numeric ``meta.versionId`` as a number, else None.

    >>> version_number("10"), version_number("a1"), version_number(None)
    (10, None, None)
    """
    if version is None or not version.isascii() or not version.isdigit() or len(version) > _MAX_VERSION_DIGITS:
        return None
    return int(version)


def instant(text: str | None) -> int | None:
    """``meta.lastUpdated`` as microseconds since 1970 UTC, None where it is no date and time.

    >>> instant("2024-01-01T01:00:00+01:00") == instant("2024-01-01T00:00:00Z")
    True
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        # R4 datatypes.html#instant requires the zone; a server that leaves it out does so everywhere.
        moment = moment.replace(tzinfo=UTC)
    try:
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Batch:
    """Resource versions of one type that wait in memory for their segment."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._rows: list[tuple[Summary, bytes, Origin, int]] = []
        self._packed: list[tuple[pa.Table, pa.Table]] = []
        self._pack_at = _PACK_BYTES
        self._count = 0
        self.raw_bytes = 0

    def __len__(self) -> int:
        return self._count

    def add(self, summary: Summary, raw: bytes, *, origin: Origin, seq: int) -> None:
        """Keep one version; nothing is computed here that can be done for many at once."""
        self._rows.append((summary, raw, origin, seq))
        self._count += 1
        self.raw_bytes += len(raw)
        if self.raw_bytes >= self._pack_at:
            self._pack()

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The raw table and the index table, sorted alike."""
        self._pack()
        raw = pa.concat_tables([pair[0] for pair in self._packed])
        index = pa.concat_tables([pair[1] for pair in self._packed])
        order = pc.sort_indices(index.select(["bucket", "patient", "id", "seq"]), sort_keys=_ORDER)
        return raw.take(order), index.take(order)

    def _pack(self) -> None:
        if self._rows:
            self._packed.append(self._tables())
        self._rows = []
        self._pack_at = self.raw_bytes + _PACK_BYTES

    def _tables(self) -> tuple[pa.Table, pa.Table]:
        rows = self._rows
        summaries = [row[0] for row in rows]
        patients = [summary.patient for summary in summaries]
        shared: dict[str, list[Any]] = {
            "type": [summary.type for summary in summaries],
            "id": [summary.id for summary in summaries],
            "version": [summary.version for summary in summaries],
            "last_updated": [summary.last_updated for summary in summaries],
            "seq": [row[3] for row in rows],
            "sha256": [sha256(row[1]).digest() for row in rows],
            "patient": patients,
            "bucket": [bucket_of(patient) for patient in patients],
        }
        raw = {
            **shared,
            "raw": [row[1] for row in rows],
            "origin": [row[2].source for row in rows],
            "line": [row[2].line for row in rows],
            "run": [self._run] * len(rows),
        }
        index = {
            **shared,
            "version_number": [version_number(summary.version) for summary in summaries],
            "updated": [instant(summary.last_updated) for summary in summaries],
            "status": [summary.status for summary in summaries],
            "start": [summary.start for summary in summaries],
            "end": [summary.end for summary in summaries],
            "codes": [summary.codes for summary in summaries],
            "texts": [summary.texts for summary in summaries],
            "references": [summary.references for summary in summaries],
            "links": [summary.links for summary in summaries],
        }
        return pa.table(raw, schema=_RAW_SCHEMA), pa.table(index, schema=_INDEX_SCHEMA)


def write_pair(raw: pa.Table, index: pa.Table, *, raw_path: Path, index_path: Path) -> None:
    """Write both files of a segment, each whole under its name or not at all."""
    _write(
        raw,
        raw_path,
        row_group_size=_RAW_ROW_GROUP,
        use_dictionary=["type", "version", "patient", "origin", "run"],
        write_statistics=["id", "seq", "patient", "bucket"],
    )
    _write(
        index,
        index_path,
        row_group_size=_INDEX_ROW_GROUP,
        use_dictionary=[name for name in _INDEX_SCHEMA.names if name not in ("id", "seq", "sha256", "updated")],
        write_statistics=["id", "seq", "patient", "bucket", "start", "end", "status"],
    )


def keep_rows(raw_path: Path, index_path: Path, *, seqs: Collection[int]) -> tuple[pa.Table, pa.Table]:
    """Both tables of a segment with only the rows of these sequence numbers."""
    wanted = pa.array(sorted(seqs), type=pa.int64())
    found = []
    for path in (raw_path, index_path):
        # partitioning=None: folders named like key=value must not become columns.
        table = pq.read_table(path, partitioning=None)
        found.append(table.filter(pc.is_in(table["seq"], value_set=wanted)))
    return found[0], found[1]


def _write(table: pa.Table, path: Path, **options: Any) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb", opener=private_file) as out:
        pq.write_table(table, out, compression="zstd", compression_level=3, **options)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
