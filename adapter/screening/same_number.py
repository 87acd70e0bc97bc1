"""In: a person's records. Out: what was decided on other records of theirs, which nothing but the hospital's number ties to these.

A hospital that exchanges its system gives everybody new ids, and one that registers somebody twice gives them two. Whoever
declined under the one would be asked again under the other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from adapter.criteria import Trial
from adapter.fhir import fold_number
from adapter.screening.hospital_records import deleted_people
from adapter.screening.listed import standing_decisions
from adapter.store import Decision, Store

__all__ = ["DecidedElsewhere", "decided_elsewhere"]

_PATIENT = "Patient"


class _Numbered(msgspec.Struct):
    """Of a Patient what numbers the person; whatever the hospital wrote there."""

    identifier: object = None


_read = msgspec.json.Decoder(_Numbered).decode


@dataclass(frozen=True, slots=True)
class DecidedElsewhere:
    """The standing decision on another record with a number of the person.

    Attributes:
        patient: ``Patient/id`` of the surviving record.
        is_deleted: the hospital has deleted it.
    """

    patient: str
    decision: Decision
    is_deleted: bool


def decided_elsewhere(
    store: Store, trial: Trial, site: str, people: Collection[str], *, system: str | None
) -> list[DecidedElsewhere]:
    """Decisions on other records with the same number, by patient.

    Args:
        store: open.
        trial: whose decisions.
        site: of the person; numbers of two hospitals say nothing of each other.
        people: ``Patient/id`` of the person and of the records merged into it.
        system: of the hospital's own patient number; None where the settings name none: then any number with a system counts.
    """
    merges = store.lake.merges(site)
    made = standing_decisions(store.decisions(trial.id, site=site).values(), {site: merges})
    others = {person: decision for (_, person), decision in made.items() if person not in people}
    if not others:
        return []
    mine = _numbers(store, site, people, system)
    if not mine:
        return []
    # The number may stand in a record that was merged into the one that was decided on.
    records = {person: [person, *(old for old, new in merges.items() if new == person)] for person in others}
    gone = deleted_people(store, site)
    theirs = _numbers_by_patient(store, site, [one for names in records.values() for one in names], system)
    return [
        DecidedElsewhere(person, others[person], is_deleted=person in gone)
        for person in sorted(others)
        if any(not mine.isdisjoint(theirs.get(one, ())) for one in records[person])
    ]


def _numbers(store: Store, site: str, people: Collection[str], system: str | None) -> set[tuple[str, str]]:
    return {number for found in _numbers_by_patient(store, site, people, system).values() for number in found}


def _numbers_by_patient(
    store: Store, site: str, people: Collection[str], system: str | None
) -> dict[str, set[tuple[str, str]]]:
    """Of records that are deleted too: what names the person is what came last."""
    bodies = store.lake.last_bodies(site, _PATIENT, [one.partition("/")[2] for one in people])
    return {f"{_PATIENT}/{id_}": set(_pairs(raw, system)) for id_, raw in bodies.items()}


def _pairs(raw: bytes, system: str | None) -> list[tuple[str, str]]:
    try:
        told: Any = _read(raw).identifier
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    found = []
    for one in told if isinstance(told, list) else ():
        named, value = (one.get("system"), one.get("value")) if isinstance(one, dict) else (None, None)
        if not (isinstance(named, str) and isinstance(value, str)) or system not in (None, named):
            continue
        # One that is marked as old too: a new system keeps those of the system before it.
        if number := fold_number(value):
            found.append((named, number))
    return found
