"""In: a site's segments, some people. Out: the same segments without the rows of these people, written beside those that are listed.

Nobody sees them before the run that wrote them is committed.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapter.errors import ConfigurationError
from adapter.store.models import SegmentRow
from adapter.store.runs import Run, SegmentInfo
from adapter.store.segments import bucket_of, keep_rows, read_rows, write_pair
from adapter.store.shelf import Shelf, is_as_written
from adapter.store.space import writing

__all__ = ["Lighter", "lighten"]


class Lighter(msgspec.Struct, frozen=True):
    """A segment without some of its rows.

    Attributes:
        type: resource type.
        name: of the segment that goes.
        into: the one that takes its place, written; None where no row is left.
        ids: of the resources whose rows go.
        rows: how many go.
    """

    type: str
    name: str
    into: SegmentInfo | None
    ids: frozenset[str]
    rows: int


def lighten(shelf: Shelf, run: Run, patients: Collection[str]) -> list[Lighter]:
    """Write each segment of a run's site that holds rows of some people (``Patient/id``) again, without these.

    Raises:
        ConfigurationError: a segment that holds some is not as it was written.
        StorageError: there is no room.
    """
    found = []
    for number, segment in enumerate(shelf.segments(run.site), start=1):
        lighter = _lightened(shelf, run, segment, patients=patients, name=f"{run.name}-{number}")
        if lighter is not None:
            found.append(lighter)
    return found


def _lightened(shelf: Shelf, run: Run, segment: SegmentRow, *, patients: Collection[str], name: str) -> Lighter | None:
    type_ = segment.type
    index_path = shelf.index_path(run.site, type_, segment.name)
    of_them = _rows_of(index_path, patients, segment)
    if not of_them.num_rows:
        return None
    for path, digest in shelf.written(segment):
        if not is_as_written(path, digest):
            raise _not_whole(segment)
    gone = set(of_them["seq"].to_pylist())
    ids = frozenset(of_them["id"].to_pylist())
    if len(gone) == segment.rows:
        return Lighter(type_, segment.name, None, ids, len(gone))
    kept = [seq for seq in read_rows(index_path)["seq"].to_pylist() if seq not in gone]
    raw, index = keep_rows(shelf.raw_path(run.site, type_, segment.name), index_path, seqs=kept)
    size = pc.sum(pc.binary_length(raw["raw"])).as_py()
    into = SegmentInfo(type_, name, rows=raw.num_rows, raw_bytes=size)
    raw_path, index_path = (find(run.site, type_, name) for find in (shelf.raw_path, shelf.index_path))
    with writing("the store"):
        into.digests = write_pair(raw, index, raw_path=raw_path, index_path=index_path)
    return Lighter(type_, segment.name, into, ids, len(gone))


def _rows_of(index_path: object, patients: Collection[str], segment: SegmentRow) -> pa.Table:
    # Rows lie in the order of their buckets: most groups of them are passed over unread.
    buckets = sorted({bucket_of(patient) for patient in patients})
    theirs = pc.field("bucket").isin(buckets) & pc.field("patient").isin(sorted(patients))
    try:
        return pq.read_table(index_path, columns=["id", "seq"], filters=theirs, partitioning=None)
    except (pa.ArrowException, OSError):
        raise _not_whole(segment) from None


def _not_whole(segment: SegmentRow) -> ConfigurationError:
    where = f"{segment.site}/{segment.type}/{segment.name}.parquet"
    return ConfigurationError(
        "store.path",
        f"{where} is not as it was written, so nothing can be taken out of it: see `reluth store check`; nothing was changed",
    )
