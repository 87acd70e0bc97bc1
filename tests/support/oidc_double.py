"""In: what is to be wrong. Out: an OpenID provider in this process that does it: its metadata, keys, tokens and UserInfo, as an httpx transport."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import to_bytes

__all__ = ["CLIENT_ID", "ISSUER", "NOW", "ProviderDouble", "ec_key", "rsa_key", "signed"]

ISSUER: Final = "https://id.hospital.example/realms/staff"
CLIENT_ID: Final = "reluth"
NOW: Final = 1_750_000_000
_ALGORITHMS: Final = ["RS256", "RS384", "PS256", "ES256", "ES384", "HS256"]


@cache
def rsa_key(name: str = "rsa", *, bits: int = 2048) -> RSAKey:
    """A key of its own for each name."""
    return RSAKey.generate_key(bits, {"kid": name})


@cache
def ec_key(name: str = "ec", *, curve: str = "P-256") -> ECKey:
    """A key of its own for each name."""
    return ECKey.generate_key(curve, {"kid": name})


def signed(claims: Mapping[str, Any], *, key: RSAKey | ECKey, algorithm: str = "RS256", **header: Any) -> str:
    """A compact JWS of claims."""
    protected = {"alg": algorithm, "kid": key.kid, **header}
    kept = {name: value for name, value in protected.items() if value is not None}
    return jws.serialize_compact(kept, to_bytes(json.dumps(claims)), key, algorithms=[*_ALGORITHMS, algorithm])


@dataclass
class ProviderDouble:
    """A provider that does what it is told.

    Args:
        metadata: in the place of what it would say of itself; None leaves a member out.
        claims: likewise of its ID token.
        userinfo: what it says at that endpoint.
        keys: that it shows, as JWKS.
        make: what makes the ID token of its claims.
        answers: in the place of its own, by path.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [rsa_key().as_dict(private=False)])
    make: Callable[[dict[str, Any]], str] = lambda claims: signed(claims, key=rsa_key())
    answers: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)
    nonce: str = ""

    def transport(self) -> httpx.MockTransport:
        """The way to it, and to nobody else."""
        return httpx.MockTransport(self._answer)

    def back(self, url: str, **changed: str | None) -> dict[str, str]:
        """What a browser that was sent to ``url`` brings back, as query."""
        told = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.nonce = told["nonce"]
        query = {"state": told["state"], "code": "c0de", "iss": ISSUER, **changed}
        return {name: value for name, value in query.items() if value is not None}

    def form(self) -> dict[str, str]:
        """The last form that was posted to it."""
        posted = next(one for one in reversed(self.asked) if one.method == "POST")
        return {name: values[0] for name, values in parse_qs(posted.content.decode()).items()}

    def basic(self) -> tuple[str, str]:
        """Client id and secret of the last form that was posted to it."""
        posted = next(one for one in reversed(self.asked) if one.method == "POST")
        pair = b64decode(posted.headers["authorization"].removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        return unquote_plus(name), unquote_plus(secret)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path.removeprefix("/realms/staff")
        if path in self.answers:
            return self.answers[path](request)
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda: {"keys": self.keys},
            "/token": self._tokens,
            "/userinfo": lambda: self.userinfo,
        }
        return httpx.Response(200, json=made[path]())

    def _metadata(self) -> dict[str, Any]:
        stated = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "end_session_endpoint": f"{ISSUER}/logout",
            "id_token_signing_alg_values_supported": _ALGORITHMS,
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return {name: value for name, value in stated.items() if value is not None}

    def _tokens(self) -> dict[str, Any]:
        # Core 3.1.3.6: the left half of the hash.
        hashed = urlsafe_b64encode(sha256(b"acc3ss").digest()[:16]).rstrip(b"=").decode()
        stated = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": "248289761001",
            "iat": NOW,
            "exp": NOW + 300,
            "nonce": self.nonce,
            "at_hash": hashed,
            "name": "Anna Roux",
            "preferred_username": "anna",
            "email": "anna@hospital.example",
            "groups": ["nurses"],
            **self.claims,
        }
        claims = {name: value for name, value in stated.items() if value is not None}
        return {"token_type": "Bearer", "access_token": "acc3ss", "expires_in": 300, "id_token": self.make(claims)}
