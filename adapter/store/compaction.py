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
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from adapter.observe import logger
from adapter.store.runs import Run, SegmentInfo
from adapter.store.segments import ROW_ORDER, SCHEMAS, digest_of, read_rows, write_pair
from adapter.store.space import writing

__all__ = ["FAN", "MOST_BYTES", "MOST_ROWS", "Shelf", "Sized", "compact", "planned"]

#: So many segments of about one size become one.
FAN = 8
#: A segment is not made larger than this: what is merged has to fit the memory.
MOST_BYTES = 24 * 2**20
MOST_ROWS = 60_000
#: Smaller than this share of the largest, all sizes count as one.
_SMALLEST = FAN**-3
#: Columns that raw bytes and index have both.
_SHARED = [name for name in SCHEMAS[0].names if name in SCHEMAS[1].names]


class Shelf(Protocol):
    """Where the files of segments lie."""

    def raw_path(self, site: str, type_: str, name: str) -> Path:
        """File of the raw bytes of a segment."""

    def index_path(self, site: str, type_: str, name: str) -> Path:
        """File of the index of a segment."""


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


def compact(shelf: Shelf, run: Run, segments: Sequence[SegmentInfo], *, fan: int = FAN) -> int:
    """Merge segments of one type, one group after the other.

    One whose files are not as they were written is left as it is, for `reluth store check` to name: merged, it could not be
    told any more.

    Args:
        shelf: where their files lie.
        run: holds the site.
        segments: all visible ones of the type, in the order in which they came.
        fan: see `planned`.

    Returns:
        how many fewer there are.

    Raises:
        StorageError: there is no room; what was merged before is.
    """
    fewer = 0
    for group in planned(segments, fan=fan):
        type_ = group[0].type
        whole = [segment for segment in group if _is_whole(shelf, run.site, segment)]
        if len(whole) < 2:
            continue
        pairs = [_files(shelf, run.site, segment) for segment in whole]
        try:
            raw, index = _merged(pairs)
        except (pa.ArrowException, ValueError) as error:
            logger("store").warning("segments are left unmerged", site=run.site, type=type_, error=type(error).__name__)
            continue
        into = SegmentInfo(
            type_, _free_name(shelf, run, type_), rows=raw.num_rows, raw_bytes=sum(item.raw_bytes for item in whole)
        )
        raw_path, index_path = _files(shelf, run.site, into)
        with writing("the store"):
            into.digests = write_pair(raw, index, raw_path=raw_path, index_path=index_path)
        run.merge(type_, [item.name for item in whole], into)
        fewer += len(whole) - 1
    return fewer


def _free_name(shelf: Shelf, run: Run, type_: str) -> str:
    return next(
        name for number in count(1) if not shelf.raw_path(run.site, type_, name := f"{run.name}-m{number}").exists()
    )


def _files(shelf: Shelf, site: str, segment: SegmentInfo) -> tuple[Path, Path]:
    return shelf.raw_path(site, segment.type, segment.name), shelf.index_path(site, segment.type, segment.name)


def _is_whole(shelf: Shelf, site: str, segment: SegmentInfo) -> bool:
    """Its files are as they were written; of what earlier releases wrote, they are there."""
    paths = _files(shelf, site, segment)
    whole = all(
        path.is_file() and (digest is None or digest_of(path) == digest)
        for path, digest in zip(paths, segment.digests, strict=True)
    )
    if not whole:
        logger("store").warning(
            "a segment is not as it was written", site=site, type=segment.type, segment=segment.name
        )
    return whole


def _merged(pairs: Sequence[tuple[Path, Path]]) -> tuple[pa.Table, pa.Table]:
    """The rows of some segments together, raw bytes and index, sorted as those of one are.

    Raises:
        ValueError: other columns, a resource that is not as it came, raw bytes and index of other versions, one version
            in two segments.
    """
    tables = []
    for at, schema in enumerate(SCHEMAS):
        # Of another release they may have other columns: casting refuses them.
        rows = pa.concat_tables([read_rows(pair[at]).cast(schema) for pair in pairs])
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
