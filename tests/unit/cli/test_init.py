"""In: answers of all kinds. Out: proof that the settings load, that nothing is lost or changed, and that nothing half is left."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.init import init
from adapter.cli.settings_file import section_of
from adapter.client.keys import load_keys, make_key, public_jwks, write_key
from adapter.client.smart import SmartAuth
from adapter.config import SiteSettings, SmartBackendSettings, load_settings
from adapter.jobs.connecting import site_address
from tests.support.certificates import Authority
from tests.support.cli import Ran
from tests.support.verb import run_verb

BASE = "https://fhir.example.org/r4"
LOCAL = "http://127.0.0.1:8080/fhir"
FEW = ("--site", "icm", "--base-url", BASE)


def _init(folder: Path, *arguments: str | Path, **more: Any) -> Ran:
    return run_verb(init, *arguments, config=folder / "adapter.toml", **more)


def _site(folder: Path, name: str = "icm") -> SiteSettings:
    return load_settings(folder / "adapter.toml").sites[name]


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def _files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_init_makes_settings_and_keys_without_a_terminal(tmp_path: Path) -> None:
    ran = _init(tmp_path, *FEW, "--yes")
    site = _site(tmp_path)
    (key,) = load_keys(tmp_path / "icm.pem")

    assert (ran.code, ran.object) == (0, public_jwks([key]))
    assert isinstance(site.auth, SmartBackendSettings)
    assert (site.base_url, site.auth.client_id, site.auth.scopes) == (BASE, "reluth-icm", ["system/*.rs"])
    assert (site.identifier_system, site.site_code, key.algorithm) == (None, None, "ES384")
    assert (_mode(tmp_path / "adapter.toml"), _mode(tmp_path / "icm.pem")) == (0o600, 0o600)
    assert isinstance(site_address("icm", site).auth, SmartAuth)
    assert _files(tmp_path) == ["adapter.toml", "icm.pem"]
    assert "administrator of https://fhir.example.org/r4" in ran.err
    assert ran.err.endswith("Then see what works: reluth check --site icm\n")


def test_init_takes_every_answer_as_an_option(tmp_path: Path) -> None:
    ran = _init(
        tmp_path, *FEW, "--auth", "smart-backend", "--client-id", "c-42", "--private-key", "keys/rsa.pem", "--algorithm",
        "RS384", "--identifier-system", "urn:oid:1.2.250.1.71", "--site-code", "05",
    )  # fmt: skip
    site = _site(tmp_path)

    assert (ran.code, ran.object["keys"][0]["alg"]) == (0, "RS384")
    assert isinstance(site.auth, SmartBackendSettings)
    assert (site.auth.client_id, site.auth.private_key_file) == ("c-42", tmp_path / "keys" / "rsa.pem")
    assert (site.identifier_system, site.site_code) == ("urn:oid:1.2.250.1.71", "05")


def test_init_asks_at_a_terminal_until_the_answers_can_be_used(tmp_path: Path) -> None:
    typed = [
        "",  # the site has no default
        "i c m",
        "icm",
        "http://fhir.example.org/r4",
        "fhir.example.org",
        BASE,
        "oauth",
        "none",
        "",  # the default: smart-backend
        "c-42",
        "",  # icm.pem
        "HS256",
        "RS384",
        "urn:oid:1.2 3",
        "urn:oid:1.2.250.1.71",
        "",  # the site's number: later
    ]
    ran = _init(tmp_path, typed=typed)
    site = _site(tmp_path)

    assert ran.code == 0
    assert isinstance(site.auth, SmartBackendSettings)
    assert (site.base_url, site.auth.client_id) == (BASE, "c-42")
    assert (site.identifier_system, site.site_code) == ("urn:oid:1.2.250.1.71", None)
    assert load_keys(tmp_path / "icm.pem")[0].algorithm == "RS384"
    for told in (
        "letters, digits, - and _ are wanted",
        "https is wanted",
        "an absolute http or https URL is wanted",
        "one of smart-backend, mtls, basic, bearer, none is wanted",
        "none is for servers on this machine only",
        "it is ES384 or RS384",
        "one word is wanted",
        "[smart-backend]",
    ):
        assert told in ran.err


def test_init_asks_only_what_was_not_given(tmp_path: Path) -> None:
    ran = _init(tmp_path, *FEW, "--auth", "smart-backend", "--client-id", "c", typed=["", "", "", ""])

    assert ran.code == 0
    assert "Name of the site" not in ran.err
    assert "File of our private key" in ran.err


def test_init_ends_when_nobody_answers_any_more(tmp_path: Path) -> None:
    ran = _init(tmp_path, *FEW, typed=["smart-backend", "c", "", ""])

    assert (ran.code, ran.out) == (2, "")
    assert "--identifier-system was not answered" in ran.err
    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--site is wanted: there is no terminal to ask at"),
        (("--site", "icm", "--yes"), "--base-url is wanted: it has no default"),
        (FEW, "--auth is wanted: there is no terminal to ask at (--yes takes the defaults)"),
        ((*FEW, "--auth", "basic", "--yes"), "--username is wanted: it has no default"),
        ((*FEW, "--auth", "basic", "--username", "u", "--yes"), "--secret-file is wanted"),
        ((*FEW, "--auth", "bearer", "--secret-file", "no.secret", "--yes"), "--secret-file: no such file"),
        ((*FEW, "--auth", "mtls", "--yes"), "--certificate: no such file"),
        ((*FEW, "--ca-file", "no.pem", "--yes"), "--ca-file: no such file"),
        ((*FEW, "--auth", "none", "--yes"), "--auth: none is for servers on this machine only"),
        ((*FEW, "--auth", "oauth", "--yes"), "--auth: one of"),
        ((*FEW, "--algorithm", "HS256", "--yes"), "--algorithm HS256: it is ES384 or RS384"),
        ((*FEW, "--client-id", " ", "--yes"), "--client-id: an answer on one line is wanted"),
        ((*FEW, "--site-code", "0 5", "--yes"), "--site-code: one word is wanted"),
        (("--site", "../x", "--base-url", BASE, "--yes"), "--site: letters, digits"),
        (("--site", "icm", "--base-url", "http://fhir.example.org/r4", "--yes"), "--base-url: https is wanted"),
        (("--site", "icm", "--base-url", "https://u:word@h/r4", "--yes"), "--base-url: no query, fragment or password"),
        (
            ("--site", "icm", "--base-url", LOCAL, "--auth", "mtls", "--yes"),
            "--auth: a client certificate is shown over",
        ),
    ],
)
def test_init_refuses_what_cannot_be_and_leaves_nothing_behind(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = _init(tmp_path, *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "word@" not in ran.err
    assert _files(tmp_path) == []


def test_init_for_this_machine_needs_no_credentials(tmp_path: Path) -> None:
    ran = _init(tmp_path, "--site", "demo", "--base-url", LOCAL, "--yes")

    assert (ran.code, ran.out) == (0, "")
    assert _site(tmp_path, "demo").auth.type == "none"


def test_init_takes_a_password_typed_unseen_into_a_file_of_its_own(tmp_path: Path) -> None:
    arguments = (*FEW, "--auth", "basic", "--username", "reluth", "--identifier-system", "", "--site-code", "")
    ran = _init(tmp_path, *arguments, typed=[], secret="w0rd")
    site = _site(tmp_path)

    assert ran.code == 0
    assert site.auth.type == "basic"
    assert (site.auth.username, site.auth.password.get_secret_value()) == ("reluth", "w0rd")
    assert _mode(tmp_path / "icm.secret") == 0o600
    assert "w0rd" not in (tmp_path / "adapter.toml").read_text() + ran.err


@pytest.mark.parametrize("secret", ["", "w0rd"])
def test_init_takes_no_secret_that_is_empty_or_would_overwrite_one(tmp_path: Path, secret: str) -> None:
    if secret:
        (tmp_path / "icm.secret").write_text("of before")
    before = _files(tmp_path)
    ran = _init(tmp_path, *FEW, "--auth", "bearer", typed=[], secret=secret)

    assert ran.code == 2
    assert "--secret-file" in ran.err
    assert _files(tmp_path) == before


def test_init_takes_a_token_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    ran = _init(tmp_path, *FEW, "--auth", "bearer", "--secret-file", "token", "--yes")
    site = _site(tmp_path)

    assert ran.code == 0
    assert site.auth.type == "bearer"
    assert site.auth.token.get_secret_value() == "t0ken"


def test_init_takes_a_certificate_that_is_there(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    pair = authority.pair("client")
    ran = _init(
        tmp_path, *FEW, "--auth", "mtls", "--certificate", pair.certificate, "--private-key", "tls/client.key",
        "--ca-file", "tls/ca.pem", "--yes",
    )  # fmt: skip
    site = _site(tmp_path)

    assert (ran.code, site.auth.type, site.ca_file) == (0, "mtls", tmp_path / "tls" / "ca.pem")


def test_init_refuses_a_certificate_without_its_key_before_anything_is_written(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    one, other = authority.pair("one"), authority.pair("other")
    ran = _init(tmp_path, *FEW, "--auth", "mtls", "--certificate", one.certificate, "--private-key", other.key, "--yes")

    assert ran.code == 2
    assert "sites.icm.auth.private_key_file: is not the key" in ran.err
    assert _files(tmp_path) == ["tls"]


def test_init_takes_a_key_that_is_there(tmp_path: Path) -> None:
    key = make_key("ES384")
    write_key(key, tmp_path / "icm.pem")
    ran = _init(tmp_path, *FEW, "--yes")
    other = _init(
        tmp_path, "--site", "second", "--base-url", BASE, "--private-key", "icm.pem", "--algorithm", "RS384", "--yes"
    )

    assert (ran.code, ran.object) == (0, public_jwks([key]))
    assert (other.code, other.err) == (2, "reluth: --algorithm RS384: the key in icm.pem signs by ES384\n")


def test_init_keeps_a_key_that_others_may_read_and_refuses_it(tmp_path: Path) -> None:
    write_key(make_key("ES384"), tmp_path / "icm.pem")
    (tmp_path / "icm.pem").chmod(0o644)
    ran = _init(tmp_path, *FEW, "--yes")

    assert (ran.code, _files(tmp_path)) == (2, ["icm.pem"])


OLD = '# ours\n[store]\npath = "kept"   # here\n\n[sites.other]\nbase_url = "http://127.0.0.1:1/r4"'


@pytest.mark.parametrize("text", [OLD, f"{OLD}\n", f"\ufeff{OLD}\n\n", OLD.replace("\n", "\r\n"), ""])
def test_init_keeps_every_byte_of_what_is_there(tmp_path: Path, text: str) -> None:
    file = tmp_path / "adapter.toml"
    file.write_bytes(text.encode())
    file.chmod(0o644)
    ran = _init(tmp_path, *FEW, "--yes")
    after = file.read_bytes()
    settings = load_settings(file)

    assert ran.code == 0
    assert after.startswith(text.encode())
    assert sorted(settings.sites) == (["icm", "other"] if text else ["icm"])
    assert (settings.store.path.name == "kept") is bool(text)
    assert (b"\n" in after.replace(b"\r\n", b"")) is ("\r\n" not in text)
    assert _mode(file) == 0o600


def test_init_adds_one_site_after_another(tmp_path: Path) -> None:
    codes = [_init(tmp_path, "--site", name, "--base-url", BASE, "--yes").code for name in ("icm", "igr", "chu-x_1")]

    assert codes == [0, 0, 0]
    assert sorted(load_settings(tmp_path / "adapter.toml").sites) == ["chu-x_1", "icm", "igr"]


def test_init_changes_no_site_that_is_there(tmp_path: Path) -> None:
    _init(tmp_path, *FEW, "--yes")
    before = (tmp_path / "adapter.toml").read_bytes()
    ran = _init(tmp_path, "--site", "icm", "--base-url", LOCAL, "--yes")

    assert (ran.code, ran.out) == (2, "")
    assert "--site: is in adapter.toml already" in ran.err
    assert (tmp_path / "adapter.toml").read_bytes() == before


@pytest.mark.parametrize(
    "text", ['sites = { other = { base_url = "http://127.0.0.1:1/r4" } }\n', "[store\n", '[store]\nwhere = "?"\n']
)
def test_init_leaves_settings_alone_to_which_nothing_can_be_added(tmp_path: Path, text: str) -> None:
    file = tmp_path / "adapter.toml"
    file.write_text(text)
    ran = _init(tmp_path, *FEW, "--yes")

    assert ran.code == 2
    assert file.read_text() == text
    assert _files(tmp_path) == ["adapter.toml"]


def test_init_writes_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "reluth.toml").write_text(OLD)
    (tmp_path / "adapter.toml").symlink_to("etc/reluth.toml")
    ran = _init(tmp_path, "--site", "local", "--base-url", LOCAL, "--yes")

    assert ran.code == 0
    assert (tmp_path / "adapter.toml").is_symlink()
    assert sorted(load_settings(tmp_path / "adapter.toml").sites) == ["local", "other"]


@pytest.mark.parametrize("written", [0, 1])
def test_init_that_cannot_write_leaves_the_settings_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    (tmp_path / "adapter.toml").write_text(OLD)
    left = iter(range(written))

    def full(_: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = _init(tmp_path, *FEW, "--yes")

    assert (ran.code, "No space left on device" in ran.err) == (75, True)
    assert (tmp_path / "adapter.toml").read_text() == OLD
    assert _files(tmp_path) == ["adapter.toml"]


def test_init_tells_machines_what_it_made(tmp_path: Path) -> None:
    ran = _init(tmp_path, *FEW, "--yes", json=True)

    assert ran.object["site"] == "icm"
    assert ran.object["config"] == str(tmp_path / "adapter.toml")
    assert ran.object["made"] == [str(tmp_path / "icm.pem")]
    assert ran.object["jwks"] == public_jwks(load_keys(tmp_path / "icm.pem"))


@pytest.mark.parametrize("text", ['"', "\\", "é µ", "'''", "\x7f", "#", "{x}", "a = 1\n[x]", "\t"])
def test_section_writes_any_text_so_that_it_is_read_again(text: str) -> None:
    section = section_of("icm", {"base_url": text, "auth": {"type": text, "scopes": [text, text]}})

    assert tomllib.loads(section)["sites"]["icm"] == {"base_url": text, "auth": {"type": text, "scopes": [text, text]}}
