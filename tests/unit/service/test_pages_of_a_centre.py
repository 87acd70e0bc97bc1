"""In: a simulated centre, pulled and screened. Out: a page for everybody on its worklist, stage and language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapter.config import load_settings
from adapter.criteria import Stage
from adapter.documents import load_site, load_trial
from adapter.screening import Asked, screen
from adapter.service import create_app
from adapter.simulate import simulate
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.screened import ON, SITE, TRIAL
from tests.unit.service.conftest import HOME

_PATIENTS = 40
_SEED = 11


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A browser with a session, over what was really screened."""
    folder: Path = tmp_path_factory.mktemp("centre")
    settings = load_settings(None, store=folder / "var")
    simulate(folder / "feed", patients=_PATIENTS, seed=_SEED)
    with Store.open(settings.store.path) as store:
        pull(store, FolderSource(folder / "feed"), site=SITE)
        for stage in Stage:
            list(screen(store, load_trial(TRIAL), load_site(SITE, None), Asked(today=ON, on=ON, stage=stage)))
    with TestClient(create_app(settings, token="t", today=lambda: ON), base_url=HOME) as found:
        found.get("/login?token=t")
        yield found


@pytest.mark.parametrize("stage", list(Stage))
def test_everybody_on_the_worklist_has_a_page_in_both_languages(client: TestClient, stage: Stage) -> None:
    rows = client.get("/api/worklist", params={"stage": stage}).json()["rows"]
    answers = {
        (row["patient"], language): client.get(f"/patients/{row['key']}", params={"stage": stage, "lang": language})
        for row in rows
        for language in ("fr", "en")
    }

    assert rows
    assert {key for key, answer in answers.items() if answer.status_code != 200} == set()


def test_verdicts_of_the_api_have_the_criteria_of_their_stage(client: TestClient) -> None:
    counts = set()
    for stage in Stage:
        for row in client.get("/api/worklist", params={"stage": stage}).json()["rows"]:
            verdict = client.get(f"/api/patients/{row['key']}", params={"stage": stage}).json()["verdict"]
            counts.add((verdict["stage"], len(verdict["criteria"])))

    assert counts == {("registration", 33), ("randomisation", 10)}


def test_api_funnel_adds_up_to_the_worklist(client: TestClient) -> None:
    rows = client.get("/api/worklist").json()["rows"]
    funnel = client.get("/api/funnel").json()

    assert funnel["candidates"] == len(rows) == sum(funnel["outcomes"].values())
