"""In: the address of a JWKS, as configured. Out: its bytes, from that address and no other, bounded in size and time.

RFC 7517; CDS Hooks 2.0, Trusting CDS Clients: ``jku`` in a token only says which of the addresses that we trust is meant.
"""

from __future__ import annotations

import ssl

import httpx

from adapter.client.address import SiteAddress, is_loopback, opened_client, parsed_url, without_query
from adapter.client.errors import Refused, Unavailable, UnusableAnswer
from adapter.errors import ConfigurationError

__all__ = ["LARGEST_JWKS", "check_jku", "fetch_jwks"]

#: A JWKS holds a few keys of about a kilobyte.
LARGEST_JWKS = 64 * 2**10
_OK = 200


def check_jku(url: str, *, setting: str) -> None:
    """Refuse an address of keys that anybody on the way could change.

    Args:
        url: as configured.
        setting: its key, for the error.

    Raises:
        ConfigurationError: not https and not this machine; a fragment or a password in it.
    """
    parsed = parsed_url(url)
    if parsed is None or parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError(setting, "an absolute https URL is wanted")
    if parsed.userinfo or parsed.fragment:
        raise ConfigurationError(setting, "no fragment or password may stand in it")
    if parsed.scheme != "https" and not is_loopback(parsed.host):
        raise ConfigurationError(setting, "https is wanted: whoever changes the keys on the way can sign")


def fetch_jwks(
    url: str, *, tls: ssl.SSLContext | None = None, timeout: float = 3.0, via: httpx.BaseTransport | None = None
) -> bytes:
    """The body of a JWKS; redirects are not followed.

    Args:
        url: checked by `check_jku`.
        tls: whom to trust; None for the system's authorities.
        timeout: seconds to connect, and between two parts of the answer.
        via: the httpx transport, where it is not the network.

    Raises:
        Refused: another status than 200.
        Unavailable: no answer.
        UnusableAnswer: a redirect, or an answer that is longer than a JWKS can be.
    """
    where = without_query(url, method="GET")
    parsed = httpx.URL(url)
    address = SiteAddress(str(parsed.copy_with(query=None)), tls=tls, timeout=timeout)
    body = bytearray()
    try:
        with (
            opened_client(address, via=via) as client,
            client.stream("GET", url, headers={"Accept": "application/jwk-set+json, application/json"}) as answer,
        ):
            if answer.is_redirect:
                raise UnusableAnswer(where, "redirects; keys are read from the configured address only")
            if answer.status_code != _OK:
                raise Refused(where, answer.status_code)
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LARGEST_JWKS:
                    raise UnusableAnswer(where, f"an answer of more than {LARGEST_JWKS >> 10} KiB")
    except httpx.HTTPError as error:
        # The class alone: texts of httpx may quote the address with its query.
        raise Unavailable(where, f"no answer ({type(error).__name__})", attempts=1) from None
    return bytes(body)
