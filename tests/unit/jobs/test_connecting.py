"""In: a site's settings. Out: its address, or a sentence that names the setting."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from adapter.client import BasicAuth, BearerAuth
from adapter.client.keys import make_key, write_key
from adapter.client.smart import SmartAuth
from adapter.config import SiteSettings
from adapter.errors import ConfigurationError
from adapter.jobs.connecting import site_address
from tests.support.certificates import Authority

BASE = "https://fhir.example.org/r4"
LOCAL = "http://127.0.0.1:8080/fhir"
BEARER = {"type": "bearer", "token": "t"}
BASIC = {"type": "basic", "username": "u", "password": "p"}
KEY = make_key("ES384")


def _site(**more: Any) -> SiteSettings:
    return SiteSettings.model_validate({"base_url": BASE, "auth": BEARER, **more})


def _smart(folder: Path, **more: Any) -> dict[str, Any]:
    file = folder / "icm.pem"
    if not file.exists():
        write_key(KEY, file)
    return {"type": "smart-backend", "client_id": "reluth", "private_key_file": file, **more}


def test_connect_takes_address_hosts_time_limit_and_proxy() -> None:
    address = site_address("icm", _site(hosts=["files.example.org"], timeout=7, proxy="http://proxy.example.org:3128"))

    assert (address.base_url, address.hosts) == (BASE, ("files.example.org",))
    assert (address.timeout, address.proxy) == (7, "http://proxy.example.org:3128")


def test_connect_knows_every_way_to_show_who_we_are(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "ca").pair("client")
    mutual = {"type": "mtls", "certificate_file": pair.certificate, "private_key_file": pair.key}
    found = [site_address("icm", _site(auth=auth)) for auth in (BASIC, BEARER, _smart(tmp_path), mutual)]

    assert isinstance(found[0].auth, BasicAuth)
    assert isinstance(found[1].auth, BearerAuth)
    assert isinstance(found[2].auth, SmartAuth)
    assert found[3].auth is None
    assert all(isinstance(address.tls, ssl.SSLContext) for address in found)


def test_connect_trusts_the_authorities_of_the_site_alone(tmp_path: Path) -> None:
    address = site_address("icm", _site(ca_file=Authority(tmp_path).file))

    assert address.tls is not None
    assert [dict(*certificate["subject"]) for certificate in address.tls.get_ca_certs()] == [
        {"commonName": "Test authority"}
    ]


@pytest.mark.parametrize("auth", [{"type": "none"}, BASIC, BEARER])
def test_connect_speaks_plainly_to_this_machine(auth: dict[str, Any]) -> None:
    address = site_address("icm", _site(base_url=LOCAL, auth=auth))

    assert (address.base_url, address.tls, address.auth is None) == (LOCAL, None, auth["type"] == "none")


@pytest.mark.parametrize("auth", [BASIC, BEARER, "smart"])
def test_connect_sends_no_credentials_in_the_clear(tmp_path: Path, auth: Any) -> None:
    site = _site(base_url="http://fhir.example.org/r4", auth=_smart(tmp_path) if auth == "smart" else auth)
    with pytest.raises(ConfigurationError, match=r"sites\.icm\.base_url: credentials go over https only"):
        site_address("icm", site)


@pytest.mark.parametrize("base_url", [BASE, "http://fhir.example.org/r4", "https://localhost.example.org/r4"])
def test_connect_asks_for_credentials_but_of_this_machine(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        site_address("icm", _site(base_url=base_url, auth={"type": "none"}))

    assert refused.value.setting == "sites.icm.auth"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"base_url": None}, "base_url"),
        ({"hosts": ["https://h"]}, "hosts"),
        ({"proxy": "proxy:3128"}, "proxy"),
        ({"ca_file": "missing.pem"}, "ca_file"),
        ({"auth": {"type": "smart-backend", "client_id": "c", "private_key_file": "k"}}, "auth.private_key_file"),
        ({"auth": {"type": "mtls", "certificate_file": "c", "private_key_file": "k"}}, "auth.private_key_file"),
        (
            {"base_url": LOCAL, "auth": {"type": "mtls", "certificate_file": "c", "private_key_file": "k"}},
            "base_url",
        ),
    ],
)
def test_connect_names_the_setting_that_is_missing_or_wrong(more: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        site_address("icm", _site(**more))

    assert refused.value.setting == f"sites.icm.{named}"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"algorithm": "RS384"}, "algorithm"),
        ({"token_url": "https://login.example.net/token"}, "token_url"),
        ({"token_url": "http://fhir.example.org/token"}, "token_url"),
    ],
)
def test_connect_names_what_is_wrong_with_a_smart_client(tmp_path: Path, more: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        site_address("icm", _site(auth=_smart(tmp_path, **more)))

    assert refused.value.setting == f"sites.icm.auth.{named}"


def test_connect_takes_a_token_url_at_a_host_of_the_site(tmp_path: Path) -> None:
    auth = _smart(tmp_path, token_url="https://login.example.net/token")
    address = site_address("icm", _site(hosts=["login.example.net"], auth=auth))

    assert isinstance(address.auth, SmartAuth)
