"""In: the body of ``/metadata``. Out: what the server says it can do, typed, and what it lacks of what we need.

R4 capabilitystatement.html; the parts read here are the same in R4, R4B and R5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

__all__ = ["Capability", "Lack", "Security", "TypeCapability", "parse_capability"]

T = TypeVar("T")

# SMART App Launch, conformance: extension of CapabilityStatement.rest.security.
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
# Subscriptions R5 Backport 1.1.0: extension of CapabilityStatement.rest.resource.
_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)
#: Names of the export operation at each level, as servers state them: HAPI says ``export`` thrice, others one of each.
_EXPORTS = {"system": "export", "patient": "patient-export", "group": "group-export"}


@dataclass(frozen=True, slots=True)
class Security:
    """What a server says of how it is guarded.

    Args:
        services: codes of the services, e.g. ``SMART-on-FHIR``.
        oauth_uris: addresses by name (``token``, ``authorize``...), as stated and unchecked; where there is a SMART
            discovery document, that holds.
    """

    services: frozenset[str] = frozenset()
    oauth_uris: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What can be done with one resource type.

    Args:
        interactions: ``read``, ``create``, ``update``, ``search-type``, ``history-type``...
        search_params: names.
        search_includes: values that ``_include`` takes, e.g. ``MedicationAdministration:medication``.
        operations: names, without ``$``, and last parts of their definitions' addresses.
        conditional_create: If-None-Exist is looked at.
        conditional_update: an update may name its target by a search.
        update_create: an update may create under an id that the client chose.
        versioning: ``no-version``, ``versioned``, ``versioned-update`` (If-Match is demanded), ``""`` when unstated.
        profiles: canonical addresses of the profiles that resources of the type may follow.
        topics: canonical addresses of the topics that one may subscribe to (Subscriptions R5 Backport).
    """

    interactions: frozenset[str] = frozenset()
    search_params: frozenset[str] = frozenset()
    search_includes: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    conditional_create: bool = False
    conditional_update: bool = False
    update_create: bool = False
    versioning: str = ""
    profiles: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()

    def includes(self, include: str) -> bool:
        """The server says that it takes this value of ``_include``, or any (``*``)."""
        return bool({include, "*", f"{include.partition(':')[0]}:*"} & self.search_includes)


@dataclass(frozen=True, slots=True)
class Lack:
    """A resource type, or one search parameter or interaction of it, that the server does not state."""

    resource_type: str
    missing: str = ""

    def __str__(self) -> str:
        return f"{self.resource_type}: no {self.missing}" if self.missing else f"{self.resource_type}: not served"


@dataclass(frozen=True, slots=True)
class Capability:
    """A CapabilityStatement, as far as a pull, a push and a check need it.

    Args:
        fhir_version: as stated, e.g. ``4.0.1``.
        software: name and version of the server's software, ``""`` when unstated.
        types: by resource type.
        interactions: with the whole server: ``transaction``, ``batch``, ``search-system``...
        operations: on the whole server, as those of a type.
        security: how it is guarded.
        instantiates: canonical addresses of what it says it fulfils, e.g. Bulk Data's.
    """

    fhir_version: str
    software: str = ""
    types: Mapping[str, TypeCapability] = field(default_factory=dict)
    interactions: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    security: Security = Security()
    instantiates: tuple[str, ...] = ()

    @property
    def transaction(self) -> bool:
        """The server says that it takes transaction Bundles."""
        return "transaction" in self.interactions

    @property
    def exports(self) -> frozenset[str]:
        """Levels at which a bulk export is stated: of ``system``, ``patient``, ``group``."""
        stated = {level for level, name in _EXPORTS.items() if name in self.operations}
        for level, resource_type in (("patient", "Patient"), ("group", "Group")):
            if {"export", _EXPORTS[level]} & self.of(resource_type).operations:
                stated.add(level)
        return frozenset(stated)

    def of(self, resource_type: str) -> TypeCapability:
        """What can be done with a type; nothing where it is not stated."""
        return self.types.get(resource_type, TypeCapability())

    def lacks(self, needs: Mapping[str, Iterable[str]]) -> tuple[Lack, ...]:
        """What of ``needs`` is not stated.

        Args:
            needs: by resource type, names of search parameters and interactions (``read``, ``search-type``...).
        """
        lacks: list[Lack] = []
        for resource_type, names in needs.items():
            if resource_type not in self.types:
                lacks.append(Lack(resource_type))
                continue
            stated = self.of(resource_type)
            lacks += [Lack(resource_type, n) for n in names if n not in stated.interactions | stated.search_params]
        return tuple(lacks)


class _Named(msgspec.Struct):
    name: str = ""
    code: str = ""
    version: str = ""


class _Operation(msgspec.Struct):
    name: object = None
    # STU3 has a Reference here.
    definition: object = None


class _Resource(msgspec.Struct):
    type: str
    interaction: list[_Named] = []
    searchParam: list[_Named] = []
    searchInclude: object = None
    # As sent: a wrong type here is no reason to read nothing of the statement.
    operation: object = None
    conditionalCreate: object = None
    conditionalUpdate: object = None
    updateCreate: object = None
    versioning: object = None
    supportedProfile: object = None
    extension: object = None


class _Extension(msgspec.Struct):
    url: object = None
    valueUri: object = None
    valueUrl: object = None
    valueCanonical: object = None
    extension: list[_Extension] = []


class _Concept(msgspec.Struct):
    coding: list[_Named] = []


class _Security(msgspec.Struct):
    service: list[_Concept] = []
    extension: list[_Extension] = []


class _Rest(msgspec.Struct):
    mode: str = "server"
    interaction: list[_Named] = []
    resource: list[_Resource] = []
    searchParam: list[_Named] = []
    operation: object = None
    security: object = None


class _Statement(msgspec.Struct):
    resourceType: str
    fhirVersion: str
    software: _Named | None = None
    instantiates: object = None
    rest: list[_Rest] = []


def parse_capability(body: bytes) -> Capability:
    """Read a CapabilityStatement.

    Raises:
        ValueError: not a CapabilityStatement with a fhirVersion.
    """
    try:
        statement = msgspec.json.decode(body, type=_Statement)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("not a CapabilityStatement") from None
    if statement.resourceType != "CapabilityStatement":
        raise ValueError("not a CapabilityStatement")
    types: dict[str, TypeCapability] = {}
    interactions: set[str] = set()
    operations: set[str] = set()
    services: set[str] = set()
    oauth_uris: dict[str, str] = {}
    for rest in statement.rest:
        if rest.mode != "server":
            continue
        interactions |= {interaction.code for interaction in rest.interaction}
        operations |= _operations(rest.operation)
        security = _lenient(rest.security, _Security) or _Security()
        services |= {coding.code for concept in security.service for coding in concept.coding if coding.code}
        oauth_uris |= _oauth_uris(security.extension)
        # Parameters stated for the whole server hold for each type (R4 CapabilityStatement.rest.searchParam).
        shared = {param.name for param in rest.searchParam}
        for resource in rest.resource:
            types[resource.type] = _type_capability(resource, shared)
    software = statement.software or _Named()
    return Capability(
        fhir_version=statement.fhirVersion,
        software=f"{software.name} {software.version}".strip(),
        types=types,
        interactions=frozenset(interactions),
        operations=frozenset(operations),
        security=Security(frozenset(services), oauth_uris),
        instantiates=tuple(_strings(statement.instantiates)),
    )


def _type_capability(resource: _Resource, shared: set[str]) -> TypeCapability:
    return TypeCapability(
        interactions=frozenset(interaction.code for interaction in resource.interaction),
        search_params=frozenset(shared | {param.name for param in resource.searchParam}),
        search_includes=frozenset(_strings(resource.searchInclude)),
        operations=frozenset(_operations(resource.operation)),
        conditional_create=resource.conditionalCreate is True,
        conditional_update=resource.conditionalUpdate is True,
        update_create=resource.updateCreate is True,
        versioning=resource.versioning if isinstance(resource.versioning, str) else "",
        profiles=frozenset(one.partition("|")[0] for one in _strings(resource.supportedProfile)),
        topics=frozenset(
            extension.valueCanonical.partition("|")[0]
            for extension in _lenient(resource.extension, list[_Extension]) or []
            if extension.url == _TOPIC and isinstance(extension.valueCanonical, str)
        ),
    )


def _operations(stated: object) -> set[str]:
    """Their names, and what their definitions are called."""
    found: set[str] = set()
    for operation in _lenient(stated, list[_Operation]) or []:
        name = operation.name.removeprefix("$") if isinstance(operation.name, str) else ""
        definition = operation.definition if isinstance(operation.definition, str) else ""
        tail = definition.partition("|")[0].rpartition("/")[2]
        # "export" on the whole server with the definition of Group's export is not the system's.
        found |= {tail} if name == "export" and tail in _EXPORTS.values() else {name, tail}
    return found - {""}


def _oauth_uris(extensions: Iterable[_Extension]) -> dict[str, str]:
    found: dict[str, str] = {}
    for extension in extensions:
        if extension.url != _OAUTH_URIS:
            continue
        for part in extension.extension:
            # valueUri as SMART has it; valueUrl is seen.
            address = part.valueUri or part.valueUrl
            if isinstance(part.url, str) and isinstance(address, str):
                found[part.url] = address
    return found


def _lenient(value: object, type_: type[T]) -> T | None:
    """A part that only some ask for, None where it is odd."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
