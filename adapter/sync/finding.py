"""In: resources of ours that may stand at a server. Out: what stands there under their identifiers, and how to ask for that.

Most types are searched by identifier. R4 AdverseEvent knows no such search (R4 adverseevent.html#search), and a Provenance
has no identifier: they carry a tag made of what they are, and are asked for by that (``_tag``, R4 search.html). At a server
without it they are looked for among what refers to the same person, and created without a condition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from adapter.client import SiteClient, identifier_query
from adapter.fhir import Json
from adapter.sync.deciding import Name, There, there_of
from mappings.elements import OURS, business_identifiers

__all__ = ["Finder"]

_IDENTIFIER: Final = "identifier"
_SUBJECT: Final = "subject"
_TAG: Final = "_tag"
#: Meta.tag.system of ours.
TAGS: Final = f"{OURS}tag"
#: A digest of 160 bits tells apart all that will ever be written, and says nothing of it.
_DIGITS: Final = 40


class Finder:
    """Looks for resources of ours at one server."""

    def __init__(self, client: SiteClient) -> None:
        self._client = client

    def conditioned(self, body: Json, *known_by: str) -> tuple[Json, str | None]:
        """A resource about to be created, and the search that tells whether it is there already.

        Args:
            body: the resource.
            known_by: what it is known by: system and value of its identifier, or whatever else it is one of.

        Returns:
            the resource, with a tag where it is to be found by that; the search for ``ifNoneExist``, None where there is none.
        """
        type_ = body["resourceType"]
        if _IDENTIFIER in body and self._has(type_, _IDENTIFIER, unstated=True):
            return body, identifier_query(*known_by)
        if not self._has(type_, _TAG, unstated=False):
            return body, None
        tag = _tag(known_by)
        meta = {**body.get("meta", {}), "tag": [*body.get("meta", {}).get("tag", []), {"system": TAGS, "code": tag}]}
        return {**body, "meta": meta}, f"{_TAG}={TAGS}|{tag}"

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
            for name, there in self._of_type(type_, of_type):
                found.setdefault(name, []).append(there)
        return found

    def _of_type(self, type_: str, wanted: list[tuple[Name, Json]]) -> Iterable[tuple[Name, There]]:
        names = {name for name, _ in wanted}
        if self._has(type_, _IDENTIFIER, unstated=True):
            known = self._client.find(type_, identifiers=[(system, value) for _, system, value in names])
            return [((type_, *identifier), there_of(one.raw)) for identifier, found in known.items() for one in found]
        if self._has(type_, _TAG, unstated=False):
            raws = self._client.tagged(type_, system=TAGS, codes=[_tag(name[1:]) for name in sorted(names)])
        else:
            subjects = {body.get(_SUBJECT, {}).get("reference") for _, body in wanted}
            references = sorted(one for one in subjects if isinstance(one, str) and "/" in one)
            raws = self._client.referring(type_, by=_SUBJECT, references=references)
        standing = [there_of(one.raw) for one in raws]
        return [(name, there) for there in standing for name in _names(type_, there.resource) if name in names]

    def _has(self, type_: str, parameter: str, *, unstated: bool) -> bool:
        """The server can search by it; ``unstated`` is what holds of one that states no parameters at all."""
        stated = self._client.capability().of(type_).search_params
        return parameter in stated if stated else unstated


def _tag(known_by: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(known_by).encode()).hexdigest()[:_DIGITS]


def _names(type_: str, resource: Json) -> list[Name]:
    return [(type_, one.system, one.value) for one in business_identifiers(resource)]
