"""In: key files, good and bad. Out: proof of which key signs, under which name, and that nothing secret gets out."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from adapter.client.keys import Algorithm, SigningKey, load_keys, make_key, public_jwks, signing_key, write_key
from adapter.errors import ConfigurationError, StorageError, UsageError

ES = make_key("ES384")
RS = make_key("RS384")
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def _write(file: Path, content: bytes | str, *, mode: int = 0o600) -> Path:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


def _pem(private: Any, passphrase: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem: bytes = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    return pem


def _jwk(key: SigningKey, **more: Any) -> dict[str, Any]:
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        return {**ECAlgorithm.to_jwk(key.private, as_dict=True), **more}
    return {**RSAAlgorithm.to_jwk(key.private, as_dict=True), **more}


def _is_same(one: SigningKey, other: SigningKey) -> bool:
    return _pem(one.private) == _pem(other.private)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_key_made_is_written_for_its_owner_only_and_read_again(tmp_path: Path, algorithm: Algorithm) -> None:
    made = make_key(algorithm)
    file = tmp_path / "keys" / "icm.pem"
    write_key(made, file)
    read = signing_key(file)

    assert (read.algorithm, read.key_id) == (algorithm, made.key_id)
    assert _is_same(read, made)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "icm.pem"
    write_key(ES, file)
    with pytest.raises(UsageError, match="never overwritten"):
        write_key(RS, file)

    assert _is_same(signing_key(file), ES)


def test_key_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file: cannot be written"):
        write_key(ES, tmp_path / "file" / "icm.pem")


@pytest.mark.parametrize("key", [ES, RS], ids=["ES384", "RS384"])
def test_public_jwks_verifies_what_the_key_signs_and_holds_nothing_private(key: SigningKey) -> None:
    signed = jwt.encode({"sub": "reluth"}, key.private, algorithm=key.algorithm)
    (jwk,) = public_jwks([key])["keys"]

    assert jwt.decode(signed, jwt.PyJWK(jwk).key, algorithms=[key.algorithm]) == {"sub": "reluth"}
    assert (jwk["kid"], jwk["alg"], jwk["use"], jwk["key_ops"]) == (key.key_id, key.algorithm, "sig", ["verify"])
    assert not PRIVATE_MEMBERS & set(jwk)


def test_thumbprint_is_that_of_rfc_7638() -> None:
    jwk = public_jwks([RS])["keys"][0]
    written = '{"e":"' + jwk["e"] + '","kty":"RSA","n":"' + jwk["n"] + '"}'
    hashed = jwt.utils.base64url_encode(hashlib.sha256(written.encode()).digest()).decode()

    assert RS.key_id == hashed


@pytest.mark.parametrize("key", [ES, RS], ids=["ES384", "RS384"])
@pytest.mark.parametrize("form", ["jwk", "jwks", "pem", "traditional"])
def test_key_is_read_in_every_form(tmp_path: Path, key: SigningKey, form: str) -> None:
    contents: dict[str, bytes | str] = {
        "jwk": json.dumps(_jwk(key)),
        "jwks": json.dumps({"keys": [_jwk(key), public_jwks([make_key("ES384")])["keys"][0]]}),
        "pem": _pem(key.private),
        "traditional": key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ),
    }
    (read,) = load_keys(_write(tmp_path / "key", contents[form]))

    assert _is_same(read, key)
    assert (read.algorithm, read.key_id) == (key.algorithm, key.key_id)


def test_kid_of_a_jwk_is_kept_and_that_of_the_settings_wins(tmp_path: Path) -> None:
    file = _write(tmp_path / "key", json.dumps(_jwk(ES, kid="of-the-file")))

    assert signing_key(file).key_id == "of-the-file"
    assert signing_key(file, key_id="as-registered").key_id == "as-registered"


def test_key_of_a_jwks_is_chosen_by_kid_or_algorithm(tmp_path: Path) -> None:
    old = make_key("ES384")
    several = {"keys": [_jwk(old, kid="old"), _jwk(ES, kid="new"), _jwk(RS, kid="rsa")]}
    file = _write(tmp_path / "keys.json", json.dumps(several))

    assert [key.key_id for key in load_keys(file)] == ["old", "new", "rsa"]
    assert _is_same(signing_key(file, key_id="new"), ES)
    assert _is_same(signing_key(file, algorithm="RS384"), RS)
    for asked, named in (
        ({}, "key_id"),
        ({"algorithm": "ES384"}, "key_id"),
        ({"key_id": "lost"}, "key_id"),
        ({"key_id": "rsa", "algorithm": "ES384"}, "algorithm"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            signing_key(file, **asked)
        assert refused.value.setting == named


def test_algorithm_that_is_not_the_keys_is_refused(tmp_path: Path) -> None:
    file = _write(tmp_path / "key.pem", _pem(ES.private))
    with pytest.raises(ConfigurationError, match=r"algorithm: the key in private_key_file signs by ES384"):
        signing_key(file, algorithm="RS384")

    assert signing_key(file, algorithm="ES384").algorithm == "ES384"


BAD: dict[str, bytes | str] = {
    "nothing": "",
    "prose": "no key",
    "list": "[]",
    "number": "1",
    "deep": "[" * 100_000,
    "empty": '{"keys": []}',
    "keys-no-list": '{"keys": 1}',
    "keys-of-texts": '{"keys": ["d"]}',
    "kind": '{"keys": [{"kty": "oct", "k": "c2VjcmV0", "d": "x"}]}',
    "no-kind": '{"d": "x"}',
    "half": '{"kty": "EC", "crv": "P-384", "d": "c2VjcmV0"}',
    "public-with-d": json.dumps({**public_jwks([ES])["keys"][0], "d": 5}),
    "public": json.dumps(public_jwks([ES])),
    "twice": json.dumps({"keys": [_jwk(ES), _jwk(ES)]}),
    "passphrase": _pem(ES.private, b"secret"),
    "curve": _pem(ec.generate_private_key(ec.SECP256R1())),
    "curve-jwk": json.dumps(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)),
    "short": _pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "other": _pem(ed25519.Ed25519PrivateKey.generate()),
    "cut": _pem(ES.private)[:90],
    "bytes": b"\xff\xfe",
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_file_without_a_usable_key_is_refused_by_its_setting_alone(tmp_path: Path, name: str) -> None:
    file = _write(tmp_path / "key", BAD[name])
    with pytest.raises(ConfigurationError) as refused:
        load_keys(file)

    assert refused.value.setting == "private_key_file"
    assert "secret" not in str(refused.value) and "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o777])
def test_key_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = _write(tmp_path / "key.pem", _pem(ES.private), mode=mode)
    with pytest.raises(ConfigurationError, match="private_key_file: others than its owner"):
        load_keys(file)


def test_key_that_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "missing.pem", Path("/dev/null")):
        with pytest.raises(ConfigurationError, match="private_key_file"):
            load_keys(file)


def test_key_where_no_file_can_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_key(ES, tmp_path / ("long" * 100))


def test_key_that_cannot_be_written_whole_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_key(ES, tmp_path / "icm.pem")

    assert list(tmp_path.iterdir()) == []


def test_repr_of_a_key_does_not_show_it() -> None:
    assert "private" not in repr(ES)
