"""In: a session. Out: the same as on the pages, as JSON; refusals as problem details."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Viewer
from adapter.config import Settings
from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.service.desk import Desk
from adapter.service.patient.file import read_patient
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.screened import SITE, TRIAL, row_of, save, verdict, verdicts


def test_worklist_is_ordered_by_what_to_do(client: TestClient) -> None:
    answer = client.get("/api/worklist").json()

    assert [row["bin"] for row in answer["rows"]] == [
        "new",
        "waiting",
        "waiting",
        "not-now",
        "not-eligible",
        "not-eligible",
        "declined",
    ]
    assert (answer["trial"], answer["stage"]) == ("nct04954820", "registration")
    assert row_of(answer["rows"], "low")["failed"] == ["I11"]


def test_patient_holds_the_verdict_of_the_contract_key_for_key(client: TestClient) -> None:
    rows = client.get("/api/worklist").json()["rows"]

    shown = {row["patient"]: client.get(f"/api/patients/{row['key']}").json()["verdict"] for row in rows}
    assert shown == {item["patient"]: item for item in verdicts()}


def test_patient_tells_the_standing_decision(client: TestClient) -> None:
    rows = client.get("/api/worklist").json()["rows"]
    declined = client.get(f"/api/patients/{row_of(rows, 'declined')['key']}").json()
    ready = client.get(f"/api/patients/{row_of(rows, 'ready')['key']}").json()

    assert (declined["state"], declined["decision"]["reason"]) == ("declined", "patient-declined")
    assert (ready["state"], ready["decision"]) == ("new", None)


def test_keys_are_random_and_stay_the_same(client: TestClient) -> None:
    first = {row["patient"]: row["key"] for row in client.get("/api/worklist").json()["rows"]}
    second = {row["patient"]: row["key"] for row in client.get("/api/worklist").json()["rows"]}

    assert first == second
    assert len(set(first.values())) == len(first)
    assert all(len(key) >= 20 and patient.split("/")[1] not in key for patient, key in first.items())


def test_key_of_a_merged_record_leads_to_the_one_that_stayed(tmp_path: Path) -> None:
    link = {"other": {"reference": "Patient/new"}, "type": "replaced-by"}
    people = [{"resourceType": "Patient", "id": "old", "link": [link]}, {"resourceType": "Patient", "id": "new"}]
    (tmp_path / "Patient.ndjson").write_text("".join(f"{json.dumps(person)}\n" for person in people))
    with Store.open(tmp_path / "var") as store:
        pull(store, FolderSource(tmp_path), site=SITE)
        save(store, verdict("new", "eligible"))
        store.decide(SITE, "Patient/old", trial=TRIAL, state="contacted", reason="to-contact", by="nurse")
        desk = Desk(store, load_trial(TRIAL), Settings(), viewer=Viewer.of_this_machine("me"))
        found = read_patient(desk, store.patient_key(SITE, "Patient/old"), Stage.REGISTRATION)

    assert found is not None
    assert (found.verdict.patient, found.state) == ("Patient/new", "contacted")


def test_funnel_counts_each_candidate_once_per_criterion(client: TestClient) -> None:
    funnel = client.get("/api/funnel").json()

    assert (funnel["patients"], funnel["candidates"]) == (7, 7)
    assert {line["passed"] + line["failed"] + line["open"] for line in funnel["criteria"]} == {7}
    assert sum(funnel["outcomes"].values()) == 7


def test_runs_tell_counts_and_quarantine(client: TestClient) -> None:
    runs = client.get("/api/runs").json()

    assert runs["runs"][0]["types"]["Patient"] == {"read": 8, "new": 7, "changed": 0, "deleted": 0, "quarantined": 1}
    assert [(item["source"], item["line"]) for item in runs["quarantine"]] == [("Patient.ndjson", 8)]


def test_trial_holds_every_criterion_in_both_languages(client: TestClient) -> None:
    trial = client.get("/api/trials/nct04954820").json()

    assert len(trial["criteria"]) == 34
    assert all(set(criterion["label"]) == {"fr", "en"} for criterion in trial["criteria"])
    assert trial["open_questions"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/patients/unknown", 404),
        ("/api/patients/not%20a%20key", 422),
        ("/api/trials/nct00000000", 404),
        ("/api/worklist?stage=other", 422),
        ("/api/nothing", 404),
    ],
)
def test_refusal_is_a_problem_that_repeats_nothing_of_the_request(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail"}
    assert not {"unknown", "not a key", "other", "nct00000000"} & set(answer.text.split('"'))


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000])
def test_body_that_cannot_be_read_is_told_so(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/find", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["detail"]) == (400, "The body cannot be read.")
