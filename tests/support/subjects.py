"""In: days and a few elements. Out: the resources of consented subjects, stores that hold them, and the feed that is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapter.config import Settings, SiteSettings
from adapter.datasets.staging.feed import Staged, stage
from adapter.documents import load_trial
from adapter.store import Store
from mappings.entities import EventKind, Identifier, Subject, SubjectEvent
from mappings.subject import to_fhir
from tests.unit.store.making import fill, line

__all__ = [
    "IPP",
    "SETTINGS",
    "TRIAL",
    "consent",
    "event",
    "feed",
    "lab",
    "patient",
    "read",
    "research_subject",
    "staged",
    "subject",
]

TRIAL = load_trial("nct04954820")
IPP = "urn:oid:1.2.250.1.999.1.3"
SETTINGS = Settings(sites={"icm": SiteSettings(site_code="05", identifier_system=IPP)})


def patient(identity: str = "1", *, born: str | None = "1960-03-12", **more: Any) -> bytes:
    """A Patient with a hospital number."""
    dated = {} if born is None else {"birthDate": born}
    listed = [{"system": IPP, "value": f"80045{identity:0>5}"}]
    return line("Patient", identity, **({"identifier": listed, "gender": "female"} | dated | more))


def consent(identity: str = "1", on: str | None = "2025-01-10", **more: Any) -> bytes:
    """A consent to the trial; ``more`` may take the place of anything."""
    body: dict[str, Any] = {
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]},
        "patient": {"reference": f"Patient/{identity}"},
        "identifier": [{"system": "urn:x", "value": "NCT04954820"}],
    }
    if on is not None:
        body["dateTime"] = on
    body |= more
    return line(
        "Consent",
        body.pop("id", f"c{identity}"),
        version=body.pop("version", 1),
        updated=body.pop("updated", None),
        **body,
    )


def event(kind: str, on: str, **more: Any) -> SubjectEvent:
    """An event."""
    return SubjectEvent(kind=EventKind(kind), on=on, **more)


def subject(identity: str = "1", *events: SubjectEvent, number: str | None = None) -> Subject:
    """A subject as it is loaded; without events, consented and registered in January 2025."""
    listed = events or (event("consented", "2025-01-10"), event("registered", "2025-01-20"))
    told = number or f"RELUTH-05-{identity:0>4}"
    who = Identifier(system=IPP, value=f"80045{identity:0>5}")
    return Subject(study=TRIAL.id, site="05", number=told, patient=who, events=listed)


def research_subject(identity: str = "1", *events: SubjectEvent, number: str | None = None, **more: Any) -> bytes:
    """A ResearchSubject as our mapper writes it, and as it lies at the hospital."""
    body = to_fhir(subject(identity, *events, number=number))
    body["individual"]["reference"] = f"Patient/{identity}"
    if number == "":
        del body["identifier"]
    body |= more
    del body["resourceType"]
    return line("ResearchSubject", body.pop("id", f"r{identity}"), version=1, updated=body.pop("updated", None), **body)


def lab(key: str, of: str = "1", on: str | None = "2025-02-01T08:00:00+01:00", **more: Any) -> bytes:
    """A haemoglobin."""
    body: dict[str, Any] = {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/{of}"},
        "valueQuantity": {"value": 12, "unit": "g/dL"},
    }
    if on is not None:
        body["effectiveDateTime"] = on
    return line("Observation", key, version=1, **(body | more))


def staged(store: Store, folder: Path, **options: Any) -> Staged:
    """The feed of a store."""
    return stage(store, options.pop("settings", SETTINGS), TRIAL, folder, **options)


def feed(folder: Path, lines: Iterable[bytes], **options: Any) -> tuple[Staged, dict[str, list[dict[str, Any]]]]:
    """A new store with these lines, the feed made of it, and its resources by type."""
    with Store.open(folder / "var") as store:
        fill(store, lines)
        found = staged(store, folder / "feed", **options)
    return found, read(found)


def read(found: Staged) -> dict[str, list[dict[str, Any]]]:
    """The resources of a feed by type."""
    return {type_: [json.loads(text) for text in path.read_text().splitlines()] for type_, path in found.files.items()}
