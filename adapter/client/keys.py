"""In: a file with a private key (PEM, JWK or JWKS). Out: the key that signs for us, and its public JWKS for a server's administrator.

SMART App Launch 2.x, client authentication with an asymmetric key: ES384 (P-384) or RS384 (RSA, 2048 bits or more).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from adapter.errors import ConfigurationError, StorageError, UsageError

__all__ = [
    "Algorithm",
    "SigningKey",
    "load_keys",
    "make_key",
    "private_text",
    "public_jwks",
    "signing_key",
    "write_key",
    "write_private",
]

Algorithm = Literal["ES384", "RS384"]
_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_SETTING = "private_key_file"
_LEAST_RSA_BITS = 2048
_MADE_RSA_BITS = 3072
_OTHERS = 0o077
# RFC 7638 3.2: the members that a thumbprint is made of, for each kind of key.
_REQUIRED = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of ours.

    Args:
        private: the key itself.
        algorithm: what it signs by.
        key_id: ``kid``, by which the server finds its public part.
    """

    private: _Private = field(repr=False)
    algorithm: Algorithm
    key_id: str

    def public_jwk(self) -> dict[str, Any]:
        """The public part as a JWK (RFC 7517), with ``kid``, ``alg``, ``use`` and ``key_ops``."""
        return _public_members(self.private) | {
            "kid": self.key_id,
            "alg": self.algorithm,
            "use": "sig",
            # SMART App Launch, JWKS: a public key is for verifying.
            "key_ops": ["verify"],
        }


def private_text(file: Path, *, setting: str = _SETTING) -> bytes:
    """What stands in the file of a private key that nobody but its owner can read.

    Raises:
        ConfigurationError: it cannot be read, or others may read or write it.
    """
    try:
        with file.open("rb") as opened:
            # Of the open file: a name could lead elsewhere a moment later.
            mode = os.fstat(opened.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigurationError(setting, "a file is wanted")
            if mode & _OTHERS:
                raise ConfigurationError(setting, "others than its owner may read or write the file: chmod 600")
            return opened.read()
    except OSError as error:
        raise ConfigurationError(setting, f"the file cannot be read ({error.strerror})") from None


def load_keys(file: Path, *, setting: str = _SETTING) -> tuple[SigningKey, ...]:
    """All private keys of a file: a PEM has one, a JWKS may have the old and the new one while they are changed over.

    Raises:
        ConfigurationError: the file cannot be read, is open to others, or holds no private P-384 or RSA key.
    """
    content = private_text(file, setting=setting)
    try:
        found = _of_pem(content) if b"-----BEGIN" in content else _of_jwks(content)
    except (ValueError, TypeError, KeyError, RecursionError, UnsupportedAlgorithm, PyJWTError):
        # TypeError: a passphrase is wanted. The texts of these may quote the key.
        raise ConfigurationError(
            setting,
            "a private key without passphrase is wanted, as PEM, JWK or JWKS: P-384, or RSA of 2048 bits or more",
        ) from None
    if not found:
        raise ConfigurationError(setting, "the JWKS holds no private key")
    if len({key.key_id for key in found}) < len(found):
        raise ConfigurationError(setting, "two keys of the JWKS have the same kid")
    return found


def signing_key(file: Path, *, algorithm: str | None = None, key_id: str | None = None) -> SigningKey:
    """The one key of a file that signs.

    Args:
        file: PEM, JWK or JWKS.
        algorithm: as configured; None takes what the key is made for.
        key_id: ``kid`` under which the server knows a PEM's key; which key of a JWKS is meant.

    Raises:
        ConfigurationError: as `load_keys`; or none, or several of the keys fit.
    """
    keys = load_keys(file)
    if len(keys) == 1 and key_id is not None:
        # The server may have registered the key under a name of its own.
        keys = (SigningKey(keys[0].private, keys[0].algorithm, key_id),)
    elif key_id is not None:
        keys = tuple(key for key in keys if key.key_id == key_id)
        if not keys:
            raise ConfigurationError("key_id", "no key of the private_key_file has this kid")
    fitting = [key for key in keys if algorithm in (None, key.algorithm)]
    if not fitting:
        raise ConfigurationError("algorithm", f"the key in private_key_file signs by {keys[0].algorithm}")
    if len(fitting) > 1:
        raise ConfigurationError("key_id", "the private_key_file holds several keys: which kid signs?")
    return fitting[0]


def public_jwks(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The public parts as a JWKS (RFC 7517 section 5): what a server's administrator needs, and nothing secret."""
    return {"keys": [key.public_jwk() for key in keys]}


def make_key(algorithm: Algorithm) -> SigningKey:
    """A new private key."""
    private: _Private
    if algorithm == "ES384":
        private = ec.generate_private_key(ec.SECP384R1())
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=_MADE_RSA_BITS)
    return _named(private)


def write_key(key: SigningKey, file: Path) -> None:
    """Write a private key as PEM (PKCS 8) that only its owner can read.

    Raises:
        UsageError: there is such a file already: what it holds may be registered somewhere, and is never overwritten.
        StorageError: it cannot be written.
    """
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(file, pem)


def write_private(file: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, whole or not at all.

    Raises:
        UsageError: there is such a file already.
        StorageError: it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(file.parent.name, error.strerror or type(error).__name__) from None
    try:
        # Made with its mode: there is no moment in which others may read it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file.name}: is there already, and is never overwritten: name another file") from None
    except OSError as error:
        raise StorageError(file.name, error.strerror or type(error).__name__) from None
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        file.unlink(missing_ok=True)
        raise StorageError(file.name, error.strerror or type(error).__name__) from None


def _of_pem(content: bytes) -> tuple[SigningKey, ...]:
    private = serialization.load_pem_private_key(content, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("another kind of key")
    return (_named(private),)


def _of_jwks(content: bytes) -> tuple[SigningKey, ...]:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("no JWK")
    listed = document.get("keys", [document])
    # Public parts may stand beside; "d" is the private member of both kinds (RFC 7518 6.2.2.1, 6.3.2.1).
    return tuple(_of_jwk(jwk) for jwk in listed if "d" in jwk)


def _of_jwk(jwk: dict[str, Any]) -> SigningKey:
    algorithm = {"EC": "ES384", "RSA": "RS384"}[jwk["kty"]]
    private = PyJWK({**jwk, "alg": algorithm}).key
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("no private key")
    return _named(private, kid=jwk.get("kid"))


def _named(private: _Private, *, kid: object = None) -> SigningKey:
    """With its algorithm, and its thumbprint (RFC 7638) as kid where it has no name."""
    algorithm: Algorithm
    if isinstance(private, ec.EllipticCurvePrivateKey):
        if not isinstance(private.curve, ec.SECP384R1):
            raise ValueError("another curve than P-384")
        algorithm = "ES384"
    else:
        if private.key_size < _LEAST_RSA_BITS:
            raise ValueError("an RSA key that is too short")
        algorithm = "RS384"
    return SigningKey(private, algorithm, kid if isinstance(kid, str) and kid else _thumbprint(private))


def _thumbprint(private: _Private) -> str:
    members = _public_members(private)
    required = {name: members[name] for name in _REQUIRED[members["kty"]]}
    written = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(written).digest()).rstrip(b"=").decode()


def _public_members(private: _Private) -> dict[str, Any]:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        written = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        written = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: written[name] for name in _REQUIRED[written["kty"]]}
