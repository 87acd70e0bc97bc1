"""In: a run that ended, as the store keeps it. Out: an AuditEvent (R4) that tells who asked which server for what, and how it went.

After IHE Basic Audit Log Patterns (BALP 1.1.4, https://profiles.ihe.net/ITI/BALP): a RESTful event with the client as DICOM's
source role, the server as its destination role and the query as an entity. The query of a BALP event is the raw request; a run
is many, and a request may name a patient, so that the entity holds the types that were asked for. No profile is claimed: Query is
of one successful search, PatientQuery an event for each patient found, the others are of one resource or one patient
(docs/operations.md has them all).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapter.fhir import Json
from adapter.store import RunInfo

__all__ = ["Audited", "audit_event"]

Mode = Literal["search", "bulk", "folder"]

# R4 valueset-audit-event-type.html, valueset-audit-event-sub-type.html
_EVENT_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
# DICOM PS3.16 CID 400 (events) and CID 402 (roles), as BALP and PS3.15 A.5.3 use them
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE_ROLE: Final = ("110153", "Source Role ID")
_DESTINATION_ROLE: Final = ("110152", "Destination Role ID")
_SOURCE_MEDIA: Final = ("110155", "Source Media")
_IMPORT: Final = ("110107", "Import")
# R4 valueset-audit-source-type.html, valueset-audit-entity-type.html, valueset-object-role.html
_SOURCE_TYPES: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_ENTITY_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_RESOURCE_TYPES: Final = "http://hl7.org/fhir/resource-types"
# R4 valueset-network-type.html
_MACHINE_NAME, _URI = "1", "5"
# R4 valueset-audit-event-outcome.html
_SUCCESS, _MINOR_FAILURE, _SERIOUS_FAILURE = "0", "4", "8"

_PULL, _PUSH = "pull", "push"
#: Exit codes of a refusal and of no answer: the server was asked, at the least for its CapabilityStatement or a token.
_OF_THE_OTHER_SIDE: Final = (4, 75)
_CAPABILITIES: Final = "capabilities"


@dataclass(frozen=True, slots=True)
class Audited:
    """What the store does not keep with a run.

    Attributes:
        software: name and version of this product.
        machine: name of the machine that it runs on.
        server: FHIR base URL of the site, None where it has none.
        mode: how the site is asked, where the run itself does not say.
    """

    software: str
    machine: str
    server: str | None
    mode: Mode = "search"


def audit_event(run: RunInfo, audited: Audited) -> Json | None:
    """The AuditEvent of a run.

    Args:
        run: of the kind pull or push.
        audited: on which side, and with whom.

    Returns:
        a resource of FHIR R4 whose id is the run's name; None for a run that has not ended, and for one that asked nobody
        for a resource: another kind, or wrong settings.
    """
    if run.ended_at is None or run.kind not in (_PULL, _PUSH):
        return None
    summary: dict[str, Any] = {} if run.summary is None else json.loads(run.summary)
    begun = summary.get("begun", True)
    if not begun and summary["exit_code"] not in _OF_THE_OTHER_SIDE:
        return None
    mode = _mode(run, summary, audited)
    types: Mapping[str, Mapping[str, int]] = summary.get("types") or {}
    event: Json = {
        "resourceType": "AuditEvent",
        "id": run.name,
        "type": _dcm(_IMPORT) if mode == "folder" else {"system": _EVENT_TYPES, "code": "rest"},
        "subtype": []
        if mode == "folder"
        else [{"system": _INTERACTIONS, "code": _interaction(run, mode) if begun else _CAPABILITIES}],
        # BALP: a query is executed; R4 valueset-audit-event-action.html: what is imported is created here.
        "action": "C" if mode == "folder" else "E",
        "period": {
            "start": run.started_at.isoformat(timespec="seconds"),
            "end": run.ended_at.isoformat(timespec="seconds"),
        },
        "recorded": run.ended_at.isoformat(timespec="seconds"),
        "outcome": _outcome(run),
        "outcomeDesc": _described(run, summary),
        "agent": _agents(mode, audited),
        "source": {
            "site": run.site,
            "observer": {"type": "Device", "display": audited.software},
            "type": [{"system": _SOURCE_TYPES, "code": "4", "display": "Application Server"}],
        },
        # One that failed before it began asked for no type; R4 AuditEvent.entity may be left out.
        "entity": [*_query(run, mode, sorted(types)), *(_counted(type_, types[type_]) for type_ in sorted(types))],
    }
    return {key: value for key, value in event.items() if value}


def _mode(run: RunInfo, summary: Mapping[str, Any], audited: Audited) -> Mode:
    told = summary.get("mode")
    if told in ("search", "bulk", "folder"):
        found: Mode = told
        return found
    # Only a server has a time of its own; a run that was killed told nothing, and is taken for one of the site's server.
    if run.kind == _PULL and (
        audited.server is None or ("types" in summary and summary.get("transaction_time") is None)
    ):
        return "folder"
    return audited.mode


def _interaction(run: RunInfo, mode: Mode) -> str:
    if run.kind == _PUSH:
        return "transaction"
    return "operation" if mode == "bulk" else "search-type"


def _outcome(run: RunInfo) -> str:
    if run.state != "committed":
        return _SERIOUS_FAILURE
    return _SUCCESS if run.complete else _MINOR_FAILURE


def _described(run: RunInfo, summary: Mapping[str, Any]) -> str:
    if run.state != "committed":
        # Not its reason, which may hold an address with a patient in it.
        code = f" (exit code {summary['exit_code']})" if "exit_code" in summary else ""
        return f"ended before it was whole{code}; nothing of it is kept"
    counts = {
        name: len(found)
        for name in ("missing", "quarantine", "held", "refused", "conflicts")
        if (found := summary.get(name))
    }
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    return ("whole" if run.complete else "in part") + (f": {told}" if told else "")


def _agents(mode: Mode, audited: Audited) -> list[Json]:
    ours: Json = {
        "type": {"coding": [_dcm(_DESTINATION_ROLE if mode == "folder" else _SOURCE_ROLE)]},
        "who": {"type": "Device", "display": audited.software},
        "requestor": True,
        "network": {"address": audited.machine, "type": _MACHINE_NAME},
    }
    if mode == "folder":
        media: Json = {"type": {"coding": [_dcm(_SOURCE_MEDIA)]}, "who": {"display": "folder"}, "requestor": False}
        return [ours, media]
    server = audited.server or "unknown"
    theirs: Json = {
        "type": {"coding": [_dcm(_DESTINATION_ROLE)]},
        "who": {"type": "Device", "display": server},
        "requestor": False,
        "network": {"address": server, "type": _URI},
    }
    return [ours, theirs]


def _query(run: RunInfo, mode: Mode, types: Sequence[str]) -> list[Json]:
    if run.kind != _PULL or mode == "folder" or not types:
        return []
    asked = f"$export?_type={','.join(types)}" if mode == "bulk" else "\n".join(f"GET {type_}" for type_ in types)
    return [
        {
            "type": {"system": _ENTITY_TYPES, "code": "2", "display": "System Object"},
            "role": {"system": _ROLES, "code": "24", "display": "Query"},
            "description": "The resource types that were asked for; further parameters are not kept.",
            "query": base64.b64encode(asked.encode()).decode(),
        }
    ]


def _counted(type_: str, counts: Mapping[str, int]) -> Json:
    """A type and how many of it were read, written, put aside; a count of 0 is left out."""
    entity: Json = {
        "type": {"system": _RESOURCE_TYPES, "code": type_},
        "role": {"system": _ROLES, "code": "4", "display": "Domain Resource"},
        "name": type_,
    }
    details = [{"type": name, "valueString": str(number)} for name, number in counts.items() if number]
    return entity | ({"detail": details} if details else {})


def _dcm(code: tuple[str, str]) -> Json:
    return {"system": _DCM, "code": code[0], "display": code[1]}
