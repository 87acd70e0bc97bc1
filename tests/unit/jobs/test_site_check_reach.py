"""In: names, ports and certificates on loopback. Out: what a check says of the way to a server, each trouble by its name."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapter.client import SiteAddress, tls_context
from adapter.jobs.check import Finding, Status, check_reach
from adapter.jobs.check.reach import certificate_finding
from tests.support.certificates import Authority
from tests.support.smart_server import SmartServer, serving

NOW = datetime.now(UTC)


def _look(address: SiteAddress) -> list[Finding]:
    return list(check_reach(address, now=datetime.now(UTC), seconds=5))


@contextmanager
def _server(authority: Authority) -> Iterator[SmartServer]:
    with serving(SmartServer({}), tls=authority.server_context()) as server:
        yield server


def test_a_server_that_answers_with_a_trusted_certificate_is_well_but_for_the_day_left(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with _server(authority) as server:
        found = _look(SiteAddress(server.base_url, tls=tls_context(str(authority.file))))

    assert [(one.code, one.status) for one in found] == [("port-open", Status.OK), ("certificate-ends", Status.ASK)]
    assert (found[1].values["host"], found[1].values["days"]) == ("localhost", 0)


@pytest.mark.parametrize(
    ("days", "code", "status"),
    [
        (31, "certificate-trusted", Status.OK),
        (30, "certificate-trusted", Status.OK),
        (29, "certificate-ends", Status.ASK),
    ],
)
def test_a_certificate_is_to_be_renewed_when_less_than_thirty_days_are_left(
    days: int, code: str, status: Status
) -> None:
    ends = (NOW + timedelta(days=days, minutes=1)).strftime("%b %d %H:%M:%S %Y GMT")
    found = certificate_finding({"notAfter": ends}, host="fhir.example.org", now=NOW)

    assert (found.code, found.status, found.values["days"]) == (code, status, days)


def test_a_certificate_that_does_not_say_when_it_ends_is_told() -> None:
    assert certificate_finding({}, host="fhir.example.org", now=NOW).code == "certificate-untold"


def test_an_authority_that_is_not_known_here_is_named_so(tmp_path: Path) -> None:
    with _server(Authority(tmp_path / "ca")) as server:
        found = _look(SiteAddress(server.base_url))

    assert (found[-1].code, found[-1].exit_code) == ("certificate-unknown-authority", 4)


def test_a_certificate_for_another_name_is_named_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    context = authority.server_context()

    def serve(door: socket.socket) -> None:
        connection, _ = door.accept()
        with connection, suppress(ssl.SSLError, OSError), context.wrap_socket(connection, server_side=True) as secured:
            secured.read()

    # Linux gives every address of 127/8 to loopback, and the certificate names but one.
    with socket.create_server(("127.0.0.2", 0)) as door:
        worker = threading.Thread(target=serve, args=(door,), daemon=True)
        worker.start()
        base_url = f"https://127.0.0.2:{door.getsockname()[1]}/fhir"
        found = _look(SiteAddress(base_url, tls=tls_context(str(authority.file))))
        worker.join(5)

    assert (found[-1].code, found[-1].exit_code) == ("certificate-wrong-name", 4)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (10, "certificate-expired"),
        (9, "certificate-expired"),
        (62, "certificate-wrong-name"),
        (18, "certificate-unknown-authority"),
        (23, "certificate-untrusted"),
    ],
)
def test_trouble_with_a_certificate_is_told_apart(monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    class Refusing:
        def wrap_socket(self, *_: object, **__: object) -> None:
            error = ssl.SSLCertVerificationError("certificate verify failed")
            error.verify_code, error.verify_message = number, "certificate has expired, it seems"
            raise error

    monkeypatch.setattr("ssl.create_default_context", Refusing)
    with socket.create_server(("127.0.0.1", 0)) as door:
        found = _look(SiteAddress(f"https://127.0.0.1:{door.getsockname()[1]}/fhir"))

    assert (found[-1].code, found[-1].values["problem"], found[-1].exit_code) == (code, "certificate has expired", 4)


def test_a_server_that_speaks_no_tls_is_named_so() -> None:
    with serving(SmartServer({})) as server:
        found = _look(SiteAddress(server.base_url.replace("http:", "https:"), tls=ssl.create_default_context()))

    assert (found[-1].code, found[-1].exit_code) == ("tls-failed", 4)


def test_a_port_that_nobody_listens_at_is_to_be_tried_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = _look(SiteAddress(f"http://127.0.0.1:{unused.getsockname()[1]}/fhir"))

    assert [(one.code, one.exit_code) for one in found] == [("port-closed", 75)]


def test_a_name_that_nobody_knows_ends_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("adapter.jobs.check.reach.getproxies", dict)
    found = _look(SiteAddress("https://fhir.example.org/r4"))

    assert [(one.code, one.exit_code) for one in found] == [("name-unknown", 75)]


@pytest.mark.parametrize("given", ["settings", "environment"])
def test_behind_a_proxy_nothing_is_looked_at_from_here(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    told = {} if given == "settings" else {"https": "http://proxy.example.org:3128"}
    proxy = "http://proxy.example.org:3128" if given == "settings" else None
    monkeypatch.setattr("adapter.jobs.check.reach.getproxies", lambda: told)
    monkeypatch.setattr("adapter.jobs.check.reach.proxy_bypass", lambda _: False)

    found = _look(SiteAddress("https://fhir.example.org/r4", proxy=proxy))

    assert [(one.code, one.status) for one in found] == [("proxied", Status.SKIPPED)]
