"""In: what is written of an entity. Out: the Provenance that goes with it: who, when, from which entity and mapping version."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from adapter.fhir import Json
from adapter.store import OutboxEntry, StoredEntity
from adapter.sync.rendering import MAPPING
from mappings.elements import OURS

__all__ = ["provenance_of", "removal_of"]

# R4 valueset-provenance-agent-type.html; v3 DataOperation names what was done.
_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"


def provenance_of(
    stored: StoredEntity, entry: OutboxEntry, *, targets: Iterable[str], created: bool, at: datetime, software: str
) -> Json:
    """A Provenance of one write.

    Args:
        stored: the entity as it was written.
        entry: its entry.
        targets: references of what is written: literal, or ``urn:uuid:`` within the transaction.
        created: all of it is new there.
        at: when, aware.
        software: name and version of this product.
    """
    # R4 and R5 Provenance are the same in these elements; `who` is logical, for a hospital has no Device of ours.
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": at.isoformat(timespec="seconds"),
        "policy": [f"{OURS}mapping:{entry.kind}:{MAPPING}"],
        "activity": {"coding": [{"system": _OPERATIONS, "code": "CREATE" if created else "UPDATE"}]},
        "agent": [
            {
                "type": {"coding": [{"system": _AGENT_TYPES, "code": "assembler"}]},
                "who": {"type": "Device", "display": software},
            },
            {
                "type": {"coding": [{"system": _AGENT_TYPES, "code": "enterer"}]},
                "who": {"identifier": {"system": f"{OURS}user", "value": stored.by}},
            },
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {
                        "system": f"{OURS}entity:{stored.kind}",
                        "value": f"{stored.key}#{stored.version}",
                    }
                },
            }
        ],
    }


def removal_of(name: tuple[str, str, str]) -> Json:
    """An ``entity`` of a Provenance: what was taken away, by its identifier, for a reference would lead nowhere.

    R4 valueset-provenance-entity-role.html: *removal* is what DELETE does.
    """
    type_, system, value = name
    return {"role": "removal", "what": {"type": type_, "identifier": {"system": system, "value": value}}}
