"""In: the segments of a type of a site. Out: fewer and larger ones that hold the same rows.

A pull that brings one result writes a segment for it, and a reader opens every segment of a site: with a pull each quarter of
an hour they would be 35,000 a year and type. So segments are merged by size, eight of about one size at a time, as
log-structured stores do: a row is written again a few times in its life, and some twenty segments a type remain.

Nothing but the files changes. Every version stays, with its hash, its order of arrival and where it came from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import count
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from adapter.observe import logger
from adapter.store.models import SegmentRow
from adapter.store.runs import Run, SegmentInfo
from adapter.store.segments import ROW_ORDER, SCHEMAS, read_rows, write_pair
from adapter.store.shelf import Shelf, is_as_written
from adapter.store.space import writing

__all__ = ["FAN", "MOST_BYTES", "MOST_ROWS", "Sized", "compact", "planned"]

#: So many segments of about one size become one.
FAN = 8
#: A segment is not made larger than this: what is merged has to fit the memory.
MOST_BYTES = 24 * 2**20
MOST_ROWS = 60_000
#: Smaller than this share of the largest, all sizes count as one.
_SMALLEST = FAN**-3
#: Columns that raw bytes and index have both.
_SHARED = [name for name in SCHEMAS[0].names if name in SCHEMAS[1].names]


class Sized(Protocol):
    """A segment's rows and the bytes of its resources."""

    @property
    def rows(self) -> int:
        """How many versions it holds."""

    @property
    def raw_bytes(self) -> int:
        """Of all of them together, as they came."""


_S = TypeVar("_S", bound=Sized)


def planned(segments: Iterable[_S], *, fan: int = FAN) -> list[list[_S]]:
    """Which segments of one type to merge into one each.

    Args:
        segments: of one type, in the order in which they came.
        fan: segments of about one size are merged from so many on; 2 merges whatever can be.

    Returns:
        groups of at least two; merged, none is larger than a segment may be.
    """
    by_size: defaultdict[int, list[_S]] = defaultdict(list)
    for segment in segments:
        if _share(segment) < 1 / 2:
            by_size[0 if fan < FAN else _tier(segment)].append(segment)
    found: list[list[_S]] = []
    for _, alike in sorted(by_size.items()):
        if len(alike) >= fan:
            found += _filled(alike)
    return [group for group in found if len(group) > 1]


def _share(segment: Sized) -> float:
    """How much of the largest segment it is."""
    return max(segment.rows / MOST_ROWS, segment.raw_bytes / MOST_BYTES)


def _tier(segment: Sized) -> int:
    tier, size = 0, _SMALLEST
    while _share(segment) >= size:
        tier, size = tier + 1, size * FAN
    return tier


def _filled(segments: Sequence[_S]) -> list[list[_S]]:
    groups: list[list[_S]] = [[]]
    rows = raw_bytes = 0
    for segment in segments:
        rows, raw_bytes = rows + segment.rows, raw_bytes + segment.raw_bytes
        if rows > MOST_ROWS or raw_bytes > MOST_BYTES:
            groups.append([])
            rows, raw_bytes = segment.rows, segment.raw_bytes
        groups[-1].append(segment)
    return groups


def compact(shelf: Shelf, run: Run, *, fan: int = FAN) -> dict[str, int]:
    """Merge the small segments of a run's site.

    One whose files are not as they were written is left as it is, for `reluth store check` to name: merged, it could not be
    told any more.

    Args:
        shelf: where they lie.
        run: holds the site; what it brought is committed.
        fan: see `planned`.

    Returns:
        by type, how many fewer segments there are.

    Raises:
        StorageError: there is no room; what was merged before is.
    """
    by_type: defaultdict[str, list[SegmentRow]] = defaultdict(list)
    for segment in shelf.segments(run.site):
        by_type[segment.type].append(segment)
    found = {type_: _compact(shelf, run, segments, fan=fan) for type_, segments in sorted(by_type.items())}
    return {type_: fewer for type_, fewer in found.items() if fewer}


def _compact(shelf: Shelf, run: Run, segments: Sequence[SegmentRow], *, fan: int) -> int:
    fewer = 0
    for group in planned(segments, fan=fan):
        type_ = group[0].type
        whole = [segment for segment in group if _is_whole(shelf, segment)]
        if len(whole) < 2:
            continue
        try:
            raw, index = _merged(shelf, whole)
        except (pa.ArrowException, ValueError) as error:
            logger("store").warning("segments are left unmerged", site=run.site, type=type_, error=type(error).__name__)
            continue
        name = _free_name(shelf, run, type_)
        into = SegmentInfo(type_, name, rows=raw.num_rows, raw_bytes=sum(item.raw_bytes for item in whole))
        raw_path, index_path = (find(run.site, type_, name) for find in (shelf.raw_path, shelf.index_path))
        with writing("the store"):
            into.digests = write_pair(raw, index, raw_path=raw_path, index_path=index_path)
        run.merge(type_, [item.name for item in whole], into)
        fewer += len(whole) - 1
    return fewer


def _free_name(shelf: Shelf, run: Run, type_: str) -> str:
    return next(
        name for number in count(1) if not shelf.raw_path(run.site, type_, name := f"{run.name}-m{number}").exists()
    )


def _is_whole(shelf: Shelf, segment: SegmentRow) -> bool:
    whole = all(is_as_written(path, digest) for path, digest in shelf.written(segment))
    if not whole:
        logger("store").warning(
            "a segment is not as it was written", site=segment.site, type=segment.type, segment=segment.name
        )
    return whole


def _merged(shelf: Shelf, segments: Sequence[SegmentRow]) -> tuple[pa.Table, pa.Table]:
    """The rows of some segments together, raw bytes and index, sorted as those of one are.

    Raises:
        ValueError: other columns, a resource that is not as it came, raw bytes and index of other versions, one version
            in two segments.
    """
    tables = []
    for schema, files in zip(SCHEMAS, zip(*map(shelf.written, segments), strict=True), strict=True):
        # Of another release they may have other columns: casting refuses them.
        rows = pa.concat_tables([read_rows(path).cast(schema) for path, _ in files])
        order = pc.sort_indices(rows.select([name for name, _ in ROW_ORDER]), sort_keys=ROW_ORDER)
        tables.append(rows.take(order))
    raw, index = tables
    if not all(raw[name].equals(index[name]) for name in _SHARED):
        raise ValueError("raw bytes and index are not of the same versions")
    if pc.count_distinct(raw["seq"]).as_py() != raw.num_rows:
        raise ValueError("one version in two segments")
    if any(sha256(kept.as_py()).digest() != told.as_py() for kept, told in zip(raw["raw"], raw["sha256"], strict=True)):
        raise ValueError("a resource is not as it came")
    return raw, index
