"""In: what an OpenID provider says of itself. Out: the same, checked: it is the issuer of the settings, and names addresses to be trusted.

OpenID Connect Discovery 1.0, 3 and 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter.client.address import is_loopback, parsed_url
from adapter.client.errors import UnusableAnswer

__all__ = ["ProviderMetadata", "checked_metadata", "is_here", "is_safe_address"]


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What a provider says of itself, checked.

    Args:
        issuer: as ID tokens name it.
        authorization_endpoint: where a browser is sent.
        token_endpoint: where a code is exchanged.
        jwks_uri: where its keys are.
        userinfo_endpoint: where more is said of a person; None where nowhere.
        end_session_endpoint: where a browser is sent to end the session there; None where nowhere.
        algorithms: that ID tokens may be signed by; none where unstated.
        auth_methods: how a client shows who it is at the token endpoint; none where unstated.
        names_itself: each answer of the authorization endpoint names the issuer (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    algorithms: tuple[str, ...] = ()
    auth_methods: tuple[str, ...] = ()
    names_itself: bool = False


def checked_metadata(told: Mapping[str, Any], *, issuer: str, where: str) -> ProviderMetadata:
    """The metadata of a provider.

    Args:
        told: as it sent them.
        issuer: as configured.
        where: they were asked for.

    Raises:
        UnusableAnswer: they are of another issuer, lack an endpoint, or name one that is not to be trusted.
    """
    named = told.get("issuer")
    if not isinstance(named, str) or not _is_same(named, issuer):
        raise UnusableAnswer(where, "is the metadata of another issuer than oidc.issuer")

    def endpoint(name: str) -> str:
        url = told.get(name)
        if not isinstance(url, str) or not is_safe_address(url, local=is_here(issuer)):
            raise UnusableAnswer(where, f"names no {name} that is https and not this machine")
        return url

    def further(name: str) -> str | None:
        return None if told.get(name) is None else endpoint(name)

    return ProviderMetadata(
        issuer=named,
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=further("userinfo_endpoint"),
        end_session_endpoint=further("end_session_endpoint"),
        algorithms=_texts(told.get("id_token_signing_alg_values_supported")),
        auth_methods=_texts(told.get("token_endpoint_auth_methods_supported")),
        names_itself=told.get("authorization_response_iss_parameter_supported") is True,
    )


def is_safe_address(address: str, *, local: bool) -> bool:
    """Whether an address may be used: https elsewhere; on this machine only where the provider itself is, there http too (``local``)."""
    url = parsed_url(address)
    if url is None or not url.host or url.userinfo or url.fragment:
        return False
    if is_loopback(url.host):
        return local and url.scheme in {"http", "https"}
    return url.scheme == "https"


def is_here(address: str) -> bool:
    """Whether an address is of this machine."""
    url = parsed_url(address)
    return url is not None and is_loopback(url.host)


def _is_same(named: str, issuer: str) -> bool:
    # Discovery 4.3: letter by letter; but for the slash that an address without path has, or has not.
    url = parsed_url(issuer)
    has_path = url is not None and url.path != "/"
    return named == issuer or (not has_path and named.rstrip("/") == issuer.rstrip("/"))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
