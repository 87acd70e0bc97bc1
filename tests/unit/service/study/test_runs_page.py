"""In: runs of every kind at two sites. Out: a page that tells each one's end, the lag of the feeds, and what was put aside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Role
from adapter.client.errors import Refused
from adapter.config import SiteSettings
from adapter.service import create_app
from adapter.service.redaction import without_ids
from adapter.service.study import runs_reading
from adapter.service.study.runs_listing import lasted
from adapter.store import Origin, Store
from tests.support.people import HOME, browser_of
from tests.support.two_sites import two_sites_store

SUMMARIES: dict[str, dict[str, Any]] = {
    "screen": {"evaluated": 9, "candidates": 4, "unreadable": ["Observation/1"], "failed": []},
    "push": {
        "types": {"ResearchSubject": {"created": 2, "updated": 1, "deleted": 0}},
        "unchanged": 3,
        "held": [{"kind": "subject", "key": "planted-key", "reason": "missing"}],
        "refused": [],
        "conflicts": [],
        "pending": 1,
    },
    "pull": {
        "transaction_time": "2025-06-01T08:00:00Z",
        "mode": "search",
        "requests": {"sent": 12, "retried": 2},
        "types": {"Patient": {"read": 3, "new": 3, "changed": 0, "deleted": 0, "quarantined": 1}},
        "missing": [{"type": "Observation", "reason": "GET https://x/Patient/planted-1 answered 500"}],
    },
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("runs")
    settings = two_sites_store(folder)
    feed = SiteSettings(base_url="https://fhir.example.org/r4", types=["Patient", "Observation"])
    settings = settings.model_copy(update={"sites": {**settings.sites, "icm": feed}})
    with Store.open(settings.store.path) as store:
        store.note_failed_run(
            "icm", "pull", begun=datetime.now(UTC), error=Refused("GET https://x/Patient/planted-1", 403)
        )
        for kind, summary in SUMMARIES.items():
            with store.begin_run("icm", kind) as run:
                run.commit([], complete=kind == "screen", summary=json.dumps(summary))
        store.set_bookmark("icm", "Patient", "2020-01-01T00:00:00Z")
        with store.begin_run("icm", "pull") as run:
            origin = Origin("https://fhir.example.org/r4/Patient/planted-7", None, is_url=True)
            store.quarantine(
                run, b"{}", origin=origin, reason="Patient/planted-7 has no id", reference="Patient/planted-7"
            )
            store.flush_quarantine(run)
    found = create_app(settings)
    with TestClient(found, base_url=HOME):
        yield found


def client_of(app: Any, role: Role, site: str = "icm") -> TestClient:
    account = app.state.desk.store.accounts.by_name(f"{role}-{site}")
    return browser_of(app, account)


def test_every_kind_of_run_is_told_with_what_it_counted(app: Any) -> None:
    told = [run for run in client_of(app, Role.NURSE).get("/api/runs").json()["runs"] if run["told"]]
    runs = {run["kind"]: run for run in reversed(told)}

    assert runs["screen"]["counts"] == {"evaluated": 9, "candidates": 4, "unreadable": 1, "failed": 0}
    assert runs["push"]["counts"] == {"unchanged": 3, "held": 1, "refused": 0, "conflicts": 0, "pending": 1}
    assert runs["push"]["types"] == {"ResearchSubject": {"created": 2, "updated": 1, "deleted": 0}}
    assert runs["pull"]["requests"] == {"sent": 12, "retried": 2}
    assert {run["complete"] for run in runs.values()} == {True, False}
    assert all(run["seconds"] >= 0 for run in runs.values())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_page_tells_every_run_in_words(app: Any, language: str) -> None:
    page = client_of(app, Role.NURSE).get("/runs", params={"lang": language}).text
    said = {
        "fr": (
            "Criblage",
            "Envoi",
            "Collecte",
            "interruption",
            "évalués",
            "en attente",
            "12 requêtes",
            "1 type en retard",
        ),
        "en": ("Screening", "Push", "Pull", "died", "evaluated", "pending", "12 requests", "2 types late"),
    }[language]
    if language == "fr":
        said = (*said[:-1], "2 types en retard")

    assert [word for word in said if word not in page] == []


def test_page_writes_names_and_moments_as_its_language_does(app: Any) -> None:
    client = client_of(app, Role.NURSE)
    french = client.get("/runs", params={"lang": "fr"}).text
    english = client.get("/runs", params={"lang": "en"}).text

    assert "<summary>icm : " in french
    assert "<summary>icm: " in english
    assert '<time datetime="2020-01-01T00:00:00Z">1er janvier 2020, 00:00 UTC</time>' in french
    assert ">2020-01-01T" not in french + english


def test_run_that_failed_tells_by_what_and_no_ids_to_who_may_not_know_patients(app: Any) -> None:
    nurse, admin = client_of(app, Role.NURSE), client_of(app, Role.IT)
    (known,) = [run for run in nurse.get("/api/runs").json()["runs"] if run["exit_code"] is not None]
    (general,) = [run for run in admin.get("/api/runs").json()["runs"] if run["exit_code"] is not None]
    page = nurse.get("/runs", params={"lang": "fr"}).text

    assert (known["state"], known["told"], known["exit_code"]) == ("failed", True, 4)
    assert known["problem"] == "GET https://x/Patient/planted-1: answered 403"
    assert general["problem"] == "GET https://x/Patient answered 403"
    assert '<p class="missing">Échec (code 4) : <span lang="en">GET https://x/Patient/planted-1: answered 403' in page


def test_run_that_died_is_told_from_one_that_failed_and_one_under_way(app: Any) -> None:
    store = app.state.desk.store
    with store.begin_run("icm", "pull"):
        page = client_of(app, Role.NURSE).get("/runs", params={"lang": "en"}).text
    first, second = re.findall(
        r'class="badge (\w+)">.*?<span>([^<]+)</span>', page.partition('id="run-1"')[2], re.DOTALL
    )[:2]

    assert (first, second) == (("open", "running"), ("fail", "died"))


def test_lag_tells_what_is_late_and_what_was_never_pulled(app: Any) -> None:
    lag = client_of(app, Role.IT).get("/api/runs").json()["lag"]

    assert [(one["type"], one["stale"], one["up_to"]) for one in lag] == [
        ("Observation", True, None),
        ("Patient", True, "2020-01-01T00:00:00Z"),
    ]
    assert lag[0]["hours"] is None
    assert lag[1]["hours"] > 24 * 365


def test_site_that_a_folder_feeds_is_neither_late_nor_in_step(app: Any) -> None:
    client = client_of(app, Role.IT, "chu")
    app.state.desk.store.set_bookmark("chu", "Patient", "2020-01-01T00:00:00Z")

    assert {one["stale"] for one in client.get("/api/runs").json()["lag"]} == {None}
    assert "from a folder of files" in client.get("/runs", params={"lang": "en"}).text


@pytest.mark.parametrize("role", [Role.IT, Role.DATA_MANAGER])
def test_who_may_not_know_patients_sees_types_alone(app: Any, role: Role) -> None:
    client = client_of(app, role)
    found = client.get("/api/runs").json()

    assert {item["reference"] for item in found["quarantine"]} == {"Patient", None}
    assert "https://fhir.example.org/r4/Patient" in {item["source"] for item in found["quarantine"]}
    for answer in (client.get("/runs").text, json.dumps(found)):
        assert not re.search(r"Patient/planted|planted-[17k]", answer)


def test_who_may_know_patients_sees_references(app: Any) -> None:
    found = client_of(app, Role.NURSE).get("/api/runs").json()

    assert "Patient/planted-7" in {item["reference"] for item in found["quarantine"]}


def test_quarantine_is_told_by_reason_with_its_count_and_without_ids(app: Any) -> None:
    found = client_of(app, Role.NURSE).get("/api/runs").json()
    reasons = {one["reason"]: one["items"] for one in found["quarantine_reasons"]}

    assert reasons["Patient has no id"] == 1
    assert sum(reasons.values()) == len(found["quarantine"])


def test_runs_of_another_site_are_not_there(app: Any) -> None:
    client = client_of(app, Role.IT, "chu")
    found = client.get("/api/runs").json()

    assert {run["site"] for run in found["runs"]} == {item["site"] for item in found["quarantine"]} == {"chu"}
    assert client.get("/runs", params={"site": "icm"}).status_code == 404
    assert client.get("/api/runs", params={"site": "icm"}).status_code == 404


def test_runs_are_read_a_page_at_a_time(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_reading, "RUNS_A_PAGE", 2)
    client = client_of(app, Role.NURSE)
    names: list[str] = []
    page = 1
    while True:
        found = client.get("/api/runs", params={"page": page}).json()
        names += [run["run"] for run in found["runs"]]
        if not found["more"]:
            break
        page += 1

    assert page > 2
    assert len(names) == len(set(names)) == len(app.state.desk.store.runs(site="icm"))
    assert 'href="/runs?page=2"' in client.get("/runs").text
    assert 'href="/runs?page=1"' in client.get("/runs", params={"page": 2}).text
    assert client.get("/runs", params={"page": 99}).status_code == 200


@pytest.mark.parametrize("page", ["0", "-1", "x", "1000000000000"])
def test_page_that_is_none_is_refused(app: Any, page: str) -> None:
    client = client_of(app, Role.NURSE)

    assert client.get("/api/runs", params={"page": page}).status_code == 422
    assert client.get("/runs", params={"page": page}).status_code == 404


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Patient/a_b.c~d is wrong", "Patient is wrong"),
        ("https://x/r4/Patient/1/_history/2", "https://x/r4/Patient"),
        ("(Observation/9)", "(Observation)"),
        ("application/json", "application/json"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_text_without_ids_keeps_the_types(text: str, told: str) -> None:
    assert without_ids(text) == told


def test_time_that_a_run_took_is_said_as_people_say_it() -> None:
    assert [lasted(seconds, "fr") for seconds in (0, 59.94, 60, 3599.4, 7260)] == [
        "0,0 s",
        "59,9 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 1 min",
    ]
