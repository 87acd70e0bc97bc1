"""In: a TLS server that asks for a certificate. Out: proof that ours is shown, and that being refused is loud and final."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from adapter.client import Clock, RetryPolicy, SiteClient, UnusableAnswer
from adapter.config import SiteSettings
from adapter.errors import RemoteError
from adapter.jobs.connecting import site_address
from tests.support.certificates import Authority, Pair
from tests.support.smart_server import Answer, SmartServer, serving

QUICK = Clock(sleep=lambda _: None)


class Open(SmartServer):
    """Gives its one resource to whoever gets through TLS."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.log.append((method, path, headers))
        return Answer(200, {"resourceType": "Basic", "id": "1"})


def _site(server: SmartServer, authority: Authority, pair: Pair) -> SiteSettings:
    auth: dict[str, Any] = {"type": "mtls", "certificate_file": pair.certificate, "private_key_file": pair.key}
    return SiteSettings.model_validate({"base_url": server.base_url, "ca_file": authority.file, "auth": auth})


def test_certificate_of_ours_is_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with serving(Open({}), tls=authority.server_context(wants_client=True)) as server:
        address = site_address("icm", _site(server, authority, authority.pair("client")))
        with SiteClient(address) as client:
            read = client.read("Basic", "1")

    assert read.id == "1"
    assert address.auth is None
    assert "authorization" not in server.log[0][2]


def _refused(tmp_path: Path, *, shown: str, version: ssl.TLSVersion) -> RemoteError:
    """What a request ends with at a server that takes our certificate, or its absence, for no good."""
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "strange", name="Stranger")
    tls = authority.server_context(wants_client=True)
    tls.maximum_version = version
    with serving(Open({}), tls=tls) as server:
        if shown == "none":
            basic = {"type": "basic", "username": "u", "password": "p"}
            given = {"base_url": server.base_url, "ca_file": authority.file, "auth": basic}
            site = SiteSettings.model_validate(given)
        else:
            site = _site(server, authority, stranger.pair("client"))
        policy = RetryPolicy(attempts=3)
        client = SiteClient(site_address("icm", site), policy=policy, clock=QUICK)
        with client, pytest.raises(RemoteError) as refused:
            client.read("Basic", "1")
        assert server.log == []
    return refused.value


@pytest.mark.parametrize(
    ("shown", "said"), [("none", "breaks off the TLS handshake"), ("strange", "refuses our certificate")]
)
def test_server_that_does_not_take_our_certificate_ends_final_and_says_why(
    tmp_path: Path, shown: str, said: str
) -> None:
    refused = _refused(tmp_path, shown=shown, version=ssl.TLSVersion.TLSv1_2)

    assert isinstance(refused, UnusableAnswer)
    assert said in str(refused)


@pytest.mark.parametrize("shown", ["none", "strange"])
def test_refusal_that_comes_after_the_handshake_of_tls_1_3_is_loud(tmp_path: Path, shown: str) -> None:
    # The server closes as we write: its alert may be lost in the reset, and then the attempts are used up.
    refused = _refused(tmp_path, shown=shown, version=ssl.TLSVersion.TLSv1_3)

    assert "refuses our certificate" in str(refused) or "after 3 attempts" in str(refused)
