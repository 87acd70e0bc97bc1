"""In: an open store. Out: the same with what a person has to settle: conflicts of every cause, entries put aside, a proposal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapter.config import Settings, load_settings
from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, differences, encode_resource
from adapter.store import Conflict, Counterpart, FieldChange, OutboxEntry, OutboxState, Store, StoredVerdict
from adapter.sync.rendering import MAPPING, render
from mappings.entities import Coding, Identifier, LabResult
from tests.support.screened import HOSTILE, ON, SITE, TRIAL, criterion, fill_store, verdict

__all__ = ["LAB_SYSTEM", "SECRET", "fill_unsettled", "lab", "lab_key", "open_lab_conflict", "unsettled_store"]

LAB_SYSTEM = "urn:example:lab"
#: The hospital's value of the first conflict: nobody may read it in a log, an address, or where values were not asked for.
SECRET = "11.7"


def lab(number: str, value: str = "12.1") -> LabResult:
    """A haemoglobin."""
    return LabResult(
        id=Identifier(system=LAB_SYSTEM, value=number),
        patient=Identifier(system="urn:example:ipp", value="800012345"),
        codes=(Coding(system="http://loinc.org", code="718-7", display="Hemoglobin"),),
        effective="2025-05-20T08:10:00+02:00",
        value=Decimal(value),
        unit="g/dL",
    )


def lab_key(number: str) -> str:
    """What it is known by in the store."""
    return f"{LAB_SYSTEM}|{number}"


def put_lab(store: Store, number: str, *, site: str = SITE) -> tuple[OutboxEntry, Json]:
    """Keep a result; its entry, and its resource as a hospital would have it."""
    entity = lab(number)
    store.entities.put_all(site, [entity], source="labs.csv", by="nurse")
    entry = next(one for one in store.outbox.entries(site) if one.key == lab_key(number))
    body = render(entity, version=FhirVersion.R4, trial=None)[0].body
    return entry, {**body, "id": f"hospital-{number}", "meta": {"versionId": "2"}}


def open_lab_conflict(
    store: Store, number: str, *, cause: str = "both-changed", site: str = SITE, change: Callable[[Json], None] | None
) -> Conflict:
    """A conflict on one result, as a push opens it.

    Args:
        store: open.
        number: of the result.
        cause: of the conflict.
        site: whose.
        change: what the hospital did to its resource; None: it is not there any more.
    """
    entry, theirs = put_lab(store, number, site=site)
    fields: list[FieldChange] = []
    resources: list[Json] = []
    if change is not None:
        ours = decode_resource(encode_resource(theirs))
        change(theirs)
        resources = [theirs]
        fields = [
            FieldChange(f"Observation.{found.path}", _text(found.left), _text(found.right))
            for found in differences(ours, theirs)
        ]
    references = [f"Observation/hospital-{number}"]
    if cause == "duplicate":
        references.append(f"Observation/hospital-{number}-again")
    raw = b"[" + b",".join(encode_resource(one) for one in resources) + b"]"
    known = Counterpart(
        site, "Observation", LAB_SYSTEM, number, "labs", entry.key, f"hospital-{number}", "1", "", b'{"id":"1"}'
    )
    store.outbox.keep_counterparts([known])
    store.outbox.open_conflict(entry, cause, references=references if resources else (), theirs=raw, fields=fields)
    return store.outbox.conflicts(site=site)[-1]


def fill_unsettled(store: Store) -> None:
    """Conflicts 1 (both changed) to 5, one of each cause; entries put aside; one decision that a screening contradicts."""

    def both(theirs: Json) -> None:
        theirs["valueQuantity"]["value"] = Decimal(SECRET)
        theirs["note"] = [{"text": HOSTILE}]
        theirs["status"] = "amended"

    def unreadable(theirs: Json) -> None:
        del theirs["code"]

    open_lab_conflict(store, "L-1", change=both)
    open_lab_conflict(store, "L-2", cause="other-content", change=both)
    open_lab_conflict(store, "L-3", cause="deleted", change=None)
    open_lab_conflict(store, "L-4", cause="duplicate", change=both)
    open_lab_conflict(store, "L-5", cause="unreadable", change=unreadable)
    for number in range(10, 35):
        put_aside(store, f"L-{number}", OutboxState.HELD, "patient-missing")
    put_aside(store, "L-40", OutboxState.REFUSED, "server", "422, Observation.code: required")
    put_aside(store, "L-41", OutboxState.REFUSED, "something-new", "X-1", site="elsewhere")
    store.decide(SITE, "Patient/ready", trial=TRIAL, state="contacted", reason="to-contact", by="nurse")
    save_later(store, verdict("ready", "ineligible", criterion("I11", "F")))


def put_aside(
    store: Store, number: str, state: OutboxState, reason: str, detail: str = "", *, site: str = SITE
) -> None:
    """An entry that is held or refused."""
    entry, _ = put_lab(store, number, site=site)
    store.outbox.put_aside(entry, state, reason=reason, detail=detail, mapping=MAPPING)


def save_later(store: Store, found: dict[str, Any]) -> None:
    """Keep a verdict of a screening that is newer than all decisions."""
    later = StoredVerdict(
        site=SITE,
        patient=found["patient"],
        trial=TRIAL,
        stage=found["stage"],
        on=ON,
        screened_at=datetime.now(UTC),
        run="by-hand-later",
        content=json.dumps(found),
        input_hash="by-hand-later",
    )
    store.save_verdicts([later])


@contextmanager
def unsettled_store(folder: Path) -> Iterator[Settings]:
    """Settings of a screened store with all this in it; the store itself is closed."""
    settings = load_settings(None, store=folder / "var")
    with Store.open(settings.store.path) as store:
        fill_store(store, folder / "feed")
        fill_unsettled(store)
    yield settings


def _text(value: object) -> str | None:
    return None if value is None else encode_resource({"": value})[4:-1].decode()
