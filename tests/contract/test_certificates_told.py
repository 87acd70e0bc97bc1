"""In: a hospital's server whose certificate ends soon. Out: proof that who keeps the site hears of it before nothing is pulled any more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from adapter.accounts import Viewer
from adapter.config import load_settings
from adapter.errors import TransientError
from adapter.service import create_app
from adapter.store import Store
from tests.support.certificates import Authority
from tests.support.cli import Ran, reluth
from tests.support.people import HOME
from tests.support.smart_server import Answer, SmartServer, serving

SITE, DAY = "icm", 86_400
METRIC = "reluth_certificate_end_timestamp_seconds"


class Hospital(SmartServer):
    """Has one patient, and can be searched."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.endswith("/metadata"):
            of_patient = {"type": "Patient", "interaction": [{"code": "read"}, {"code": "search-type"}]}
            rest = [{"mode": "server", "resource": [of_patient]}]
            return Answer(200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest})
        entry = [{"resource": {"resourceType": "Patient", "id": "1"}, "search": {"mode": "match"}}]
        return Answer(200, {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": entry})


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _settings(folder: Path, server: SmartServer, authority: Authority, *, days: int) -> Path:
    pair = authority.pair("client", days=days)
    told = f"""
[store]
path = "{folder / "var"}"

[sites.{SITE}]
base_url = "{server.base_url}"
ca_file = "{authority.file}"
types = ["Patient"]

[sites.{SITE}.auth]
type = "mtls"
certificate_file = "{pair.certificate}"
private_key_file = "{pair.key}"
"""
    file = folder / "adapter.toml"
    file.write_text(told)
    file.chmod(0o600)
    return file


@contextmanager
def _browser(file: Path) -> Iterator[TestClient]:
    """A browser in English, of an administrator of this machine."""
    app = create_app(load_settings(file), token="t")
    app.state.access.viewer = lambda _session: Viewer.of_this_machine("admin")
    with TestClient(app, base_url=HOME, headers={"Accept-Language": "en"}) as client:
        client.cookies.set(app.state.access.cookie, "a-session-of-the-tests")
        yield client


def _days(text: str) -> dict[str, int]:
    """By kind of certificate, whole days that it has left."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return {one.labels["kind"]: round((one.value - time.time()) / DAY) for one in families[METRIC].samples}


def _warned(ran: Ran) -> dict[str, int]:
    events = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    return {one["kind"]: one["days"] for one in events if one["event"] == "certificate ends soon"}


def test_certificates_that_end_soon_are_told_by_log_page_metric_and_check(room: Path) -> None:
    authority = Authority(room / "ca", days=300)
    tls = authority.server_context(wants_client=True, days=12)
    with serving(Hospital({}), tls=tls) as server:
        file = _settings(room, server, authority, days=20)
        pulled = reluth("--config", file, "pull", "--site", SITE, "--json")
        cycle = reluth("--config", file, "sync")
        checked = reluth("--config", file, "check", "--site", SITE, "--json")
    with _browser(file) as client:
        metrics = client.get("/metrics").text
        page, told = client.get("/runs").text, client.get("/api/runs").json()["certificates"]

    assert (pulled.code, cycle.code) == (0, 0)
    assert pulled.objects[-1]["certificate_until"].endswith("+00:00")
    assert _days(metrics) == {"server": 12, "client": 20, "authorities": 300}
    assert _warned(cycle) == {"server": 11, "client": 19}
    assert [(one["kind"], one["soon"]) for one in told] == [("authorities", False), ("client", True), ("server", True)]
    assert "icm, certificate of the hospital&#39;s server: ends on" in page.replace("&#x27;", "&#39;")
    assert "icm, our client certificate: ends on" in page
    assert "last of the authorities" not in page
    codes = {one["code"] for one in checked.object["connection"]["findings"]}
    assert {"own-certificate-ends", "authorities-holds", "certificate-ends"} <= codes


def test_last_pull_that_saw_the_certificate_tells_it_while_pulls_fail(room: Path) -> None:
    authority = Authority(room / "ca", days=300)
    with serving(Hospital({}), tls=authority.server_context(wants_client=True, days=40)) as server:
        file = _settings(room, server, authority, days=50)
        assert reluth("--config", file, "pull", "--site", SITE).code == 0
    with Store.open(room / "var") as store:
        for _ in range(6):
            begun = datetime.now(UTC)
            store.note_failed_run(SITE, "pull", begun=begun, error=TransientError("GET localhost/metadata: no answer"))
    with _browser(file) as client:
        metrics = client.get("/metrics").text

    assert _days(metrics) == {"server": 40, "client": 50, "authorities": 300}
