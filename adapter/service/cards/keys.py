"""In: a client of the settings, the kid of a token. Out: the public key that verifies it, from the configured JWKS only.

A JWKS is kept for five minutes. A kid that is not in it may be a new key: then it is fetched once more, at most once a
minute. One that cannot be fetched verifies nothing, not even by what it held before: a key may have been taken out.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from adapter.client import tls_context
from adapter.client.jwks import check_jku, fetch_jwks
from adapter.config import CdsClientSettings
from adapter.errors import ConfigurationError, RemoteError
from adapter.observe import logger

__all__ = ["ALGORITHMS", "ClientKeys", "PublicKey", "read_jwks"]

#: CDS Hooks 2.0, JWT Signing Algorithm: both are recommended there; no other is taken.
ALGORITHMS: Final = ("ES384", "RS384")
KEPT_SECONDS: Final = 300.0
AGAIN_SECONDS: Final = 60.0
#: After a failed fetch nothing is asked for so long: callers must not queue up behind a server that is down.
FAILED_SECONDS: Final = 15.0
_KINDS: Final = {"EC": "ES384", "RSA": "RS384"}
_LEAST_RSA_BITS: Final = 2048
_MOST_KEYS: Final = 100


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a client, and the one algorithm that it verifies."""

    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    algorithm: str


def read_jwks(body: bytes) -> dict[str, PublicKey]:
    """The keys of a JWKS that can verify, by kid; of two with one kid none is taken.

    Raises:
        ValueError: no JWKS.
    """
    try:
        document = msgspec.json.decode(body)
        listed = document["keys"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        raise ValueError("no JWKS") from None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError("no JWKS")
    found: dict[str, PublicKey] = {}
    twice: set[str] = set()
    for jwk in listed:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or not kid:
            continue
        if kid in found or kid in twice:
            twice.add(kid)
            found.pop(kid, None)
            continue
        key = _public(jwk)
        if key is not None:
            found[kid] = key
    return found


def _public(jwk: Mapping[str, Any]) -> PublicKey | None:
    """The key of a JWK that is for verifying by one of our algorithms; RFC 7517 4.2 to 4.4."""
    algorithm = _KINDS.get(str(jwk.get("kty")))
    operations = jwk.get("key_ops")
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    # Somebody's private key in a public place is known to all.
    if "d" in jwk:
        return None
    try:
        key = PyJWK({**jwk, "alg": algorithm}).key
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return PublicKey(key, algorithm)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return PublicKey(key, algorithm)
    return None


class ClientKeys:
    """The keys of one client.

    Args:
        name: of the client in the settings.
        client: its settings.
        clock: seconds that only go forward.
        fetch: gives the body of a JWKS.

    Raises:
        ConfigurationError: neither ``jku`` nor ``keys_file``, or an address that anybody could change on the way.
    """

    def __init__(
        self,
        name: str,
        client: CdsClientSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        fetch: Callable[[], bytes] | None = None,
    ) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, PublicKey] = {}
        self._at: float | None = None
        self._failed: float | None = None
        self._asked: float | None = None
        setting = f"cds.clients.{name}"
        if client.keys_file is not None:
            self._fetch: Callable[[], bytes] = client.keys_file.read_bytes
        elif client.jku is not None:
            check_jku(str(client.jku), setting=f"{setting}.jku")
            tls = _trusted(client, setting)
            self._fetch = partial(fetch_jwks, str(client.jku), tls=tls)
        else:
            raise ConfigurationError(f"{setting}.jku", "is missing: jku or keys_file tells where the client's keys are")
        if fetch is not None:
            self._fetch = fetch

    def key(self, kid: str) -> PublicKey | None:
        """The key of this name; None where the client has none, or where its keys cannot be read."""
        with self._lock:
            moment = self._clock()
            if self._at is None or moment - self._at >= KEPT_SECONDS:
                self._read(moment)
            elif kid not in self._keys and (self._asked is None or moment - self._asked >= AGAIN_SECONDS):
                self._asked = moment
                self._read(moment)
            return self._keys.get(kid)

    def _read(self, moment: float) -> None:
        if self._failed is not None and moment - self._failed < FAILED_SECONDS:
            return
        self._keys, self._at, self._failed = {}, None, None
        try:
            self._keys = read_jwks(self._fetch())
        except (RemoteError, OSError, ValueError) as error:
            self._failed = moment
            logger("cards").warning("keys", client=self.name, problem=type(error).__name__)
        else:
            self._at = moment


def _trusted(client: CdsClientSettings, setting: str) -> ssl.SSLContext | None:
    if client.jku is None or client.jku.scheme != "https":
        return None
    try:
        return tls_context(None if client.ca_file is None else str(client.ca_file))
    except ConfigurationError as error:
        raise ConfigurationError(f"{setting}.{error.setting}", error.problem) from None
