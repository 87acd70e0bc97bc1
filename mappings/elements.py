"""In: values of entities. Out: FHIR elements, Bundles and references; the systems of our own identifiers and extensions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from adapter.fhir import Json
from adapter.terminology.coded import UCUM
from mappings.entities import Coding, EntityError, Identifier

__all__ = [
    "EXTENSION",
    "OURS",
    "REFERENCE_SYSTEM",
    "SUBJECT_SYSTEM",
    "bundle_of",
    "business_identifiers",
    "coding",
    "concept",
    "extension",
    "full_url",
    "identifier",
    "main_resource",
    "patient_reference",
    "quantity",
    "resources_in",
    "without_empty",
]

#: Names of our own; a URN needs no host that somebody would have to keep.
OURS: Final = "urn:reluth:"
#: Extensions of ours: `EXTENSION` + name.
EXTENSION: Final = "urn:reluth:extension:"
#: Identifier.system of the trial's pseudonyms.
SUBJECT_SYSTEM: Final = "urn:reluth:subject"
#: Identifier.system where the only number known is the server's own: the value is the literal reference, ``Patient/id``.
REFERENCE_SYSTEM: Final = "urn:reluth:reference"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, OURS)


def without_empty(element: Mapping[str, Any]) -> Json:
    """The same without what is None or empty, which FHIR does not allow to be written.

    >>> without_empty({"status": "final", "note": [], "issued": None, "code": {}, "value": False})
    {'status': 'final', 'value': False}
    """
    return {key: value for key, value in element.items() if value is not None and value not in ({}, [], "")}


def coding(value: Coding) -> Json:
    """A Coding."""
    return without_empty({"system": value.system, "code": value.code, "display": value.display})


def concept(*codings: Coding, text: str | None = None) -> Json:
    """A CodeableConcept."""
    return without_empty({"coding": [coding(one) for one in codings], "text": text})


def identifier(value: Identifier, **more: Any) -> Json:
    """An Identifier; ``more`` are further elements of it, e.g. ``use``."""
    return without_empty({**more, "system": value.system, "value": value.value})


def quantity(value: Decimal | None, unit: str | None, *, shown: str | None = None) -> Json:
    """A Quantity in a UCUM unit, or in one that has no code and is only shown; empty without a value.

    >>> quantity(Decimal("7400"), "MBq")
    {'value': Decimal('7400'), 'unit': 'MBq', 'system': 'http://unitsofmeasure.org', 'code': 'MBq'}
    >>> quantity(Decimal("3"), None, shown="Ery/champ")
    {'value': Decimal('3'), 'unit': 'Ery/champ'}
    """
    coded = {"system": UCUM, "code": unit} if unit is not None else {}
    return {} if value is None else {"value": value, "unit": shown or unit, **coded}


def patient_reference(patient: Identifier) -> Json:
    """A person by the hospital's own number; the push puts the literal reference beside it (R4 references.html#logical)."""
    return {"type": "Patient", "identifier": identifier(patient)}


def extension(name: str, kind: str, value: Any) -> Json:
    """An extension of ours: ``extension("cycle", "PositiveInt", 3)``."""
    return {"url": f"{EXTENSION}{name}", f"value{kind}": value}


def full_url(value: Identifier) -> str:
    """The ``urn:uuid:`` of an entry, the same for the same business identifier."""
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{value.system}|{value.value}')}"


def bundle_of(resources: Iterable[tuple[str, Json]]) -> Json:
    """A collection of (fullUrl, resource), the main one first."""
    entries = [{"fullUrl": url, "resource": resource} for url, resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def resources_in(mapped: Json) -> list[tuple[str | None, Json]]:
    """(fullUrl, resource) of a Bundle, or the resource itself."""
    if mapped.get("resourceType") != "Bundle":
        return [(None, mapped)]
    return [(entry.get("fullUrl"), entry["resource"]) for entry in mapped.get("entry", []) if "resource" in entry]


def main_resource(mapped: Json) -> Json:
    """The resource, or the first of a Bundle."""
    return resources_in(mapped)[0][1]


def business_identifiers(resource: Json) -> list[Identifier]:
    """Identifiers with a system and a value, in the order in which they stand (R5 lets some types have one only).

    A hospital's own may have anything for a system: what could not be one of ours is left out.

    >>> listed = [{"system": "LOCAL", "value": "1"}, {"system": "urn:x", "value": "2"}, {"value": "3"}]
    >>> [one.value for one in business_identifiers({"identifier": listed})]
    ['2']
    """
    told = resource.get("identifier")
    found = []
    for one in told if isinstance(told, list) else [told]:
        system, value = (one.get("system"), one.get("value")) if isinstance(one, dict) else (None, None)
        if isinstance(system, str) and isinstance(value, str):
            with suppress(EntityError):
                found.append(Identifier(system=system, value=value))
    return found
