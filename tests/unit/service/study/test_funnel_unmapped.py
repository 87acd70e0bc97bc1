"""In: the service over a hospital that writes codes of its own. Out: the funnel page and the API show what cannot be read, and nothing of a patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.config import Settings, load_settings
from adapter.screening.unread import unmapped_of
from adapter.service import create_app
from adapter.service import desk as desk_module
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.clinic import write_feed
from tests.support.local_feed import LABO, local_feed, result
from tests.unit.service.conftest import HOME, TOKEN

SITE = "hopital"
EVIL = "</th><script>alert(1)</script>\x1b[2J" + "9" * 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("unmapped")
    feed = write_feed(found / "feed", [*local_feed(), result("evil", "1", EVIL, 1, "g/dL")])
    with Store.open(found / "var") as store:
        pull(store, FolderSource(feed), site=SITE)
    return found


def settings_of(folder: Path, overlay: Path | None = None) -> Settings:
    (folder / "adapter.toml").write_text(
        f'[sites.{SITE}]\noverlay = "{overlay}"\n' if overlay else "", encoding="utf-8"
    )
    return load_settings(folder / "adapter.toml", store=folder / "var")


def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings, token=TOKEN, today=lambda: date(2025, 6, 12))
    with TestClient(app, base_url=HOME) as client:
        client.get("/login", params={"token": TOKEN})
        yield client


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    yield from browser(settings_of(folder))


def test_funnel_page_lists_codes_and_units_that_cannot_be_read(client: TestClient) -> None:
    page = client.get("/funnel", params={"lang": "en"}).text

    assert f"What could not be read: {SITE}" in page
    assert f"{LABO}|HB" in page
    assert "u. arb." in page
    assert "Dupont" not in page


def test_funnel_page_escapes_and_cuts_a_hostile_code(client: TestClient) -> None:
    page = client.get("/funnel", params={"lang": "fr"}).text

    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "9" * 200 not in page


def test_funnel_api_counts_results_and_persons(client: TestClient) -> None:
    (found,) = client.get("/api/funnel").json()["unmapped"]

    assert found["site"] == SITE
    assert {"element": "Observation.code", "system": LABO, "code": "HB", "results": 3, "persons": 2} in found["codes"]
    assert "Dupont" not in json.dumps(found)


def test_funnel_looks_for_unmapped_codes_once_for_each_state_of_the_lake(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    whole = unmapped_of

    def counted(store: Store, trial: Any, site: Any) -> Any:
        asked.append(site.id)
        return whole(store, trial, site)

    monkeypatch.setattr(desk_module, "unmapped_of", counted)
    answers = [client.get("/api/funnel").json() for _ in range(3)]

    assert answers[0] == answers[2]
    assert asked == [SITE]


def test_funnel_goes_on_where_a_sites_documents_are_wrong(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "misspelt.yaml").write_text("[]", encoding="utf-8")
    for client in browser(settings_of(folder, tmp_path)):
        answer = client.get("/api/funnel")

    assert answer.status_code == 200
    assert answer.json()["unmapped"] == []
    assert "misspelt.yaml" in "".join(capsys.readouterr())
