"""In: a file and the store. Out: its good entities in the store, all in one transaction, and a report that names the others."""

from __future__ import annotations

from adapter.documents import load_study
from adapter.loading.cells import CellError, value_class
from adapter.loading.checks import check_against_stored, check_person
from adapter.loading.columns import Loadable, column_of
from adapter.loading.reading import Content, Form, Read, Reading, read_entities
from adapter.loading.report import LoadReport
from adapter.loading.target import Rules, Target
from adapter.store import PutCounts, Store, StoredEntity
from mappings.entities import Entity, EntityError, Subject, entity_key

__all__ = ["load", "load_shipped_study"]

_LONGEST_NAME = 128


def load(store: Store, content: Content, *, target: Target, by: str, correct: bool = False) -> LoadReport:
    """Bring the entities of a file into the store.

    Args:
        store: where they go.
        content: the file.
        target: whose they are.
        by: who loads it.
        correct: a person means to replace what is stored, even where events of a subject are lost or the patient changes.

    Returns:
        what was done; rows that were refused are named in it.

    Raises:
        UnusableFileError: the file cannot be read as a whole; nothing was loaded.
        UsageError: the kind or the trial is not known.
        BusyError: somebody else loads the same entities at this moment; nothing was loaded.
    """
    return _load(store, content, read_entities(content, Rules(target, store)), site=target.site, by=by, correct=correct)


def load_shipped_study(store: Store, *, target: Target, by: str, correct: bool = False) -> LoadReport:
    """Bring the study document that the product ships for a trial into the store, so that it can be pushed.

    Raises:
        UsageError: there is no such trial, or no study document for it.
        DocumentError: the document is wrong.
    """
    content = Content("study", b"", f"trials/{target.trial}", Form.JSON)
    reading = Reading(content.file)
    reading.rows = 1
    reading.keep(load_study(target.trial), 1)
    return _load(store, content, reading, site=target.site, by=by, correct=correct)


def _load(store: Store, content: Content, reading: Reading, *, site: str, by: str, correct: bool) -> LoadReport:
    """Keep what was read, as far as it takes nothing away from what is stored, or a person means it to."""
    kept = _once(content, reading)
    known = 0
    if not correct:
        kept, known = _kept_whole(store, content, reading, kept, site=site)
    counts = PutCounts()
    with store.together():
        if kept:
            counts = store.entities.put_all(
                site, [read.entity for read in kept], source=content.file, by=by[:_LONGEST_NAME]
            )
        report = LoadReport(
            kind=content.kind,
            site=site,
            read=reading.rows,
            new=counts.new,
            changed=counts.changed,
            unchanged=counts.unchanged + known,
            refused=tuple(sorted(reading.refused, key=lambda refused: refused.row)),
        )
        _audit(store, report, by=by, correct=correct)
    return report


def _once(content: Content, reading: Reading) -> list[Read]:
    """Each entity once; those of one key that differ are refused, all of them."""
    by_key: dict[str, list[Read]] = {}
    for read in reading.entities:
        by_key.setdefault(entity_key(read.entity), []).append(read)
    kept: list[Read] = []
    for same in by_key.values():
        if all(other.entity == same[0].entity for other in same):
            kept.append(same[0])
            continue
        for read in same:
            others = [line for other in same if other is not read for line in other.lines]
            reason = f"stands at row {', '.join(map(str, others[:3]))} as well, and says something else there"
            _refuse(content, reading, read, EntityError(_key_field(content.kind), reason))
    return kept


def _kept_whole(
    store: Store, content: Content, reading: Reading, kept: list[Read], *, site: str
) -> tuple[list[Read], int]:
    """Those that take nothing away from what is stored; and how many say again what was loaded, and the hospital has changed since."""
    stored = store.entities.some(site, content.kind, [entity_key(read.entity) for read in kept])
    subjects = _subjects(store, site) if any(getattr(read.entity, "subject", None) for read in kept) else {}
    good: list[Read] = []
    known = 0
    for read in kept:
        standing = stored.get(entity_key(read.entity))
        meant = "loads it all the same"
        try:
            check_person(read.entity, subjects)
            meant = "replaces what is stored"
            if standing is not None:
                if standing.is_hospitals and read.entity == _loaded_last(store, standing):
                    # The same file again: it knows nothing of the hospital's change, and so takes nothing of it back.
                    known += 1
                    continue
                check_against_stored(read.entity, standing)
        except EntityError as error:
            reason = f"{error.problem}; --correct {meant}"
            _refuse(content, reading, read, EntityError(error.field, reason))
        else:
            good.append(read)
    return good, known


def _subjects(store: Store, site: str) -> dict[str, Subject]:
    listed = (one.entity for one in store.entities.all(site, "subjects"))
    return {subject.number: subject for subject in listed if isinstance(subject, Subject)}


def _loaded_last(store: Store, standing: StoredEntity) -> Entity | None:
    """What was loaded of an entity before the hospital changed it."""
    versions = store.entities.versions(standing.site, standing.kind, standing.key)
    return next((one.entity for one in reversed(versions) if not one.is_hospitals), None)


def _refuse(content: Content, reading: Reading, read: Read, error: EntityError) -> None:
    is_table = content.written is Form.CSV
    column = column_of(content.kind, error.field) if is_table else error.field
    kind = None if column is None else value_class(_value(read.entity, error.field))
    for line in read.lines:
        reading.refuse(line, CellError(column, kind, error.problem))


def _value(entity: Loadable, field: str) -> object:
    value = getattr(entity, field)
    return getattr(value, "value", value)


def _key_field(kind: str) -> str:
    return "number" if kind == "subjects" else "id"


def _audit(store: Store, report: LoadReport, *, by: str, correct: bool) -> None:
    told = f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged, {len(report.refused)} refused"
    detail = f"{told}, correcting" if correct else told
    store.audit(by[:_LONGEST_NAME], "load", subject=f"{report.site}/{report.kind}", detail=detail)
