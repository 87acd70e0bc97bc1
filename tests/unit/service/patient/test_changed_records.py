"""In: a screened store whose hospital deleted, merged and set inactive records since. Out: pages and API that say so at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.config import Settings
from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.screening import read_worklist, words
from adapter.screening.hospital_records import as_deleted
from adapter.service import create_app
from adapter.service.language import load_words
from adapter.store import Store, StoredVerdict
from tests.support.changed_records import REQUESTS, changed_store
from tests.support.screened import ON, SITE, TRIAL, verdict
from tests.unit.service.conftest import HOME
from tests.unit.service.test_pages import Outline

_SAID = {
    "en": {"deleted": "Record deleted at the hospital", "inactive": "Record inactive at the hospital"},
    "fr": {"deleted": "Dossier supprimé à l&#39;hôpital", "inactive": "Dossier inactif à l&#39;hôpital"},
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with changed_store(tmp_path_factory.mktemp("changed")) as found:
        yield found


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, token="t", today=lambda: ON), base_url=HOME) as found:
        found.get("/login?token=t")
        yield found


@pytest.fixture(scope="module")
def rows(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/worklist").json()["rows"]
    return found


def key_of(settings: Settings, patient: str) -> str:
    with Store.open(settings.store.path) as store:
        return store.patient_key(SITE, f"Patient/{patient}")


def file_of(client: TestClient, settings: Settings, patient: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/patients/{key_of(settings, patient)}").json()
    return found


def page_of(client: TestClient, settings: Settings, patient: str, language: str = "en") -> str:
    return client.get(f"/patients/{key_of(settings, patient)}?lang={language}").text


def row_on_page(text: str, patient: str) -> str:
    """The row of a patient in the worklist's HTML."""
    rows: list[str] = re.findall(r'<tr role="row">.*?</tr>', text, re.DOTALL)
    return next(row for row in rows if f">{patient}</a>" in row)


def test_worklist_of_the_api_is_that_of_the_command_line_key_for_key(
    rows: list[dict[str, Any]], settings: Settings
) -> None:
    with Store.open(settings.store.path) as store:
        printed = [row.to_json() for row in read_worklist(store, load_trial(TRIAL), Stage.REGISTRATION)]

    assert rows == printed


def test_worklist_of_the_api_tells_the_state_of_each_record(rows: list[dict[str, Any]]) -> None:
    assert {row["patient"].removeprefix("Patient/"): row["record"] for row in rows} == {
        "course": "active",
        "deceased": "inactive",
        "declined": "deleted",
        "liver": "inactive",
        "low": "deleted",
        "pancreas": "active",
    }


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(("patient", "record"), [("low", "deleted"), ("liver", "inactive"), ("deceased", "inactive")])
def test_worklist_page_marks_a_record_in_words_once(
    client: TestClient, language: str, patient: str, record: str
) -> None:
    row = row_on_page(client.get(f"/?lang={language}").text, patient)

    assert row.count(f'<span class="record {record}">{_SAID[language][record]}</span>') == 1
    assert row.lower().count(_SAID[language][record].lower()) == 1


def test_worklist_page_marks_no_other_record(client: TestClient) -> None:
    text = client.get("/?lang=en").text

    assert 'class="record' not in row_on_page(text, "pancreas")
    assert 'class="record' not in row_on_page(text, "course")


def test_worklist_page_keeps_why_who_is_inactive_is_where_they_are(client: TestClient) -> None:
    assert words("en").of("outcome_reasons", "deceased") in row_on_page(client.get("/?lang=en").text, "deceased")


def test_every_row_of_the_worklist_leads_to_a_page(client: TestClient, rows: list[dict[str, Any]]) -> None:
    answers = {row["patient"]: client.get(f"/patients/{row['key']}").status_code for row in rows}

    assert set(answers.values()) == {200}


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(("patient", "record"), [("ready", "deleted"), ("low", "deleted"), ("liver", "inactive")])
def test_patient_page_says_first_what_became_of_the_record(
    client: TestClient, settings: Settings, language: Any, patient: str, record: str
) -> None:
    text = page_of(client, settings, patient, language)
    sentence = load_words().say(f"patient.record-{record}", language).replace("'", "&#39;")

    assert text.index(_SAID[language][record]) < text.index(sentence) < text.index('id="outcome"')


def test_patient_page_of_a_record_in_use_says_nothing_of_it(client: TestClient, settings: Settings) -> None:
    text = page_of(client, settings, "pancreas")

    assert 'class="notice' not in text
    assert file_of(client, settings, "pancreas")["record"] == "active"


def test_verdict_on_a_deleted_record_stays_readable_and_asks_for_nothing(
    client: TestClient, settings: Settings
) -> None:
    file = file_of(client, settings, "low")
    text = page_of(client, settings, "low")

    told = file["verdict"]
    assert (told["candidate"], told["outcome"], told["outcome_reason"]) == (False, "ineligible", "record-deleted")
    assert (told["flips_on"], told["to_order"], file["record"]) == (None, [], "deleted")
    assert "12,1 g/dL" in text
    assert words("en").of("outcome_reasons", "record-deleted") in text
    assert load_words().say("patient.no-longer", "en") in text
    for untrue in ("mendable", "permanent", "not-candidate"):
        assert load_words().say(f"patient.{untrue}", "en") not in text


def test_history_of_a_deleted_record_stands_before_its_criteria(client: TestClient, settings: Settings) -> None:
    text = page_of(client, settings, "low")
    file = file_of(client, settings, "low")

    assert [one["state"] for one in file["decisions"]] == ["contacted"]
    assert [(one["outcome"], one["outcome_reason"]) for one in file["outcomes"]] == [("ineligible", None)]
    assert text.index('id="history"') < text.index('id="overview"')
    assert f"({words('en').of('decision_reasons', 'to-contact')})" in text


def test_history_is_that_of_the_person_whatever_the_record(client: TestClient, settings: Settings) -> None:
    file = file_of(client, settings, "course")
    text = page_of(client, settings, "course")

    assert file["key"] == key_of(settings, "stayed")
    assert [one["state"] for one in file["decisions"]] == ["contacted", "to-review"]
    assert (file["state"], file["decision"]) == ("to-review", file["decisions"][-1])
    assert text.index('id="overview"') < text.index('id="history"')


def test_history_of_one_screening_and_no_decision_is_not_shown(client: TestClient, settings: Settings) -> None:
    assert 'id="history"' not in page_of(client, settings, "pancreas")
    assert 'id="history"' not in page_of(client, settings, "ready")


@pytest.mark.parametrize("patient", ["low", "declined", "ready", "liver", "course"])
def test_page_of_a_changed_record_is_well_formed(client: TestClient, settings: Settings, patient: str) -> None:
    outline = Outline(page_of(client, settings, patient))

    assert (outline.slips, outline.open) == ([], [])
    assert len(outline.all("caption")) == len(outline.all("table"))


def test_outcome_that_a_rescreen_repeats_is_told_once(tmp_path: Path) -> None:
    found = verdict("pancreas", "eligible")
    screenings = [found, {**found, "criteria_version": "0.2.0"}, as_deleted(found)]
    with changed_store(tmp_path) as settings:
        with Store.open(settings.store.path) as store:
            store.save_verdicts(later(content, days) for days, content in enumerate(screenings, start=1))
        with TestClient(create_app(settings, token="t", today=lambda: ON), base_url=HOME) as client:
            client.get("/login?token=t")
            file = file_of(client, settings, "pancreas")

    assert [(one["outcome"], one["outcome_reason"], one["candidate"]) for one in file["outcomes"]] == [
        ("ineligible", None, True),
        ("eligible", None, True),
        ("ineligible", "record-deleted", False),
    ]


def later(content: dict[str, Any], days: int) -> StoredVerdict:
    """The verdict of a screening some days after that of the store."""
    return StoredVerdict(
        site=SITE,
        patient=content["patient"],
        trial=TRIAL,
        stage=content["stage"],
        on=ON,
        screened_at=datetime(2025, 6, 1 + days, 9, 30, tzinfo=UTC),
        run="by-hand",
        content=json.dumps(content),
        input_hash=str(days),
    )


def test_run_tells_how_the_hospital_was_asked_and_what_it_deleted(client: TestClient) -> None:
    asked, folder = client.get("/api/runs").json()["runs"][:2]

    assert (asked["mode"], asked["requests"], asked["types"]["Patient"]["deleted"]) == ("search", REQUESTS, 3)
    assert (folder["mode"], folder["requests"]) == (None, None)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "by search · 1204 requests (3 of them repeated)"),
        ("fr", "par recherche · 1204 requêtes (dont 3 répétées)"),
    ],
)
def test_runs_page_tells_how_the_hospital_was_asked(client: TestClient, language: str, said: str) -> None:
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get(f"/runs?lang={language}").text))

    assert plain.count(said) == 1
