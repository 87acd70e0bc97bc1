"""In: addresses and sockets. Out: proof of which addresses are taken, and that a cut body is never taken for whole."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import respx

import adapter.client as door
from adapter.client import (
    BasicAuth,
    Clock,
    RetryPolicy,
    SiteAddress,
    SiteClient,
    TransactionEntry,
    Unavailable,
    Uncertain,
    tls_context,
)
from adapter.client.address import without_query
from adapter.client.transport import Body, Transport
from adapter.errors import ConfigurationError

SEARCHSET = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Basic","id":"1"}}]}'
WRITTEN = b'{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201"}}]}'
ENTRY = TransactionEntry("POST", "Basic", b'{"resourceType":"Basic"}')
STATEMENT = b'{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}'


def test_door_is_sorted_and_whole() -> None:
    assert door.__all__ == sorted(door.__all__)
    assert all(hasattr(door, name) for name in door.__all__)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "fhir.example.org/r4",
        "ftp://h/r4",
        "https:///r4",
        "https://h/r4?x=1",
        "https://h/r4?",
        "https://u:p@h/r4",
        "https://h:port/r4",
    ],
)
def test_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        SiteAddress(base_url)


@pytest.mark.parametrize("host", ["https://h", "h/path", "h?x", "u@h", "", "h:port"])
def test_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="hosts"):
        SiteAddress("https://fhir.example.org/r4", hosts=(host,))


def test_allowed_are_the_base_and_the_hosts_by_its_scheme() -> None:
    address = SiteAddress("HTTPS://Fhir.example.org:443/r4/", hosts=("a.example.org", "b.example.org:8443", "[::1]:9"))

    assert address.allowed() == {
        "https://fhir.example.org",
        "https://a.example.org",
        "https://b.example.org:8443",
        "https://[::1]:9",
    }
    assert address.root == "HTTPS://Fhir.example.org:443/r4"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@h:8443/r4/Patient?name=Dupont#x", "GET https://h:8443/r4/Patient"),
        ("http://[::1]:80/r4", "GET http://[::1]/r4"),
        ("https://h:nonsense/r4?name=Dupont", "GET an unreadable address"),
    ],
)
def test_address_in_messages_has_no_query_and_no_password(url: str, expected: str) -> None:
    assert without_query(url) == expected


def test_basic_authentication_is_sent() -> None:
    address = SiteAddress("https://fhir.example.org/r4", auth=BasicAuth("reluth", "word"))
    with respx.mock() as server, SiteClient(address) as client:
        route = server.get("https://fhir.example.org/r4/Patient/1").mock(return_value=httpx.Response(200, json={}))
        client.read("Patient", "1")

    assert route.calls[0].request.headers["Authorization"] == "Basic cmVsdXRoOndvcmQ="


def test_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with answering([STATEMENT]) as url, SiteClient(SiteAddress(url), policy=RetryPolicy(attempts=1)) as client:
        capability = client.capability()

    assert capability.fhir_version == "4.0.1"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match="ca_file"):
        tls_context(str(file))


@pytest.mark.parametrize(
    "announced",
    [b"Content-Length: 2000\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["length", "chunks", "neither"],
)
def test_connection_cut_mid_body_is_asked_again(announced: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + announced + b"\r\n"
    cut = head + (b"60\r\n" if b"chunked" in announced else b"") + SEARCHSET[:60]
    answers = [STATEMENT, cut, cut, SEARCHSET]

    with answering(answers) as url, SiteClient(SiteAddress(url), clock=Clock(sleep=lambda _: None)) as client:
        pages = list(client.search("Basic"))

    assert [entry.raw for page in pages for entry in page.entries] == [b'{"resourceType":"Basic","id":"1"}']


@pytest.mark.parametrize(
    "announced",
    [b"Content-Length: 2000\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["length", "chunks", "neither"],
)
@pytest.mark.parametrize("told", [0, 60], ids=["nothing", "half"])
def test_write_whose_answer_was_cut_is_uncertain_and_sent_once(announced: bytes, told: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + announced + b"\r\n"
    cut = head + (b"60\r\n" if b"chunked" in announced else b"") + WRITTEN[:told]

    said = pytest.raises(Uncertain)
    with answering([cut]) as url, SiteClient(SiteAddress(url), clock=Clock(sleep=_never)) as client, said:
        client.transact([ENTRY])


def test_write_that_is_not_answered_at_all_is_uncertain_and_sent_once() -> None:
    said = pytest.raises(Uncertain, match=r"no answer \(RemoteProtocolError\)")
    with answering([b"HTTP/"]) as url, SiteClient(SiteAddress(url), clock=Clock(sleep=_never)) as client, said:
        client.transact([ENTRY])


def test_write_to_nobody_listening_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = SiteAddress(f"http://127.0.0.1:{free.getsockname()[1]}/fhir")
        clock = Clock(sleep=lambda _: None)
        said = pytest.raises(Unavailable, match=r"no answer \(ConnectError\), after 2 attempts")
        with SiteClient(address, policy=RetryPolicy(attempts=2), clock=clock) as client, said:
            client.transact([ENTRY])


def test_repr_of_a_body_does_not_show_it() -> None:
    assert "4711" not in repr(Body(b"4711"))


def _never(seconds: float) -> None:
    pytest.fail(f"a write that may have been done is about to be sent again, in {seconds} s")


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = SiteAddress(f"http://127.0.0.1:{free.getsockname()[1]}/fhir")
        policy = RetryPolicy(attempts=2)
        clock = Clock(sleep=lambda _: None)
        said = pytest.raises(Unavailable, match=r"no answer \(ConnectError\), after 2 attempts")
        with Transport(address, policy=policy, clock=clock) as transport, said:
            transport.get(address.base_url, lambda answer: answer)


def _take(connection: socket.socket) -> None:
    """A whole request: the kernel resets a connection that is closed with part of it unread, and the answer is lost."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += connection.recv(65536)
    head, _, body = told.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0:
        left -= len(connection.recv(65536))


@contextmanager
def answering(answers: list[bytes]) -> Iterator[str]:
    """A server that gives each connection the next answer (a bare body gets a head) and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    _take(connection)
                    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer)
                    connection.sendall(answer if answer.startswith(b"HTTP/") else head + answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        finally:
            thread.join(30)
