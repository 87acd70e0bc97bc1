"""In: sites with and without keys. Out: proof that `reluth keys` prints what is public and nothing else, and makes good keys."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from adapter.cli.keys import keys
from adapter.client.keys import Algorithm, load_keys, make_key, public_jwks, write_key
from tests.support.cli import Ran
from tests.support.verb import run_verb

KEY = make_key("ES384")


def _settings(folder: Path, *sites: str, more: str = "") -> Path:
    """Settings with these sites, each with the key of ``icm.pem``."""
    if not (folder / "icm.pem").exists():
        write_key(KEY, folder / "icm.pem")
    auth = f'{{ type = "smart-backend", client_id = "c-42", private_key_file = "icm.pem"{more} }}'
    file = folder / "adapter.toml"
    file.write_text(
        "\n".join(f'[sites.{site}]\nbase_url = "https://fhir.example.org/r4"\nauth = {auth}' for site in sites)
        + '\n[sites.other]\nbase_url = "http://127.0.0.1:8080/fhir"\n'
    )
    return file


def _is_public(ran: Ran) -> bool:
    return not {"d", "p", "q", "dp", "dq", "qi"} & {name for jwk in ran.object["keys"] for name in jwk}


@pytest.mark.parametrize("arguments", [["--site", "icm"], []])
def test_keys_prints_the_public_keys_of_a_site_and_tells_what_to_do_with_them(
    tmp_path: Path, arguments: list[str]
) -> None:
    ran = run_verb(keys, *arguments, config=_settings(tmp_path, "icm"))

    assert (ran.code, ran.object) == (0, public_jwks([KEY]))
    assert _is_public(ran)
    assert "administrator of https://fhir.example.org/r4" in ran.err
    assert "scopes system/*.rs" in ran.err
    assert 'sites.icm.auth.client_id is "c-42"' in ran.err


def test_keys_names_a_key_as_the_settings_do(tmp_path: Path) -> None:
    ran = run_verb(keys, config=_settings(tmp_path, "icm", more=', key_id = "as-registered"'))

    assert [jwk["kid"] for jwk in ran.object["keys"]] == ["as-registered"]


def test_keys_prints_old_and_new_key_while_they_are_changed_over(tmp_path: Path) -> None:
    made = [ec.generate_private_key(ec.SECP384R1()) for _ in range(2)]
    private = [ECAlgorithm.to_jwk(key, as_dict=True) for key in made]
    jwks = {"keys": [{**jwk, "kid": kid} for jwk, kid in zip(private, ("old", "new"), strict=True)]}
    file = tmp_path / "icm.pem"
    file.touch(mode=0o600)
    file.write_text(json.dumps(jwks))
    ran = run_verb(keys, config=_settings(tmp_path, "icm", more=', key_id = "new"'))

    assert [jwk["kid"] for jwk in ran.object["keys"]] == ["old", "new"]
    assert _is_public(ran)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--site", "nowhere"], "--site nowhere: no such site in the settings; there are icm, second, other"),
        (["--site", "other"], "sites.other.auth: is none, which has no keys"),
        ([], "--site S: whose keys? Those with some: icm, second"),
        (["--make", "k.pem", "--site", "icm"], "makes a key for no site yet"),
        (["--make", "k.pem", "--algorithm", "HS256"], "--algorithm HS256: it is ES384 or RS384"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = run_verb(keys, *arguments, config=_settings(tmp_path, "icm", "second"))

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_keys_names_the_setting_of_a_key_that_others_may_read(tmp_path: Path) -> None:
    config = _settings(tmp_path, "icm")
    (tmp_path / "icm.pem").chmod(0o644)
    ran = run_verb(keys, config=config)

    assert (ran.code, ran.out) == (2, "")
    assert "sites.icm.auth.private_key_file: others than its owner" in ran.err


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_keys_makes_a_key_pair_and_prints_its_public_part(tmp_path: Path, algorithm: Algorithm) -> None:
    file = tmp_path / "new" / "icm.pem"
    ran = run_verb(keys, "--make", file, "--algorithm", algorithm.lower(), config=tmp_path / "adapter.toml")
    (made,) = load_keys(file)

    assert (ran.code, ran.object) == (0, public_jwks([made]))
    assert made.algorithm == algorithm
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert _is_public(ran)
    assert "send it to nobody" in ran.err


def test_keys_overwrites_no_key(tmp_path: Path) -> None:
    config = _settings(tmp_path, "icm")
    before = (tmp_path / "icm.pem").read_bytes()
    ran = run_verb(keys, "--make", tmp_path / "icm.pem", config=config)

    assert (ran.code, ran.out) == (2, "")
    assert (tmp_path / "icm.pem").read_bytes() == before
