"""In: resource versions as they come. Out: segments of those that the store does not hold yet, visible at the commit.

Memory is bounded: a type's batch goes to disk when it, or all of them together, are large enough. Which versions are
new is found for a whole type at once, at the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from adapter.fhir import Summary
from adapter.store.engine import SetEngine
from adapter.store.runs import Run, SegmentInfo
from adapter.store.segments import Batch, Origin, keep_rows, read_rows, write_pair
from adapter.store.shelf import Shelf
from adapter.store.state import private_folder
from adapter.store.versions import Tombstone, overtaken, stage_added

__all__ = ["LakeWriter", "TypeCounts"]

_BATCH_BYTES = 24 * 2**20
_ALL_BATCHES_BYTES = 40 * 2**20
_BATCH_ROWS = 60_000
#: Which versions are new is found for so many at once: their ids and hashes must fit the memory.
_PART_ROWS = 400_000


class TypeCounts(msgspec.Struct, frozen=True):
    """What a run brought of one type: versions read; of these, ids never seen, and further versions of known ids."""

    read: int
    new: int
    changed: int


class LakeWriter:
    """Takes the resource versions of one run."""

    def __init__(self, shelf: Shelf, engine: SetEngine, run: Run) -> None:
        self._shelf = shelf
        self._engine = engine
        self._run = run
        self._batches: dict[str, Batch] = {}
        self._waiting_bytes = 0
        self._staged: dict[str, list[SegmentInfo]] = {}
        self._read: dict[str, int] = {}
        self._files = 0

    def add(self, summary: Summary, raw: bytes, origin: Origin) -> None:
        """Take one version; whether it is new is told by `commit`."""
        type_ = summary.type
        batch = self._batches.get(type_)
        if batch is None:
            batch = self._batches[type_] = Batch(self._run.name)
        batch.add(summary, raw, origin=origin, seq=self._run.next_seq())
        self._read[type_] = self._read.get(type_, 0) + 1
        self._waiting_bytes += len(raw)
        if batch.raw_bytes >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            self._flush(type_)
        elif self._waiting_bytes >= _ALL_BATCHES_BYTES:
            self._flush(max(self._batches, key=lambda name: self._batches[name].raw_bytes))

    def ids(self, type_: str) -> set[str]:
        """Ids of the resources of a type taken so far."""
        if type_ in self._batches:
            self._flush(type_)
        staged = self._staged.get(type_)
        if not staged:
            return set()
        with self._engine.connection() as connection:
            found = connection.execute(
                "select distinct id from read_parquet($files, hive_partitioning = false)",
                {"files": [self._index(segment) for segment in staged]},
            ).fetchall()
        return {id_ for (id_,) in found}

    def index_files(self) -> list[str]:
        """Index files of all that was taken so far."""
        for type_ in list(self._batches):
            self._flush(type_)
        return [self._index(segment) for _, staged in sorted(self._staged.items()) for segment in staged]

    def taken_of(self, type_: str, patients: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """What was taken so far of a type of some people (``Patient/id``): whose, and as the hospital wrote it."""
        self.index_files()
        listed = pa.array(list(patients), pa.string())
        for segment in self._staged.get(type_, ()):
            # A column more than is told: the rows of most segments are nobody's of these, and their bytes stay unread.
            if not pc.any(pc.is_in(read_rows(self._index_path(segment))["patient"], value_set=listed)).as_py():
                continue
            rows = read_rows(self._raw(segment)).select(["patient", "raw"])
            for row in rows.filter(pc.is_in(rows["patient"], value_set=listed)).to_pylist():
                yield row["patient"], row["raw"]

    def leave_out(self, patients: Collection[str]) -> None:
        """Drop what was taken so far of some people (``Patient/id``): it is not kept."""
        self.index_files()
        listed = pa.array(list(patients), pa.string())
        for type_, staged in self._staged.items():
            left: list[SegmentInfo] = []
            for segment in staged:
                rows = read_rows(self._index_path(segment)).select(["seq", "patient"])
                kept = rows.filter(pc.invert(pc.is_in(rows["patient"], value_set=listed)))["seq"].to_pylist()
                if len(kept) == segment.rows:
                    left.append(segment)
                    continue
                if kept:
                    left.append(self._smaller(segment, kept))
                self._delete([segment])
            self._staged[type_] = left

    def types(self) -> list[str]:
        """Types of which something was taken so far, sorted."""
        return sorted(self._read)

    def overtaken(self, type_: str) -> set[str]:
        """Ids of a type of which versions were taken, and one that is stored and did not come would still be current."""
        existing = self._shelf.index_files(self._run.site, type_)
        if not existing:
            return set()
        if type_ in self._batches:
            self._flush(type_)
        staged = self._staged.get(type_, [])
        with self._engine.connection() as connection:
            return overtaken(
                connection,
                staged=[self._index(segment) for segment in staged],
                existing=existing,
                tombstones=self._shelf.tombstones(self._run.site, type_),
                parts=_parts(staged),
            )

    def commit(
        self,
        *,
        bookmarks: Mapping[str, str] | None = None,
        deleted: Iterable[Tombstone] = (),
        overruled: Mapping[str, Collection[str]] | None = None,
        mended: Collection[str] = (),
        complete: bool = True,
        told: Callable[[dict[str, TypeCounts]], str] | None = None,
    ) -> dict[str, TypeCounts]:
        """Keep what is new, bury what was deleted, make it visible in one step, and move the bookmarks.

        Args:
            bookmarks: server time by type, for the types that were read whole.
            deleted: what the hospital deleted.
            overruled: by type, ids of which nothing holds that was stored before, but what this run took.
            mended: keys of what lay aside and is read now, or deleted.
            complete: nothing was missing.
            told: makes the run's closing summary (JSON) of what was read and added: it is there with it, or not at all.

        Returns:
            what was read and added, by type.
        """
        for type_ in list(self._batches):
            self._flush(type_)
        # What the batches needed is free; without this it is kept beside what DuckDB needs.
        pa.default_memory_pool().release_unused()
        buried = {
            type_: [Tombstone(type_, id_, self._run.first_seq) for id_ in sorted(ids)]
            for type_, ids in (overruled or {}).items()
        }
        kept: list[SegmentInfo] = []
        dropped: list[SegmentInfo] = []
        counts: dict[str, TypeCounts] = {}
        with self._engine.connection() as connection:
            for type_, staged in sorted(self._staged.items()):
                if not staged:
                    # All of it was left out.
                    counts[type_] = TypeCounts(self._read[type_], 0, 0)
                    continue
                again = buried.get(type_, [])
                stones = {one.id: one for one in [*self._shelf.tombstones(self._run.site, type_), *again]}
                added = stage_added(
                    connection,
                    staged=[self._index(segment) for segment in staged],
                    existing=self._shelf.index_files(self._run.site, type_),
                    tombstones=stones.values(),
                    parts=_parts(staged),
                )
                # What is buried is not held any more; its ids were seen before.
                counts[type_] = TypeCounts(self._read[type_], added.new - len(again), added.changed + len(again))
                for segment in staged:
                    final = self._thin_out(connection, segment)
                    if final is not segment:
                        dropped.append(segment)
                    if final is not None:
                        kept.append(final)
        gone = [*deleted, *(one for again in buried.values() for one in again)]
        summary = None if told is None else told(counts)
        self._run.commit(kept, bookmarks=bookmarks, deleted=gone, mended=mended, complete=complete, summary=summary)
        self._delete(dropped)
        self._staged.clear()
        return counts

    def discard(self) -> None:
        """Drop what was taken so far; nothing of it was to be seen."""
        self._batches.clear()
        self._waiting_bytes = 0
        for staged in self._staged.values():
            self._delete(staged)
        self._staged.clear()
        self._read.clear()

    def _flush(self, type_: str) -> None:
        batch = self._batches.pop(type_)
        self._waiting_bytes -= batch.raw_bytes
        raw, index = batch.tables()
        segment = SegmentInfo(type_, self._next_name(), rows=len(batch), raw_bytes=batch.raw_bytes)
        segment.digests = write_pair(raw, index, raw_path=self._raw(segment), index_path=self._index_path(segment))
        self._staged.setdefault(type_, []).append(segment)

    def _thin_out(self, connection: duckdb.DuckDBPyConnection, segment: SegmentInfo) -> SegmentInfo | None:
        """The segment itself when all of it is new, a smaller one in its place, or none."""
        new = "read_parquet($files, hive_partitioning = false) s semi join added using (seq)"
        files = {"files": [self._index(segment)]}
        [(count,)] = connection.execute(f"select count(*) from {new}", files).fetchall()  # noqa: S608 - the text above
        if count == segment.rows:
            return segment
        if count == 0:
            return None
        found = connection.execute(f"select s.seq from {new}", files).fetchall()  # noqa: S608 - likewise
        return self._smaller(segment, [row[0] for row in found])

    def _smaller(self, segment: SegmentInfo, seqs: Collection[int]) -> SegmentInfo:
        """A segment with some rows of another one."""
        raw, index = keep_rows(self._raw(segment), self._index_path(segment), seqs=seqs)
        smaller = SegmentInfo(
            segment.type,
            self._next_name(),
            rows=raw.num_rows,
            raw_bytes=sum(len(value) for value in raw["raw"].to_pylist()),
        )
        smaller.digests = write_pair(raw, index, raw_path=self._raw(smaller), index_path=self._index_path(smaller))
        return smaller

    def _next_name(self) -> str:
        self._files += 1
        return f"{self._run.name}-{self._files}"

    def _raw(self, segment: SegmentInfo) -> Path:
        path = self._shelf.raw_path(self._run.site, segment.type, segment.name)
        private_folder(path.parent)
        return path

    def _index_path(self, segment: SegmentInfo) -> Path:
        path = self._shelf.index_path(self._run.site, segment.type, segment.name)
        private_folder(path.parent)
        return path

    def _index(self, segment: SegmentInfo) -> str:
        return str(self._index_path(segment))

    def _delete(self, segments: Iterable[SegmentInfo]) -> None:
        for segment in segments:
            self._raw(segment).unlink(missing_ok=True)
            self._index_path(segment).unlink(missing_ok=True)


def _parts(staged: Collection[SegmentInfo]) -> int:
    return 1 + sum(segment.rows for segment in staged) // _PART_ROWS
