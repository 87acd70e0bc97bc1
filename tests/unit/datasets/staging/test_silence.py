"""Promises that nothing goes in silence: what is held of a subject and does not leave is counted, and a history in doubt is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.config import Settings
from adapter.datasets.model import Finding
from adapter.datasets.staging.feed import Staged
from tests.support.subjects import consent, event, feed, lab, patient, research_subject
from tests.unit.store.making import line

SIGNED = event("consented", "2025-01-10")
REGISTERED = event("registered", "2025-01-20")
RANDOMISED = event("randomised", "2025-02-10", arm="experimental", intervention=True)
WHO = {"reference": "Patient/1"}
LATE = [lab("on", on="2025-03-10"), lab("after", on="2025-03-11"), lab("later", on="2025-04-11")]


def counts(found: Staged, code: str) -> dict[tuple[str | None, str | None], int]:
    return {(one.domain, one.variable): one.count for one in found.findings if one.code == code}


def kinds(found: Staged) -> list[str]:
    return [one.kind.value for one in found.subjects[0].events]


def told_of(found: Staged, code: str) -> list[Finding]:
    return [one for one in found.findings if one.code == code]


# --- after the end of the data ---------------------------------------------------------------------------------------


def test_resources_after_a_withdrawal_are_counted_by_type_without_a_value(tmp_path: Path) -> None:
    withdrawn = research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-03-10"))

    found, resources = feed(tmp_path, [patient(), consent(), withdrawn, *LATE])

    assert counts(found, "after-withdrawal") == {("Observation", None): 2}
    assert counts(found, "after-cut") == {}
    assert len(resources["Observation"]) == 1
    assert "2025" not in repr(told_of(found, "after-withdrawal"))


def test_resources_and_events_after_the_data_cut_are_counted_by_type(tmp_path: Path) -> None:
    events = (SIGNED, REGISTERED, event("cycle", "2025-02-01", cycle=1), event("progression", "2025-05-01"))

    found, _ = feed(tmp_path, [patient(), consent(), research_subject("1", *events), *LATE], as_of=date(2025, 3, 10))

    assert counts(found, "after-cut") == {("Observation", None): 2, ("ResearchSubject", "event"): 1}
    assert counts(found, "after-withdrawal") == {}


ENDED_LATER = {"start": "2025-03-01", "end": "2025-03-20"}
INFUSION = {"medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]}}
CHECK = {"code": {"coding": [{"system": "urn:reluth:terms", "code": "ct-thorax-abdomen-pelvis"}]}}


@pytest.mark.parametrize(
    ("type_", "elements", "sent", "left"),
    [
        ("MedicationAdministration", INFUSION | {"effectivePeriod": ENDED_LATER}, "completed", "in-progress"),
        ("MedicationAdministration", INFUSION | {"effectivePeriod": ENDED_LATER}, "not-done", "not-done"),
        (
            "MedicationAdministration",
            INFUSION | {"effectivePeriod": ENDED_LATER},
            "entered-in-error",
            "entered-in-error",
        ),
        ("MedicationStatement", INFUSION | {"effectivePeriod": ENDED_LATER}, "stopped", "active"),
        ("MedicationStatement", INFUSION | {"effectivePeriod": ENDED_LATER}, "not-taken", "not-taken"),
        ("Procedure", CHECK | {"performedPeriod": ENDED_LATER}, "completed", "in-progress"),
        ("Procedure", CHECK | {"performedPeriod": ENDED_LATER}, "not-done", "not-done"),
        ("Encounter", {"period": ENDED_LATER}, "finished", "in-progress"),
        ("Encounter", {"period": ENDED_LATER}, "cancelled", "cancelled"),
    ],
)
def test_data_cut_makes_nothing_of_what_was_cancelled_or_an_error(
    tmp_path: Path, type_: str, elements: dict[str, Any], sent: str, left: str
) -> None:
    lines = [
        patient(),
        consent(),
        research_subject("1", SIGNED),
        line(type_, "x1", subject=WHO, status=sent, **elements),
    ]

    _, resources = feed(tmp_path, lines, as_of=date(2025, 3, 10))

    assert [one["status"] for one in resources[type_]] == [left]


def test_data_cut_before_a_withdrawal_is_what_ends_the_data(tmp_path: Path) -> None:
    withdrawn = research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-04-01"))

    found, _ = feed(tmp_path, [patient(), consent(), withdrawn, *LATE], as_of=date(2025, 3, 10))

    assert counts(found, "after-cut") == {("Observation", None): 2, ("ResearchSubject", "event"): 1}
    assert counts(found, "after-withdrawal") == {}


# --- of no type that is exported -------------------------------------------------------------------------------------


def test_types_that_are_not_exported_are_counted_for_the_subjects_only(tmp_path: Path) -> None:
    lines = [patient(), consent(), research_subject("1"), patient("2")]
    lines += [line("Coverage", f"k{of}", beneficiary={"reference": f"Patient/{of}"}) for of in "12"]
    lines += [line("DocumentReference", f"d{at}", subject=WHO, description="Mme Dupont") for at in range(3)]
    lines += [line("Organization", "h")]

    found, _ = feed(tmp_path, lines)

    assert counts(found, "type-not-exported") == {("Coverage", None): 1, ("DocumentReference", None): 3}
    assert "Dupont" not in repr(found.findings)


def test_resource_that_was_replaced_or_is_a_merged_patients_counts_once(tmp_path: Path) -> None:
    merged = patient("9", link=[{"other": WHO, "type": "replaced-by"}])
    lines = [patient(), merged, consent(), research_subject("1")]
    lines += [line("Coverage", "k", version=at, beneficiary={"reference": "Patient/9"}) for at in (1, 2)]

    found, _ = feed(tmp_path, lines)

    assert counts(found, "type-not-exported") == {("Coverage", None): 1}


def test_participation_in_another_study_is_counted(tmp_path: Path) -> None:
    other = line("ResearchSubject", "other", status="on-study", individual=WHO, study={"identifier": {"value": "X1"}})

    found, _ = feed(tmp_path, [patient(), consent(), research_subject("1"), other])

    assert counts(found, "type-not-exported") == {("ResearchSubject", None): 1}


def test_consent_to_something_else_is_counted(tmp_path: Path) -> None:
    other = consent(id="c9", identifier=[{"system": "urn:x", "value": "other"}])

    found, resources = feed(tmp_path, [patient(), consent(), research_subject("1"), other])

    assert counts(found, "other-consent") == {("Consent", None): 1}
    assert len(resources["Consent"]) == 1


# --- one end is told once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "ended_on"),
    [
        (event("not-registered", "2025-03-10", reason="consent-withdrawn"), "2025-03-10"),
        (event("not-registered", "2025-03-10", reason="other"), "2025-03-10"),
        (event("not-registered", "2025-03-08", reason="consent-withdrawn"), "2025-03-10"),
        (event("withdrawn", "2025-03-08"), "2025-03-10"),
    ],
    ids=["that day", "that day, another reason", "taken back before", "withdrawn before"],
)
def test_form_that_ended_with_the_participation_is_no_second_end(tmp_path: Path, last: Any, ended_on: str) -> None:
    inactive = consent(id="c2", on=ended_on, status="inactive")

    found, resources = feed(tmp_path, [patient(), consent(), inactive, research_subject("1", SIGNED, last), *LATE])

    assert kinds(found) == ["consented", last.kind.value]
    assert all(one["effectiveDateTime"] <= ended_on for one in resources.get("Observation", []))


def test_form_that_ended_after_the_screening_failed_is_a_withdrawal(tmp_path: Path) -> None:
    failed = research_subject("1", SIGNED, event("not-registered", "2025-03-08", reason="investigator-decision"))

    found, _ = feed(tmp_path, [patient(), consent(), consent(id="c2", on="2025-03-10", status="inactive"), failed])

    assert kinds(found) == ["consented", "not-registered", "withdrawn"]
    assert found.subjects[0].withdrawn_on == date(2025, 3, 10)


def test_withdrawal_recorded_as_of_a_later_day_is_that_of_the_form(tmp_path: Path) -> None:
    later = research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-04-20", reason="other"))

    found, resources = feed(
        tmp_path, [patient(), consent(), consent(id="c2", on="2025-03-10", status="inactive"), later, *LATE]
    )

    assert found.subjects[0].withdrawn_on == date(2025, 3, 10)
    assert [one.reason for one in found.subjects[0].events][-1] == "other"
    assert resources["ResearchSubject"][0]["status"] == "withdrawn"
    assert counts(found, "after-withdrawal") == {("Observation", None): 2}


# --- a history in doubt ----------------------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], None], *events: Any) -> bytes:
    """A ResearchSubject that a hospital changed."""
    body = json.loads(research_subject("1", *(events or (SIGNED, REGISTERED, RANDOMISED))))
    change(body)
    return json.dumps(body).encode()


def spoil(kind: str) -> Callable[[dict[str, Any]], None]:
    """Make the day of an event unreadable."""

    def change(body: dict[str, Any]) -> None:
        for one in body["extension"]:
            parts = one.get("extension", [])
            if any(part.get("valueCode") == kind for part in parts):
                for part in parts:
                    if "valueDate" in part:
                        part["valueDate"] = "Mme Dupont"

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(status="on-study"),
        lambda body: body.update(status="active"),
        lambda body: body.update(assignedArm="other"),
        lambda body: body.update(period={"start": "2024-01-01"}),
    ],
    ids=["status", "no status of R4", "arm", "period"],
)
def test_events_hold_where_a_hospital_says_something_else_and_it_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    found, _ = feed(tmp_path, [patient(), consent(), changed(change)])

    assert kinds(found) == ["consented", "registered", "randomised"]
    assert found.subjects[0].site_code == "05"
    assert [(one.domain, one.count) for one in told_of(found, "history-differs")] == [("ResearchSubject", 1)]


def test_history_that_agrees_with_itself_is_not_doubted(tmp_path: Path) -> None:
    found, _ = feed(tmp_path, [patient(), consent(), changed(lambda body: None)])

    assert not told_of(found, "history-differs") and not told_of(found, "history-not-read")


def test_event_that_cannot_be_read_costs_the_others_nothing_and_is_told(tmp_path: Path) -> None:
    found, _ = feed(tmp_path, [patient(), consent(), changed(spoil("randomised"))])

    assert kinds(found)[:2] == ["consented", "registered"]
    assert len(told_of(found, "history-not-read")) == 1
    assert "Dupont" not in repr(found.findings)


@pytest.mark.parametrize(
    ("period", "until"), [({"end": "2025-03-10"}, date(2025, 3, 10)), ({}, date(2025, 2, 10))], ids=["day", "no day"]
)
def test_withdrawal_that_only_the_status_tells_holds(tmp_path: Path, period: Any, until: date) -> None:
    def change(body: dict[str, Any]) -> None:
        body.update(status="withdrawn", assignedArm="other", period=period)

    found, resources = feed(tmp_path, [patient(), consent(), changed(change), *LATE])

    assert found.subjects[0].withdrawn_on == until
    assert all(one["effectiveDateTime"] <= until.isoformat() for one in resources.get("Observation", []))


def test_withdrawal_that_cannot_be_read_lets_nothing_leave(tmp_path: Path) -> None:
    lines = [patient(), consent(), changed(spoil("withdrawn"), SIGNED, REGISTERED, event("withdrawn", "2025-03-10"))]

    found, _ = feed(tmp_path, [*lines, *LATE])

    assert found.subjects == () and found.files == {}
    assert found.left_out == {"no-history": 1}


# --- adverse events --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "element", "told"),
    [("4.0.1", "instance", "event"), ("5.0.0", "instanceReference", "code")],
)
def test_product_that_only_an_adverse_event_names_is_in_the_feed(
    tmp_path: Path, version: str, element: str, told: str
) -> None:
    product = {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]}
    event_: dict[str, Any] = {
        told: {"coding": [{"system": "urn:reluth:terms", "code": "ae-nausea"}]},
        "date": "2025-02-01",
    }
    suspected = [{element: {"reference": "Medication/m1"}}]
    lines = [
        patient(),
        consent(),
        research_subject("1", SIGNED),
        line("Medication", "m1", code=product | {"text": "LUTATHERA 4711"}),
        line("AdverseEvent", "a1", subject=WHO, suspectEntity=suspected, **event_),
    ]

    _, resources = feed(tmp_path, lines, settings=_of_version(version))

    (made,) = resources["Medication"]
    assert made["code"] == product
    assert resources["AdverseEvent"][0]["suspectEntity"] == [{"instance": {"reference": f"Medication/{made['id']}"}}]


@pytest.mark.parametrize("died", ["patient", "history"])
@pytest.mark.parametrize("end", ["cut", "withdrawal"])
def test_adverse_event_tells_no_death_after_the_end_of_the_data(tmp_path: Path, died: str, end: str) -> None:
    hl7 = "http://terminology.hl7.org/CodeSystem/adverse-event"
    told: dict[str, Any] = {
        "event": {"coding": [{"system": "urn:reluth:terms", "code": "ae-sepsis"}]},
        "date": "2025-03-01",
        "outcome": {"coding": [{"system": f"{hl7}-outcome", "code": "fatal"}]},
        "seriousness": {"coding": [{"system": f"{hl7}-seriousness", "code": "SeriousResultsInDeath"}]},
        "extension": [{"url": "urn:reluth:adverse-event-grade", "valueInteger": 5}],
    }
    events = [SIGNED, *([event("withdrawn", "2025-03-10")] if end == "withdrawal" else [])]
    late = event("died", "2025-04-01")
    lines = [
        patient(**({"deceasedDateTime": "2025-04-01"} if died == "patient" else {})),
        consent(),
        research_subject("1", *events, *([late] if died == "history" else [])),
        line("AdverseEvent", "a1", subject=WHO, **told),
    ]
    options = {"as_of": date(2025, 3, 10)} if end == "cut" else {}

    _, resources = feed(tmp_path, lines, **options)

    (left,) = resources["AdverseEvent"]
    assert left["outcome"]["coding"][0]["code"] == "ongoing"
    assert left["seriousness"]["coding"][0]["code"] == "Serious"
    assert "extension" not in left


def test_adverse_event_tells_the_death_that_the_data_hold(tmp_path: Path) -> None:
    code = {"system": "http://terminology.hl7.org/CodeSystem/adverse-event-outcome", "code": "fatal"}
    told: dict[str, Any] = {
        "event": {"coding": [{"system": "urn:reluth:terms", "code": "ae-sepsis"}]},
        "date": "2025-03-01",
        "outcome": {"coding": [code]},
    }
    lines = [
        patient(deceasedDateTime="2025-03-10"),
        consent(),
        research_subject("1", SIGNED),
        line("AdverseEvent", "a1", subject=WHO, **told),
    ]

    _, resources = feed(tmp_path, lines, as_of=date(2025, 3, 10))

    assert resources["AdverseEvent"][0]["outcome"] == {"coding": [code]}


@pytest.mark.parametrize(("status", "left"), [("completed", 1), ("entered-in-error", 0)])
def test_adverse_event_that_was_entered_in_error_is_none(tmp_path: Path, status: str, left: int) -> None:
    told: dict[str, Any] = {
        "code": {"coding": [{"system": "urn:reluth:terms", "code": "ae-nausea"}]},
        "occurrenceDateTime": "2025-02-01",
    }
    lines = [
        patient(),
        consent(),
        research_subject("1", SIGNED),
        line("AdverseEvent", "a1", subject=WHO, status=status, actuality="actual", **told),
    ]

    found, resources = feed(tmp_path, lines, settings=_of_version("5.0.0"))

    assert len(resources.get("AdverseEvent", ())) == left
    assert counts(found, "entered-in-error") == ({} if left else {("AdverseEvent", None): 1})


def _of_version(version: str) -> Settings:
    return Settings.model_validate({"sites": {"icm": {"fhir_version": version, "site_code": "05"}}})
