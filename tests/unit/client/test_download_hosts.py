"""In: files at other hosts, redirects, tokens, certificates. Out: proof that no token and no request goes where it should not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from adapter.client import (
    BasicAuth,
    BearerAuth,
    ForeignHost,
    Refused,
    RetryPolicy,
    SiteAddress,
    SiteAuth,
    Unavailable,
    UnusableAnswer,
    tls_context,
)
from adapter.client.download import Downloader
from adapter.client.manifest import ExportFile
from tests.support.certificates import Authority
from tests.unit.client.conftest import RecordedClock
from tests.unit.client.file_server import Asked, FileServer, answer, serving

LINES = b'{"resourceType":"Patient","id":"1"}\n' * 50
STRONG = '"v1"'
TOKEN = BearerAuth("secret-token")


class RenewedAuth:
    """A token, renewed whenever it was refused."""

    def __init__(self) -> None:
        self.number = 1

    def authorization(self) -> str:
        return f"Bearer {self.number}"

    def renew(self, refused: str) -> bool:
        if refused == self.authorization():
            self.number += 1
        return True


def fetch(address: SiteAddress, url: str, to: Path, *, with_token: bool = True, attempts: int = 3) -> None:
    policy = RetryPolicy(attempts=attempts)
    with Downloader(address, policy=policy, clock=RecordedClock().clock()) as downloader:
        downloader.download(ExportFile(url, "output"), to / "x.ndjson", with_token=with_token)


def tokens(server: FileServer) -> list[str | None]:
    return [asked.headers.get("authorization") for asked in server.seen]


def moved(to: str, status: str = "302 Found") -> bytes:
    return answer(status=status, Location=to)


# Hosts ------------------------------------------------------------------------------------------------------------------


def test_file_at_another_host_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with serving(answer(LINES)) as server, serving(answer(LINES)) as other, pytest.raises(ForeignHost) as caught:
        fetch(SiteAddress(server.url, auth=TOKEN), f"{other.origin}/1?patient=4711", tmp_path)

    assert other.seen == server.seen == []
    assert caught.value.origin == other.origin
    assert "4711" not in str(caught.value)


def test_file_at_a_further_host_of_the_site_is_fetched_with_the_token(tmp_path: Path) -> None:
    with serving(answer(LINES)) as server, serving(answer(LINES)) as files:
        fetch(SiteAddress(server.url, hosts=(files.host,), auth=TOKEN), f"{files.origin}/1", tmp_path)

    assert tokens(files) == ["Bearer secret-token"]


def test_presigned_address_gets_no_token(tmp_path: Path) -> None:
    with serving(answer(LINES)) as server:
        fetch(SiteAddress(server.url, auth=TOKEN), f"{server.origin}/1?sig=1", tmp_path, with_token=False)

    assert tokens(server) == [None]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_redirect_to_another_host_is_refused_and_nothing_is_sent(tmp_path: Path, status: str) -> None:
    said = pytest.raises(ForeignHost)
    with serving(answer(LINES)) as other, serving(moved(f"{other.origin}/1", status)) as server, said:
        fetch(SiteAddress(server.url, auth=TOKEN), f"{server.origin}/1", tmp_path)

    assert other.seen == []
    assert len(server.seen) == 1


def test_redirect_on_the_same_host_keeps_the_token(tmp_path: Path) -> None:
    with serving(moved("/2"), answer(LINES)) as server:
        fetch(SiteAddress(server.url, auth=TOKEN), f"{server.origin}/1", tmp_path)

    assert [asked.path for asked in server.seen] == ["/1", "/2"]
    assert tokens(server) == ["Bearer secret-token"] * 2


def test_redirect_to_a_further_host_shows_no_token(tmp_path: Path) -> None:
    with serving(answer(LINES)) as files, serving(moved(f"{files.origin}/1?sig=1")) as server:
        fetch(SiteAddress(server.url, hosts=(files.host,), auth=TOKEN), f"{server.origin}/1", tmp_path)

    assert tokens(files) == [None]


def test_redirect_to_a_further_host_shows_the_token_where_it_is_asked_for(tmp_path: Path) -> None:
    with serving(answer(status="401 Who"), answer(LINES)) as files, serving(moved(f"{files.origin}/1")) as server:
        fetch(SiteAddress(server.url, hosts=(files.host,), auth=TOKEN), f"{server.origin}/1", tmp_path)

    assert tokens(files) == [None, "Bearer secret-token"]


def test_redirect_back_to_the_site_shows_the_token(tmp_path: Path) -> None:
    with serving(answer(LINES)) as server, serving(moved(f"{server.origin}/1")) as files:
        fetch(SiteAddress(server.url, hosts=(files.host,), auth=TOKEN), f"{files.origin}/1", tmp_path)

    assert tokens(server) == ["Bearer secret-token"]


def test_redirects_without_end_are_refused(tmp_path: Path) -> None:
    with serving(moved("/1")) as server, pytest.raises(UnusableAnswer, match="more than 5 times"):
        fetch(SiteAddress(server.url), f"{server.origin}/1", tmp_path)

    assert len(server.seen) == 6


def test_redirect_to_nowhere_is_unusable(tmp_path: Path) -> None:
    with serving(moved("http://h:nonsense/")) as server, pytest.raises(UnusableAnswer, match="is none"):
        fetch(SiteAddress(server.url), f"{server.origin}/1", tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:word@{host}/1",
        "http://{host}\\@{other}/1",
        "http://{other}\\@{host}/1",
        "http://{host}@{other}/1",
        "https://{host}/1",
        "file:///etc/passwd",
        "/1",
        "",
    ],
)
def test_address_that_two_readers_may_read_in_two_ways_is_refused(tmp_path: Path, url: str) -> None:
    with serving(answer(LINES)) as server, serving(answer(LINES)) as other, pytest.raises(ForeignHost):
        fetch(SiteAddress(server.url, auth=TOKEN), url.format(host=server.host, other=other.host), tmp_path)

    assert server.seen == other.seen == []


# Tokens -----------------------------------------------------------------------------------------------------------------


def test_refused_token_is_renewed_and_the_file_goes_on(tmp_path: Path) -> None:
    def rest(asked: Asked) -> bytes:
        assert asked.headers["range"] == "bytes=900-"
        told = f"bytes 900-{len(LINES) - 1}/{len(LINES)}"
        return answer(LINES[900:], status="206 Partial", ETag=STRONG, Content_Range=told)

    cut = answer(LINES[:900], length=len(LINES), ETag=STRONG)
    with serving(cut, answer(status="401 Revoked"), rest) as server:
        fetch(SiteAddress(server.url, auth=RenewedAuth()), f"{server.origin}/1", tmp_path)

    assert tokens(server) == ["Bearer 1", "Bearer 1", "Bearer 2"]
    assert (tmp_path / "x.ndjson").read_bytes() == LINES


def test_token_refused_twice_is_refused(tmp_path: Path) -> None:
    with serving(answer(status="401 Who")) as server, pytest.raises(Refused, match="answered 401"):
        fetch(SiteAddress(server.url, auth=RenewedAuth()), f"{server.origin}/1", tmp_path)

    assert tokens(server) == ["Bearer 1", "Bearer 2"]


@pytest.mark.parametrize("auth", [None, TOKEN])
def test_token_that_cannot_be_renewed_is_refused_at_once(tmp_path: Path, auth: SiteAuth | None) -> None:
    with serving(answer(status="401 Who")) as server, pytest.raises(Refused):
        fetch(SiteAddress(server.url, auth=auth), f"{server.origin}/1", tmp_path)

    assert len(server.seen) == 1


def test_password_of_a_netrc_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(answer(LINES)) as server:
        fetch(SiteAddress(server.url, auth=BasicAuth("reluth", "word")), f"{server.origin}/1", tmp_path)
        fetch(SiteAddress(server.url), f"{server.origin}/1", tmp_path)

    assert tokens(server) == ["Basic cmVsdXRoOndvcmQ=", None]


# The way there ----------------------------------------------------------------------------------------------------------


def test_proxy_of_the_environment_is_not_used_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(answer(LINES)) as server:
        fetch(SiteAddress(server.url), f"{server.origin}/1", tmp_path)

    assert len(server.seen) == 1


@pytest.mark.parametrize("configured", [True, False])
def test_proxy_is_used_for_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: bool) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(answer(LINES)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1" if configured else proxy.origin)
        address = SiteAddress("http://fhir.example.org/r4", proxy=proxy.origin if configured else None)
        fetch(address, "http://fhir.example.org/1", tmp_path)

    assert [asked.path for asked in proxy.seen] == ["http://fhir.example.org/1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_authority_of_the_hospital_is_trusted_and_no_other_is_added(tmp_path: Path, authority: Authority) -> None:
    context = tls_context(str(authority.file))
    before = context.cert_store_stats()
    with serving(answer(LINES), tls=authority.server_context()) as server:
        fetch(SiteAddress(server.url, tls=context), f"{server.origin}/1", tmp_path)

    assert context.cert_store_stats() == before
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_certificate_of_another_authority_is_refused_at_once(tmp_path: Path, authority: Authority) -> None:
    said = pytest.raises(UnusableAnswer, match="certificate not trusted")
    with serving(answer(LINES), tls=authority.server_context()) as server, said:
        fetch(SiteAddress(server.url, auth=TOKEN), f"{server.origin}/1", tmp_path)

    assert server.seen == []


def test_certificate_of_another_name_is_refused_at_once(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    context = tls_context(str(authority.file))
    with serving(answer(LINES), tls=authority.server_context()) as server:
        found = socket.getaddrinfo("127.0.0.1", int(server.host.split(":")[1]), type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        origin = f"https://fhir.example.org:{server.host.split(':')[1]}"
        with pytest.raises(UnusableAnswer, match="certificate not trusted"):
            fetch(SiteAddress(f"{origin}/r4", tls=context), f"{origin}/1", tmp_path)

    assert server.seen == []


def test_certificate_of_ours_is_shown_to_a_server_that_asks(tmp_path: Path, authority: Authority) -> None:
    ours = authority.pair("reluth")
    context = tls_context(str(authority.file), str(ours.certificate), str(ours.key))
    bare = tls_context(str(authority.file))
    with serving(answer(LINES), tls=authority.server_context(wants_client=True)) as server:
        fetch(SiteAddress(server.url, tls=context), f"{server.origin}/1", tmp_path)
        with pytest.raises((UnusableAnswer, Unavailable)):
            fetch(SiteAddress(server.url, tls=bare), f"{server.origin}/1", tmp_path, attempts=1)

    assert len(server.seen) == 1
