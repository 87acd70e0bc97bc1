"""In: the body of ``/metadata``. Out: what the server says it can do, typed, and what it lacks of what we need.

R4 capabilitystatement.html; the parts read here are the same in R4, R4B and R5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

__all__ = ["Capability", "Lack", "TypeCapability", "parse_capability"]


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What can be done with one resource type.

    Args:
        interactions: ``read``, ``create``, ``update``, ``search-type``...
        search_params: names.
        conditional_create: If-None-Exist is looked at.
        conditional_update: an update may name its target by a search.
        update_create: an update may create under an id that the client chose.
        versioning: ``no-version``, ``versioned``, ``versioned-update`` (If-Match is demanded), ``""`` when unstated.
    """

    interactions: frozenset[str] = frozenset()
    search_params: frozenset[str] = frozenset()
    conditional_create: bool = False
    conditional_update: bool = False
    update_create: bool = False
    versioning: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """A resource type, or one search parameter or interaction of it, that the server does not state."""

    resource_type: str
    missing: str = ""

    def __str__(self) -> str:
        return f"{self.resource_type}: no {self.missing}" if self.missing else f"{self.resource_type}: not served"


@dataclass(frozen=True, slots=True)
class Capability:
    """A CapabilityStatement, as far as a pull and a push need it.

    Args:
        fhir_version: as stated, e.g. ``4.0.1``.
        software: name and version of the server's software, ``""`` when unstated.
        types: by resource type.
        interactions: with the whole server: ``transaction``, ``batch``, ``search-system``...
    """

    fhir_version: str
    software: str = ""
    types: Mapping[str, TypeCapability] = field(default_factory=dict)
    interactions: frozenset[str] = frozenset()

    @property
    def transaction(self) -> bool:
        """The server says that it takes transaction Bundles."""
        return "transaction" in self.interactions

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


class _Resource(msgspec.Struct):
    type: str
    interaction: list[_Named] = []
    searchParam: list[_Named] = []
    # As sent: a wrong type here is no reason to read nothing of the statement.
    conditionalCreate: object = None
    conditionalUpdate: object = None
    updateCreate: object = None
    versioning: object = None


class _Rest(msgspec.Struct):
    mode: str = "server"
    interaction: list[_Named] = []
    resource: list[_Resource] = []
    searchParam: list[_Named] = []


class _Statement(msgspec.Struct):
    resourceType: str
    fhirVersion: str
    software: _Named | None = None
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
    for rest in statement.rest:
        if rest.mode != "server":
            continue
        interactions |= {interaction.code for interaction in rest.interaction}
        # Parameters stated for the whole server hold for each type (R4 CapabilityStatement.rest.searchParam).
        shared = {param.name for param in rest.searchParam}
        for resource in rest.resource:
            types[resource.type] = TypeCapability(
                interactions=frozenset(interaction.code for interaction in resource.interaction),
                search_params=frozenset(shared | {param.name for param in resource.searchParam}),
                conditional_create=resource.conditionalCreate is True,
                conditional_update=resource.conditionalUpdate is True,
                update_create=resource.updateCreate is True,
                versioning=resource.versioning if isinstance(resource.versioning, str) else "",
            )
    software = statement.software or _Named()
    return Capability(
        statement.fhirVersion, f"{software.name} {software.version}".strip(), types, frozenset(interactions)
    )
