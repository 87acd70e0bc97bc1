"""Promises of a client's keys: kept for a while, asked for anew for a new kid, and only those that are for verifying."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from adapter.client.keys import SigningKey, make_key, public_jwks
from adapter.config import CdsClientSettings
from adapter.errors import RemoteError
from adapter.service.cards.keys import AGAIN_SECONDS, FAILED_SECONDS, KEPT_SECONDS, ClientKeys, read_jwks

ONE, OTHER = make_key("ES384"), make_key("ES384")


@dataclass
class Bench:
    """A clock to be moved, and a key server that counts."""

    keys: list[SigningKey] = field(default_factory=lambda: [ONE])
    at: float = 1000.0
    asked: int = 0
    broken: bool = False

    def fetch(self) -> bytes:
        self.asked += 1
        if self.broken:
            raise RemoteError("no answer")
        return json.dumps(public_jwks(self.keys)).encode()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def client(bench: Bench) -> ClientKeys:
    told = CdsClientSettings(issuer="https://ehr.example.org", jku="https://ehr.example.org/jwks")
    return ClientKeys("ehr", told, clock=lambda: bench.at, fetch=bench.fetch)


def test_keys_are_asked_for_once_in_five_minutes(client: ClientKeys, bench: Bench) -> None:
    for _ in range(5):
        assert client.key(ONE.key_id) is not None
    assert bench.asked == 1

    bench.at += KEPT_SECONDS
    assert client.key(ONE.key_id) is not None
    assert bench.asked == 2


def test_key_taken_out_holds_no_longer_than_five_minutes(client: ClientKeys, bench: Bench) -> None:
    assert client.key(ONE.key_id) is not None
    bench.keys = [OTHER]
    bench.at += KEPT_SECONDS

    assert client.key(ONE.key_id) is None


def test_new_kid_is_looked_for_at_once_but_not_more_than_once_a_minute(client: ClientKeys, bench: Bench) -> None:
    assert client.key(ONE.key_id) is not None
    bench.keys = [ONE, OTHER]
    assert client.key(OTHER.key_id) is not None
    assert bench.asked == 2

    for _ in range(5):
        assert client.key("unknown") is None
    assert bench.asked == 2
    bench.at += AGAIN_SECONDS
    assert client.key("unknown") is None
    assert bench.asked == 3


def test_keys_that_cannot_be_fetched_verify_nothing_and_are_not_asked_for_by_every_call(
    client: ClientKeys, bench: Bench
) -> None:
    assert client.key(ONE.key_id) is not None
    bench.broken = True
    bench.at += KEPT_SECONDS
    for _ in range(5):
        assert client.key(ONE.key_id) is None
    assert bench.asked == 2

    bench.broken = False
    bench.at += FAILED_SECONDS
    assert client.key(ONE.key_id) is not None


def test_keys_file_that_is_missing_verifies_nothing(tmp_path: Path) -> None:
    told = CdsClientSettings(issuer="https://ehr.example.org", keys_file=tmp_path / "none.json")

    assert ClientKeys("ehr", told).key(ONE.key_id) is None


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"alg": "ES256"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": None},
        {"kid": ""},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP"},
        {"crv": "P-256"},
        {"x": "!"},
        {"y": 5},
        {"d": "AAAA"},
    ],
)
def test_key_that_is_not_for_verifying_is_left_out(change: dict[str, Any]) -> None:
    assert read_jwks(json.dumps({"keys": [ONE.public_jwk()]}).encode()).keys() == {ONE.key_id}

    assert read_jwks(json.dumps({"keys": [ONE.public_jwk() | change]}).encode()) == {}


def test_key_of_another_curve_is_left_out() -> None:
    jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)

    assert read_jwks(json.dumps({"keys": [jwk | {"kid": "a"}]}).encode()) == {}


def test_two_keys_of_one_kid_are_both_left_out() -> None:
    twice = [ONE.public_jwk(), OTHER.public_jwk() | {"kid": ONE.key_id}, OTHER.public_jwk()]

    assert read_jwks(json.dumps({"keys": twice}).encode()).keys() == {OTHER.key_id}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"keys": 5}', b"\xff", b'{"keys":' + b"[" * 100_000])
def test_body_that_is_no_jwks_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no JWKS"):
        read_jwks(body)
