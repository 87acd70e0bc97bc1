"""Promises of who may call: signed by a configured client, by its key, for this address, now, and once."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha384
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapter.client.keys import SigningKey, make_key, public_jwks
from adapter.config import CdsClientSettings, CdsSettings
from adapter.errors import ConfigurationError
from adapter.service.cards.tokens import Callers, TokenRefused
from adapter.store import Store
from tests.support.cds import ISSUER, CdsClient

PATH = "/cds-services/reluth-patient-view"
BASE = "https://screening.example.org"
JKU = "https://ehr.example.org/jwks.json"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


@pytest.fixture(scope="module")
def keys() -> dict[str, SigningKey]:
    return {name: make_key(name) for name in ("ES384", "RS384")}


@pytest.fixture
def callers(store: Store, keys: dict[str, SigningKey], tmp_path: Path) -> Callers:
    return callers_of(store, tmp_path, *keys.values())


def callers_of(store: Store, folder: Path, *keys: SigningKey, base: str | None = BASE, **more: Any) -> Callers:
    file = folder / "keys.json"
    file.write_text(json.dumps(public_jwks(keys)))
    told = CdsClientSettings(issuer=ISSUER, keys_file=file, **({"jku": JKU} | more))
    return Callers(CdsSettings(clients={"ehr": told}), base, store=store)


def refused(callers: Callers, token: str) -> str:
    with pytest.raises(TokenRefused) as raised:
        callers.caller(f"Bearer {token}", PATH)
    return raised.value.reason


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_call_of_a_configured_client_is_taken(callers: Callers, keys: dict[str, SigningKey], algorithm: str) -> None:
    client = CdsClient(BASE, keys[algorithm])

    assert callers.caller(f"Bearer {client.token(PATH)}", PATH).name == "ehr"
    assert callers.caller(f"bearer {client.token(PATH, head={'jku': JKU})}", PATH).name == "ehr"
    assert callers.caller(f"Bearer {client.token(PATH, aud=['x', BASE + PATH])}", PATH).name == "ehr"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer " + "a" * 9000])
def test_call_without_a_token_is_refused(callers: Callers, header: str | None) -> None:
    with pytest.raises(TokenRefused, match="no token"):
        callers.caller(header, PATH)


class _From(NamedTuple):
    """So many seconds from when the test runs: parameters are made long before."""

    seconds: int

    def now(self) -> int:
        return int(time.time()) + self.seconds


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://other.example.org"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": BASE + "/cds-services/another"}, "aud"),
        ({"aud": "https://other.example.org" + PATH}, "aud"),
        ({"aud": BASE + PATH + "/"}, "aud"),
        ({"aud": [5]}, "aud"),
        ({"aud": None}, "MissingRequiredClaimError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"iat": None}, "MissingRequiredClaimError"),
        ({"jti": None}, "MissingRequiredClaimError"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 600}, "jti"),
        ({"jti": 5}, "InvalidJTIError"),
        ({"iat": _From(-700), "exp": _From(-61)}, "exp"),
        ({"iat": _From(300)}, "iat"),
        ({"exp": _From(3700)}, "lifetime"),
        ({"exp": 2**63}, "time"),
        ({"exp": True}, "time"),
        ({"exp": "soon"}, "time"),
        ({"nbf": _From(300)}, "nbf"),
    ],
)
def test_token_that_claims_something_else_is_refused(
    callers: Callers, keys: dict[str, SigningKey], claims: dict[str, Any], reason: str
) -> None:
    told: dict[str, Any] = {name: value.now() if isinstance(value, _From) else value for name, value in claims.items()}

    assert refused(callers, CdsClient(BASE, keys["ES384"]).token(PATH, **told)) == reason


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"kid": "another"}, "key"),
        ({"kid": ""}, "kid"),
        ({"typ": "at+jwt"}, "typ"),
        ({"typ": None}, "typ"),
        ({"crit": ["exp"]}, "no token"),
        ({"jku": "https://evil.example.org/jwks.json"}, "jku"),
        ({"jku": JKU + "?x=1"}, "jku"),
    ],
)
def test_token_whose_header_says_something_else_is_refused(
    callers: Callers, keys: dict[str, SigningKey], head: dict[str, Any], reason: str
) -> None:
    assert refused(callers, CdsClient(BASE, keys["ES384"]).token(PATH, head=head)) == reason


def test_token_without_signature_is_refused(callers: Callers, keys: dict[str, SigningKey]) -> None:
    client = CdsClient(BASE, keys["ES384"])
    claims = jwt.decode(client.token(PATH), options={"verify_signature": False})
    plain = jwt.encode(claims, "", algorithm="none", headers={"kid": client.key.key_id})

    assert refused(callers, plain) == "alg"


def test_token_signed_with_the_public_key_as_a_secret_is_refused(callers: Callers, keys: dict[str, SigningKey]) -> None:
    client = CdsClient(BASE, keys["RS384"])
    secret = client.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = client.token(PATH).split(".")[1]
    head = _packed(json.dumps({"alg": "HS384", "typ": "JWT", "kid": client.key.key_id}).encode())
    signed = _packed(hmac.new(secret, f"{head}.{body}".encode(), sha384).digest())

    assert refused(callers, f"{head}.{body}.{signed}") == "alg"


def test_token_by_another_key_under_a_known_kid_is_refused(callers: Callers, keys: dict[str, SigningKey]) -> None:
    forged = CdsClient(BASE, make_key("ES384")).token(PATH, head={"kid": keys["ES384"].key_id})
    confused = CdsClient(BASE, keys["RS384"]).token(PATH, head={"kid": keys["ES384"].key_id})

    assert refused(callers, forged) == "InvalidSignatureError"
    assert refused(callers, confused) == "key"


def test_token_with_a_key_of_its_own_in_its_header_is_refused(callers: Callers) -> None:
    own = make_key("ES384")
    head = {"jwk": own.public_jwk(), "kid": own.key_id}

    assert refused(callers, CdsClient(BASE, own).token(PATH, head=head)) == "key"


def test_token_is_taken_once(callers: Callers, keys: dict[str, SigningKey]) -> None:
    token = CdsClient(BASE, keys["ES384"]).token(PATH)
    callers.caller(f"Bearer {token}", PATH)

    assert refused(callers, token) == "used before"


def test_token_used_by_many_at_once_is_taken_once(callers: Callers, keys: dict[str, SigningKey]) -> None:
    token = CdsClient(BASE, keys["ES384"]).token(PATH)

    def taken(_: int) -> bool:
        try:
            callers.caller(f"Bearer {token}", PATH)
        except TokenRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, range(16))) == 1


def test_token_refused_for_its_audience_is_not_used_up(callers: Callers, keys: dict[str, SigningKey]) -> None:
    token = CdsClient(BASE, keys["ES384"]).token(PATH)
    with pytest.raises(TokenRefused, match="aud"):
        callers.caller(f"Bearer {token}", "/cds-services/another")

    assert callers.caller(f"Bearer {token}", PATH).name == "ehr"


def test_nobody_may_call_without_clients_or_an_address(store: Store, tmp_path: Path) -> None:
    key = make_key("ES384")
    token = CdsClient(BASE, key).token(PATH)

    assert refused(Callers(CdsSettings(), BASE, store=store), token) == "iss"
    assert refused(callers_of(store, tmp_path, key, base=None), token) == "aud"


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({}, "jku"),
        ({"jku": "http://ehr.example.org/jwks"}, "https"),
        ({"jku": "https://u:p@ehr.example.org/"}, "password"),
    ],
)
def test_client_without_safe_keys_is_a_fault_of_the_settings(store: Store, told: dict[str, Any], problem: str) -> None:
    clients = {"ehr": CdsClientSettings(issuer=ISSUER, **told)}

    with pytest.raises(ConfigurationError, match=problem):
        Callers(CdsSettings(clients=clients), BASE, store=store)


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
