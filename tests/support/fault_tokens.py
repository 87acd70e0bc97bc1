"""In: a server's habits, and requests for tokens. Out: tokens that end, or are revoked: a fixed one, or SMART Backend Services'."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.fault_plan import Answer, Habits

__all__ = ["BEARER", "CLIENT", "Tokens", "write_key"]

BEARER: Final = "a-token-of-the-ward"
CLIENT: Final = "reluth-client"


class Tokens:
    """What a server lets in."""

    def __init__(self, habits: Habits, url: str) -> None:
        self._habits = habits
        self._url = url
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._until: dict[str, float] = {BEARER: float("inf")} if habits.auth == "bearer" else {}
        #: Public key of the client; its signature is checked where it is known.
        self.key: Any = None

    def holds(self, header: str | None, *, now: float) -> bool:
        """Whether the value of Authorization is one that was given and has not ended."""
        with self._lock:
            return self._until.get((header or "").removeprefix("Bearer "), 0.0) > now

    def revoke(self) -> None:
        """End all of them; the fixed one too, although nobody gives another."""
        with self._lock:
            self._until.clear()

    def restore(self) -> None:
        """The fixed one holds again."""
        with self._lock:
            if self._habits.auth == "bearer":
                self._until[BEARER] = float("inf")

    def configuration(self) -> Answer:
        """``.well-known/smart-configuration``."""
        if self._habits.auth != "smart":
            return Answer(404)
        body = {
            "token_endpoint": self._url,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.rs", "system/*.read"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
        return Answer(200, json.dumps(body).encode(), media_type="application/json")

    def grant(self, body: bytes, *, now: float) -> Answer:
        """A token for a signed assertion."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        try:
            # The times within are the AUTH tests' business; here the clock may have been moved on.
            jwt.decode(
                form["client_assertion"],
                self.key,
                algorithms=["ES384"],
                audience=self._url,
                issuer=CLIENT,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (KeyError, jwt.PyJWTError):
            return Answer(400, b'{"error":"invalid_client"}', media_type="application/json")
        token = f"token-{next(self._numbers)}-of-the-ward"
        with self._lock:
            self._until[token] = now + self._habits.token_seconds
        told = {"access_token": token, "token_type": "bearer", "expires_in": int(self._habits.token_seconds)}
        told["scope"] = self._habits.granted or form.get("scope", "")
        return Answer(200, json.dumps(told).encode(), {"Cache-Control": "no-store"}, "application/json")


def write_key(path: Path) -> Any:
    """Write a private key of the client (PEM, for its eyes only), and give the public one."""
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return key.public_key()
