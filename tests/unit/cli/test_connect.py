"""In: a site's settings. Out: its address, or a sentence that names the setting."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.cli.connect import site_address
from adapter.client import BearerAuth
from adapter.config import SiteSettings
from adapter.errors import ConfigurationError

BASE = "https://fhir.example.org/r4"


def _site(**more: Any) -> SiteSettings:
    return SiteSettings.model_validate({"base_url": BASE, **more})


def test_connect_takes_address_and_further_hosts() -> None:
    address = site_address("icm", _site(hosts=["files.example.org"]))

    assert (address.base_url, address.hosts, address.auth, address.tls) == (BASE, ("files.example.org",), None, None)


def test_connect_knows_basic_and_bearer() -> None:
    basic = site_address("icm", _site(auth={"type": "basic", "username": "u", "password": "p"}))
    bearer = site_address("icm", _site(auth={"type": "bearer", "token": "t"}))

    assert basic.auth is not None
    assert isinstance(bearer.auth, BearerAuth)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"base_url": None}, "sites.icm.base_url"),
        ({"auth": {"type": "smart-backend", "client_id": "c", "private_key_file": "k"}}, "sites.icm.auth.type"),
        ({"auth": {"type": "mtls", "certificate_file": "c", "private_key_file": "k"}}, "sites.icm.auth.type"),
        ({"ca_file": "missing.pem"}, "ca_file"),
    ],
)
def test_connect_names_the_setting_that_is_missing_or_not_known_yet(more: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        site_address("icm", _site(**more))

    assert refused.value.setting == named
