"""In: bytes of a resource, or business identifiers. Out: its id, version and identifiers; the search for such identifiers.

A business identifier is a pair of system and value; the empty system stands for an identifier without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

__all__ = ["Found", "Head", "Identifier", "batches", "head_of", "identifier_query", "identifier_search", "version_of"]

T = TypeVar("T")

#: System and value.
Identifier = tuple[str, str]

# R4 search.html#escaping
_ESCAPED = re.compile(r"([\\,|$])")
# R4 http.html#versioning: W/"3"; some servers forget the W/, or the quotes too.
_ETAG = re.compile(r'(?:W/)?(?:"([^"]+)"|([A-Za-z0-9\-.]{1,64}))')


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that a server holds.

    Args:
        raw: bytes as sent.
        etag: for If-Match, None when the server tells no version.
        id: of the resource on that server.
        version: its version there, None when the server tells none.
    """

    raw: bytes = field(repr=False)
    etag: str | None
    id: str = ""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What a resource says of itself; ``identifiers`` are its business identifiers."""

    resource_type: str = ""
    id: str = ""
    version: str | None = None
    identifiers: frozenset[Identifier] = field(default=frozenset(), repr=False)


class _Meta(msgspec.Struct):
    versionId: object = None


class _Resource(msgspec.Struct):
    resourceType: object = None
    id: object = None
    meta: _Meta | None = None
    identifier: object = None


def head_of(raw: bytes) -> Head | None:
    """What a resource says of itself; None when ``raw`` is no resource.

    >>> head_of(b'{"resourceType":"Basic","id":"9","meta":{"versionId":"3"},"identifier":[{"system":"s","value":"1"}]}')
    Head(resource_type='Basic', id='9', version='3')
    """
    try:
        resource = msgspec.json.decode(raw, type=_Resource)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(resource.resourceType, str):
        return None
    version = resource.meta.versionId if resource.meta else None
    return Head(
        resource_type=resource.resourceType,
        id=resource.id if isinstance(resource.id, str) else "",
        version=version if isinstance(version, str) else None,
        identifiers=frozenset(_identifiers(resource.identifier)),
    )


def _identifiers(stated: object) -> Iterator[Identifier]:
    # Some types have one identifier and no list (R4 bundle.html, composition.html).
    for identifier in stated if isinstance(stated, list) else [stated]:
        if isinstance(identifier, dict):
            system, value = identifier.get("system", ""), identifier.get("value")
            if isinstance(system, str) and isinstance(value, str):
                yield system, value


def version_of(etag: str | None) -> str | None:
    """The version that an ETag tells of, None when it tells of none.

    >>> version_of('W/"3"'), version_of('"3"'), version_of("3"), version_of(None)
    ('3', '3', '3', None)
    """
    told = _ETAG.fullmatch((etag or "").strip())
    return None if told is None else told[1] or told[2]


def _token(identifier: Identifier) -> str:
    return "|".join(_ESCAPED.sub(r"\\\1", part) for part in identifier)


def identifier_query(system: str, value: str) -> str:
    """The search for one business identifier, as ``ifNoneExist`` and the url of a conditional update take it.

    >>> identifier_query("urn:oid:1.2.3", "A,1")
    'identifier=urn:oid:1.2.3|A%5C,1'
    """
    # R4 http.html#ccreate writes the bar bare; what would end or change the parameter must not stand bare.
    return f"identifier={quote(_token((system, value)), safe=':/|,$')}"


def identifier_search(identifiers: Sequence[Identifier], *, count: int) -> str:
    """The search for resources that carry any of the identifiers, form-encoded, ``count`` a page."""
    return urlencode({"identifier": ",".join(map(_token, identifiers)), "_count": str(count)})


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, at most ``size`` at a time.

    >>> list(batches("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]
