"""In: logical references of resources about to be sent. Out: what each is at the server, or why it cannot be told.

No Patient is ever created: a person whom the hospital does not know by this number is a question for the hospital.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from adapter.client import SiteClient
from adapter.fhir import Json
from adapter.fhir.compare import decode_resource
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier

__all__ = ["References", "Unresolved"]

#: Types whose logical references are made literal; others (a laboratory by its FINESS) stay as they are.
_RESOLVED: Final = frozenset({"Patient", "ResearchStudy", "ResearchSubject"})
#: Of these an identifier tells nothing of a patient's identity at the hospital.
_HARMLESS: Final = frozenset({"ResearchStudy", "ResearchSubject"})

_Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Unresolved(Exception):
    """A reference cannot be made literal: ``patient-missing``, ``patient-ambiguous``, ``researchstudy-missing``..."""

    reason: str


class References:
    """Targets of logical references at one server, each asked for once."""

    def __init__(self, client: SiteClient) -> None:
        self._client = client
        self._known: dict[_Name, str | Unresolved] = {}

    def look_up(self, resources: Iterable[Json]) -> None:
        """Ask for all targets of these resources at once."""
        wanted: dict[str, set[tuple[str, str]]] = {}
        for resource in resources:
            for type_, system, value in _logical(resource):
                if (type_, system, value) not in self._known:
                    wanted.setdefault(type_, set()).add((system, value))
        for type_, identifiers in wanted.items():
            direct = {value for system, value in identifiers if system == REFERENCE_SYSTEM}
            self._direct(type_, direct)
            named = sorted(identifiers - {(REFERENCE_SYSTEM, value) for value in direct})
            if named:
                self._named(type_, named)

    def assume(self, type_: str, identifier: Identifier, target: str) -> None:
        """Take a target for granted that a preview has not created."""
        self._known[type_, identifier.system, identifier.value] = target

    def resolved(self, content: Any) -> Any:
        """The same with literal references put beside the logical ones.

        Raises:
            Unresolved: one of them has no, or more than one, target.
        """
        if isinstance(content, dict):
            changed = {key: self.resolved(value) for key, value in content.items()}
            name = _name(content)
            if name is not None:
                target = self._known[name]
                if isinstance(target, Unresolved):
                    raise target
                changed["reference"] = target
            return changed
        return [self.resolved(one) for one in content] if isinstance(content, list) else content

    def _direct(self, type_: str, references: set[str]) -> None:
        ids = {reference: reference.removeprefix(f"{type_}/") for reference in references}
        found = self._client.read_many(type_, ids.values()) if ids else {}
        for reference, id_ in ids.items():
            known = id_ in found
            self._known[type_, REFERENCE_SYSTEM, reference] = reference if known else _missing(type_)

    def _named(self, type_: str, identifiers: list[tuple[str, str]]) -> None:
        found = self._client.find(type_, identifiers=identifiers, may_be_in_url=type_ in _HARMLESS)
        for (system, value), resources in found.items():
            # A record that was merged into another is not the person any more (R4 patient.html#merging).
            standing = [one for one in resources if not _is_replaced(decode_resource(one.raw))]
            if len(standing) == 1:
                self._known[type_, system, value] = f"{type_}/{standing[0].id}"
            elif standing:
                self._known[type_, system, value] = Unresolved(f"{type_.lower()}-ambiguous")
            else:
                self._known[type_, system, value] = (
                    Unresolved(f"{type_.lower()}-merged") if resources else _missing(type_)
                )


def _missing(type_: str) -> Unresolved:
    return Unresolved(f"{type_.lower()}-missing")


def _is_replaced(resource: Json) -> bool:
    return any(link.get("type") == "replaced-by" for link in resource.get("link", []) if isinstance(link, dict))


def _name(content: Json) -> _Name | None:
    """Type, system and value of a logical reference that is to be made literal."""
    type_, identifier = content.get("type"), content.get("identifier")
    # Other elements are called `type` and `identifier` too.
    if not isinstance(type_, str) or type_ not in _RESOLVED or not isinstance(identifier, dict):
        return None
    if "reference" in content or not identifier.get("system") or not identifier.get("value"):
        return None
    return type_, identifier["system"], identifier["value"]


def _logical(content: Any) -> Iterator[_Name]:
    if isinstance(content, dict):
        name = _name(content)
        if name is not None:
            yield name
        for value in content.values():
            yield from _logical(value)
    elif isinstance(content, list):
        for value in content:
            yield from _logical(value)
