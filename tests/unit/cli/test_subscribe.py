"""In: `reluth subscribe` before a server (by respx). Out: what it prints, its exit codes, and that the secret is in none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import typer
from typer.testing import CliRunner, Result

from adapter.cli.options import Options
from adapter.cli.subscribe import subscribe
from adapter.client import Refused
from adapter.errors import ConfigurationError, RemoteError

BASE_URL = "https://fhir.example.org/r4"
SECRET = "secret-of-the-subscribe-tests"
SITE = f"""
[sites.icm]
base_url = "{BASE_URL}"
types = ["Observation", "Condition"]
auth = {{ type = "bearer", token = "token" }}
"""
NOTIFIED = f"""
[sites.icm.notifications]
endpoint = "https://reluth.chu.example"
secret = "{SECRET}"
"""
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "resource": [{"type": name} for name in ("Subscription", "Observation", "Condition")]}],
}


def run(folder: Path, *arguments: str, settings: str = SITE + NOTIFIED, as_json: bool = False) -> Result:
    file = folder / "adapter.toml"
    file.write_text(settings)
    app = typer.Typer()
    app.command()(subscribe)
    return CliRunner().invoke(app, ["--site", "icm", *arguments], obj=Options(config=file, json=as_json))


class Server:
    """Holds Subscriptions; refuses those on a type."""

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = []
        self.refused: dict[str, httpx.Response] = {}
        self.status = "active"

    def search(self, request: httpx.Request) -> httpx.Response:
        entries = [{"resource": body, "search": {"mode": "match"}} for body in self.held]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entries})

    def transact(self, request: httpx.Request) -> httpx.Response:
        [entry] = json.loads(request.content)["entry"]
        if entry["request"]["method"] == "DELETE":
            self.held = [one for one in self.held if f"Subscription/{one['id']}" != entry["request"]["url"]]
            return self._answer({"status": "204"})
        body = entry["resource"]
        refusal = self.refused.get(body["criteria"])
        if refusal is not None:
            return refusal
        body |= {"id": f"s{len(self.held) + 1}", "status": self.status}
        self.held.append(body)
        return self._answer({"status": "201 Created", "location": f"Subscription/{body['id']}/_history/1"})

    def _answer(self, told: dict[str, str]) -> httpx.Response:
        return httpx.Response(
            200, json={"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": told}]}
        )


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(STATEMENT) as found:
        yield found


@contextmanager
def serving(statement: dict[str, Any]) -> Iterator[Server]:
    found = Server()
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as router:
        router.get("/metadata").respond(200, json=statement)
        router.get("/Subscription").mock(side_effect=found.search)
        router.post("").mock(side_effect=found.transact)
        yield found


def test_each_type_is_a_line_with_what_became_of_it(tmp_path: Path, server: Server) -> None:
    first, again = run(tmp_path), run(tmp_path)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert [line.split() for line in first.stdout.splitlines()] == [
        ["Condition", "created", "active", "s1"],
        ["Observation", "created", "active", "s2"],
    ]
    assert [line.split()[1] for line in again.stdout.splitlines()] == ["kept", "kept"]


def test_types_of_the_notifications_are_those_that_are_told_of(tmp_path: Path, server: Server) -> None:
    run(tmp_path, settings=f'{SITE}{NOTIFIED}types = ["Observation"]\n')

    assert [one["criteria"] for one in server.held] == ["Observation?"]


def test_topics_of_the_settings_are_subscribed_to_where_the_server_states_them(tmp_path: Path) -> None:
    topic = "https://fhir.example.org/topics/any"
    guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
    stated = {"url": f"{guide}/capabilitystatement-subscriptiontopic-canonical", "valueCanonical": topic}
    types = [{"type": "Subscription", "extension": [stated]}, {"type": "Observation"}]
    named = f'types = ["Observation"]\ntopics = {{ Observation = "{topic}" }}\n'
    with serving({**STATEMENT, "rest": [{"mode": "server", "resource": types}]}) as server:
        ran = run(tmp_path, settings=SITE + NOTIFIED + named)

    assert ran.exit_code == 0
    assert [one["criteria"] for one in server.held] == [topic]


def test_topics_that_a_server_does_not_know_are_its_refusal_and_nothing_is_made(tmp_path: Path, server: Server) -> None:
    ran = run(tmp_path, settings=f"{SITE}{NOTIFIED}by_topic = true\n")

    assert isinstance(ran.exception, RemoteError)
    assert (ran.exception.exit_code, server.held) == (4, [])
    assert "subscribe by criteria instead" in str(ran.exception)


def test_removed_are_all_of_ours(tmp_path: Path, server: Server) -> None:
    run(tmp_path)
    ran = run(tmp_path, "--remove")

    assert ran.exit_code == 0
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [
        ["Condition", "removed"],
        ["Observation", "removed"],
    ]
    assert server.held == []


def test_refusal_is_told_by_its_codes_with_what_to_ask_for(tmp_path: Path, server: Server) -> None:
    issue = {"severity": "error", "code": "not-supported", "diagnostics": "of Dupont"}
    server.refused["Condition?"] = httpx.Response(422, json={"resourceType": "OperationOutcome", "issue": [issue]})
    ran = run(tmp_path)

    assert ran.exit_code == 4
    assert "error/not-supported" in ran.stderr and "rest-hook" in ran.stderr
    assert "Dupont" not in ran.output
    assert [line.split()[1] for line in ran.stdout.splitlines()] == ["failed", "created"]


def test_server_that_does_not_show_its_subscriptions_is_told_what_to_ask_for(tmp_path: Path) -> None:
    with respx.mock(base_url=BASE_URL) as router:
        router.get("/metadata").respond(200, json=STATEMENT)
        router.get("/Subscription").respond(403)
        ran = run(tmp_path)

    assert isinstance(ran.exception, Refused)
    assert "ask for the right to read, create, update and delete Subscription" in ran.stderr


def test_json_is_one_object_that_names_each_type(tmp_path: Path, server: Server) -> None:
    ran = run(tmp_path, as_json=True)

    assert json.loads(ran.stdout) == {
        "site": "icm",
        "endpoint": "https://reluth.chu.example/notify/icm",
        "subscriptions": [
            {"type": "Condition", "outcome": "created", "id": "s1", "status": "active"},
            {"type": "Observation", "outcome": "created", "id": "s2", "status": "active"},
        ],
    }


def test_type_that_the_server_does_not_serve_is_done_in_part(tmp_path: Path, server: Server) -> None:
    ran = run(tmp_path, settings=f'{SITE}{NOTIFIED}types = ["Observation", "ResearchSubject"]\n')

    assert ran.exit_code == 5
    assert ran.stdout.splitlines()[1].split() == ["ResearchSubject", "not-served"]


def test_what_somebody_else_made_at_our_endpoint_stays_and_is_named(tmp_path: Path, server: Server) -> None:
    run(tmp_path)
    server.held = [one | {"meta": {}} for one in server.held if one["id"] == "s1"]
    ran = run(tmp_path, "--remove")

    assert ran.exit_code == 5
    assert "Subscription/s1" in ran.stderr
    assert len(server.held) == 1


def test_subscription_in_error_is_told_with_the_address_that_was_not_reached(tmp_path: Path, server: Server) -> None:
    server.status = "error"
    ran = run(tmp_path)

    assert ran.exit_code == 5
    assert "Subscription/s1: the server says error: can it reach https://reluth.chu.example/notify/icm?" in ran.stderr


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (SITE, "sites.icm.notifications"),
        (SITE.replace("icm", "chu"), "sites.icm"),
        (SITE + NOTIFIED.replace("https://", "http://"), "sites.icm.notifications.endpoint"),
        (SITE + NOTIFIED.replace(SECRET, "short"), "sites.icm.notifications.secret"),
    ],
)
def test_setting_that_is_missing_or_unsafe_is_named(tmp_path: Path, server: Server, settings: str, key: str) -> None:
    ran = run(tmp_path, settings=settings)

    assert isinstance(ran.exception, ConfigurationError)
    assert ran.exception.setting == key
    assert server.held == []


def test_secret_is_printed_nowhere(tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.refused["Condition?"] = httpx.Response(403, text=f"Bearer {SECRET}")
    outputs = [run(tmp_path, *arguments, as_json=True).output for arguments in ((), ("--remove",))]

    assert SECRET not in "".join(outputs) + caplog.text
