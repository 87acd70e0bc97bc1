"""In: a token server on loopback that verifies all it is sent. Out: proof that tokens are got, renewed and shared in the field."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter.client import Clock, ForeignHost, Refused, RetryPolicy, SiteAddress, SiteClient, UnusableAnswer
from adapter.client.discovery import discover
from adapter.client.keys import Algorithm, SigningKey, make_key, public_jwks, write_key
from adapter.client.smart import SmartAuth, SmartClient, TokenRefused
from adapter.client.transport import Transport
from adapter.config import SiteSettings
from adapter.jobs.connecting import site_address
from tests.support.certificates import Authority
from tests.support.smart_server import Answer, SmartServer, serving

KEY = make_key("ES384")
QUICK = Clock(sleep=lambda _: None)


def _server(key: SigningKey = KEY) -> SmartServer:
    return SmartServer(public_jwks([key]))


def _auth(
    server: SmartServer, *, key: SigningKey = KEY, client_id: str = "reluth", token_url: str | None = None
) -> SmartAuth:
    client = SmartClient(client_id, key, token_url=token_url)
    return SmartAuth(client, address=SiteAddress(server.base_url), policy=RetryPolicy(attempts=3), clock=QUICK)


def _client(server: SmartServer, auth: SmartAuth) -> SiteClient:
    return SiteClient(SiteAddress(server.base_url, auth=auth), policy=RetryPolicy(attempts=3), clock=QUICK)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_site_with_a_key_file_is_read_by_a_verified_token(tmp_path: Path, algorithm: Algorithm) -> None:
    key = make_key(algorithm)
    write_key(key, tmp_path / "icm.pem")
    auth = {"type": "smart-backend", "client_id": "reluth", "private_key_file": tmp_path / "icm.pem"}
    with serving(_server(key)) as server:
        site = SiteSettings.model_validate({"base_url": server.base_url, "auth": auth})
        with SiteClient(site_address("icm", site)) as client:
            read = [client.read("Basic", str(number)) for number in range(3)]

    assert [found.id for found in read] == ["0", "1", "2"]
    assert (server.token_requests, server.asked_scopes) == (1, ["system/*.rs"])
    assert server.headers[0]["alg"] == algorithm


def test_revoked_token_is_renewed_by_one_request_for_all_workers() -> None:
    with serving(_server()) as server, _client(server, _auth(server)) as client:
        client.read("Basic", "0")
        server.revoke()
        server.slow = 0.1
        with ThreadPoolExecutor(8) as workers:
            read = list(workers.map(lambda number: client.read("Basic", str(number)), range(16)))

    assert len(read) == 16
    assert server.token_requests == 2


def test_token_that_ended_unseen_is_renewed() -> None:
    with serving(_server()) as server, _client(server, _auth(server)) as client:
        # It says nothing of when it ends, and has: the first use is refused.
        server.answers.append(Answer(200, {"access_token": "ended", "token_type": "bearer"}))
        read = client.read("Basic", "7")

    assert read.id == "7"
    assert server.token_requests == 2


def test_token_refused_again_and_again_ends_loud() -> None:
    with serving(_server()) as server, _client(server, _auth(server)) as client:
        server.answers.extend([Answer(200, {"access_token": "worthless", "token_type": "bearer"})] * 9)
        with pytest.raises(Refused) as refused:
            client.read("Basic", "7")

    assert (refused.value.status, server.token_requests) == (401, 2)


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_server_with_another_clock_gives_tokens(ahead: float) -> None:
    server = _server()
    server.ahead = ahead
    with serving(server):
        auth = _auth(server)
        auth.authorization()

    assert auth.skew == pytest.approx(ahead, abs=3)
    assert server.token_requests == 2


@pytest.mark.parametrize("ahead", [-45.0, 45.0])
def test_server_with_a_clock_a_little_off_gives_tokens_at_once(ahead: float) -> None:
    server = _server()
    server.ahead, server.leeway = ahead, 16.0
    with serving(server):
        _auth(server).authorization()

    assert server.token_requests == 1


def test_every_request_has_an_assertion_of_its_own() -> None:
    with serving(_server()) as server:
        server.answers.append(Answer(503, headers={"Retry-After": "0"}))
        auth = _auth(server)
        for _ in range(3):
            assert auth.renew(auth.authorization())

    assert len({claims["jti"] for claims in server.claims}) == len(server.claims) == 4


@pytest.mark.parametrize(("key", "client_id"), [(make_key("ES384"), "reluth"), (KEY, "somebody")])
def test_unknown_key_or_client_is_refused_in_plain_words(key: SigningKey, client_id: str) -> None:
    with serving(_server()) as server, pytest.raises(TokenRefused) as refused:
        _auth(server, key=key, client_id=client_id).authorization()

    assert refused.value.error == "invalid_client"
    assert "`reluth keys`" in str(refused.value)
    assert "Dupont" not in str(refused.value)


def test_old_server_is_found_by_its_capability_statement() -> None:
    server = _server()
    server.well_known, server.states_uris = None, True
    with serving(server):
        value = _auth(server).authorization()

    assert value.startswith("Bearer t-")
    assert [(method, path) for method, path, _ in server.log] == [
        ("GET", "/fhir/.well-known/smart-configuration"),
        ("GET", "/fhir/metadata"),
        ("POST", "/auth/token"),
    ]


def test_server_that_names_no_token_endpoint_needs_the_setting() -> None:
    server = _server()
    server.well_known = None
    with serving(server):
        with pytest.raises(UnusableAnswer, match="names a token endpoint"):
            _auth(server).authorization()
        value = _auth(server, token_url=server.own_token_url).authorization()

    assert value.startswith("Bearer t-")


def test_configuration_without_an_endpoint_falls_back_to_the_statement() -> None:
    server = _server()
    server.well_known, server.states_uris = {"token_endpoint": None, "capabilities": 5}, True
    with serving(server):
        value = _auth(server).authorization()

    assert value.startswith("Bearer t-")


def test_what_the_server_states_is_known() -> None:
    server = _server()
    server.well_known = {
        "capabilities": ["permission-v1", 5],
        "scopes_supported": ["system/*.read"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    }
    with serving(server):
        with Transport(SiteAddress(server.base_url), policy=RetryPolicy(attempts=3), clock=QUICK) as transport:
            found = discover(transport)
        _auth(server).authorization()

    assert (found.scopes, sorted(found.capabilities)) == (("system/*.read",), ["permission-v1"])
    assert (found.algorithms, found.auth_methods, found.source) == (
        ("ES384",),
        ("private_key_jwt",),
        "smart-configuration",
    )
    assert server.asked_scopes == ["system/*.read"]


@pytest.mark.parametrize("well_known", [True, False])
def test_token_endpoint_on_another_server_gets_no_assertion(well_known: bool) -> None:
    with serving(_server()) as other, serving(_server()) as server:
        server.token_endpoint = other.own_token_url
        if not well_known:
            server.well_known, server.states_uris = None, True
        with pytest.raises(ForeignHost):
            _auth(server).authorization()

    assert other.log == []


def test_token_redirected_to_another_server_is_refused_with_nothing_sent() -> None:
    with serving(_server()) as other, serving(_server()) as server:
        server.answers.append(Answer(307, headers={"Location": other.own_token_url}))
        with pytest.raises(ForeignHost):
            _auth(server).authorization()

    assert other.log == []


def test_tokens_over_tls_trust_the_hospitals_authority_only(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    write_key(KEY, tmp_path / "icm.pem")
    auth = {"type": "smart-backend", "client_id": "reluth", "private_key_file": tmp_path / "icm.pem"}
    with serving(_server(), tls=authority.server_context()) as server:
        given = {"base_url": server.base_url, "auth": auth}
        sites = [SiteSettings.model_validate(given | {"ca_file": one.file}) for one in (authority, stranger)]
        with SiteClient(site_address("icm", sites[0])) as client:
            read = client.read("Basic", "1")
        asked = len(server.log)
        with SiteClient(site_address("icm", sites[1])) as client, pytest.raises(UnusableAnswer, match="not trusted"):
            client.read("Basic", "1")

    assert read.id == "1"
    assert len(server.log) == asked


def test_server_is_not_held_up_by_whoever_waits_for_a_token() -> None:
    with serving(_server()) as server:
        server.slow = 0.3
        auths = [_auth(server) for _ in range(4)]
        threads = [threading.Thread(target=auth.authorization) for auth in auths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)

    assert server.token_requests == 4
