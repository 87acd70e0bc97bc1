"""In: a signed assertion of a client of the settings; a token of ours. Out: a token that ends soon; whose it is and what it allows.

SMART Backend Services (SMART App Launch 2.x): ``private_key_jwt`` by ES384 or RS384, for this token endpoint, for five minutes at most,
each taken once. The tokens are opaque, and only their digests are kept: what is taken from a client in the settings is taken from
its tokens with the next start of the service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from adapter.client.scopes import grants, to_v2
from adapter.config import CdsClientSettings, Settings, SponsorClientSettings
from adapter.errors import ConfigurationError
from adapter.service.cards.keys import ALGORITHMS, ClientKeys
from adapter.store import Store

__all__ = ["ASSERTION_TYPE", "AccessToken", "NoToken", "SponsorClient", "TokenOffice", "check_clients"]

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: SMART App Launch 2.x, client authentication: "SHALL be no more than five minutes in the future".
LONGEST_LIFE: Final = 300
#: Seconds that clocks may differ.
SKEW: Final = 15
_LONGEST_TOKEN: Final = 8192
_LONGEST_NAME: Final = 512
_MOST_SCOPES: Final = 200
_READS: Final = "rs"
#: The library checks signature and presence; the rest is compared here, with the service's own clock.
_OPTIONS: Final[Options] = {
    "require": ["iss", "sub", "aud", "exp", "jti"],
    "verify_aud": False,
    "verify_sub": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class NoToken(Exception):
    """No token is given.

    Args:
        error: code of RFC 6749 5.2.
        reason: a word for our log; the client is not told which.
    """

    def __init__(self, error: str, reason: str) -> None:
        self.error = error
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class SponsorClient:
    """Who calls, and what it may.

    Attributes:
        name: its ``client_id``.
        scopes: of its token.
        sites: of whose subjects it may have data; empty for all.
        packages: it may have published packages.
    """

    name: str
    scopes: tuple[str, ...]
    sites: tuple[str, ...]
    packages: bool

    def may_read(self, resource_type: str) -> bool:
        """Whether its token allows to have a type."""
        return grants(self.scopes, resource_type, letters=_READS)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as it is given."""

    value: str
    scopes: tuple[str, ...]
    seconds: int


class TokenOffice:
    """Gives tokens to the clients of the settings, and knows them again.

    Args:
        settings: clients and their keys.
        store: keeps the tokens, and which assertions were used.
        clock: seconds since 1970.

    Raises:
        ConfigurationError: a client has no keys.
    """

    def __init__(self, settings: Settings, *, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings.sponsor
        self._store = store
        self._clock = clock
        self._keys = check_clients(settings)

    def give(self, form: Mapping[str, str], audience: str) -> AccessToken:
        """A token for a request of one.

        Args:
            form: as sent.
            audience: address of the token endpoint, as clients call it.

        Raises:
            NoToken: there is none for it.
        """
        if form.get("grant_type") != "client_credentials":
            raise NoToken("unsupported_grant_type", "grant_type")
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
            raise NoToken("invalid_request", "client_assertion_type")
        name = self._authenticated(form["client_assertion"], {audience, self._settings.audience or audience})
        if form.get("client_id", name) != name:
            raise NoToken("invalid_client", "client_id")
        scopes = _granted(form.get("scope", "").split(), self._settings.clients[name].scopes)
        if not scopes:
            raise NoToken("invalid_scope", "scope")
        seconds = self._settings.token_minutes * 60
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        return AccessToken(self._store.provider.give_token(name, scopes, until=until), scopes, seconds)

    def client(self, header: str | None) -> SponsorClient | None:
        """Whose token a request carries; None where it carries none that holds."""
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_NAME:
            return None
        found = self._store.provider.token(token)
        told = None if found is None else self._settings.clients.get(found.client)
        if found is None or told is None:
            return None
        # Scopes that were taken from the client since hold no longer.
        scopes = _granted(found.scopes, told.scopes)
        return SponsorClient(found.client, scopes, tuple(told.sites), told.packages)

    def _authenticated(self, assertion: str, audiences: Collection[str]) -> str:
        """The client that signed an assertion, which is used with this."""
        head, told = _unverified(assertion)
        name = told.get("iss")
        keys = self._keys.get(name) if isinstance(name, str) else None
        kid = head.get("kid")
        if keys is None or not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_NAME:
            raise NoToken("invalid_client", "iss" if keys is None else "kid")
        key = keys.key(kid)
        if key is None or head.get("alg") != key.algorithm:
            raise NoToken("invalid_client", "key")
        try:
            claims = jwt.decode(assertion, key.key, algorithms=[key.algorithm], options=_OPTIONS)
        except (PyJWTError, ValueError) as error:
            raise NoToken("invalid_client", type(error).__name__) from None
        if claims["sub"] != name or claims["iss"] != name:
            raise NoToken("invalid_client", "sub")
        told_audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not all(isinstance(one, str) for one in told_audience) or set(audiences).isdisjoint(told_audience):
            raise NoToken("invalid_client", "aud")
        self._check_times(claims)
        self._use(keys.name, claims)
        return keys.name

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        moment = self._clock()
        if not moment - SKEW < _seconds(claims["exp"]) <= moment + LONGEST_LIFE + SKEW:
            raise NoToken("invalid_client", "exp")
        for name in ("iat", "nbf"):
            if name in claims and _seconds(claims[name]) > moment + SKEW:
                raise NoToken("invalid_client", name)

    def _use(self, name: str, claims: Mapping[str, Any]) -> None:
        number = claims["jti"]
        if not isinstance(number, str) or not 0 < len(number) <= _LONGEST_NAME:
            raise NoToken("invalid_client", "jti")
        until = datetime.fromtimestamp(_seconds(claims["exp"]) + SKEW, UTC)
        # Beside the tokens of CDS Hooks, whose issuers are addresses.
        if not self._store.cards.use_token(f"sponsor {name}", number, until=until):
            raise NoToken("invalid_client", "used before")


def check_clients(settings: Settings) -> dict[str, ClientKeys]:
    """The keys of all clients, by name.

    Raises:
        ConfigurationError: a client has none, or its settings contradict each other.
    """
    return {name: _keys(name, client) for name, client in settings.sponsor.clients.items()}


def _keys(name: str, client: SponsorClientSettings) -> ClientKeys:
    setting = f"sponsor.clients.{name}"
    if not all(_reads(scope) for scope in client.scopes):
        raise ConfigurationError(f"{setting}.scopes", "scopes that read are wanted, e.g. system/*.rs")
    same = CdsClientSettings(issuer=name, jku=client.jwks_url, keys_file=client.jwks_file, ca_file=client.ca_file)
    try:
        return ClientKeys(name, same)
    except ConfigurationError as error:
        if client.jwks_url is None:
            raise ConfigurationError(
                f"{setting}.jwks_file", "is missing: jwks_file or jwks_url tells where the client's public keys are"
            ) from None
        told = {"jku": "jwks_url"}.get(last := error.setting.rpartition(".")[2], last)
        raise ConfigurationError(f"{setting}.{told}", error.problem) from None


def _reads(scope: str) -> bool:
    context, _, rest = to_v2(scope).partition("/")
    type_, _, letters = rest.partition(".")
    return context == "system" and bool(type_) and set(letters) <= set(_READS) and bool(letters)


def _granted(asked: Collection[str], allowed: Collection[str]) -> tuple[str, ...]:
    """What is given of the scopes that are asked for: each in the version in which it was asked, none wider than allowed."""
    found: dict[str, None] = {}
    for scope in list(asked)[:_MOST_SCOPES]:
        context, _, rest = to_v2(scope).partition("/")
        type_, _, letters = rest.partition(".")
        reading = "".join(letter for letter in letters if letter in _READS)
        # A scope that is narrowed by a search (`?`), or of a person (`patient/`, `user/`), is none that is given.
        if context != "system" or not reading or not letters.isalpha():
            continue
        types = [type_]
        if type_ == "*" and not grants(allowed, "*", letters=reading):
            types = [to_v2(one).partition("/")[2].partition(".")[0] for one in allowed]
        ending = scope.rpartition(".")[2] if scope.endswith(".read") else reading
        found |= {f"system/{one}.{ending}": None for one in types if grants(allowed, one, letters=reading)}
    return tuple(found)


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand: only to find out by whose key they are to be verified."""
    if len(assertion) > _LONGEST_TOKEN:
        raise NoToken("invalid_client", "too long")
    try:
        told = jwt.decode_complete(assertion, options={"verify_signature": False})
    except (PyJWTError, ValueError, RecursionError):
        raise NoToken("invalid_client", "no token") from None
    head, claims = told["header"], told["payload"]
    # RFC 7515 4.1.11: an extension that must be understood is one that is not.
    if head.get("alg") not in ALGORITHMS or str(head.get("typ", "JWT")).upper() != "JWT" or "crit" in head:
        raise NoToken("invalid_client", "alg")
    return head, claims


def _seconds(value: object) -> float:
    """RFC 7519 2, NumericDate."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise NoToken("invalid_client", "time")
    return float(value)
