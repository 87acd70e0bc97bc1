"""In: the store, a site. Out: of whom the hospital has deleted every record, and whose record it has set inactive.

A deletion counts for a person, not for a record: who was merged into another record lives on in that one. ``active``
false is no deletion (clinical-spec.md 9): the person stays on the list, marked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from adapter.criteria import Outcome
from adapter.store import Store
from adapter.store.segments import bucket_of
from adapter.store.versions import mark_superseded

__all__ = ["RECORD_DELETED", "RecordState", "as_deleted", "deleted_people", "deletion_seen", "inactive_people"]

_PATIENT = "Patient"
#: ``outcome_reason`` of a verdict whose record is no more.
RECORD_DELETED: Final = "record-deleted"


class RecordState(StrEnum):
    """What the hospital says of a person's record; one that says nothing is in use."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"


class _Active(msgspec.Struct):
    active: object = None


_read_active = msgspec.json.Decoder(_Active).decode


def deleted_people(store: Store, site: str) -> frozenset[str]:
    """Persons with a deleted Patient resource and none that is left, by ``Patient/id`` of the one that survives.

    A person whose Patient resource never came is not among them: nothing was deleted.
    """
    buried = {f"{_PATIENT}/{stone.id}" for stone in store.lake.tombstones(site, _PATIENT)}
    if not buried:
        return frozenset()
    merges = store.lake.merges(site)
    members = _members({merges.get(patient, patient) for patient in buried}, merges)
    left = {f"{_PATIENT}/{identity}" for identity in store.lake.live_ids(site, _PATIENT)}
    return frozenset(person for person, ids in members.items() if left.isdisjoint(ids))


def deletion_seen(store: Store, site: str, person: str) -> datetime | None:
    """When a pull saw that the last of a person's Patient resources (``Patient/id``) was deleted; None where none was."""
    ids = _members({person}, store.lake.merges(site))[person]
    return store.lake.deletion_seen(site, _PATIENT, {one.partition("/")[2] for one in ids})


def inactive_people(store: Store, site: str, patients: Collection[str]) -> frozenset[str]:
    """Those of some patients (``Patient/id``) whose own Patient resource says ``active`` false."""
    files = store.lake.index_files(site, _PATIENT)
    if not files or not patients:
        return frozenset()
    raw = [str(store.lake.raw_path(site, _PATIENT, Path(file).stem)) for file in files]
    with store.lake.engine.connection() as connection:
        mark_superseded(connection, files, store.lake.tombstones(site, _PATIENT))
        rows = connection.execute(
            """
            select r.patient, r.raw
            from read_parquet($files, hive_partitioning = false) r anti join superseded using (seq)
            where list_contains($buckets, r.bucket) and r.patient in (select unnest($patients))
            """,
            {
                "files": raw,
                "buckets": sorted({bucket_of(patient) for patient in patients}),
                "patients": sorted(set(patients)),
            },
        ).fetchall()
    return frozenset(patient for patient, body in rows if _is_inactive(body))


def as_deleted(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict of somebody whose record the hospital has deleted since: what was found stays readable, nothing is to be done."""
    return {
        **verdict,
        "candidate": False,
        "candidate_because": [],
        "outcome": str(Outcome.INELIGIBLE),
        "outcome_reason": RECORD_DELETED,
        "permanent": False,
        "flips_on": None,
        "to_order": [],
    }


def _members(people: Collection[str], merges: Mapping[str, str]) -> dict[str, set[str]]:
    """Each person's own id and those that were merged into it."""
    members = {person: {person} for person in people}
    for old, survivor in merges.items():
        if survivor in members:
            members[survivor].add(old)
    return members


def _is_inactive(raw: bytes) -> bool:
    try:
        return _read_active(raw).active is False
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
