"""In: what somebody typed as a patient's number. Out: the persons of a site who are called so, on the list or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from adapter.fhir import fold_number, numbers_of
from adapter.store import Purged, Store
from adapter.store.segments import bucket_of
from adapter.sync import number_digests

__all__ = ["NUMBER_LENGTH", "deleted_under", "is_patient", "persons_named", "purged_named"]

#: No hospital's number is longer, and a search need not carry a novel.
NUMBER_LENGTH: Final = 64
_PATIENT: Final = "Patient"


def persons_named(store: Store, site: str, text: str) -> set[str]:
    """Persons (``Patient/id`` of the record that survives) by the id of a record or a number of the hospital.

    Numbers are no column of the index: the bytes of the site's Patient resources are searched, a second for some hundred
    thousand of them.

    Args:
        store: open.
        site: whose patients.
        text: as typed: ``123``, ``Patient/123``, or a number with or without blanks.
    """
    typed = text.strip()
    if not fold_number(typed) or len(typed) > NUMBER_LENGTH:
        return set()
    merges = store.lake.merges(site)
    patient = f"{_PATIENT}/{typed.removeprefix(f'{_PATIENT}/')}"
    found = _by_number(store, site, typed) | ({patient} if is_patient(store, site, patient) else set())
    return {merges.get(patient, patient) for patient in found}


def purged_named(store: Store, site: str, text: str) -> list[Purged]:
    """Persons whose data were removed, by the record that stood for each: found by what `persons_named` found them by.

    Args:
        store: open.
        site: whose patients.
        text: as typed.
    """
    typed = text.strip()
    number = fold_number(typed)
    if not number or len(typed) > NUMBER_LENGTH or store.purged.since(site) is None:
        return []
    found = store.purged.numbered(site, number_digests(store, site, [number]))
    asked = store.purged.of(site, f"{_PATIENT}/{typed.removeprefix(f'{_PATIENT}/')}")
    people = {one.person: one for one in (*found, *([] if asked is None else [asked]))}
    # Of the record that stood for the person, which may not be the one that was asked for.
    return [store.purged.of(site, person) or one for person, one in sorted(people.items())]


def deleted_under(store: Store, site: str, text: str) -> bool:
    """Whether the hospital has deleted a record of that id: of its numbers nothing is known any more."""
    identity = text.strip().removeprefix(f"{_PATIENT}/")
    return any(stone.id == identity for stone in store.lake.tombstones(site, _PATIENT))


def is_patient(store: Store, site: str, patient: str) -> bool:
    """Whether some resource that is there now is of that patient (``Patient/id``), or names them."""
    files = store.lake.index_files(site)
    if not files:
        return False
    with store.lake.marked(site) as connection:
        rows = connection.execute(
            """
            select 1 from read_parquet($files, hive_partitioning = false) v anti join superseded using (seq)
            where v.bucket = $bucket and v.patient = $patient limit 1
            """,
            {"files": files, "bucket": bucket_of(patient), "patient": patient},
        ).fetchall()
    return bool(rows)


def _by_number(store: Store, site: str, text: str) -> set[str]:
    names = [Path(file).stem for file in store.lake.index_files(site, _PATIENT)]
    if not names:
        return set()
    number = fold_number(text)
    # As the bytes may have it: with blanks, in another case, a slash escaped. What is found is then compared exactly.
    pattern = r"\s*".join(rf"\\?{re.escape(sign)}" for sign in number)
    with store.lake.marked(site) as connection:
        rows = connection.execute(
            """
            select v.patient, v.raw from read_parquet($files, hive_partitioning = false) v anti join superseded using (seq)
            where v.patient is not null and regexp_matches(decode(v.raw), $pattern, 'i')
            """,
            {
                "files": [str(store.lake.raw_path(site, _PATIENT, name)) for name in names],
                "pattern": pattern,
            },
        ).fetchall()
    return {patient for patient, raw in rows if number in numbers_of(raw)}
