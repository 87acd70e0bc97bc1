"""In: index files of one site. Out: which version of a resource is current, and what a run adds to a type, in SQL.

Which version holds is found for all versions of one id together, so that the answer does not depend on the order they
came in: where every version has a numeric ``meta.versionId`` the highest; else, or on a tie, where every one has a
``meta.lastUpdated`` the latest instant; else, or on a tie, the one ingested last. What a tombstone covers takes no
part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

__all__ = ["Added", "Tombstone", "mark_superseded", "overtaken", "stage_added"]

#: Orders the rows of one id, the current one first; needs the columns of `_TIERS`.
_CURRENT_FIRST = "case when numbered then version_number end desc, case when dated then updated end desc, seq desc"
_TIERS = """bool_and(version_number is not null) as numbered, bool_and(updated is not null) as dated"""


class Tombstone(NamedTuple):
    """A deletion: versions with a sequence number up to ``seq`` are gone."""

    type: str
    id: str
    seq: int


class Added(NamedTuple):
    """What a run adds to one type: ids never seen, and further versions."""

    new: int
    changed: int


def _load_tombstones(connection: duckdb.DuckDBPyConnection, tombstones: Iterable[Tombstone]) -> None:
    rows = list(tombstones)
    table = pa.table(
        {
            "type": pa.array([row.type for row in rows], pa.string()),
            "id": pa.array([row.id for row in rows], pa.string()),
            "seq": pa.array([row.seq for row in rows], pa.int64()),
        }
    )
    connection.register("tombstone_rows", table)
    connection.execute("create or replace temp table buried as select * from tombstone_rows")
    connection.unregister("tombstone_rows")


def mark_superseded(
    connection: duckdb.DuckDBPyConnection, index_files: Sequence[str], tombstones: Iterable[Tombstone]
) -> None:
    """Make the temporary table ``superseded`` (seq): every version that is not current, or deleted.

    Most resources have one version, so this table is small beside the lake.
    """
    _load_tombstones(connection, tombstones)
    connection.execute(
        f"""
        create or replace temp table superseded as
        with version as (
            select type, id, seq, version_number, updated from read_parquet($files, hive_partitioning = false)
        ), alive as (
            select v.* from version v left join buried b on b.type = v.type and b.id = v.id
            where b.seq is null or v.seq > b.seq
        ), several as (
            select type, id, {_TIERS} from alive group by type, id having count(*) > 1
        ), ranked as (
            select seq, row_number() over (partition by type, id order by {_CURRENT_FIRST}) as place
            from alive join several using (type, id)
        )
        select seq from ranked where place > 1
        union all
        select v.seq from version v join buried b on b.type = v.type and b.id = v.id where v.seq <= b.seq
        """,  # noqa: S608 - only texts of this file are put in; values are parameters
        {"files": list(index_files)},
    )


def overtaken(
    connection: duckdb.DuckDBPyConnection,
    *,
    staged: Sequence[str],
    existing: Sequence[str],
    tombstones: Iterable[Tombstone],
    parts: int = 1,
) -> set[str]:
    """Ids of one type of which versions came, and a version that is held and did not come would still be current.

    Args:
        parts: the ids are dealt with in so many parts, one after the other; memory is that of one part.
    """
    if not staged or not existing:
        return set()
    _load_tombstones(connection, tombstones)
    found: set[str] = set()
    for part in range(parts):
        rows = connection.execute(
            f"""
            with arrived as (
                select id, sha256, max(seq) as seq, any_value(version_number) as version_number, any_value(updated) as updated
                from read_parquet($staged, hive_partitioning = false) where hash(id) % $parts = $part group by id, sha256
            ), other as (
                select e.id, e.seq, e.version_number, e.updated
                from read_parquet($existing, hive_partitioning = false) e
                semi join arrived a on a.id = e.id anti join arrived same on same.id = e.id and same.sha256 = e.sha256
                left join buried b on b.id = e.id
                where b.seq is null or e.seq > b.seq
            ), alive as (
                select id, seq, version_number, updated, true as came from arrived semi join other using (id)
                union all select id, seq, version_number, updated, false from other
            ), tier as (
                select id, {_TIERS} from alive group by id
            ), ranked as (
                select id, came, row_number() over (partition by id order by {_CURRENT_FIRST}) as place
                from alive join tier using (id)
            )
            select id from ranked where place = 1 and not came
            """,  # noqa: S608 - only texts of this file are put in; values are parameters
            {"staged": list(staged), "existing": list(existing), "parts": parts, "part": part},
        ).fetchall()
        found.update(id_ for (id_,) in rows)
    return found


def stage_added(
    connection: duckdb.DuckDBPyConnection,
    *,
    staged: Sequence[str],
    existing: Sequence[str],
    tombstones: Iterable[Tombstone],
    parts: int = 1,
) -> Added:
    """Make the temporary table ``added`` (seq): which staged versions of one type the store does not hold yet.

    A version is held when its id and hash are. One exception: where the order of arrival decides and an older
    content came back (the hospital undid a change, on a server without version ids), it is added again.

    Args:
        parts: the ids are dealt with in so many parts, one after the other; memory is that of one part.
    """
    _load_tombstones(connection, tombstones)
    connection.execute("create or replace temp table added (seq bigint)")
    new = changed = 0
    for part in range(parts):
        found = _stage_part(connection, staged=staged, existing=existing, part=(parts, part))
        new, changed = new + found.new, changed + found.changed
        connection.execute("insert into added select seq from fresh")
    for table in ("arrived", "held", "fresh"):
        connection.execute(f"drop table if exists {table}")
    return Added(new, changed)


def _stage_part(
    connection: duckdb.DuckDBPyConnection, *, staged: Sequence[str], existing: Sequence[str], part: tuple[int, int]
) -> Added:
    """Make the temporary table ``fresh``: what is to be added of one part of the ids."""
    parts, number = part
    connection.execute(
        """
        create or replace temp table arrived as
        select id, sha256, max(seq) as seq, any_value(version_number) as version_number, any_value(updated) as updated
        from read_parquet($files, hive_partitioning = false) where hash(id) % $parts = $number group by id, sha256
        """,
        {"files": list(staged), "parts": parts, "number": number},
    )
    source = "read_parquet($files, hive_partitioning = false)" if existing else "arrived"
    connection.execute(
        f"""
        create or replace temp table held as
        select e.id, e.sha256, e.seq, e.version_number, e.updated
        from {source} e semi join arrived a on a.id = e.id left join buried b on b.id = e.id
        where {"true" if existing else "false"} and (b.seq is null or e.seq > b.seq)
        """,  # noqa: S608 - only texts of this file are put in; values are parameters
        {"files": list(existing)} if existing else {},
    )
    connection.execute(
        """
        create or replace temp table fresh as
        select a.* from arrived a anti join held h on h.id = a.id and h.sha256 = a.sha256
        """
    )
    if existing:
        _add_returned(connection)
    [(new, total)] = connection.execute(
        """
        select count(distinct id) filter (where not known), count(*)
        from (select a.id, exists (select 1 from held h where h.id = a.id) as known from fresh a)
        """
    ).fetchall()
    return Added(int(new), int(total) - int(new))


def _add_returned(connection: duckdb.DuckDBPyConnection) -> None:
    def winner(parts: str) -> str:
        return f"""
            select id, sha256, seq, version_number, updated from (
                select r.*, row_number() over (partition by r.id order by {_CURRENT_FIRST}) as place
                from ({parts}) r join tier using (id)
            ) where place = 1
        """  # noqa: S608 - only texts of this file are put in; values are parameters

    everything = (
        "select * from held semi join disputed using (id) union all select * from arrived semi join disputed using (id)"
    )
    without = (
        "select * from held semi join disputed using (id) union all select * from fresh semi join disputed using (id)"
    )
    connection.execute(
        f"""
        insert into fresh
        with again as (
            select distinct a.id from arrived a semi join held h on h.id = a.id and h.sha256 = a.sha256
        ), disputed as (
            select id from (select id, sha256 from held union all select id, sha256 from arrived)
            semi join again using (id) group by id having count(distinct sha256) > 1
        ), tier as (
            select id, {_TIERS} from ({everything}) group by id
        ), meant as ({winner(everything)}), reached as ({winner(without)})
        select meant.id, meant.sha256, meant.seq, meant.version_number, meant.updated
        from meant join reached using (id) where meant.sha256 <> reached.sha256
        """  # noqa: S608 - only texts of this file are put in; values are parameters
    )
