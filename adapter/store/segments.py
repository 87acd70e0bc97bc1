"""In: summaries and raw bytes of resource versions. Out: a pair of Parquet files (raw, index), whole or not there.

A segment is sorted by bucket of its patient, so that reading one bucket touches few row groups. Its files are written
under another name, synced and renamed; they are seen only when a committed run lists them.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.fhir import Summary
from adapter.fhir.stamps import instant, version_number
from adapter.store.state import private_file

__all__ = [
    "BUCKETS",
    "NO_BUCKET",
    "ROW_ORDER",
    "SCHEMAS",
    "Batch",
    "Origin",
    "bucket_of",
    "digest_of",
    "keep_rows",
    "read_rows",
    "sync_folder",
    "write_pair",
]

#: Patients are spread over this many buckets; changing it needs every segment written again.
BUCKETS = 256
#: Bucket of resources that are about no patient (Medication, ResearchStudy, Practitioner).
NO_BUCKET = -1

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
#: Of the rows of a segment.
ROW_ORDER = [("bucket", "ascending"), ("patient", "ascending"), ("id", "ascending"), ("seq", "ascending")]

#: Of the raw bytes, of the index.
SCHEMAS = (_RAW_SCHEMA, _INDEX_SCHEMA)


class Origin(NamedTuple):
    """Where a resource came from: a file's name or an address without its query, and the line in the file."""

    source: str
    line: int | None = None
    is_url: bool = False


def bucket_of(patient: str | None) -> int:
    """The bucket of a patient's resources, the same on every machine and in every release."""
    return NO_BUCKET if patient is None else zlib.crc32(patient.encode()) % BUCKETS


class Batch:
    """Resource versions of one type that wait in memory for their segment.

    They wait as columns, not as rows: a list, tuple or struct a row would have the garbage collector go through all of
    them again and again.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._packed: list[tuple[pa.Table, pa.Table]] = []
        self._pack_at = _PACK_BYTES
        self._count = 0
        self.raw_bytes = 0
        self._begin()

    def __len__(self) -> int:
        return self._count

    def add(self, summary: Summary, raw: bytes, *, origin: Origin, seq: int) -> None:
        """Keep one version; nothing is computed here that can be done for many at once."""
        self._types.append(summary.type)
        self._ids.append(summary.id)
        self._versions.append(summary.version)
        self._updated.append(summary.last_updated)
        self._patients.append(summary.patient)
        self._status.append(summary.status)
        self._starts.append(summary.start)
        self._ends.append(summary.end)
        self._codes.add(summary.codes)
        self._texts.add(summary.texts)
        self._references.add(summary.references)
        self._links.add(summary.links)
        self._seqs.append(seq)
        self._raws.append(raw)
        self._sources.append(origin.source)
        self._lines.append(origin.line)
        self._count += 1
        self.raw_bytes += len(raw)
        if self.raw_bytes >= self._pack_at:
            self._pack()

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The raw table and the index table, sorted alike."""
        self._pack()
        raw = pa.concat_tables([pair[0] for pair in self._packed])
        index = pa.concat_tables([pair[1] for pair in self._packed])
        order = pc.sort_indices(index.select(["bucket", "patient", "id", "seq"]), sort_keys=ROW_ORDER)
        return raw.take(order), index.take(order)

    def _begin(self) -> None:
        self._types: list[str] = []
        self._ids: list[str] = []
        self._versions: list[str | None] = []
        self._updated: list[str | None] = []
        self._patients: list[str | None] = []
        self._status: list[str | None] = []
        self._starts: list[str | None] = []
        self._ends: list[str | None] = []
        self._codes, self._texts, self._references, self._links = _Lists(), _Lists(), _Lists(), _Lists()
        self._seqs: list[int] = []
        self._raws: list[bytes] = []
        self._sources: list[str] = []
        self._lines: list[int | None] = []

    def _pack(self) -> None:
        if self._ids:
            self._packed.append(self._tables())
            self._begin()
        self._pack_at = self.raw_bytes + _PACK_BYTES

    def _tables(self) -> tuple[pa.Table, pa.Table]:
        count = len(self._ids)
        # Both tables take these as they are: each is made an Arrow array once.
        shared = {
            "type": pa.array(self._types, pa.string()),
            "id": pa.array(self._ids, pa.string()),
            "version": pa.array(self._versions, pa.string()),
            "last_updated": pa.array(self._updated, pa.string()),
            "seq": pa.array(self._seqs, pa.int64()),
            "sha256": pa.array([sha256(raw).digest() for raw in self._raws], pa.binary()),
            "patient": pa.array(self._patients, pa.string()),
            "bucket": pa.array([bucket_of(patient) for patient in self._patients], pa.int16()),
        }
        raw: dict[str, Any] = {
            **shared,
            "raw": self._raws,
            "origin": self._sources,
            "line": self._lines,
            "run": pa.repeat(self._run, count),
        }
        index: dict[str, Any] = {
            **shared,
            "version_number": [version_number(version) for version in self._versions],
            "updated": [instant(updated) for updated in self._updated],
            "status": self._status,
            "start": self._starts,
            "end": self._ends,
            "codes": self._codes.array(),
            "texts": self._texts.array(),
            "references": self._references.array(),
            "links": self._links.array(),
        }
        return pa.table(raw, schema=_RAW_SCHEMA), pa.table(index, schema=_INDEX_SCHEMA)


class _Lists:
    """A column of lists of texts."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._ends = [0]

    def add(self, words: Sequence[str]) -> None:
        """One row's list."""
        if words:
            self._words += words
        self._ends.append(len(self._words))

    def array(self) -> pa.Array:
        """All rows."""
        return pa.ListArray.from_arrays(pa.array(self._ends, pa.int32()), pa.array(self._words, pa.string()))


def write_pair(raw: pa.Table, index: pa.Table, *, raw_path: Path, index_path: Path) -> tuple[str, str]:
    """Write both files of a segment, each whole under its name or not at all; gives the SHA-256 of each."""
    of_raw = _write(
        raw,
        raw_path,
        row_group_size=_RAW_ROW_GROUP,
        use_dictionary=["type", "version", "patient", "origin", "run"],
        write_statistics=["id", "seq", "patient", "bucket"],
    )
    of_index = _write(
        index,
        index_path,
        row_group_size=_INDEX_ROW_GROUP,
        use_dictionary=[name for name in _INDEX_SCHEMA.names if name not in ("id", "seq", "sha256", "updated")],
        write_statistics=["id", "seq", "patient", "bucket", "start", "end", "status"],
    )
    return of_raw, of_index


def keep_rows(raw_path: Path, index_path: Path, *, seqs: Collection[int]) -> tuple[pa.Table, pa.Table]:
    """Both tables of a segment with only the rows of these sequence numbers."""
    wanted = pa.array(sorted(seqs), type=pa.int64())
    found = []
    for path in (raw_path, index_path):
        table = read_rows(path)
        found.append(table.filter(pc.is_in(table["seq"], value_set=wanted)))
    return found[0], found[1]


def read_rows(path: Path) -> pa.Table:
    """All rows of one file of a segment."""
    # partitioning=None: folders named like key=value must not become columns.
    return pq.read_table(path, partitioning=None)


def _write(table: pa.Table, path: Path, **options: Any) -> str:
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb", opener=private_file) as out:
        pq.write_table(table, out, compression="zstd", compression_level=3, **options)
        out.flush()
        os.fsync(out.fileno())
    digest = digest_of(temporary)
    temporary.replace(path)
    sync_folder(path.parent)
    return digest


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
