"""In: addresses, proxies, PEM files. Out: proof of what is taken, refused by which setting, and what never shows."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from adapter.client import SiteAddress, tls_context
from adapter.client.address import is_loopback, opened_client
from adapter.errors import ConfigurationError
from tests.support.certificates import Authority

BASE = "https://fhir.example.org/r4"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    shown = f"[{host}]" if ":" in host else host

    assert is_loopback(host)
    assert SiteAddress(f"http://{shown}:8080/fhir").is_local


@pytest.mark.parametrize(
    "host", ["localhost.example.org", "10.0.0.1", "0.0.0.0", "fhir", "::", "127.0.0.1.example.org"]
)
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_loopback(host)


def test_scheme_says_whether_it_is_encrypted() -> None:
    assert SiteAddress("HTTPS://fhir.example.org/r4").is_encrypted
    assert not SiteAddress("http://fhir.example.org/r4").is_encrypted


@pytest.mark.parametrize("proxy", ["", "proxy.example.org:3128", "http://", "ftp://p", "http://p:x"])
def test_proxy_that_is_none_is_refused_without_being_shown(proxy: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        SiteAddress(BASE, proxy=proxy)

    assert (refused.value.setting, str(refused.value)) == ("proxy", "proxy: an http or https URL is wanted")


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
def test_socks_proxy_is_refused_with_what_is_missing(scheme: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        SiteAddress(BASE, proxy=f"{scheme}://user:word@proxy.example.org:1080")

    assert refused.value.setting == "proxy"
    assert "socksio and PySocks" in str(refused.value)
    assert "word" not in str(refused.value)


def test_socks_proxy_of_the_environment_is_refused_as_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:word@proxy.example.org:1080")
    with pytest.raises(ConfigurationError, match="proxy: is missing, and that of the environment is SOCKS") as refused:
        opened_client(SiteAddress(BASE))

    assert "word" not in str(refused.value)


def test_password_of_a_proxy_is_not_shown() -> None:
    address = SiteAddress(BASE, proxy="http://user:word@proxy.example.org:3128")

    assert "word" not in repr(address)


@pytest.mark.parametrize(
    ("base_url", "proxy", "from_environment"),
    [
        (BASE, None, True),
        (BASE, "http://proxy.example.org:3128", False),
        ("http://127.0.0.1:8080/fhir", None, False),
    ],
)
def test_proxy_of_the_environment_is_used_where_none_is_set_and_not_for_this_machine(
    base_url: str, proxy: str | None, from_environment: bool
) -> None:
    with opened_client(SiteAddress(base_url, proxy=proxy)) as client:
        assert client.trust_env is from_environment
        assert not client.follow_redirects


def test_time_limit_is_that_of_the_site() -> None:
    with opened_client(SiteAddress(BASE, timeout=7)) as client:
        assert (client.timeout.connect, client.timeout.read) == (7, 7)


def test_tls_trusts_the_authorities_of_the_file_and_no_others(tmp_path: Path) -> None:
    context = tls_context(str(Authority(tmp_path).file))

    assert len(context.get_ca_certs()) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_tls_without_a_file_verifies_too() -> None:
    context = tls_context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_certificate_of_ours_needs_its_own_key(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.pair("one"), authority.pair("other")
    with pytest.raises(ConfigurationError, match="private_key_file: is not the key of the certificate_file"):
        tls_context(None, str(one.certificate), str(other.key))

    assert tls_context(None, str(one.certificate), str(one.key)).verify_mode == ssl.CERT_REQUIRED


def test_key_of_a_certificate_is_for_its_owner_only(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("client")
    pair.key.chmod(0o640)
    with pytest.raises(ConfigurationError, match="private_key_file: others than its owner"):
        tls_context(None, str(pair.certificate), str(pair.key))


def test_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("client", passphrase=b"secret")
    with pytest.raises(ConfigurationError, match=r"certificate_file: .*without passphrase"):
        tls_context(None, str(pair.certificate), str(pair.key))


@pytest.mark.parametrize(("missing", "named"), [("certificate", "certificate_file"), ("key", "private_key_file")])
def test_file_of_a_certificate_that_is_missing_is_named(tmp_path: Path, missing: str, named: str) -> None:
    pair = Authority(tmp_path).pair("client")
    files = {"certificate": str(pair.certificate), "key": str(pair.key)} | {missing: str(tmp_path / "missing")}
    with pytest.raises(ConfigurationError) as refused:
        tls_context(None, files["certificate"], files["key"])

    assert refused.value.setting == named


def test_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("client")
    pair.certificate.write_text("none")
    with pytest.raises(ConfigurationError, match="certificate_file"):
        tls_context(None, str(pair.certificate), str(pair.key))
