"""In: a site, a time, who is to be kept. Out: whose data may go, and a store without them that knows whose they were.

As with `forgetting`: segments are written again without the rows, one transaction makes these the visible ones and lists the people.
Unlike there the files stay some hours for who is reading them, nothing is buried, and the hospital brings everybody again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import pyarrow as pa
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from adapter.errors import BusyError
from adapter.fhir import is_shared
from adapter.store.lake import Lake
from adapter.store.models import AuditRow, RunRow, TombstoneRow
from adapter.store.own import OWN_PREFIX
from adapter.store.purged import keep_numbers, keep_purged, keep_references, keep_signs, named_people
from adapter.store.removal import lighten
from adapter.store.runs import Run, run_of, seqs_after
from adapter.store.signs import Signs
from adapter.store.state import State, now

__all__ = ["PURGE", "Purgeable", "purge", "purgeable"]

#: Of the run, and of its line in the audit trail.
PURGE: Final = "purge"
_AT_ONCE = 500


class Purgeable(msgspec.Struct, frozen=True):
    """A person whose data may go: ``Patient/id`` of the record that stands for the others and of all, and the runs that brought these."""

    person: str
    patients: tuple[str, ...]
    first_runs: dict[str, int]


def purgeable(
    lake: Lake, state: State, site: str, *, before: datetime, signs: Signs, kept: Iterable[str]
) -> list[Purgeable]:
    """Persons of a site who came before a time, came from its server whole, and whom nothing keeps.

    What keeps somebody: a sign of a trial; a row of any table that names them; something that was made here or came from a file,
    which no server could give again; a resource that was somebody else's before or since; a merge link of somebody else's record.

    Args:
        lake: where the resources are.
        state: the database.
        site: whose people.
        before: their oldest version is from before this.
        signs: of the trials.
        kept: ``Patient/id`` of whom else to keep.
    """
    files = lake.index_files(site)
    old = _last_run(state, site, before)
    if not files or old is None:
        return []
    merges = lake.merges(site)
    signed, _ = lake.signed(site, signs)
    with state.session() as session:
        named = named_people(session, site)
    keep = {merges.get(one, one) for one in (*signed, *kept, *named)}
    raw = [str(lake.raw_path(site, row.type, row.name)) for row in lake.segments(site)]
    with lake.engine.connection() as connection:
        connection.register("survivor_rows", _pairs(merges))
        connection.execute("create or replace temp table survivor as select * from survivor_rows")
        connection.unregister("survivor_rows")
        connection.execute(
            """
            create or replace temp table version as
            select v.type, v.id, v.seq, v.patient, coalesce(s.person, v.patient) as person
            from read_parquet($files, hive_partitioning = false) v left join survivor s on s.old = v.patient
            """,
            {"files": files},
        )
        rows = connection.execute(
            """
            select person, patient, min(seq), min(seq) filter (where type = 'Patient'),
                bool_or(starts_with(id, $own))
            from version where patient is not null group by person, patient
            """,
            {"own": OWN_PREFIX},
        ).fetchall()
        shared = connection.execute(
            """
            with several as (select type, id from version group by type, id having count(distinct coalesce(person, '')) > 1)
            select distinct person from version semi join several using (type, id) where person is not null
            """
        ).fetchall()
        filed = connection.execute(
            """
            select distinct patient from read_parquet($files, hive_partitioning = false)
            where patient is not null and not (starts_with(origin, 'http://') or starts_with(origin, 'https://'))
            """,
            {"files": raw},
        ).fetchall()
        links = connection.execute(
            """
            select patient, unnest(links) from read_parquet($files, hive_partitioning = false)
            where patient is not null and len(links) > 0
            """,
            {"files": files},
        ).fetchall()
    keep |= {person for (person,) in shared} | {merges.get(patient, patient) for (patient,) in filed}
    for patient, link in links:
        other = link.partition(" ")[2]
        ends = {merges.get(patient, patient), merges.get(other, other)}
        keep |= ends if len(ends) > 1 and not link.startswith(("seealso ", "refer ")) else set()
    members: dict[str, set[str]] = {}
    for merged, person in merges.items():
        members.setdefault(person, {person}).add(merged)
    first: dict[str, int] = {}
    for person, patient, oldest, _, has_own in rows:
        members.setdefault(person, {person}).add(patient)
        first[person] = min(oldest, first.get(person, oldest))
        if has_own:
            keep.add(person)
    runs = {patient: run_of(came) for _, patient, _, came, _ in rows if came is not None}
    limit = seqs_after(old)
    return [
        Purgeable(person, tuple(sorted(members[person])), {one: runs[one] for one in members[person] if one in runs})
        for person in sorted(first)
        if person not in keep and first[person] < limit
    ]


def _pairs(merges: dict[str, str]) -> pa.Table:
    return pa.table(
        {"old": pa.array(list(merges), pa.string()), "person": pa.array(list(merges.values()), pa.string())}
    )


def _last_run(state: State, site: str, before: datetime) -> int | None:
    query = select(func.max(RunRow.number)).where(RunRow.site == site, RunRow.started_at <= before)
    with state.session() as session:
        return session.scalar(query)


def purge(
    lake: Lake,
    state: State,
    *,
    run: Run,
    people: Sequence[Purgeable],
    numbers: Mapping[str, Collection[str]],
    signs: Signs,
    by: str,
) -> dict[str, int]:
    """Remove the data of some people, and list them.

    Args:
        lake: where the resources are.
        state: the database.
        run: holds the site; it is committed.
        people: as `purgeable` found them under the same run.
        numbers: by record, digests of the hospital's numbers, which it will be found by.
        signs: of the trials.
        by: who does it.

    Returns:
        how many versions went, by type.

    Raises:
        BusyError: somebody of them was named meanwhile, by a decision or a card; nothing was changed.
        ConfigurationError: a segment is not as it was written; nothing was changed.
        StorageError: there is no room; likewise.
    """
    site = run.site
    lake.clear_leftovers(site)
    patients = {patient: one.person for one in people for patient in one.patients}
    references = _references(lake, site, patients)
    lighter = lighten(lake, run, patients) if patients else []
    versions: Counter[str] = Counter()
    for one in lighter:
        versions[one.type] += one.rows
    with state.together():
        for one in lighter:
            run.leave_out(one.type, one.name, one.into, is_read=True)
        with state.session() as session:
            # No decision and no card waits for the site: one that came since they were found keeps its person.
            if not named_people(session, site).isdisjoint(patients):
                raise BusyError(f"site {site}: somebody was decided on while their data were to be removed; try again")
            for one in lighter:
                # That a Patient was deleted says who is no more; other deletions say nothing once nothing is left of them.
                if one.type != "Patient":
                    _forget_deletions(session, site, one.type, one.ids)
            if people:
                first_runs = {patient: number for one in people for patient, number in one.first_runs.items()}
                keep_purged(session, state, site, people=patients, first_runs=first_runs)
                keep_numbers(session, state, site, numbers)
                keep_references(session, state, site, references)
                keep_signs(session, state, site, signs.digest)
                detail = f"{len(people)} persons, {sum(versions.values())} versions"
                session.add(AuditRow(at=now(), actor=by, action=PURGE, subject=site, detail=detail))
        told = {"site": site, "run": run.name, "persons": len(people), "versions": dict(versions)}
        run.commit([], summary=msgspec.json.encode(told).decode())
    lake.clear_leftovers(site)
    return dict(versions)


def _references(lake: Lake, site: str, patients: Collection[str]) -> set[tuple[str, str]]:
    """What current resources of some people refer to and is about no patient, with the type of these resources."""
    if not patients:
        return set()
    with lake.marked(site) as connection:
        rows = connection.execute(
            """
            select distinct type, unnest("references")
            from read_parquet($files, hive_partitioning = false) anti join superseded using (seq)
            where patient in (select unnest($patients))
            """,
            {"files": lake.index_files(site), "patients": sorted(patients)},
        ).fetchall()
    return {(type_, reference) for type_, reference in rows if is_shared(reference)}


def _forget_deletions(session: Session, site: str, type_: str, ids: Collection[str]) -> None:
    listed = sorted(ids)
    for start in range(0, len(listed), _AT_ONCE):
        some = TombstoneRow.id.in_(listed[start : start + _AT_ONCE])
        session.execute(delete(TombstoneRow).where(TombstoneRow.site == site, TombstoneRow.type == type_, some))
