"""Promises of /readyz: 200 only by a store that answers and feeds that are in step; 503 names what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import time_machine
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.errors import TransientError
from adapter.service.readiness import readiness_router
from adapter.store import Store
from tests.support.feeds import NOW, begun_run, ended_run, feed_settings, pulled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


class Answer(NamedTuple):
    status: int
    body: Any


def ask(store: Store, settings: Settings) -> Answer:
    app = FastAPI()
    app.include_router(readiness_router(settings, lambda request: store, now=lambda: NOW))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/readyz")
        return Answer(answer.status_code, answer.json())


def test_service_without_sites_is_ready(store: Store) -> None:
    assert ask(store, Settings()) == (200, {"status": "ok", "detail": None, "stale": [], "failed": []})


def test_service_is_ready_while_every_feed_is_in_step(store: Store) -> None:
    pulled(store, "Patient", hours_ago=1)
    pulled(store, "Observation", hours_ago=20)

    assert ask(store, feed_settings()) == (200, {"status": "ok", "detail": None, "stale": [], "failed": []})


def test_failed_pull_is_named_before_the_feed_is_stale(store: Store) -> None:
    pulled(store, "Patient", hours_ago=1)
    pulled(store, "Observation", hours_ago=1)
    with time_machine.travel(NOW, tick=False):
        store.note_failed_run(
            "icm", "pull", begun=NOW, error=TransientError("GET fhir.example.org/metadata: no answer")
        )
    with begun_run(store):
        status, body = ask(store, feed_settings())

    assert (status, body["status"], body["stale"]) == (200, "ok", [])
    assert body["failed"] == [{"site": "icm", "ended_at": "2025-06-02T12:00:00Z", "exit_code": 75}]


def test_pull_that_was_killed_failed_without_an_exit_code(store: Store) -> None:
    ended_run(store, complete=None)

    (failed,) = ask(store, feed_settings()).body["failed"]
    assert (failed["site"], failed["exit_code"]) == ("icm", None)


def test_failure_is_over_with_the_next_pull(store: Store) -> None:
    store.note_failed_run("icm", "pull", begun=NOW, error=TransientError("no answer"))
    ended_run(store, complete=False)

    assert ask(store, feed_settings()).body["failed"] == []


def test_stale_feed_is_named_by_site_and_type(store: Store) -> None:
    pulled(store, "Patient", hours_ago=1)
    pulled(store, "Observation", hours_ago=30)

    status, body = ask(store, feed_settings())

    assert (status, body["status"]) == (503, "not ready")
    assert body["stale"] == [{"site": "icm", "type": "Observation", "never": False, "hours": 30.0}]


def test_site_that_was_never_pulled_is_named_so(store: Store) -> None:
    status, body = ask(store, feed_settings())

    assert status == 503
    assert [(one["type"], one["never"], one["hours"]) for one in body["stale"]] == [
        ("Observation", True, None),
        ("Patient", True, None),
    ]


def test_store_that_does_not_answer_is_not_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str) -> None:
        raise OSError("Dupont")

    monkeypatch.setattr(store, "patient_by_key", broken)

    status, body = ask(store, Settings())

    assert (status, body["status"]) == (503, "not ready")
    assert "Dupont" not in str(body)


def test_trial_that_cannot_be_read_is_not_ready(store: Store) -> None:
    settings = Settings(trials=["nct00000000"], sites={"icm": {"base_url": "https://fhir.example.org/r4"}})

    assert ask(store, settings).status == 503
