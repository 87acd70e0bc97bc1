"""Promises of /metrics: how the feeds stand, read from the store when asked; nothing of a patient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from adapter.config import Settings
from adapter.errors import TransientError
from adapter.service.metrics import METRICS, metrics_router, metrics_text
from adapter.store import Origin, Store
from tests.support.feeds import NOW, begun_run, ended_run, feed_settings, pulled
from tests.support.pages import first_cells, sections, text

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


def scraped(store: Store, settings: Settings | None = None) -> Samples:
    """Every sample by its name and labels' values in their order."""
    written = metrics_text(store, settings or feed_settings(), now=NOW).decode()
    return {
        (sample.name, *(sample.labels[label] for label in METRICS[sample.name][0])): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }


def of(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    return {key[1:]: value for key, value in samples.items() if key[0] == name}


def test_lag_of_a_feed_is_told_in_seconds(store: Store) -> None:
    pulled(store, "Patient", hours_ago=2)
    samples = scraped(store)

    assert of(samples, "reluth_feed_lag_seconds") == {("icm", "Patient"): 7200}
    assert of(samples, "reluth_feed_stale") == {("icm", "Observation"): 1, ("icm", "Patient"): 0}


@pytest.mark.parametrize(("complete", "outcome"), [(True, "complete"), (False, "partial"), (None, "failed")])
def test_last_run_is_told_by_its_outcome(store: Store, complete: bool | None, outcome: str) -> None:
    ended_run(store, "push", complete=complete)
    found = of(scraped(store), "reluth_run_last_outcome")

    assert {key: value for key, value in found.items() if value} == {("icm", "push", outcome): 1}
    assert {key[2] for key in found} == {"complete", "partial", "failed", "running"}


def test_last_complete_run_stands_while_later_ones_fail(store: Store) -> None:
    ended_run(store)
    before = scraped(store)
    for _ in range(5):
        ended_run(store, complete=None)
    after = scraped(store)

    whole = ("reluth_run_last_complete_timestamp_seconds", "icm", "pull")
    end = ("reluth_run_last_end_timestamp_seconds", "icm", "pull")
    assert before[whole] == before[end]
    assert after[whole] == before[whole] < after[end]


def test_exit_code_is_told_while_the_last_run_failed_and_said_so(store: Store) -> None:
    ended_run(store)
    before = scraped(store)
    store.note_failed_run("icm", "pull", begun=NOW, error=TransientError("GET fhir.example.org/metadata: no answer"))
    failed = scraped(store)
    ended_run(store)
    after = scraped(store)

    name = "reluth_run_last_failure_exit_code"
    assert of(failed, name) == {("icm", "pull"): 75}
    assert failed["reluth_run_last_outcome", "icm", "pull", "failed"] == 1
    assert of(failed, "reluth_pull_last_missing_types") == {}
    assert of(before, name) == of(after, name) == {}


def test_run_under_way_leaves_the_times_of_the_one_before(store: Store) -> None:
    ended_run(store)
    before = scraped(store)
    with begun_run(store):
        during = scraped(store)

    assert during["reluth_run_last_outcome", "icm", "pull", "running"] == 1
    end = ("reluth_run_last_end_timestamp_seconds", "icm", "pull")
    assert during[end] == before[end]


def test_counts_of_the_last_pull_are_told_by_type(store: Store) -> None:
    ended_run(
        store,
        complete=False,
        types={"Observation": {"read": 7, "new": 5, "changed": 1, "deleted": 0, "quarantined": 1}},
        missing=[{"type": "Goal", "reason": "404"}],
        requests={"sent": 12, "retried": 3},
    )
    samples = scraped(store)

    assert samples["reluth_pull_last_resources", "icm", "Observation", "read"] == 7
    assert samples["reluth_pull_last_resources", "icm", "Observation", "quarantined"] == 1
    assert samples["reluth_pull_last_missing_types", "icm"] == 1
    assert of(samples, "reluth_pull_last_requests") == {("icm", "sent"): 12, ("icm", "retried"): 3}


def test_run_that_was_killed_tells_no_counts(store: Store) -> None:
    ended_run(store, complete=None)

    assert of(scraped(store), "reluth_pull_last_resources") == {}


def test_quarantined_items_are_counted_by_site(store: Store) -> None:
    with store.begin_run("icm", "pull") as run:
        for number in range(3):
            store.quarantine(run, b"{%d" % number, origin=Origin("Patient.ndjson", number), reason="is not JSON")
        store.flush_quarantine(run)

    assert of(scraped(store), "reluth_quarantined_items") == {("icm",): 3, ("local",): 0}


def test_decided_patients_are_counted_by_state(store: Store) -> None:
    for number, state in enumerate(["eligible", "declined", "declined"]):
        store.decide("icm", f"Patient/{number}", trial="nct04954820", state=state, reason="other", by="nurse")

    assert of(scraped(store), "reluth_patients_decided") == {
        ("icm", "nct04954820", "declined"): 2,
        ("icm", "nct04954820", "eligible"): 1,
    }


def test_last_whole_backup_is_told(store: Store) -> None:
    assert of(scraped(store), "reluth_backup_last_timestamp_seconds") == {}
    store.audit("it", "backup", subject="store")
    store.audit("it", "backup-in-part", subject="store")

    assert of(scraped(store), "reluth_backup_last_timestamp_seconds") == {
        (): pytest.approx(store.audit_trail()[0].at.timestamp())
    }


def test_metrics_hold_nothing_of_a_patient(store: Store) -> None:
    store.decide("icm", "Patient/dupont-1", trial="nct04954820", state="eligible", reason="other", by="nurse.martin")
    with store.begin_run("icm", "pull") as run:
        store.quarantine(
            run, b'{"id": "dupont-1"', origin=Origin("dupont.ndjson", 1), reason="bad", reference="Patient/dupont-1"
        )
        store.flush_quarantine(run)
    written = metrics_text(store, feed_settings(), now=NOW).decode()

    assert re.findall("dupont|martin|Patient/", written, re.IGNORECASE) == []


def test_every_metric_is_named_even_without_a_sample(store: Store) -> None:
    written = metrics_text(store, Settings(), now=NOW).decode()

    assert {name for name in METRICS if f"# TYPE {name} gauge" not in written} == set()


def test_every_metric_is_described_with_its_labels_and_no_other() -> None:
    described = first_cells(sections(text("operations.md"), 3)["Metrics"])

    assert set(described) == set(METRICS)
    assert {name: re.findall(r"`(\w+)`", rest.split("|")[0]) for name, rest in described.items()} == {
        name: list(labels) for name, (labels, _) in METRICS.items()
    }


def served(store: Store) -> FastAPI:
    app = FastAPI()
    app.include_router(metrics_router(feed_settings(), lambda request: store, now=lambda: NOW))
    return app


def test_metrics_are_served_as_prometheus_wants_them(store: Store) -> None:
    with TestClient(served(store), base_url="http://127.0.0.1") as client:
        answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "reluth_build_info{" in answer.text


def test_store_that_does_not_answer_is_503_and_not_noughts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OperationalError("select Dupont", {}, Exception("Dupont"))

    monkeypatch.setattr(store, "quarantine_counts", broken)
    with TestClient(served(store), base_url="http://127.0.0.1") as client:
        answer = client.get("/metrics")

    assert answer.status_code == 503
    assert "Dupont" not in answer.text


def test_metrics_and_readiness_of_the_service_need_no_session_but_its_name(stranger: TestClient) -> None:
    asked = {path: stranger.get(path).status_code for path in ("/metrics", "/readyz", "/api/runs")}
    by_another_name = stranger.get("/metrics", headers={"Host": "rebound.example.org"}).status_code

    assert asked == {"/metrics": 200, "/readyz": 200, "/api/runs": 401}
    assert by_another_name == 400
