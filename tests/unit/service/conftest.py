"""In: nothing. Out: the running service over a filled store, and clients outside and inside its door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.service import create_app
from tests.support.screened import screened_store

TOKEN = "one-time-token-of-the-tests"
HOME = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a store that every test reads and none changes."""
    with screened_store(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """A service with a token that is not used yet."""
    return create_app(settings, token=TOKEN, today=lambda: date(2025, 6, 12))


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """A browser that has not logged in."""
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A browser with a session, in English."""
    stranger.get("/login", params={"token": TOKEN})
    stranger.headers["Accept-Language"] = "en"
    return stranger
