"""In: nothing. Out: the feed of a small clinic, one patient for each way through screening, as NDJSON in a folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adapter.fhir import summarise
from adapter.store import Origin, Store
from adapter.sync import FolderSource, pull

__all__ = ["ICD10", "LOCAL", "ON", "clinic", "condition", "patient", "refute", "store_unread", "write_feed"]

Resource = dict[str, Any]

#: The day the clinic's records are screened as of.
ON = "2025-06-01"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
LOCAL = "urn:oid:1.2.250.1.999.7"


def patient(identity: str, **more: Any) -> Resource:
    """A Patient born in 1960, unless said otherwise."""
    return {"resourceType": "Patient", "id": identity, "birthDate": "1960-05-04", "gender": "male", **more}


def condition(identity: str, of: str, code: str, *, system: str = ICD10, **more: Any) -> Resource:
    """A coded Condition of a patient."""
    return {
        "resourceType": "Condition",
        "id": identity,
        "subject": {"reference": f"Patient/{of}"},
        "code": {"coding": [{"system": system, "code": code}]},
        "recordedDate": "2023-03-01",
        **more,
    }


def _status(code: str) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {"coding": [{"system": system, "code": code}]}


def clinic() -> Iterator[Resource]:
    """The resources; a patient's id says what they are here for."""
    yield patient("intestinal")
    yield condition("c-intestinal", "intestinal", "C17.2")
    yield patient("undotted")
    yield condition("c-undotted", "undotted", "c172")
    yield patient("breast", gender="female")
    yield condition("c-breast", "breast", "C50.9")
    yield patient("refuted")
    yield condition("c-refuted", "refuted", "C17.2", verificationStatus=_status("refuted"))
    yield patient("dead", deceasedBoolean=True)
    yield condition("c-dead", "dead", "C17.2")
    yield patient("child", birthDate="2010-06-02")
    yield condition("c-child", "child", "C17.2")
    yield patient("pancreatic")
    yield condition("c-pancreatic", "pancreatic", "C25.4")
    yield condition("c-pancreatic-2", "pancreatic", "C17.2")
    # The tumour stands in the record that was merged away.
    yield patient("old", active=False, link=[{"other": {"reference": "Patient/survivor"}, "type": "replaced-by"}])
    yield condition("c-old", "old", "C17.2")
    yield patient("survivor")
    yield patient("treated")
    yield {
        "resourceType": "Medication",
        "id": "lot-1",
        "code": {"coding": [{"system": ATC, "code": "V10XX04"}]},
    }
    yield {
        "resourceType": "MedicationAdministration",
        "id": "infusion",
        "status": "completed",
        "medicationReference": {"reference": "Medication/lot-1"},
        "subject": {"reference": "Patient/treated"},
        "effectiveDateTime": "2023-02-01T10:00:00+01:00",
    }
    yield patient("local")
    yield condition("c-local", "local", "TUM-GRELE", system=LOCAL)
    yield patient("subject")
    yield {
        "resourceType": "ResearchStudy",
        "id": "reluth",
        "identifier": [{"system": "http://clinicaltrials.gov", "value": "NCT04954820"}],
        "status": "active",
    }
    yield {
        "resourceType": "ResearchSubject",
        "id": "rs",
        "status": "on-study",
        "study": {"reference": "ResearchStudy/reluth"},
        "individual": {"reference": "Patient/subject"},
        "period": {"start": "2025-03-10"},
    }


def refute(store: Store, folder: Path, identity: str) -> None:
    """Pull a second version of a patient's tumour, in which it is refuted."""
    refuted = condition(
        f"c-{identity}", identity, "C17.2", verificationStatus=_status("refuted"), meta={"versionId": "2"}
    )
    pull(store, FolderSource(write_feed(folder / f"refute-{identity}", [refuted])), site="clinic")


def store_unread(store: Store, identity: str) -> str:
    """Store a Condition of a patient that a record cannot read, as a release that knew less of records would have.

    Returns:
        its reference.
    """
    sound = condition("c-unread", identity, "C18.0")
    broken = {**sound, "onsetDateTime": ["2020"]}
    with store.begin_run("clinic", "pull") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(json.dumps(sound).encode()), json.dumps(broken).encode(), Origin("Condition.ndjson", 1))
        writer.commit()
    return "Condition/c-unread"


def write_feed(folder: Path, resources: Iterable[Resource]) -> Path:
    """Write resources as ``<Type>.ndjson``; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for resource in resources:
        lines[resource["resourceType"]].append(json.dumps(resource))
    for name, found in lines.items():
        (folder / f"{name}.ndjson").write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    return folder
