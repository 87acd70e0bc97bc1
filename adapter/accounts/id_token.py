"""In: an ID token, the provider's public keys, what it is held to. Out: its claims, or why it is not believed.

OpenID Connect Core 1.0, 3.1.3.7. Signatures by joserfc, claims by Authlib. Only asymmetric algorithms: a token that is not signed,
or signed with what everybody may read as if it were a secret, is refused whatever the provider's metadata say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from adapter.errors import RemoteError

__all__ = ["ALGORITHMS", "Expected", "IdTokenError", "UnknownKey", "read_id_token"]

#: Of ID tokens that are believed at all, with the kind of key that each needs.
ALGORITHMS: Final[Mapping[str, str]] = {
    **{f"{family}{bits}": "RSA" for family in ("RS", "PS") for bits in (256, 384, 512)},
    **{f"ES{bits}": "EC" for bits in (256, 384, 512)},
}
#: Seconds that the clocks may differ.
_LEEWAY: Final = 60
#: Seconds since it was made: it comes at once, in exchange for a code that was given a moment ago.
_OLDEST: Final = 600
_LEAST_RSA_BITS: Final = 2048
#: Verifying by a longer one takes long.
_MOST_RSA_BITS: Final = 8192
_SUBJECT: Final = range(1, 256)
#: Of a public key.
_MEMBERS: Final = frozenset({"kty", "n", "e", "crv", "x", "y", "kid"})
_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "auth_time", "nonce", "azp", "at_hash"})


class IdTokenError(RemoteError):
    """The provider's ID token is not believed.

    Args:
        problem: what is wrong with it; never a value of it.
    """

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the provider's ID token is not believed: {problem}")


class UnknownKey(IdTokenError):
    """It is signed by a key that is not among those given: perhaps a new one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token is held to.

    Args:
        issuer: as the provider's metadata name it.
        client_id: ours.
        nonce: that we sent with the browser.
        access_token: that came with it.
        algorithms: that the provider says it signs by; none where unstated.
    """

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    access_token: str = field(repr=False)
    algorithms: tuple[str, ...] = ()


def read_id_token(token: str, *, keys: Mapping[str, Any], expected: Expected, now: int) -> Mapping[str, Any]:
    """The claims of a token, all of them checked.

    Args:
        token: compact JWS.
        keys: JWKS of the provider.
        expected: what it is held to.
        now: seconds since 1970.

    Raises:
        UnknownKey: no key, or no single one, fits.
        IdTokenError: anything else is wrong.
    """
    # Core 3.1.3.7 (7): RS256 where the provider says nothing.
    stated = expected.algorithms or ("RS256",)
    allowed = [name for name in ALGORITHMS if name in stated]
    registry = JWSRegistry(algorithms=allowed or ["RS256"], strict_check_header=False)
    try:
        # Only to choose the key: nothing of it is believed yet.
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise IdTokenError("it is no signed token") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise IdTokenError("it is signed by an algorithm that is not allowed")
    key = _key(keys, algorithm=algorithm, name=header.get("kid"))
    try:
        read = jwt.decode(token, key, registry=registry)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise IdTokenError("its signature does not hold") from None
    claims = CodeIDToken(
        read.claims,
        read.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
        },
        params={"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token},
    )
    try:
        claims.validate(now=now, leeway=_LEEWAY)
    except (JoseError, ValueError, TypeError) as error:
        raise IdTokenError(_claim_problem(error)) from None
    if claims["iat"] < now - _OLDEST - _LEEWAY:
        raise IdTokenError("it is of long ago (iat)")
    subject = claims["sub"]
    if not isinstance(subject, str) or len(subject) not in _SUBJECT or not subject.isascii():
        raise IdTokenError("its sub is not 1 to 255 ASCII characters")
    return dict(claims)


def _key(keys: Mapping[str, Any], *, algorithm: str, name: object) -> RSAKey | ECKey:
    listed = keys.get("keys")
    fitting = [
        one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
        and one.get("kty") == ALGORITHMS[algorithm]
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
        and (name is None or one.get("kid") == name)
    ]
    read = [key for key in map(_imported, fitting) if key is not None]
    # Core 10.1: without a kid there has to be one key only.
    if len(read) != 1:
        raise UnknownKey("no single key of the provider fits it")
    return read[0]


def _imported(key: Mapping[str, Any]) -> RSAKey | ECKey | None:
    # Of the public members only: a provider that shows its private ones is no worse for us.
    public = {name: value for name, value in key.items() if name in _MEMBERS}
    try:
        if key["kty"] == "EC":
            return ECKey.import_key(public)
        # Looked at before it is read: joserfc warns of a short one, and takes it.
        bits = int.from_bytes(urlsafe_b64decode(str(key["n"]).encode())).bit_length()
        return RSAKey.import_key(public) if _LEAST_RSA_BITS <= bits <= _MOST_RSA_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _claim_problem(error: Exception) -> str:
    claim = str(getattr(error, "claim", ""))
    return f"its {claim} is missing or wrong" if claim in _CLAIMS else "a claim is missing, wrong or out of its time"
