"""In: a proxy that is itself reached by https. Out: proof that all ways out go through it, and that it learns where to, and no more."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.client import Clock, RetryPolicy, SiteAddress, SiteClient
from adapter.client.download import Downloader
from adapter.client.keys import make_key, public_jwks, write_key
from adapter.client.manifest import ExportFile
from adapter.config import SiteSettings
from adapter.errors import RemoteError
from adapter.jobs.connecting import site_address
from tests.support.certificates import Authority
from tests.support.connect_proxy import ConnectProxy, proxying
from tests.support.smart_server import Answer, SmartServer, serving

QUICK = Clock(sleep=lambda _: None)
TOKEN = "secret-token-of-the-proxy-tests"
FEW = RetryPolicy(attempts=2)
LINE = '{"resourceType":"Basic","id":"1"}\n'
#: A name and password for the proxy, and as it is shown them.
WORD, SHOWN = "user:word", "Basic dXNlcjp3b3Jk"


class Open(SmartServer):
    """Gives its one resource, as a resource or as a line of a file, to whoever comes."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.log.append((method, path, headers))
        return Answer(200, LINE if path.endswith(".ndjson") else {"resourceType": "Basic", "id": "1"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[SmartServer]:
    with serving(Open({}), tls=authority.server_context()) as found:
        yield found


def address(
    server: SmartServer, through: ConnectProxy, authority: Authority, *, word: str = "", **more: Any
) -> SiteAddress:
    named = f"{word}@" if word else ""
    given = {
        "base_url": server.base_url,
        "ca_file": authority.file,
        "proxy": f"https://{named}localhost:{through.port}",
        "auth": {"type": "bearer", "token": TOKEN},
        **more,
    }
    return site_address("icm", SiteSettings.model_validate(given))


def read(site: SiteAddress, folder: Path) -> None:
    with SiteClient(site, policy=FEW, clock=QUICK) as client:
        assert client.read("Basic", "1").id == "1"


def download(site: SiteAddress, folder: Path) -> None:
    with Downloader(site, policy=FEW, clock=QUICK) as downloader:
        file = ExportFile(f"{site.root}/1.ndjson", "output")
        downloader.download(file, folder / "x.ndjson", with_token=True)
    assert (folder / "x.ndjson").read_text() == LINE


WAYS = pytest.mark.parametrize("way", [read, download])


def tokens(server: SmartServer) -> set[str | None]:
    return {headers.get("authorization") for _, _, headers in server.log}


@WAYS
def test_requests_go_through_it_and_it_sees_neither_token_nor_path(
    server: SmartServer, authority: Authority, tmp_path: Path, way: Any
) -> None:
    with proxying(ConnectProxy(), tls=authority.server_context()) as proxy:
        way(address(server, proxy, authority), tmp_path)

    host = server.url.removeprefix("https://")
    assert {line.rpartition(" ")[0] for line in proxy.asked} == {f"CONNECT {host}"}
    assert tokens(server) == {f"Bearer {TOKEN}"}
    seen = "".join(proxy.told) + proxy.tunnelled.decode("latin-1")
    assert TOKEN not in seen
    assert "/fhir/" not in seen
    assert len(proxy.tunnelled) > 0


@WAYS
def test_password_of_the_proxy_is_shown_to_it_and_to_nobody_else(
    server: SmartServer, authority: Authority, tmp_path: Path, way: Any
) -> None:
    with proxying(ConnectProxy(password=SHOWN), tls=authority.server_context()) as proxy:
        way(address(server, proxy, authority, word=WORD), tmp_path)

    assert all(SHOWN in told for told in proxy.told)
    assert "proxy-authorization" not in {name for _, _, headers in server.log for name in headers}
    assert tokens(server) == {f"Bearer {TOKEN}"}


@WAYS
def test_certificate_of_the_proxy_is_checked_by_the_same_authorities_as_the_servers(
    server: SmartServer, authority: Authority, tmp_path: Path, way: Any
) -> None:
    stranger = Authority(tmp_path / "strange", name="Stranger")
    with (
        proxying(ConnectProxy(), tls=stranger.server_context()) as proxy,
        pytest.raises(RemoteError, match="certificate not trusted"),
    ):
        way(address(server, proxy, authority, word=WORD), tmp_path)

    assert (proxy.told, server.log) == ([], [])
    assert len(proxy.trouble) == 1


@WAYS
def test_certificate_of_the_server_is_checked_through_the_tunnel(
    authority: Authority, tmp_path: Path, way: Any
) -> None:
    stranger = Authority(tmp_path / "strange", name="Stranger")
    with (
        serving(Open({}), tls=stranger.server_context()) as server,
        proxying(ConnectProxy(), tls=authority.server_context()) as proxy,
        pytest.raises(RemoteError, match="certificate not trusted"),
    ):
        way(address(server, proxy, authority), tmp_path)

    assert server.log == []


@WAYS
def test_proxy_that_wants_another_password_is_told_by_name_and_asked_once(
    server: SmartServer, authority: Authority, tmp_path: Path, way: Any
) -> None:
    with (
        proxying(ConnectProxy(password="Basic another"), tls=authority.server_context()) as proxy,
        pytest.raises(RemoteError) as refused,
    ):
        way(address(server, proxy, authority, word=WORD), tmp_path)

    assert "no answer (the proxy does not take our name and password, or wants some, 407)" in str(refused.value)
    assert refused.value.exit_code == 4
    # Each wrong password is counted against the account.
    assert len(proxy.asked) == 1
    assert WORD not in str(refused.value)
    assert server.log == []


@WAYS
def test_certificate_of_ours_is_shown_to_the_server_and_not_to_the_proxy(
    authority: Authority, tmp_path: Path, way: Any
) -> None:
    ours = authority.pair("reluth")
    auth = {"type": "mtls", "certificate_file": ours.certificate, "private_key_file": ours.key}
    # The proxy asks for one, and takes those without as well.
    asking = authority.server_context(wants_client=True)
    asking.verify_mode = ssl.CERT_OPTIONAL
    with (
        serving(Open({}), tls=authority.server_context(wants_client=True)) as server,
        proxying(ConnectProxy(), tls=asking) as proxy,
    ):
        way(address(server, proxy, authority, auth=auth), tmp_path)

    assert len(server.log) == 1
    # One more where a busy machine had the file asked for again.
    assert set(proxy.certificates) == {None}


def test_token_is_fetched_through_it_too(authority: Authority, tmp_path: Path) -> None:
    key = make_key("ES384")
    write_key(key, tmp_path / "icm.pem")
    auth = {"type": "smart-backend", "client_id": "reluth", "private_key_file": tmp_path / "icm.pem"}
    with (
        serving(SmartServer(public_jwks([key])), tls=authority.server_context()) as server,
        proxying(ConnectProxy(), tls=authority.server_context()) as proxy,
    ):
        read(address(server, proxy, authority, auth=auth), tmp_path)

    assert server.token_requests == 1
    assert len(proxy.asked) >= 2
    assert {line.split()[0] for line in proxy.asked} == {"CONNECT"}


@WAYS
def test_proxy_by_plain_http_is_as_before(server: SmartServer, authority: Authority, tmp_path: Path, way: Any) -> None:
    with proxying(ConnectProxy(password=SHOWN)) as proxy:
        way(address(server, proxy, authority, proxy=f"http://{WORD}@localhost:{proxy.port}"), tmp_path)

    assert {line.split()[0] for line in proxy.asked} == {"CONNECT"}
    assert tokens(server) == {f"Bearer {TOKEN}"}
    assert TOKEN not in "".join(proxy.told) + proxy.tunnelled.decode("latin-1")
