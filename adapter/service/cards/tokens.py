"""In: the Authorization header of a call, the address that it is for. Out: which client calls, or a refusal that says why to our log only.

CDS Hooks 2.0, Trusting CDS Clients. The order matters: who signs is looked up by ``iss`` among the configured clients, the
key by ``kid`` in the keys configured for them, and only then is anything of the token believed. ``jku`` in the header may
only repeat what is configured; ``jwk`` and ``x5u`` are not looked at. A token is taken once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from adapter.config import CdsClientSettings, CdsSettings
from adapter.service.cards.keys import ALGORITHMS, ClientKeys
from adapter.store import Store

__all__ = ["Caller", "Callers", "TokenRefused"]

#: Seconds that clocks may differ.
SKEW: Final = 60
#: Seconds from ``iat`` to ``exp``: a token is for one call.
LONGEST_LIFE: Final = 3600
LONGEST_TOKEN: Final = 8192
_LONGEST_NAME: Final = 512
#: The library checks signature and presence; times and audience are compared by `Callers`, with the service's own clock and paths.
_OPTIONS: Final[Options] = {
    "require": ["iss", "aud", "exp", "iat", "jti"],
    "verify_aud": False,
    "verify_sub": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class TokenRefused(Exception):
    """A call is not taken.

    Args:
        reason: a word for the log; the caller is not told which.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that has shown who it is.

    Attributes:
        name: in the settings.
        sites: it may speak of; empty for all.
    """

    name: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Client:
    name: str
    settings: CdsClientSettings
    keys: ClientKeys


class Callers:
    """Who may call, and what was used already.

    Args:
        cds: the settings.
        base: address of the service as clients call it, without ``/cds-services``; None: nobody can call.
        store: keeps which tokens were used.
        clock: seconds since 1970.

    Raises:
        ConfigurationError: a client has no keys, or from where anybody could change them.
    """

    def __init__(
        self, cds: CdsSettings, base: str | None, *, store: Store, clock: Callable[[], float] = time.time
    ) -> None:
        self._base = base
        self._store = store
        self._clock = clock
        self._clients = [_Client(name, told, ClientKeys(name, told)) for name, told in cds.clients.items()]

    def caller(self, header: str | None, *paths: str) -> Caller:
        """The client that calls.

        Args:
            header: value of Authorization.
            paths: below the service's address, any of which the token may be for.

        Raises:
            TokenRefused: no token, or one that does not hold.
        """
        token = _bearer(header)
        head, told = _unverified(token)
        client = self._client(head, told)
        kid = head.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_NAME:
            raise TokenRefused("kid")
        key = client.keys.key(kid)
        if key is None or head.get("alg") != key.algorithm:
            raise TokenRefused("key")
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                options=_OPTIONS,
            )
        except (PyJWTError, ValueError) as error:
            raise TokenRefused(type(error).__name__) from None
        self._check_times(claims)
        self._check_audience(claims["aud"], paths)
        self._use(claims)
        return Caller(client.name, tuple(client.settings.sites))

    def _client(self, head: Mapping[str, Any], told: Mapping[str, Any]) -> _Client:
        issuer, jku = told.get("iss"), head.get("jku")
        of_issuer = [one for one in self._clients if one.settings.issuer == issuer]
        if not of_issuer:
            raise TokenRefused("iss")
        for one in of_issuer:
            configured = None if one.settings.jku is None else str(one.settings.jku)
            if jku is None or jku == configured:
                return one
        raise TokenRefused("jku")

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        moment = self._clock()
        issued, expires = (_seconds(claims[name]) for name in ("iat", "exp"))
        if issued > moment + SKEW:
            raise TokenRefused("iat")
        if expires <= moment - SKEW:
            raise TokenRefused("exp")
        if not 0 < expires - issued <= LONGEST_LIFE:
            raise TokenRefused("lifetime")
        if "nbf" in claims and _seconds(claims["nbf"]) > moment + SKEW:
            raise TokenRefused("nbf")

    def _check_audience(self, told: object, paths: tuple[str, ...]) -> None:
        audience = told if isinstance(told, list) else [told]
        wanted = {f"{self._base}{path}" for path in paths} if self._base is not None else set()
        if not all(isinstance(one, str) for one in audience) or wanted.isdisjoint(audience):
            raise TokenRefused("aud")

    def _use(self, claims: Mapping[str, Any]) -> None:
        number = claims["jti"]
        if not isinstance(number, str) or not 0 < len(number) <= _LONGEST_NAME:
            raise TokenRefused("jti")
        until = datetime.fromtimestamp(_seconds(claims["exp"]) + SKEW, UTC)
        if not self._store.cards.use_token(claims["iss"], number, until=until):
            raise TokenRefused("used before")


def _bearer(header: str | None) -> str:
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise TokenRefused("no token")
    return token


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand: only to find out by whose key they are to be verified."""
    try:
        # Decoded as a whole first: what is no token at all must not get further.
        told = jwt.decode_complete(token, options={"verify_signature": False})
        head, claims = told["header"], told["payload"]
    except (PyJWTError, ValueError, RecursionError):
        raise TokenRefused("no token") from None
    if head.get("alg") not in ALGORITHMS:
        raise TokenRefused("alg")
    # RFC 7515 4.1.9, 4.1.11: an extension that must be understood is one that is not.
    if str(head.get("typ")).upper() != "JWT" or "crit" in head:
        raise TokenRefused("typ")
    if not isinstance(claims.get("iss"), str):
        raise TokenRefused("iss")
    return head, claims


def _seconds(value: object) -> float:
    """RFC 7519 2, NumericDate."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise TokenRefused("time")
    return float(value)
