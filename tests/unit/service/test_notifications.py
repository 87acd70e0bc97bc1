"""In: what hospital servers, and strangers, post to /notify. Out: proof of who is let in, and of what is made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.errors import ConfigurationError
from adapter.service.notifications import MOST_BYTES, notification_router, notified_types
from tests.unit.service.conftest import HOME

SECRET = "secret-of-icm-0123456789"
OTHER = "secret-of-chu-0123456789"


def with_secret(secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def notified_site(secret: str) -> dict[str, Any]:
    return {
        "base_url": "https://fhir.example.org/r4",
        "notifications": {"endpoint": "https://reluth.chu.example", "secret": secret},
    }


SETTINGS = Settings(
    sites={
        "icm": notified_site(SECRET),
        "chu": notified_site(OTHER),
        "silent": {"base_url": "https://fhir.example.org/r4"},
    }
)


@pytest.fixture
def marks() -> list[tuple[str, frozenset[str] | None]]:
    return []


@pytest.fixture
def client(marks: list[tuple[str, frozenset[str] | None]]) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(notification_router(SETTINGS, lambda site, types: marks.append((site, types))))
    with TestClient(app, base_url=HOME) as found:
        yield found


Marks = list[tuple[str, frozenset[str] | None]]


@pytest.mark.parametrize(
    ("method", "path", "types"),
    [
        ("POST", "/notify/icm", None),
        ("POST", "/notify/icm/", None),
        ("PUT", "/notify/icm", None),
        ("POST", "/notify/icm/Observation", {"Observation"}),
        ("PUT", "/notify/icm/Observation/4711", {"Observation"}),
        ("PUT", "/notify/icm/Observation/Observation/4711", {"Observation"}),
        ("POST", "/notify/icm/NoSuchType", None),
    ],
)
def test_notification_marks_the_site_and_the_type_of_its_path(
    client: TestClient, marks: Marks, method: str, path: str, types: set[str] | None
) -> None:
    answer = client.request(method, path, headers=with_secret())

    assert (answer.status_code, answer.content) == (200, b"")
    assert marks == [("icm", None if types is None else frozenset(types))]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": SECRET},
        {"Authorization": f"Basic {SECRET}"},
        with_secret(OTHER),
        with_secret(SECRET[:-1]),
        with_secret(f"{SECRET}x"),
        with_secret(""),
    ],
)
@pytest.mark.parametrize("path", ["/notify/icm", "/notify/icm/Observation/1"])
def test_without_the_sites_secret_nothing_is_marked(
    client: TestClient, marks: Marks, headers: dict[str, str], path: str
) -> None:
    answer = client.post(path, headers=headers)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert marks == []


@pytest.mark.parametrize("site", ["unknown", "silent"])
def test_site_that_is_not_notified_is_unknown_but_to_strangers(client: TestClient, marks: Marks, site: str) -> None:
    with_it = client.post(f"/notify/{site}", headers=with_secret())
    without = client.post(f"/notify/{site}", headers=with_secret("another-secret-0123456789"))

    assert (with_it.status_code, without.status_code) == (404, 401)
    assert marks == []


def test_two_authorizations_are_none(client: TestClient, marks: Marks) -> None:
    twice = [("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")]

    assert client.post("/notify/icm", headers=twice).status_code == 401
    assert marks == []


@pytest.mark.parametrize("announced", [True, False])
def test_body_beyond_its_bound_is_not_read(client: TestClient, marks: Marks, announced: bool) -> None:
    body = b"x" * (MOST_BYTES + 1)
    parts = iter([body[: MOST_BYTES // 2], body[MOST_BYTES // 2 :]])
    answer = client.post("/notify/icm", headers=with_secret(), content=body if announced else parts)

    assert answer.status_code == 413
    assert marks == []


def test_body_at_its_bound_is_taken(client: TestClient, marks: Marks) -> None:
    answer = client.post("/notify/icm", headers=with_secret(), content=b"x" * MOST_BYTES)

    assert (answer.status_code, marks) == (200, [("icm", None)])


def test_neither_secret_nor_content_gets_into_the_log(client: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    body = {"resourceType": "Patient", "id": "4711", "name": [{"family": "Dupont"}]}
    client.post("/notify/icm", headers=with_secret(), json=body)
    client.put("/notify/icm/Patient/4711", headers=with_secret("wrong-secret-0123456789"), json=body)
    log = "".join(capfd.readouterr())

    assert "icm" in log
    assert not [word for word in ("4711", "Dupont", SECRET, "wrong-secret") if word in log]


async def asgi(*received: dict[str, Any], marked: Marks) -> list[dict[str, Any]]:
    """What is answered to a client that sends this and then nothing for ever."""
    app = FastAPI()
    app.include_router(notification_router(SETTINGS, lambda site, types: marked.append((site, types))))
    waiting, sent = list(received), []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/notify/icm/Observation"
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {SECRET}".encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    await app({**scope, "scheme": "http", "query_string": b"", "headers": headers}, receive, send)
    return sent


def test_body_that_does_not_come_is_not_waited_for(marks: Marks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.service.notifications._READ_SECONDS", 0.05)
    sent = asyncio.run(asgi({"type": "http.request", "body": b"{", "more_body": True}, marked=marks))

    assert (sent[0]["status"], marks) == (408, [])


def test_client_that_hangs_up_has_told_that_something_changed(marks: Marks) -> None:
    asyncio.run(asgi({"type": "http.disconnect"}, marked=marks))

    assert marks == [("icm", frozenset({"Observation"}))]


@pytest.mark.parametrize("secret", ["", "short"])
def test_secret_that_can_be_guessed_is_no_door(secret: str) -> None:
    settings = Settings(sites={"icm": notified_site(secret)})

    with pytest.raises(ConfigurationError) as caught:
        notification_router(settings, lambda site, types: None)
    assert caught.value.setting == "sites.icm.notifications.secret"


# Bodies


def of_status(kind: str, *focuses: str, **told: Any) -> dict[str, Any]:
    events = [{"eventNumber": str(at), "focus": {"reference": focus}} for at, focus in enumerate(focuses, 1)]
    status = {"resourceType": "SubscriptionStatus", "status": "active", "type": kind, "notificationEvent": events}
    entry = {"resource": status, "request": {"method": "GET", "url": "Subscription/9/$status"}}
    return {"resourceType": "Bundle", "type": "subscription-notification", "entry": [entry], **told}


def of_parameters(kind: str, *focuses: str) -> dict[str, Any]:
    """The Subscriptions R5 Backport IG in R4."""
    events = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": "1"},
                {"name": "focus", "valueReference": {"reference": f}},
            ],
        }
        for f in focuses
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": kind}, *events]}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": parameters}]}


HISTORY = {
    "resourceType": "Bundle",
    "type": "history",
    "entry": [
        {"request": {"method": "PUT", "url": "Condition/1"}},
        {"request": {"method": "POST", "url": "Observation"}},
    ],
}


@pytest.mark.parametrize(
    ("body", "types"),
    [
        (of_status("handshake"), set()),
        (of_status("heartbeat"), set()),
        (of_parameters("handshake"), set()),
        (of_parameters("heartbeat"), set()),
        (of_status("handshake")["entry"][0]["resource"], set()),
        (of_status("event-notification"), None),
        (of_status("event-notification", "Observation/1", "Observation/2"), {"Observation"}),
        (of_status("event-notification", "https://fhir.example.org/r4/Condition/1/_history/2"), {"Condition"}),
        (of_status("event-notification", "urn:uuid:1", "NoSuchType/1"), None),
        (of_parameters("event-notification", "Observation/1"), {"Observation"}),
        (of_parameters("event-notification"), None),
        (HISTORY, {"Condition", "Observation"}),
        ({"resourceType": "Observation", "id": "1"}, {"Observation"}),
        ({"resourceType": "Bundle", "entry": "none"}, None),
        ({"resourceType": ["Observation"]}, None),
        ([1], None),
    ],
)
def test_body_tells_of_types_and_of_nothing_else(body: Any, types: set[str] | None) -> None:
    found = notified_types("", json.dumps(body).encode())

    assert found == (None if types is None else frozenset(types))


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"<Observation/>", b"{", b"[" * 100_000, b'{"entry":' + b'[{"part":' * 50_000]
)
def test_body_that_is_no_notification_is_a_notification_all_the_same(body: bytes) -> None:
    assert notified_types("", body) is None
    assert notified_types("Observation", body) == frozenset({"Observation"})


def test_type_of_the_path_is_kept_beside_those_of_the_body() -> None:
    body = json.dumps(of_status("event-notification", "Condition/1")).encode()

    assert notified_types("Observation", body) == frozenset({"Condition", "Observation"})


def test_handshake_is_answered_and_marks_nothing(client: TestClient, marks: Marks) -> None:
    answer = client.post("/notify/icm/Observation", headers=with_secret(), json=of_status("handshake"))

    assert (answer.status_code, marks) == (200, [])


def test_bundle_is_answered_by_a_bundle_that_says_nothing(client: TestClient) -> None:
    told = of_status("event-notification", "Condition/1")
    answer = client.post("/notify/icm/Observation", json=told, headers=with_secret())
    resource = client.post("/notify/icm", json={"resourceType": "Patient", "id": "1"}, headers=with_secret())

    assert answer.json() == {"resourceType": "Bundle", "type": "transaction-response"}
    assert answer.headers["content-type"] == "application/fhir+json"
    assert resource.content == b""


def test_routes_have_operation_ids_of_their_own() -> None:
    app = FastAPI()
    app.include_router(notification_router(SETTINGS, lambda site, types: None))
    operations = [one["operationId"] for path in app.openapi()["paths"].values() for one in path.values()]

    assert sorted(operations) == ["notify_post", "notify_post_type", "notify_put", "notify_put_type"]
