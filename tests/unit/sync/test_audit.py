"""Promises of AuditEvents: who asked which server for what, when and how it went; nothing of a patient."""

from __future__ import annotations

import base64
import json

import pytest

from adapter.fhir import FhirVersion, Json, problems
from adapter.sync.audit import audit_event
from tests.support.audited import SERVER, TYPES, audited, event, pull_summary, run_info, sample_events


def entities(of: Json, system: str) -> list[Json]:
    return [one for one in of.get("entity", []) if one["type"]["system"].endswith(system)]


def asked(of: Json) -> str:
    (query,) = entities(of, "audit-entity-type")
    assert (query["type"]["code"], query["role"]["code"]) == ("2", "24")
    return base64.b64decode(query["query"]).decode()


def test_every_audit_event_is_valid_fhir() -> None:
    found = list(sample_events())

    assert len(found) == 8
    assert [problems(one, FhirVersion.R4) for one in found] == [[]] * 8


def test_no_event_claims_a_profile_that_a_run_does_not_fulfil() -> None:
    assert [one for one in sample_events() if "meta" in one] == []


def test_search_is_audited_as_a_query_of_our_client_at_the_server() -> None:
    found = event(run_info(summary=pull_summary()))
    client, server = found["agent"]

    assert (found["type"]["code"], found["subtype"][0]["code"], found["action"]) == ("rest", "search-type", "E")
    assert (client["type"]["coding"][0]["code"], client["requestor"]) == ("110153", True)
    assert (server["type"]["coding"][0]["code"], server["network"]["address"]) == ("110152", SERVER)
    assert asked(found) == "GET MedicationAdministration\nGET Observation"


def test_bulk_export_is_audited_as_an_operation() -> None:
    found = event(run_info(summary=pull_summary()), mode="bulk")

    assert found["subtype"][0]["code"] == "operation"
    assert asked(found) == "$export?_type=MedicationAdministration,Observation"


def test_way_that_a_run_states_is_believed_over_the_settings_of_today() -> None:
    found = event(run_info(summary=pull_summary(mode="bulk")), mode="search")

    assert found["subtype"][0]["code"] == "operation"


def test_folder_is_audited_as_an_import_that_asked_no_server() -> None:
    found = event(run_info(summary=pull_summary(transaction_time=None)))

    assert (found["type"]["code"], found["action"]) == ("110107", "C")
    assert [agent["type"]["coding"][0]["code"] for agent in found["agent"]] == ["110152", "110155"]
    assert SERVER not in json.dumps(found)


def test_push_is_audited_as_a_transaction_with_what_was_written() -> None:
    written = {"Observation": {"created": 2, "updated": 0, "deleted": 0}}
    found = event(run_info("push", summary={"types": written}))

    assert found["subtype"][0]["code"] == "transaction"
    assert [one["detail"] for one in entities(found, "resource-types")] == [[{"type": "created", "valueString": "2"}]]


def test_types_are_told_with_their_counts_that_are_not_nought() -> None:
    found = {
        one["name"]: one.get("detail") for one in entities(event(run_info(summary=pull_summary())), "resource-types")
    }

    assert found == {
        "MedicationAdministration": [
            {"type": "read", "valueString": "3"},
            {"type": "new", "valueString": "2"},
            {"type": "deleted", "valueString": "1"},
        ],
        "Observation": None,
    }
    assert set(found) == set(TYPES)


def test_event_has_the_name_and_times_of_its_run() -> None:
    found = event(run_info(summary=pull_summary()))

    assert found["id"] == "20250602T200000Z-000007"
    assert found["period"] == {"start": "2025-06-02T20:00:00+00:00", "end": "2025-06-02T20:01:30+00:00"}
    assert found["recorded"] == found["period"]["end"]
    assert found["source"]["site"] == "icm"


@pytest.mark.parametrize(
    ("state", "complete", "outcome", "described"),
    [
        ("committed", True, "0", "whole"),
        ("committed", False, "4", "in part: 1 missing"),
        ("failed", None, "8", "ended before it was whole; nothing of it is kept"),
    ],
)
def test_outcome_tells_how_the_run_ended(state: str, complete: bool | None, outcome: str, described: str) -> None:
    summary = pull_summary(missing=[{"type": "Goal", "reason": "404"}]) if complete is False else pull_summary()
    found = event(run_info(state=state, complete=complete, summary=summary))

    assert (found["outcome"], found["outcomeDesc"]) == (outcome, described)


def test_run_under_way_and_one_that_asked_nobody_have_no_event() -> None:
    assert audit_event(run_info(state="open", complete=None), audited()) is None
    assert audit_event(run_info("screen"), audited()) is None
    settings = {"begun": False, "exit_code": 2, "problem": "sites.icm.ca_file: is not there"}
    assert audit_event(run_info(state="failed", complete=None, summary=settings), audited()) is None


@pytest.mark.parametrize("code", [4, 75])
def test_failure_before_the_run_began_is_audited_as_a_question_for_capabilities(code: int) -> None:
    failure = {"begun": False, "exit_code": code, "problem": f"GET {SERVER}/Patient/dupont-1: answered 403"}
    found = event(run_info(state="failed", complete=None, summary=failure), mode="bulk")

    assert (found["subtype"][0]["code"], found["outcome"]) == ("capabilities", "8")
    assert found["outcomeDesc"] == f"ended before it was whole (exit code {code}); nothing of it is kept"
    assert found["agent"][1]["network"]["address"] == SERVER
    assert "entity" not in found
    assert "dupont" not in json.dumps(found)


def test_run_that_failed_once_begun_keeps_the_way_it_was_asked() -> None:
    failure = {"run": "x", "exit_code": 4, "problem": "answered 403"}
    found = event(run_info(state="failed", complete=None, summary=failure), mode="bulk")

    assert (found["subtype"][0]["code"], found["outcome"]) == ("operation", "8")


def test_event_names_no_patient_even_where_the_summary_does() -> None:
    aside = [{"reason": "bad", "reference": "Patient/dupont-1", "url": f"{SERVER}/Patient/dupont-1"}]
    held = [{"kind": "subject", "key": "dupont-1", "reason": "no-patient", "detail": "Patient/dupont-1"}]
    found = [
        event(run_info(complete=False, summary=pull_summary(quarantine=aside))),
        event(run_info("push", complete=False, summary={"types": {}, "held": held})),
    ]

    assert "dupont" not in json.dumps(found)
    assert [one["outcomeDesc"] for one in found] == ["in part: 1 quarantine", "in part: 1 held"]
