"""In: the store, a site, a patient. Out: all that is known of the person now, read as a screening reads it."""

from __future__ import annotations

from adapter.fhir import PatientRecord
from adapter.screening.held_back import about_person, held_back_of
from adapter.store import Store

__all__ = ["read_record"]


def read_record(store: Store, site: str, patient: str) -> PatientRecord | None:
    """The record of one person, merged ones included; None where the lake holds nothing of them.

    Args:
        store: open.
        site: whose.
        patient: ``Patient/id``; one that was merged stands for its survivor.
    """
    found = next(store.lake.records(site, [patient]), None)
    if found is None:
        return None
    aside, needed = about_person(held_back_of(store, site), (found.patient, *found.merged), found.resources)
    return PatientRecord.read(
        found.patient,
        found.resources,
        merged=found.merged,
        shared=store.lake.shared(site, needed),
        held_back=aside,
    )
