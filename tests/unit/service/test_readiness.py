"""Promises of /readyz: 200 only by a store that answers and feeds that are in step; 503 names what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.service.readiness import readiness_router
from adapter.store import Store
from tests.support.feeds import NOW, feed_settings, pulled


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
    assert ask(store, Settings()) == (200, {"status": "ok", "detail": None, "stale": []})


def test_service_is_ready_while_every_feed_is_in_step(store: Store) -> None:
    pulled(store, "Patient", hours_ago=1)
    pulled(store, "Observation", hours_ago=20)

    assert ask(store, feed_settings()) == (200, {"status": "ok", "detail": None, "stale": []})


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
