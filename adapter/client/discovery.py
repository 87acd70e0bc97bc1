"""In: a site's address. Out: where and how its server gives tokens, from its SMART configuration or its CapabilityStatement.

SMART App Launch 2.x, conformance: ``.well-known/smart-configuration``; servers of before state ``oauth-uris`` in /metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import msgspec

from adapter.client.address import without_query
from adapter.client.errors import Refused, UnusableAnswer
from adapter.client.transport import Transport

__all__ = ["SmartConfiguration", "discover"]

T = TypeVar("T")

_WELL_KNOWN = "/.well-known/smart-configuration"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """What a server says of its tokens.

    Args:
        token_endpoint: absolute URL.
        scopes: that it knows; none where unstated.
        capabilities: e.g. ``client-confidential-asymmetric``, ``permission-v1``, ``permission-v2``.
        algorithms: that an assertion may be signed by; none where unstated.
        auth_methods: e.g. ``private_key_jwt``; none where unstated.
        source: ``smart-configuration`` or ``capability-statement``.
    """

    token_endpoint: str
    scopes: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = ()
    auth_methods: tuple[str, ...] = ()
    source: str = "smart-configuration"


class _WellKnown(msgspec.Struct):
    # As sent: a wrong type in one place is no reason to read nothing of it.
    token_endpoint: object = None
    scopes_supported: object = None
    capabilities: object = None
    token_endpoint_auth_signing_alg_values_supported: object = None
    token_endpoint_auth_methods_supported: object = None


class _Extension(msgspec.Struct):
    url: str = ""
    valueUri: object = None
    extension: list[_Extension] = []


class _Security(msgspec.Struct):
    extension: list[_Extension] = []


class _Rest(msgspec.Struct):
    security: _Security | None = None


class _Statement(msgspec.Struct):
    rest: list[_Rest] = []


def discover(transport: Transport) -> SmartConfiguration:
    """Ask the server where it gives tokens.

    Args:
        transport: to the site, without credentials: both documents are open to everybody.

    Raises:
        ForeignHost: a redirect, or the token endpoint, leads to a host that is not allowed; nothing was sent there.
        UnusableAnswer: neither document names a token endpoint.
        RemoteError: the server is unavailable, or refuses /metadata.
    """
    root = transport.address.root
    try:
        found = transport.get(f"{root}{_WELL_KNOWN}", _reading(_of_well_known), accept="application/json")
    except (Refused, UnusableAnswer):
        found = None
    if found is None:
        found = transport.get(f"{root}/metadata", _reading(_of_statement))
    if found is None:
        raise UnusableAnswer(
            without_query(root), "neither its SMART configuration nor its CapabilityStatement names a token endpoint"
        )
    transport.check(found.token_endpoint, told_by=f"{root}{_WELL_KNOWN}")
    return found


def _reading(parse: Callable[[bytes], T | None]) -> Callable[[httpx.Response], T | None]:
    def read(answer: httpx.Response) -> T | None:
        try:
            return parse(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    return read


def _of_well_known(body: bytes) -> SmartConfiguration | None:
    stated = msgspec.json.decode(body, type=_WellKnown)
    if not isinstance(stated.token_endpoint, str) or not stated.token_endpoint:
        return None
    return SmartConfiguration(
        stated.token_endpoint,
        scopes=_words(stated.scopes_supported),
        capabilities=frozenset(_words(stated.capabilities)),
        algorithms=_words(stated.token_endpoint_auth_signing_alg_values_supported),
        auth_methods=_words(stated.token_endpoint_auth_methods_supported),
    )


def _of_statement(body: bytes) -> SmartConfiguration | None:
    statement = msgspec.json.decode(body, type=_Statement)
    uris = _extensions(
        (extension for rest in statement.rest if rest.security for extension in rest.security.extension), _OAUTH_URIS
    )
    token = (inner.valueUri for outer in uris for inner in _extensions(outer.extension, "token"))
    found = next((uri for uri in token if isinstance(uri, str) and uri), None)
    return None if found is None else SmartConfiguration(found, source="capability-statement")


def _extensions(among: Iterable[_Extension], url: str) -> list[_Extension]:
    return [extension for extension in among if extension.url == url]


def _words(value: object) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
