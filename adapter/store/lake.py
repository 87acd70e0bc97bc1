"""In: the visible segments of a store. Out: what is current: records by patient, codes, counts.

The index finds and counts; what is decided is decided on the raw bytes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from sqlalchemy import func, select

from adapter.store.compaction import FAN, compact
from adapter.store.engine import SetEngine
from adapter.store.merges import survivors
from adapter.store.models import RunRow, SegmentRow, TombstoneRow
from adapter.store.runs import Run
from adapter.store.segments import BUCKETS, NO_BUCKET, bucket_of
from adapter.store.shelf import Shelf
from adapter.store.signs import Signs
from adapter.store.state import State
from adapter.store.versions import Tombstone, mark_superseded
from adapter.store.writer import LakeWriter

__all__ = ["Lake", "OriginInfo", "PatientResources"]

#: A pass over the lake reads about this much raw data at once.
_PASS_BYTES = 24 * 2**20
#: Of so many states of a site's index it is kept which versions are superseded, where those are no more than so many.
_KEPT, _MOST_KEPT = 8, 1_000_000

#: The index files and deletions that something was found in.
_State = tuple[tuple[str, ...], tuple[Tombstone, ...]]


class PatientResources(msgspec.Struct, frozen=True):
    """All current resources of a person, byte for byte: their own and those of the ids merged into theirs."""

    patient: str
    merged: tuple[str, ...]
    resources: list[bytes]


class OriginInfo(msgspec.Struct, frozen=True):
    """Where one version of a resource came from.

    Attributes:
        run: that brought it; its time is the run's.
        source: file, or address without its query.
        line: in the file.
        version: ``meta.versionId``.
        last_updated: ``meta.lastUpdated``.
        live: it is the one that holds now.
    """

    run: str
    source: str
    line: int | None
    version: str | None
    last_updated: str | None
    live: bool


class Lake(Shelf):
    """Reads what lies on the shelf, and hands out its writer."""

    def __init__(self, folder: Path, state: State, engine: SetEngine) -> None:
        super().__init__(folder, state)
        self.engine = engine
        self._superseded: dict[_State, pa.Table] = {}
        self._merges: dict[str, tuple[_State, dict[str, str]]] = {}

    # What changes it ----------------------------------------------------------------------------------------------

    def writer(self, run: Run) -> LakeWriter:
        """Takes the resources of a run; first clears away what a killed run of this site left."""
        self.clear_leftovers(run.site)
        return LakeWriter(self, self.engine, run)

    def compact(self, run: Run, *, fan: int = FAN) -> dict[str, int]:
        """Merge the small segments of a run's site; see `compaction.compact`."""
        self.clear_leftovers(run.site)
        return compact(self, run, fan=fan)

    # What is in it ------------------------------------------------------------------------------------------------

    def deletion_seen(self, site: str, type_: str, ids: Collection[str]) -> datetime | None:
        """When the last deletion of some resources was seen: the end of the run that saw it; None where none was."""
        query = (
            select(func.max(RunRow.ended_at))
            .join(TombstoneRow, TombstoneRow.run == RunRow.number)
            .where(TombstoneRow.site == site, TombstoneRow.type == type_, TombstoneRow.id.in_(sorted(ids)))
        )
        with self._state.session() as session:
            return session.scalar(query)

    def stats(self) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
        """Counts as in the contract: ``{"sites": {site: {Type: {"live": n, "versions": n}}}}``."""
        return {"sites": {site: self._counts(site) for site in self.sites()}}

    def merges(self, site: str) -> dict[str, str]:
        """Every merged patient (``Patient/id``) with the one that stands for it."""
        files = self.index_files(site, "Patient")
        if not files:
            return {}
        key = (tuple(files), tuple(self.tombstones(site, "Patient")))
        known = self._merges.get(site)
        if known is None or known[0] != key:
            known = self._merges[site] = (key, self._read_merges(site, files))
        return dict(known[1])

    def _read_merges(self, site: str, files: list[str]) -> dict[str, str]:
        tombstones = self.tombstones(site, "Patient")
        buried = {one.id for one in tombstones}
        if buried:
            buried -= self.live_ids(site, "Patient")
        with self.engine.connection() as connection:
            self._mark(connection, files, tombstones)
            # A hospital may delete the record that was merged away: whom it was merged into is still so.
            links = connection.execute(
                """
                with gone as (
                    select patient, links, row_number() over (
                        partition by id order by version_number desc nulls last, seq desc
                    ) as place
                    from read_parquet($files, hive_partitioning = false) where id in (select unnest($buried))
                )
                select patient, unnest(links)
                from read_parquet($files, hive_partitioning = false) p anti join superseded using (seq)
                where len(links) > 0
                union all
                select patient, link from (select patient, unnest(links) as link from gone where place = 1)
                where starts_with(link, 'replaced-by ')
                """,
                {"files": files, "buried": sorted(buried)},
            ).fetchall()
        return survivors(links)

    def live_ids(self, site: str, type_: str, *, about_patients: bool = False) -> set[str]:
        """Ids of the resources of a type that are there now; all of them, or those that are about a patient."""
        files = self.index_files(site, type_)
        if not files:
            return set()
        with self.engine.connection() as connection:
            self._mark(connection, files, self.tombstones(site, type_))
            found = connection.execute(
                """
                select distinct id from read_parquet($files, hive_partitioning = false) v anti join superseded using (seq)
                where patient is not null or not $about_patients
                """,
                {"files": files, "about_patients": about_patients},
            ).fetchall()
        return {id_ for (id_,) in found}

    def patients(self, site: str) -> Iterator[str]:
        """Every person of the site, sorted: with a Patient resource, or only named by other resources.

        Merged ids are among them, as are survivors that only a link names; `merges` tells which is which.
        """
        files = self.index_files(site)
        if not files:
            return
        with self.engine.connection() as connection:
            self._mark(connection, files, self.tombstones(site))
            found = connection.execute(
                """
                select distinct patient
                from read_parquet($files, hive_partitioning = false) p anti join superseded using (seq)
                where patient is not null
                """,
                {"files": files},
            ).fetchall()
        people = {row[0] for row in found}
        people.update(self.merges(site).values())
        yield from sorted(people)

    def records(self, site: str, patients: Collection[str] | None = None) -> Iterator[PatientResources]:
        """The current resources of each person, exactly as they came.

        Args:
            site: the site.
            patients: only these (``Patient/id``; a merged id stands for its survivor); None for all.

        Yields:
            one entry a surviving person with at least one resource, in an order that is the same every time but
            is not sorted; within it by resource type and id.
        """
        files = [str(self.raw_path(site, row.type, row.name)) for row in self.segments(site)]
        if not files:
            return
        merged_into = self.merges(site)
        wanted = None if patients is None else {merged_into.get(patient, patient) for patient in patients}
        with self.engine.connection() as connection:
            self._mark(connection, self.index_files(site), self.tombstones(site))
            for buckets in self._passes(site, wanted):
                yield from _people(connection, files, buckets=buckets, merged_into=merged_into, wanted=wanted)

    def shared(self, site: str, references: Collection[str]) -> dict[str, bytes]:
        """The current bytes of resources that are about no patient, by reference (``Medication/12``)."""
        pairs = [(type_, id_) for type_, _, id_ in (reference.partition("/") for reference in set(references))]
        types = {type_ for type_, _ in pairs}
        rows = [row for row in self.segments(site) if row.type in types]
        if not rows:
            return {}
        with self.engine.connection() as connection:
            index = [str(self.index_path(site, row.type, row.name)) for row in rows]
            self._mark(connection, index, self.tombstones(site))
            found = connection.execute(
                """
                select r.type || '/' || r.id, r.raw
                from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
                where r.bucket = $bucket and r.id in (select unnest($ids))
                    and r.type || '/' || r.id in (select unnest($wanted))
                """,
                {
                    "files": [str(self.raw_path(site, row.type, row.name)) for row in rows],
                    "bucket": NO_BUCKET,
                    "ids": [id_ for _, id_ in pairs],
                    "wanted": [f"{type_}/{id_}" for type_, id_ in pairs],
                },
            ).fetchall()
        return dict(sorted(found))

    def bodies(self, site: str, type_: str, ids: Collection[str]) -> dict[str, bytes]:
        """The current bytes of those resources of a type that are there, by id."""
        rows = [row for row in self.segments(site) if row.type == type_] if ids else []
        if not rows:
            return {}
        with self.engine.connection() as connection:
            self._mark(connection, [str(self.index_path(site, type_, row.name)) for row in rows], self.tombstones(site))
            found = connection.execute(
                """
                select r.id, r.raw from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
                where r.id in (select unnest($ids))
                """,
                {"files": [str(self.raw_path(site, type_, row.name)) for row in rows], "ids": sorted(ids)},
            ).fetchall()
        return dict(sorted(found))

    def last_bodies(self, site: str, type_: str, ids: Collection[str]) -> dict[str, bytes]:
        """The bytes that came last of each of some resources, by id; of those that were deleted since, too."""
        files = [str(self.raw_path(site, type_, Path(file).stem)) for file in self.index_files(site, type_)]
        if not files or not ids:
            return {}
        with self.engine.connection() as connection:
            found = connection.execute(
                """
                select r.id, arg_max(r.raw, r.seq) from read_parquet($files, hive_partitioning = false) r
                where r.id in (select unnest($ids)) group by r.id
                """,
                {"files": files, "ids": sorted(ids)},
            ).fetchall()
        return dict(sorted(found))

    def patients_of(self, site: str, references: Collection[str]) -> dict[str, str]:
        """Whom the current versions of resources are about, by reference; those about nobody are left out."""
        wanted = set(references)
        files = [file for type_ in {one.partition("/")[0] for one in wanted} for file in self.index_files(site, type_)]
        if not files:
            return {}
        with self.engine.connection() as connection:
            self._mark(connection, files, self.tombstones(site))
            found = connection.execute(
                """
                select type || '/' || id, patient
                from read_parquet($files, hive_partitioning = false) anti join superseded using (seq)
                where patient is not null and type || '/' || id in (select unnest($wanted))
                """,
                {"files": files, "wanted": sorted(wanted)},
            ).fetchall()
        return dict(sorted(found))

    def referring(self, site: str, references: Collection[str]) -> set[str]:
        """Patients, as their resources name them, with a current resource that refers to one of these (``Medication/12``)."""
        files = self.index_files(site) if references else []
        if not files:
            return set()
        with self.engine.connection() as connection:
            self._mark(connection, files, self.tombstones(site))
            rows = connection.execute(
                """
                select distinct patient from read_parquet($files, hive_partitioning = false) anti join superseded using (seq)
                where patient is not null and list_has_any("references", $wanted)
                """,
                {"files": files, "wanted": sorted(references)},
            ).fetchall()
        return {patient for (patient,) in rows}

    def origins(self, site: str, type_: str, id_: str) -> list[OriginInfo]:
        """Where each version of a resource came from, in the order in which they came."""
        rows = self.segments(site, type_)
        if not rows:
            return []
        with self.engine.connection() as connection:
            index = [str(self.index_path(site, row.type, row.name)) for row in rows]
            self._mark(connection, index, self.tombstones(site, type_))
            found = connection.execute(
                """
                select r.run, r.origin, r.line, r.version, r.last_updated, s.seq is null
                from read_parquet($files, hive_partitioning = false) r left join superseded s on s.seq = r.seq
                where r.id = $id order by r.seq
                """,
                {"files": [str(self.raw_path(site, row.type, row.name)) for row in rows], "id": id_},
            ).fetchall()
        return [OriginInfo(*row) for row in found]

    def signed(
        self,
        site: str,
        signs: Signs,
        *,
        staged: Sequence[str] = (),
        references: Collection[tuple[str, str]] = (),
    ) -> tuple[set[str], bool]:
        """Patients, as their resources name them, with a sign in a current resource; and whether what others referred to is one.

        Args:
            site: the site.
            signs: what is looked for.
            staged: index files besides, of what is not in the lake.
            references: see `Signs.people`.
        """
        files = self.index_files(site)
        if not files and not staged:
            return set(), False
        with self.engine.connection() as connection:
            self._mark(connection, files or staged, self.tombstones(site) if files else [])
            return signs.people(connection, [*files, *staged], references)

    @contextmanager
    def marked(self, site: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for set queries over a site's index, with the table ``superseded`` (seq) of what is not current."""
        with self.engine.connection() as connection:
            self._mark(connection, self.index_files(site), self.tombstones(site))
            yield connection

    # Inside -------------------------------------------------------------------------------------------------------

    def _mark(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], tombstones: Sequence[Tombstone]
    ) -> None:
        """Make the temporary table ``superseded`` for these index files; found once for as long as none is added.

        Index files never change, so their names and the deletions say whether what was found still holds: one changed
        patient is looked at without going through everybody's versions again.
        """
        key = (tuple(files), tuple(tombstones))
        known = self._superseded.get(key)
        if known is not None:
            connection.register("superseded_rows", known)
            connection.execute("create or replace temp table superseded as select * from superseded_rows")
            connection.unregister("superseded_rows")
            return
        mark_superseded(connection, files, tombstones)
        rows = connection.execute("select seq from superseded").fetchall()
        found = pa.table({"seq": pa.array([seq for (seq,) in rows], pa.int64())})
        if found.num_rows <= _MOST_KEPT:
            while len(self._superseded) >= _KEPT:
                self._superseded.pop(next(iter(self._superseded)))
            self._superseded[key] = found

    def _counts(self, site: str) -> dict[str, dict[str, int]]:
        files = self.index_files(site)
        with self.engine.connection() as connection:
            self._mark(connection, files, self.tombstones(site))
            rows = connection.execute(
                """
                select type, count(*) - count(s.seq), count(*)
                from read_parquet($files, hive_partitioning = false) v
                left join superseded s on s.seq = v.seq group by type order by type
                """,
                {"files": files},
            ).fetchall()
        return {type_: {"live": live, "versions": versions} for type_, live, versions in rows}

    def _passes(self, site: str, wanted: set[str] | None) -> list[list[int]]:
        buckets = list(range(BUCKETS)) if wanted is None else sorted({bucket_of(patient) for patient in wanted})
        with self._state.session() as session:
            total = session.scalar(select(func.sum(SegmentRow.raw_bytes)).where(SegmentRow.site == site)) or 0
        size = max(1, min(BUCKETS, math.floor(BUCKETS * _PASS_BYTES / max(int(total), 1))))
        return [buckets[at : at + size] for at in range(0, len(buckets), size)]


def _people(
    connection: duckdb.DuckDBPyConnection,
    files: list[str],
    *,
    buckets: list[int],
    merged_into: dict[str, str],
    wanted: set[str] | None,
) -> Iterator[PatientResources]:
    """The people whose (surviving) id lies in these buckets."""
    inside = set(buckets)
    old_of: dict[str, list[str]] = {}
    for old, survivor in merged_into.items():
        if bucket_of(survivor) in inside and (wanted is None or survivor in wanted):
            old_of.setdefault(survivor, []).append(old)
    # Resources of a merged id may lie in any bucket; they are fetched with their survivor.
    elsewhere = sorted(old for olds in old_of.values() for old in olds if bucket_of(old) not in inside)
    parameters: dict[str, Any] = {"files": files, "buckets": buckets}
    where = "list_contains($buckets, r.bucket) and r.bucket between $low and $high"
    parameters |= {"low": min(buckets), "high": max(buckets)}
    if wanted is not None:
        here = sorted(patient for patient in wanted if bucket_of(patient) in inside)
        parameters["here"] = here + sorted(old for olds in old_of.values() for old in olds if bucket_of(old) in inside)
        where += " and r.patient in (select unnest($here))"
    found = _fetch(connection, where, parameters)
    if elsewhere:
        among = sorted({bucket_of(old) for old in elsewhere})
        found += _fetch(
            connection,
            "list_contains($among, r.bucket) and r.patient in (select unnest($elsewhere))",
            {"files": files, "among": among, "elsewhere": elsewhere},
        )
    grouped: dict[str, list[tuple[str, str, bytes]]] = {}
    for patient, type_, id_, raw in found:
        survivor = merged_into.get(patient, patient)
        if bucket_of(survivor) in inside:
            grouped.setdefault(survivor, []).append((type_, id_, raw))
    del found
    for survivor in sorted(grouped):
        resources = grouped.pop(survivor)
        resources.sort()
        yield PatientResources(
            survivor, tuple(sorted(old_of.get(survivor, ()))), [raw for _type, _id, raw in resources]
        )


def _fetch(
    connection: duckdb.DuckDBPyConnection, where: str, parameters: dict[str, Any]
) -> list[tuple[str, str, str, bytes]]:
    return connection.execute(
        f"""
        select r.patient, r.type, r.id, r.raw
        from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
        where {where}
        """,  # noqa: S608 - only texts of this file are put in; values are parameters
        parameters,
    ).fetchall()
