"""In: resources of ours that may stand at a server. Out: what stands there under their identifiers.

Most types are searched by identifier. R4 AdverseEvent knows no such search (R4 adverseevent.html#search): it is looked for
among what refers to the same person.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from adapter.client import SiteClient
from adapter.fhir import Json
from adapter.sync.deciding import Name, There
from adapter.sync.looking import there_of
from mappings.elements import business_identifiers

__all__ = ["Finder"]

_IDENTIFIER: Final = "identifier"
_SUBJECT: Final = "subject"


class Finder:
    """Looks for resources of ours at one server."""

    def __init__(self, client: SiteClient) -> None:
        self._client = client

    def by_identifier(self, type_: str) -> bool:
        """Resources of the type can be searched by identifier, and so created on condition that there is none."""
        stated = self._client.capability().of(type_).search_params
        # Some servers state no parameters at all: then they are asked as the specification has it.
        return not stated or _IDENTIFIER in stated

    def find(self, wanted: Iterable[tuple[Name, Json]]) -> dict[Name, list[There]]:
        """What stands at the server under these names.

        Args:
            wanted: name and body with literal references; the body tells whom it is about.

        Returns:
            for each name that there is anything for, all that there is.

        Raises:
            RemoteError: refused or unavailable.
        """
        by_type: dict[str, list[tuple[Name, Json]]] = {}
        for name, body in wanted:
            by_type.setdefault(name[0], []).append((name, body))
        found: dict[Name, list[There]] = {}
        for type_, of_type in by_type.items():
            if self.by_identifier(type_):
                known = self._client.find(type_, identifiers=[(name[1], name[2]) for name, _ in of_type])
                found |= {
                    (type_, system, value): [there_of(one.raw) for one in resources]
                    for (system, value), resources in known.items()
                    if resources
                }
            else:
                self._among(type_, of_type, found)
        return found

    def _among(self, type_: str, wanted: list[tuple[Name, Json]], found: dict[Name, list[There]]) -> None:
        subjects = {body.get(_SUBJECT, {}).get("reference") for _, body in wanted}
        names = {name for name, _ in wanted}
        references = sorted(reference for reference in subjects if isinstance(reference, str) and "/" in reference)
        for one in self._client.referring(type_, by=_SUBJECT, references=references):
            there = there_of(one.raw)
            for identifier in business_identifiers(there.resource):
                name = (type_, identifier.system, identifier.value)
                if name in names:
                    found.setdefault(name, []).append(there)
