"""In: the store's folder and the state. Out: `Shelf`: which segments of a site are visible, where their files lie, what lies there besides.

Segments lie in ``lake/<site>/<Type>/`` (raw bytes) and ``index/<site>/<Type>/`` (what finds them again). Only those that a
committed run lists exist for a reader.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import delete, func, select

from adapter.observe import logger
from adapter.store.models import RetiredSegmentRow, RunRow, SegmentRow, TombstoneRow
from adapter.store.runs import seqs_after
from adapter.store.segments import digest_of
from adapter.store.state import State, now
from adapter.store.versions import Tombstone

__all__ = ["LakeMark", "Shelf", "is_as_written"]

_ROOMS = ("lake", "index")
#: Names asked for in one query.
_AT_ONCE = 500
#: So long a reader may take: until then the files of segments that were merged are kept for it.
_READ_WITHIN = timedelta(hours=6)


class LakeMark(NamedTuple):
    """How far a site's lake has come: the newest run that brought a version, and how many versions there are.

    Merging segments moves neither.
    """

    run: int
    versions: int


def is_as_written(path: Path, digest: str | None) -> bool:
    """Whether a file is there as it was written; of what earlier releases wrote, whether it is there."""
    return path.is_file() and (digest is None or digest_of(path) == digest)


class Shelf:
    """The segments of a store, and their files.

    Args:
        folder: the store's.
        state: says which segments are visible.
    """

    def __init__(self, folder: Path, state: State) -> None:
        self._folder = folder
        self._state = state

    def raw_path(self, site: str, type_: str, name: str) -> Path:
        """File of the raw bytes of a segment."""
        return self._folder / "lake" / site / type_ / f"{name}.parquet"

    def index_path(self, site: str, type_: str, name: str) -> Path:
        """File of the index of a segment."""
        return self._folder / "index" / site / type_ / f"{name}.parquet"

    def index_files(self, site: str, type_: str | None = None) -> list[str]:
        """Index files of the visible segments of a site, or of one of its types."""
        return [str(self.index_path(site, row.type, row.name)) for row in self.segments(site, type_)]

    def written(self, segment: SegmentRow) -> tuple[tuple[Path, str | None], tuple[Path, str | None]]:
        """The files of a segment, of raw bytes and of the index, each with its digest; None of what earlier releases wrote."""
        where = segment.site, segment.type, segment.name
        return (self.raw_path(*where), segment.raw_sha256), (self.index_path(*where), segment.index_sha256)

    def altered(self, site: str) -> list[Path]:
        """Files of the visible segments of a site that are there and not as they were written; what earlier releases wrote is not known."""
        files = (file for segment in self.segments(site) for file in self.written(segment))
        return [path for path, digest in files if path.is_file() and not is_as_written(path, digest)]

    def mark(self, site: str) -> LakeMark:
        """How far the lake of a site has come."""
        query = select(func.coalesce(func.max(SegmentRow.run), 0), func.coalesce(func.sum(SegmentRow.rows), 0))
        with self._state.session() as session:
            run, versions = session.execute(query.where(SegmentRow.site == site)).one()
        return LakeMark(int(run), int(versions))

    def files_since(self, site: str, mark: LakeMark) -> tuple[list[str], int]:
        """Index files that hold versions which came after a mark, and the lowest sequence number of these."""
        rows = [row for row in self.segments(site) if row.run > mark.run]
        return [str(self.index_path(site, row.type, row.name)) for row in rows], seqs_after(mark.run)

    def tombstones(self, site: str, type_: str | None = None) -> list[Tombstone]:
        """Deletions at a site, or of one of its types."""
        query = select(TombstoneRow).where(TombstoneRow.site == site)
        if type_ is not None:
            query = query.where(TombstoneRow.type == type_)
        with self._state.session() as session:
            return [Tombstone(row.type, row.id, row.seq) for row in session.scalars(query)]

    def sites(self) -> list[str]:
        """Sites with something in the lake."""
        with self._state.session() as session:
            return list(session.scalars(select(SegmentRow.site).distinct().order_by(SegmentRow.site)))

    def segments(self, site: str, type_: str | None = None) -> list[SegmentRow]:
        """The visible segments of a site, or of one of its types, in the order in which they came."""
        query = select(SegmentRow).where(SegmentRow.site == site).order_by(SegmentRow.number)
        if type_ is not None:
            query = query.where(SegmentRow.type == type_)
        with self._state.session() as session:
            return list(session.scalars(query))

    def clear_leftovers(self, site: str) -> None:
        """Remove files of runs of this state that were not committed, or were merged long since; only the holder of the site's lock may call this."""
        with self._state.session() as session:
            old = (RetiredSegmentRow.site == site, RetiredSegmentRow.at < now() - _READ_WITHIN)
            session.execute(delete(RetiredSegmentRow).where(*old))
        unlisted = self._unlisted(site)
        unknown = self._of_no_run(unlisted)
        for path in unlisted:
            if path not in unknown:
                path.unlink(missing_ok=True)
        if unknown:
            logger("store").warning("files that no run lists are left as they are", site=site, files=len(unknown))

    def unknown_files(self) -> list[Path]:
        """Files of runs that the state knows nothing of: it was lost, or is that of another store. They are not read."""
        sites = {path.name for room in _ROOMS for path in (self._folder / room).glob("*")}
        return sorted(path for site in sites for path in self._of_no_run(self._unlisted(site)))

    def _unlisted(self, site: str) -> list[Path]:
        retired = select(RetiredSegmentRow.type, RetiredSegmentRow.name).where(RetiredSegmentRow.site == site)
        with self._state.session() as session:
            kept = [(type_, name) for type_, name in session.execute(retired)]
        kept += [(row.type, row.name) for row in self.segments(site)]
        known = {(type_, f"{name}.parquet") for type_, name in kept}
        found = (path for room in _ROOMS for path in (self._folder / room / site).glob("*/*"))
        return [path for path in found if (path.parent.name, path.name) not in known]

    def _of_no_run(self, paths: Collection[Path]) -> set[Path]:
        runs = {path: path.name.removeprefix(".").rpartition("-")[0] for path in paths}
        names = sorted(set(runs.values()))
        with self._state.session() as session:
            known = {
                name
                for start in range(0, len(names), _AT_ONCE)
                for name in session.scalars(select(RunRow.name).where(RunRow.name.in_(names[start : start + _AT_ONCE])))
            }
        return {path for path, run in runs.items() if run not in known}
