"""In: a CapabilityStatement, a site's settings, the types that are needed. Out: findings: what the server says it lacks.

Pure. A server may do what it does not state: what it states is what its administrator can be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from adapter.client import Capability
from adapter.config import SiteSettings
from adapter.jobs.check.findings import Finding, Group, Status, Value

__all__ = [
    "PUSHED",
    "check_export",
    "check_push",
    "check_statement",
    "check_types",
    "export_level",
    "formats_of",
    "lacking_of",
]

_MISMATCH = 2
_JSON = frozenset({"json", "application/fhir+json", "application/json", "application/json+fhir"})
_UPDATED = "_lastUpdated"
#: Who a resource is about; R4 compartmentdefinition-patient.html: AdverseEvent has but ``subject``.
_PERSON = ("patient", "subject")
#: Needed types that are in no patient's compartment.
_SHARED = frozenset({"Medication", "Organization", "Practitioner", "ResearchStudy"})
_INCLUDE = {"MedicationAdministration": "MedicationAdministration:medication"}
#: What trial entities are written as (mappings), and how a server has to take them.
PUSHED = ("List", "MedicationAdministration", "Observation", "ResearchStudy", "ResearchSubject")
#: Lacks with words of their own; all others are interactions.
_CODES = {
    "history-type": "history-type",
    "_include": "include",
    "patient": "patient",
    "_id": "id",
    _UPDATED: "updated",
}
_VERSIONED = frozenset({"versioned", "versioned-update"})


class _Formats(msgspec.Struct):
    format: object = None


def formats_of(body: bytes) -> tuple[str, ...]:
    """The formats that a CapabilityStatement names; none where it is none, or names none."""
    try:
        stated = msgspec.json.decode(body, type=_Formats).format
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple(item for item in stated if isinstance(item, str)) if isinstance(stated, list) else ()


def check_statement(capability: Capability, formats: Iterable[str], *, fhir_version: str) -> Iterator[Finding]:
    """Software, FHIR version and formats.

    Args:
        capability: what the server states.
        formats: that it states.
        fhir_version: of the settings.
    """
    yield Finding(Group.SERVER, "statement", Status.OK, {"software": capability.software or "?"})
    versions = {"stated": capability.fhir_version, "wanted": fhir_version}
    if capability.fhir_version == fhir_version:
        yield Finding(Group.SERVER, "version", Status.OK, versions)
    else:
        yield Finding(Group.SERVER, "version-other", Status.FAILED, versions, _MISMATCH)
    stated = tuple(formats)
    plain = {name.partition(";")[0].strip().lower() for name in stated}
    if stated and not plain & _JSON:
        yield Finding(Group.SERVER, "json-missing", Status.ASK, {"formats": stated})


def lacking_of(capability: Capability, type_: str, site: SiteSettings) -> tuple[str, ...]:
    """Interactions, search parameters and includes that are needed of a type and not stated.

    The patient parameter is told as ``patient``, whichever of its names would do.
    """
    return tuple(name for name, _ in _lacks(capability, type_, site))


def check_types(capability: Capability, types: Iterable[str], site: SiteSettings) -> Iterator[Finding]:
    """What is not stated of the needed types, one finding a lack with all the types that it concerns.

    Args:
        capability: what the server states.
        types: needed.
        site: how they are to be had.
    """
    wanted = list(types)
    missing = tuple(name for name in wanted if name not in capability.types)
    if missing and (site.mode == "search" or len(missing) < len(wanted)):
        yield Finding(Group.TYPES, "types-missing", Status.ASK, {"types": missing})
    lacks: dict[str, tuple[Status, list[str]]] = {}
    for type_ in wanted:
        if type_ in missing:
            continue
        for name, status in _lacks(capability, type_, site):
            lacks.setdefault(name, (status, []))[1].append(type_)
    for name, (status, among) in sorted(lacks.items()):
        yield Finding(Group.TYPES, _code_of(name), status, {"name": name, "types": tuple(among)})
    if not missing and not any(status is Status.ASK for status, _ in lacks.values()):
        yield Finding(Group.TYPES, "types-stated", Status.OK, {"count": len(wanted)})


def _code_of(name: str) -> str:
    return f"lacks-{_CODES.get(name, 'interaction')}"


def _lacks(capability: Capability, type_: str, site: SiteSettings) -> Iterator[tuple[str, Status]]:
    """What is missing, and how much it matters: a bulk export needs neither searches nor reads."""
    if type_ not in capability.types:
        return
    stated = capability.of(type_)
    if site.mode == "search":
        for name in ("read", "search-type"):
            if name not in stated.interactions:
                yield name, Status.ASK
        if "history-type" not in stated.interactions and site.search.deletions in {"auto", "history"}:
            yield "history-type", Status.ASK if site.search.deletions == "history" else Status.NOTE
        for name in ("_id", _UPDATED):
            if name not in stated.search_params:
                yield name, Status.ASK
        if _is_about_a_patient(type_) and not stated.search_params.intersection(_PERSON):
            yield "patient", Status.ASK if site.search.plan == "patient" else Status.NOTE
        include = _INCLUDE.get(type_)
        if include is not None and not stated.includes(include):
            # Without it, and without the type itself, there is no telling what was infused.
            yield "_include", Status.NOTE if "Medication" in capability.types else Status.ASK


def _is_about_a_patient(type_: str) -> bool:
    return type_ != "Patient" and type_ not in _SHARED


def export_level(site: SiteSettings) -> str:
    """The level that a site's export is asked for at."""
    return site.bulk.level or ("group" if site.group is not None else "patient")


def check_export(capability: Capability, site: SiteSettings) -> Iterator[Finding]:
    """Whether the server states the bulk export that the settings ask for."""
    if site.mode != "bulk":
        return
    level = export_level(site)
    values: dict[str, Value] = {"level": level, "stated": tuple(sorted(capability.exports))}
    if level in capability.exports:
        yield Finding(Group.TYPES, "export", Status.OK, values)
    else:
        yield Finding(Group.TYPES, "export-missing", Status.ASK, values)


def check_push(capability: Capability, site: SiteSettings) -> Iterator[Finding]:
    """What would be lacking to send the trial's records back; to be asked for only where the settings say that it is done."""
    status = Status.ASK if site.push_candidates else Status.NOTE
    missing: Mapping[str, tuple[str, ...]] = {
        "push-types": tuple(name for name in PUSHED if not _takes(capability, name)),
        "push-conditional": tuple(
            name
            for name in PUSHED
            if _takes(capability, name)
            and not capability.of(name).conditional_create
            and "identifier" not in capability.of(name).search_params
        ),
        "push-versioning": tuple(
            name for name in PUSHED if _takes(capability, name) and capability.of(name).versioning not in _VERSIONED
        ),
    }
    if not capability.transaction:
        yield Finding(Group.PUSH, "push-transaction", status)
    for code, types in missing.items():
        if types:
            yield Finding(Group.PUSH, code, status, {"types": types})
    if capability.transaction and not any(missing.values()):
        yield Finding(Group.PUSH, "push-possible", Status.OK)


def _takes(capability: Capability, type_: str) -> bool:
    return {"create", "update"} <= capability.of(type_).interactions
