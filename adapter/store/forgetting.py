"""In: a site, a person's records, what was loaded of them. Out: a store that holds nothing of the person, and a line in the audit trail.

The rows go in one transaction with that line; the files that held them are deleted after it, and by the next run where that
was broken off. The audit trail keeps who did what to which id: it never shrinks.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CursorResult, Delete, Update, delete, func, select, update
from sqlalchemy.orm import Session

from adapter.fhir import person_of
from adapter.store.card_models import CardFeedbackRow, CardRow
from adapter.store.digest_models import DigestRow
from adapter.store.kept_off import KeptOffList
from adapter.store.lake import Lake
from adapter.store.listing_models import ListingContentRow, ListingRow
from adapter.store.models import (
    AddedCandidateRow,
    AuditRow,
    Base,
    ConflictRow,
    CounterpartRow,
    DecisionRow,
    EntityRow,
    OutboxRow,
    PatientKeyRow,
    QuarantineRow,
    RetiredSegmentRow,
    TombstoneRow,
    VerdictRow,
)
from adapter.store.purge_models import PurgedNumberRow, PurgedRow
from adapter.store.purged import settle_site
from adapter.store.quarantine import Quarantine
from adapter.store.removal import Lighter, lighten
from adapter.store.runs import Run
from adapter.store.state import State, now
from adapter.store.subject_models import DatasetSequenceRow, SubjectPseudonymRow
from adapter.store.versions import Tombstone

__all__ = ["FORGET", "Forgotten", "Whom", "forget"]

#: Of the run, and of its line in the audit trail.
FORGET = "forget"
_AT_ONCE = 500


class Whom(msgspec.Struct, frozen=True):
    """A person as the store knows them.

    Attributes:
        person: ``Patient/id`` of the record that stands for the others.
        patients: of all their records.
        entities: kind and key of what was loaded of them.
    """

    person: str
    patients: tuple[str, ...]
    entities: frozenset[tuple[str, str]] = frozenset()


class Forgotten(msgspec.Struct, frozen=True):
    """What was removed.

    Attributes:
        versions: of resources, by type.
        quarantined: items put aside.
        rows: of the state, by table.
    """

    versions: dict[str, int]
    quarantined: int
    rows: dict[str, int]

    @property
    def is_nothing(self) -> bool:
        """There was nothing of the person."""
        return not self.versions and not self.quarantined and not self.rows


def forget(
    lake: Lake, quarantine: Quarantine, state: State, *, run: Run, whom: Whom, by: str, reason: str
) -> Forgotten:
    """Remove all that is kept of a person, and keep them off.

    Args:
        lake: where the resources are.
        quarantine: what was put aside.
        state: the database.
        run: holds the site; it is committed.
        whom: is forgotten.
        by: who asked for it.
        reason: a code.

    Raises:
        ConfigurationError: a segment is not as it was written; nothing was changed.
        StorageError: there is no room; likewise.
    """
    patients = whom.patients
    site = run.site
    lake.clear_leftovers(site)
    lighter = lighten(lake, run, patients)
    versions: Counter[str] = Counter()
    for one in lighter:
        versions[one.type] += one.rows
    ids = _ids_by_type(patients, lighter)
    aside = _aside(quarantine, site, patients, {f"{type_}/{id_}" for type_ in ids for id_ in ids[type_]})
    others, orphaned = _of_others(lake, site, patients, ids)
    with state.together():
        for one in lighter:
            run.leave_out(one.type, one.name, one.into)
        with state.session() as session:
            rows = _remove_rows(session, site, patients, whom.entities)
            _remove_traces(session, site, {type_: ids[type_] - others.get(type_, set()) for type_ in ids}, aside)
            found = Forgotten(dict(versions), len(aside), rows)
            detail = f"{reason}: {sum(versions.values())} versions, {len(aside)} put aside, {sum(rows.values())} rows"
            for patient in sorted(patients):
                session.add(AuditRow(at=now(), actor=by, action=FORGET, subject=f"{site}/{patient}", detail=detail))
        KeptOffList(state).add(site, dict.fromkeys(patients, whom.person), reason=reason)
        buried = [Tombstone(type_, id_, run.first_seq) for type_ in sorted(orphaned) for id_ in sorted(orphaned[type_])]
        summary = msgspec.json.encode({"site": site, "run": run.name, "removed": found}).decode()
        run.commit([], deleted=buried, summary=summary)
    lake.clear_leftovers(site)
    quarantine.clear_leftovers(site)
    state.scrub()
    return found


def _ids_by_type(patients: Collection[str], lighter: Sequence[Lighter]) -> dict[str, set[str]]:
    found = {"Patient": {patient.partition("/")[2] for patient in patients}}
    for one in lighter:
        found.setdefault(one.type, set()).update(one.ids)
    return found


def _of_others(
    lake: Lake, site: str, patients: Collection[str], ids: dict[str, set[str]]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Of these ids, those of which other versions are about somebody else; and of these, those that hold for the person now.

    Without the version that moved it to the person, an older one would put the resource back to whom it was taken from.
    """
    others: dict[str, set[str]] = {}
    orphaned: dict[str, set[str]] = {}
    if not lake.index_files(site):
        return others, orphaned
    with lake.marked(site) as connection:
        for type_, of_type in ids.items():
            if not (files := lake.index_files(site, type_)):
                continue
            rows = connection.execute(
                """
                select v.id, bool_or(not list_contains($people, coalesce(v.patient, ''))),
                    bool_or(list_contains($people, coalesce(v.patient, '')) and s.seq is null)
                from read_parquet($files, hive_partitioning = false) v left join superseded s on s.seq = v.seq
                where v.id in (select unnest($ids)) group by v.id
                """,
                {"files": files, "people": sorted(patients), "ids": sorted(of_type)},
            ).fetchall()
            others[type_] = {id_ for id_, has_others, _ in rows if has_others}
            orphaned[type_] = {id_ for id_, has_others, is_theirs in rows if has_others and is_theirs}
    return others, orphaned


def _aside(quarantine: Quarantine, site: str, patients: Collection[str], references: Collection[str]) -> list[str]:
    """Keys of what was put aside and is about the person, as far as it or the stored versions of it tell."""
    theirs = {*patients, *references}
    items = quarantine.items(site)
    return [item.key for item in items if item.reference in theirs or person_of(quarantine.raw(item)) in theirs]


def _remove_rows(
    session: Session, site: str, patients: Collection[str], entities: Collection[tuple[str, str]]
) -> dict[str, int]:
    people = sorted(patients)
    cards = select(CardRow.uuid).where(CardRow.site == site, CardRow.patient.in_(people))
    numbers = select(SubjectPseudonymRow.trial, SubjectPseudonymRow.usubjid).where(
        SubjectPseudonymRow.site == site, SubjectPseudonymRow.patient.in_(people)
    )
    wanted: list[tuple[type[Base], list[ColumnElement[bool]]]] = [
        (CardFeedbackRow, [CardFeedbackRow.card.in_(cards)]),
        *(
            (DatasetSequenceRow, [DatasetSequenceRow.trial == trial, DatasetSequenceRow.usubjid == usubjid])
            for trial, usubjid in session.execute(numbers).all()
        ),
    ]
    for table in (CardRow, VerdictRow, DecisionRow, AddedCandidateRow, PatientKeyRow, PurgedNumberRow):
        of_them: ColumnElement[bool] = table.patient.in_(people)
        wanted.append((table, [table.site == site, of_them]))
    wanted += [(one, [one.site == site, one.person.in_(people)]) for one in (ListingRow, ListingContentRow)]
    wanted.append((PurgedRow, [PurgedRow.site == site, PurgedRow.patient.in_(people) | PurgedRow.person.in_(people)]))
    wanted += [
        (told, [told.site == site, told.kind == kind, told.key == key])
        for kind, key in sorted(entities)
        for told in (OutboxRow, CounterpartRow, ConflictRow, EntityRow)
    ]
    removed: Counter[str] = Counter()
    for model, where in wanted:
        removed[model.__tablename__] += _execute(session, delete(model).where(*where))
    settle_site(session, site)
    _tell_again(session)
    number = update(SubjectPseudonymRow).where(SubjectPseudonymRow.site == site)
    for patient in people:
        # The number stays taken, by nobody: given to another person it would join two of them in the sponsor's data.
        nobody = f"forgotten-{secrets.token_hex(8)}"
        of_one = number.where(SubjectPseudonymRow.patient == patient).values(patient=nobody)
        removed[SubjectPseudonymRow.__tablename__] += _execute(session, of_one)
    return {name: count for name, count in sorted(removed.items()) if count}


def _tell_again(session: Session) -> None:
    """SQLite gives the highest number again once its row is gone: a digest that has told of it would pass over the next verdict."""
    highest = session.scalar(select(func.max(VerdictRow.number))) or 0
    session.execute(update(DigestRow).where(DigestRow.seen > highest).values(seen=highest))


def _remove_traces(session: Session, site: str, ids: dict[str, set[str]], aside: Sequence[str]) -> None:
    """What is left where rows were: deletions by id, items put aside, files that are kept for readers under way."""
    for key in aside:
        session.execute(delete(QuarantineRow).where(QuarantineRow.site == site, QuarantineRow.key == key))
    for type_ in sorted(ids):
        listed = sorted(ids[type_])
        for start in range(0, len(listed), _AT_ONCE):
            some = TombstoneRow.id.in_(listed[start : start + _AT_ONCE])
            session.execute(delete(TombstoneRow).where(TombstoneRow.site == site, TombstoneRow.type == type_, some))
    session.execute(delete(RetiredSegmentRow).where(RetiredSegmentRow.site == site))


def _execute(session: Session, statement: Delete | Update) -> int:
    result: Any = session.execute(statement)
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
