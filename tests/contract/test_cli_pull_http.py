"""In: `reluth pull` from a hospital's FHIR server on loopback. Out: what the contract promises of it, server failing or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.documents import load_trial
from adapter.service.hospital import serve_hospital
from adapter.store import RunInfo, Store
from tests.support.cli import Ran, reluth
from tests.support.clinic import ON, clinic, condition, write_feed

TYPES = ["Condition", "Medication", "MedicationAdministration", "Patient", "ResearchStudy", "ResearchSubject"]


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The clinic as a FHIR server; yields its address."""
    monkeypatch.chdir(tmp_path)
    with serve_hospital(write_feed(tmp_path / "feed", clinic())) as address:
        yield address


def _settings(address: str, *more: str, types: list[str] | None = None) -> None:
    lines = ["[sites.clinic]", f'base_url = "{address}"', *([] if types is None else [f"types = {types}"]), *more]
    Path("adapter.toml").write_text("\n".join(lines), encoding="utf-8")


def _pull(*arguments: str) -> Ran:
    return reluth("pull", "--site", "clinic", "--json", *arguments)


def _runs() -> list[RunInfo]:
    with Store.open(Path("var")) as store:
        return store.runs()


def test_pull_over_http_asks_for_the_types_that_the_trial_needs_and_no_more(hospital: str) -> None:
    _settings(hospital)

    ran = _pull()

    assert (ran.code, ran.object["complete"]) == (0, True)
    assert set(ran.object["types"]) == set(load_trial("nct04954820").resource_types)
    assert ran.object["transaction_time"] is not None


def test_pull_over_http_gives_the_same_verdicts_as_from_the_folder(hospital: str) -> None:
    _settings(hospital)
    _pull()
    reluth("--store", "other", "pull", "--from", "feed", "--site", "clinic")

    by_http = reluth("screen", "--all", "--json", "--on", ON)
    by_folder = reluth("--store", "other", "screen", "--all", "--json", "--on", ON)

    assert by_http.out == by_folder.out != ""


def test_pull_over_http_again_brings_nothing_new(hospital: str) -> None:
    _settings(hospital)
    _pull()

    found = _pull("--full").object

    assert sum(counts["read"] for counts in found["types"].values()) == sum(1 for _ in clinic())
    assert {(counts["new"], counts["changed"]) for counts in found["types"].values()} == {(0, 0)}


def test_pull_over_http_names_the_types_that_the_server_lacks_and_returns_5(hospital: str) -> None:
    _settings(hospital, types=[*TYPES, "Basic"])

    ran = _pull()

    assert (ran.code, ran.object["complete"]) == (5, False)
    assert "missing: Basic" in ran.err
    assert "pull again" in ran.err


def test_pull_over_http_names_the_server_that_speaks_another_version(hospital: str) -> None:
    _settings(hospital, 'fhir_version = "5.0.0"')

    ran = _pull()

    assert (ran.code, ran.out) == (2, "")
    assert "sites.clinic.fhir_version: is 5.0.0, the server states 4.0.1" in ran.err


def test_pull_in_bulk_from_a_server_that_only_searches_is_refused_by_it(hospital: str) -> None:
    _settings(hospital, 'mode = "bulk"')

    ran = _pull()

    assert (ran.code, ran.out) == (4, "")
    assert "Patient/$export" in ran.err


@pytest.mark.parametrize(
    ("address", "more", "code", "reason"),
    [
        ("http://127.0.0.1:9/fhir", "retry_budget = 0", 75, "127.0.0.1:9"),
        ("{}/nothing-here", "", 4, "/nothing-here/metadata"),
        ("{}", 'fhir_version = "5.0.0"', 2, "the server states 4.0.1"),
        ("https://127.0.0.1:9/fhir", 'ca_file = "none.pem"', 2, "sites.clinic.ca_file"),
        ("http://fhir.example.org/r4", "", 2, "sites.clinic.auth"),
    ],
    ids=["no-connection", "no-capability-statement", "another-version", "no-certificate", "not-safe"],
)
def test_pull_that_fails_before_it_begins_leaves_a_failed_run_with_its_reason(
    hospital: str, address: str, more: str, code: int, reason: str
) -> None:
    _settings(address.format(hospital), more)

    ran = _pull()
    (run,) = _runs()
    told = json.loads(run.summary or "{}")

    assert (ran.code, told["exit_code"], told["begun"]) == (code, code, False)
    assert (run.kind, run.site, run.state, run.complete) == ("pull", "clinic", "failed", None)
    assert reason in told["problem"]
    assert told["problem"] in ran.err


def test_pull_that_fails_once_begun_leaves_one_failed_run_with_its_reason(hospital: str) -> None:
    _settings(hospital, 'mode = "bulk"')

    ran = _pull()
    (run,) = _runs()
    told = json.loads(run.summary or "{}")

    assert (ran.code, run.state, told["exit_code"], told["run"]) == (4, "failed", 4, run.name)
    assert "Patient/$export" in told["problem"]


def test_push_that_fails_before_it_begins_leaves_a_failed_run(hospital: str) -> None:
    _settings("http://127.0.0.1:9/fhir", "retry_budget = 0")

    ran = reluth("push", "--site", "clinic")
    (run,) = _runs()

    assert (ran.code, run.kind, run.state) == (75, "push", "failed")
    assert '"exit_code": 75' in (run.summary or "")


def test_pull_in_quiet_hours_leaves_no_run(hospital: str) -> None:
    _settings(hospital, 'quiet_hours = ["00:00-12:00", "12:00-00:00"]')

    assert _pull().code == 75
    assert _runs() == []


def test_pull_after_failures_is_whole_and_goes_on_from_its_bookmark(hospital: str) -> None:
    _settings(hospital)
    _pull()
    _settings("http://127.0.0.1:9/fhir", "retry_budget = 0")
    _pull()
    _settings(hospital)

    found = _pull().object

    assert found["complete"] is True
    assert {(counts["new"], counts["changed"]) for counts in found["types"].values()} == {(0, 0)}
    assert [run.state for run in _runs()] == ["committed", "failed", "committed"]


def test_pull_over_http_needs_the_site_in_the_settings(hospital: str) -> None:
    _settings(hospital)

    ran = reluth("pull", "--site", "nowhere")

    assert ran.code == 2
    assert "sites.nowhere: is not in the settings (there: clinic)" in ran.err


def test_pull_tells_people_what_was_put_aside(tmp_path: Path) -> None:
    feed = write_feed(tmp_path / "feed", [condition("c", "1", "C17.2")])
    with (feed / "Condition.ndjson").open("a") as lines:
        lines.writelines(f"broken {number}\n" for number in range(12))

    ran = reluth("--store", tmp_path / "store", "pull", "--from", feed)

    assert (ran.code, ran.out) == (5, "")
    assert "put aside: Condition.ndjson:2:" in ran.err
    assert "and 2 more put aside" in ran.err
