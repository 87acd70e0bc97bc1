"""Subject <-> ResearchSubject: nothing is lost on the way, the status is the table's, and what cannot be read is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.criteria import Stage, reference_date
from adapter.documents import load_trial
from adapter.fhir import FhirVersion, Json, PatientRecord, problems
from mappings.elements import SUBJECT_SYSTEM
from mappings.entities import (
    EntityError,
    EventKind,
    Subject,
    SubjectEvent,
)
from mappings.foreign import MappingError
from mappings.subject import OWNED, TRIAL_SYSTEM, event_for, from_fhir, status_of, to_fhir
from mappings.updating import carry_over
from tests.support.entity_subject import PATIENT, RELUTH, event, road, sample_subjects, subject_of, subjects

EXAMPLES = Path(__file__).parent / "examples"
R4, R4B, R5 = FhirVersion.R4, FhirVersion.R4B, FhirVersion.R5
VERSIONS = list(FhirVersion)
STATES = "http://terminology.hl7.org/CodeSystem/research-subject-state"
MILESTONES = "http://terminology.hl7.org/CodeSystem/research-subject-milestone"
CHANGED = {"versionId": "7", "lastUpdated": "2026-05-31T22:30:00.000Z"}
DAY_OF_CHANGE = "2026-06-01"

#: The subject of the two documents in ``examples``.
SHOWN = subject_of(
    event("pre-screened", "2025-02-03"),
    event("screening", "2025-02-17"),
    event("screened", "2025-03-01"),
    event("eligible", "2025-03-01"),
    event("consented", "2025-03-03"),
    event("registered", "2025-03-03"),
    event("cycle", "2025-03-10", cycle=1),
    event("cycle", "2025-05-12", cycle=2),
    event("randomised", "2025-07-10", arm="experimental", intervention=True),
    event("cycle", "2025-07-14", cycle=3),
    event("withdrawn", "2025-09-01", reason="consent-withdrawn"),
)

WRITTEN = {
    version: [{**to_fhir(subject, version=version), "meta": CHANGED} for _, subject in sample_subjects()]
    for version in VERSIONS
}


def sent(resource: Json) -> Json:
    """As it comes back over the wire."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(resource)
    decoded: Json = json.loads(encoded, parse_float=Decimal)
    return decoded


def fault(resource: Any, **more: Any) -> str:
    """The path at which it is refused."""
    with pytest.raises(MappingError) as caught:
        from_fhir(resource, **more)
    return caught.value.path


def foreign_r4(status: str, **more: Any) -> Json:
    """A ResearchSubject as another tool writes it."""
    return {
        "resourceType": "ResearchSubject",
        "id": "s1",
        "identifier": [{"system": "urn:oid:1.2.250.1.999.7", "value": "MTP-001"}],
        "status": status,
        "period": {"start": "2025-03-03"},
        "study": {
            "reference": "ResearchStudy/9",
            "identifier": {"system": "http://clinicaltrials.gov", "value": "NCT04954820"},
        },
        "individual": {"reference": "Patient/p1", "identifier": {"system": PATIENT.system, "value": PATIENT.value}},
        **more,
    }


def foreign_r5(*progress: Json, **more: Any) -> Json:
    found = {key: value for key, value in foreign_r4("active").items() if key not in ("individual", "period")}
    return {**found, "subject": foreign_r4("active")["individual"], "progress": list(progress), **more}


def entry(state: str | None = None, start: str | None = None, *, milestone: str | None = None, **more: Any) -> Json:
    found: Json = dict(more)
    if state:
        found["subjectState"] = {"coding": [{"system": STATES, "code": state}]}
    if milestone:
        found["milestone"] = {"coding": [{"system": MILESTONES, "code": milestone}]}
    if start:
        found["startDate"] = start
    return found


def state_in(found: Json) -> str | None:
    return found["subjectState"]["coding"][0]["code"] if "subjectState" in found else None


def milestones(resource: Json) -> list[tuple[str, str]]:
    return [
        (one["milestone"]["coding"][0]["code"], one["startDate"]) for one in resource["progress"] if "milestone" in one
    ]


# --- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=subjects())
def test_a_subject_comes_back_from_fhir_as_it_was(version: FhirVersion, subject: Subject) -> None:
    resource = to_fhir(subject, version=version)

    assert from_fhir(resource) == subject
    assert from_fhir(sent(resource)) == subject


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=subjects(), seed=st.integers(0, 10**6))
def test_a_subject_is_read_whatever_a_server_adds_and_however_it_orders(
    version: FhirVersion, subject: Subject, seed: int
) -> None:
    random = Random(seed)
    resource = to_fhir(subject, version=version)
    for found in _lists(resource):
        random.shuffle(found)
    person = resource["subject" if version is R5 else "individual"]
    person |= {"reference": "Patient/77", "display": "—"}
    resource["study"]["reference"] = "ResearchStudy/3"
    resource["extension"].insert(0, {"url": "https://hospital.example/fhir/ward", "valueString": "B2"})
    resource["identifier"].insert(0, {"use": "official", "system": "urn:oid:1.2.250.1.999", "value": "H-1"})
    resource |= {"id": "77", "meta": CHANGED, "text": {"status": "generated", "div": "<div>x</div>"}}
    resource["consent"] = [{"reference": "Consent/1"}] if version is R5 else {"reference": "Consent/1"}

    assert from_fhir(resource) == subject


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("shows", "subject"), list(sample_subjects()))
def test_a_subject_is_written_as_fhir_has_it(version: FhirVersion, shows: str, subject: Subject) -> None:
    resource = to_fhir(subject, version=version)

    assert problems(resource, version) == [], shows
    assert from_fhir(resource) == subject


@pytest.mark.parametrize(
    ("version", "name"), [(R4, "subject-r4.json"), (R4B, "subject-r4.json"), (R5, "subject-r5.json")]
)
def test_a_subject_is_pushed_as_the_example_shows(version: FhirVersion, name: str) -> None:
    expected = json.loads((EXAMPLES / name).read_text(encoding="utf-8"), parse_float=Decimal)

    assert to_fhir(SHOWN, version=version, study=RELUTH) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subject_is_written_with_the_elements_that_it_owns(version: FhirVersion) -> None:
    written = {key for _, subject in sample_subjects() for key in to_fhir(subject, version=version)}

    assert written - {"resourceType", "extension"} == OWNED[version]["ResearchSubject"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subject_never_carries_the_patients_number_outside_the_reference(version: FhirVersion) -> None:
    resource = to_fhir(SHOWN, version=version)
    del resource["subject" if version is R5 else "individual"]

    assert PATIENT.value not in json.dumps(resource)


# --- the table of section 8 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "status", "state"),
    [
        (road("pre-screened"), "potential-candidate", "potential-candidate"),
        (road("reviewed"), "candidate", "candidate"),
        (road("screening"), "screening", "screening"),
        (road("screened"), "screening", "screening"),
        ((event("screened", "2025-02-03"),), "screening", "screening"),
        ((*road("eligible"), event("screened", "2025-06-01")), "eligible", "eligible"),
        (road("eligible"), "eligible", "eligible"),
        ((event("ineligible", "2025-02-03"),), "ineligible", "ineligible"),
        ((event("not-registered", "2025-02-03"),), "not-registered", "not-registered"),
        (road("consented"), "pending-on-study", "pending-on-study"),
        (road("registered"), "pending-on-study", "on-study"),
        (road("cycle"), "on-study", "on-study"),
        ((*road("cycle"), event("consented", "2025-06-01")), "on-study", "on-study"),
        ((*road("cycle"), event("cycle", "2025-06-01", cycle=2)), "on-study", "on-study"),
        ((*road("cycle"), event("randomisation-failed", "2025-06-01")), "off-study", "off-study"),
        (road("randomised"), "on-study-intervention", "on-study-intervention"),
        (road("randomised", intervention=False), "on-study-observation", "on-study-observation"),
        (
            (*road("randomised"), event("cycle", "2025-06-01", cycle=3)),
            "on-study-intervention",
            "on-study-intervention",
        ),
        (road("visit", intervention=False), "on-study-observation", "on-study-observation"),
        (road("treatment-over"), "follow-up", "follow-up"),
        ((*road("treatment-over"), event("visit", "2026-06-01", visit=9)), "follow-up", "follow-up"),
        (road("progression", intervention=False), "follow-up", "follow-up"),
        ((*road("cycle"), event("withdrawn", "2025-06-01")), "withdrawn", "withdrawn"),
        (road("died"), "off-study", "off-study"),
        (road("ended"), "off-study", "off-study"),
    ],
)
def test_a_status_is_that_of_the_table(happened: tuple[SubjectEvent, ...], status: str, state: str) -> None:
    subject = subject_of(*happened)
    told = [state_in(one) for one in to_fhir(subject, version=R5)["progress"] if "subjectState" in one]

    assert status_of(subject) == to_fhir(subject)["status"] == status
    assert told[-1] == state
    assert to_fhir(subject, version=R5)["status"] == "active"


def test_progress_tells_a_state_once_and_its_end() -> None:
    told = [
        (state_in(one), one["startDate"], one.get("endDate"))
        for one in to_fhir(SHOWN, version=R5)["progress"]
        if "subjectState" in one
    ]

    assert told == [
        ("potential-candidate", "2025-02-03", "2025-02-17"),
        ("screening", "2025-02-17", "2025-03-01"),
        ("eligible", "2025-03-01", "2025-03-03"),
        ("pending-on-study", "2025-03-03", "2025-03-03"),
        ("on-study", "2025-03-03", "2025-07-10"),
        ("on-study-intervention", "2025-07-10", "2025-09-01"),
        ("withdrawn", "2025-09-01", None),
    ]


def test_progress_tells_the_milestones_and_takes_no_consent_for_an_interest_shown() -> None:
    assert milestones(to_fhir(SHOWN, version=R5)) == [("Screened", "2025-03-01"), ("Randomized", "2025-07-10")]


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (road("eligible"), None),
        ((*road("eligible"), event("withdrawn", "2025-09-01")), None),
        (road("registered"), {"start": "2025-03-17"}),
        (road("progression"), {"start": "2025-03-17"}),
        ((*road("registered"), event("withdrawn", "2025-09-01")), {"start": "2025-03-17", "end": "2025-09-01"}),
        (
            (*road("registered"), event("withdrawn", "2025-09-01"), event("died", "2025-10-01")),
            {"start": "2025-03-17", "end": "2025-09-01"},
        ),
        (
            (*road("registered"), event("randomisation-failed", "2025-09-01")),
            {"start": "2025-03-17", "end": "2025-09-01"},
        ),
        ((*road("registered"), event("died", "2025-09-01")), {"start": "2025-03-17", "end": "2025-09-01"}),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_period_goes_from_registration_to_the_end(
    version: FhirVersion, happened: tuple[SubjectEvent, ...], expected: Json | None
) -> None:
    assert to_fhir(subject_of(*happened), version=version).get("period") == expected


@pytest.mark.parametrize(
    ("happened", "assigned", "actual"),
    [
        (road("cycle"), None, None),
        (road("randomised"), "experimental", None),
        ((*road("randomised"), event("cycle", "2026-01-01", cycle=3)), "experimental", "experimental"),
        (road("visit", intervention=False), "control", "control"),
    ],
)
def test_an_arm_is_actual_once_it_was_begun(
    happened: tuple[SubjectEvent, ...], assigned: str | None, actual: str | None
) -> None:
    r4, r5 = to_fhir(subject_of(*happened)), to_fhir(subject_of(*happened), version=R5)

    assert (r4.get("assignedArm"), r4.get("actualArm")) == (assigned, actual)
    assert (r5.get("assignedComparisonGroup"), r5.get("actualComparisonGroup")) == (assigned, actual)


def test_an_arm_whose_name_is_no_id_is_linked_in_r5_as_the_study_links_it() -> None:
    subject = subject_of(*road("cycle"), event("randomised", "2025-07-10", arm="bras témoin", intervention=False))
    r5 = to_fhir(subject, version=R5)

    assert to_fhir(subject)["assignedArm"] == "bras témoin"
    assert r5["assignedComparisonGroup"].startswith("arm-") and from_fhir(r5) == subject


# --- the study -----------------------------------------------------------------------------------------------------


def test_a_subject_names_its_study_by_the_official_number_where_the_study_is_given() -> None:
    named, plain = to_fhir(SHOWN, study=RELUTH)["study"], to_fhir(SHOWN)["study"]

    assert named == {
        "type": "ResearchStudy",
        "identifier": {"system": "http://clinicaltrials.gov", "value": "NCT04954820"},
    }
    assert plain == {"type": "ResearchStudy", "identifier": {"system": TRIAL_SYSTEM, "value": "nct04954820"}}
    assert from_fhir(to_fhir(SHOWN, study=RELUTH)) == from_fhir(to_fhir(SHOWN, study=RELUTH), study=RELUTH) == SHOWN


def test_a_subject_is_not_written_for_another_study() -> None:
    with pytest.raises(EntityError, match="study: is another study"):
        to_fhir(subject_of(*road("reviewed"), study="start-net"), study=RELUTH)


def test_a_subject_that_was_moved_to_another_study_is_refused() -> None:
    resource = to_fhir(SHOWN, study=RELUTH)
    resource["study"]["identifier"]["value"] = "NCT00000000"

    assert fault(resource, study=RELUTH) == "study"
    assert fault({**to_fhir(SHOWN), "study": {"identifier": {"system": TRIAL_SYSTEM, "value": "start-net"}}}) == "study"


def test_our_own_screening_reads_the_registration_of_what_is_pushed() -> None:
    resource = {**to_fhir(subject_of(*road("cycle")), study=RELUTH), "id": "s1"}
    resource["individual"]["reference"] = "Patient/1"
    raw = [json.dumps(one).encode() for one in ({"resourceType": "Patient", "id": "1"}, resource)]
    record = PatientRecord.read("Patient/1", raw)

    assert str(reference_date(load_trial("nct04954820"), record, Stage.REGISTRATION)) == "2025-03-17"


# --- a status that a hospital changed (R4) -------------------------------------------------------------------------


@pytest.mark.parametrize("version", [R4, R4B])
@pytest.mark.parametrize(
    ("happened", "status", "expected"),
    [
        (road("pre-screened"), "candidate", {"kind": "reviewed"}),
        (road("reviewed"), "potential-candidate", {"kind": "pre-screened"}),
        (road("reviewed"), "screening", {"kind": "screening"}),
        (road("screening"), "eligible", {"kind": "eligible"}),
        (road("screening"), "ineligible", {"kind": "ineligible", "reason": "unknown"}),
        (road("eligible"), "not-registered", {"kind": "not-registered", "reason": "unknown"}),
        ((*road("consented"), event("eligible", "2025-05-01")), "pending-on-study", {"kind": "registered"}),
        (road("registered"), "on-study", {"kind": "cycle", "cycle": 1}),
        (road("treatment-over"), "withdrawn", {"kind": "withdrawn"}),
        (road("cycle"), "off-study", {"kind": "ended", "reason": "unknown"}),
        (road("randomised"), "follow-up", {"kind": "treatment-over"}),
    ],
)
def test_a_status_changed_at_the_hospital_becomes_an_event_of_that_day(
    version: FhirVersion, happened: tuple[SubjectEvent, ...], status: str, expected: dict[str, Any]
) -> None:
    resource = {**to_fhir(subject_of(*happened), version=version), "status": status, "meta": CHANGED}
    pulled = from_fhir(resource)

    # 22:30 UTC is the next day in Paris.
    assert pulled == subject_of(*happened, event(on=DAY_OF_CHANGE, **expected))
    assert to_fhir(pulled, version=version)["status"] == status


@pytest.mark.parametrize(("status", "given_there"), [("on-study-intervention", True), ("on-study-observation", False)])
def test_a_randomisation_recorded_at_the_hospital_needs_its_arm(status: str, given_there: bool) -> None:
    happened = road("cycle")
    resource = {**to_fhir(subject_of(*happened)), "status": status, "meta": CHANGED}
    randomised = event("randomised", DAY_OF_CHANGE, arm="bras témoin", intervention=given_there)

    assert fault(resource) == "status"
    assert from_fhir({**resource, "assignedArm": "bras témoin"}) == subject_of(*happened, randomised)


@pytest.mark.parametrize(
    ("happened", "status"),
    [
        (road("screening"), "pending-on-study"),
        (road("eligible"), "on-study"),
        (road("consented"), "on-study"),
        (road("eligible"), "on-study-intervention"),
        (road("eligible"), "follow-up"),
        (road("cycle"), "follow-up"),
        (road("cycle"), "pending-on-study"),
        (road("cycle"), "eligible"),
        (road("randomised"), "on-study-observation"),
        (road("ended"), "withdrawn"),
        ((*road("registered"), event("withdrawn", "2025-09-01")), "on-study"),
    ],
)
def test_a_status_that_no_event_may_lead_to_is_refused(happened: tuple[SubjectEvent, ...], status: str) -> None:
    resource = {**to_fhir(subject_of(*happened)), "status": status, "meta": CHANGED}

    assert fault(resource) == "status"


def test_a_changed_status_without_a_day_is_refused() -> None:
    resource = {**to_fhir(subject_of(*road("reviewed"))), "status": "screening"}

    assert fault(resource) == "status"
    assert fault({**resource, "meta": {"versionId": "2"}}) == "status"
    assert fault({**resource, "meta": {"lastUpdated": "lately"}}) == "meta.lastUpdated"
    assert fault({**resource, "meta": {"lastUpdated": "2024-01-01T10:00:00Z"}}) == "status"


def test_a_withdrawal_and_a_registration_are_dated_by_the_period_where_it_tells_them() -> None:
    begun = road("registered")
    left = {**to_fhir(subject_of(*begun)), "status": "withdrawn", "meta": CHANGED}
    left["period"] = {"start": begun[-1].on, "end": "2026-02-01T09:00:00+01:00"}
    consented = (*road("consented"), event("eligible", "2025-05-01"))
    taken = {**to_fhir(subject_of(*consented)), "status": "pending-on-study", "meta": CHANGED}
    taken["period"] = {"start": "2025-05-02"}

    assert from_fhir(left).events[-1] == event("withdrawn", "2026-02-01")
    assert from_fhir(taken).events[-1] == event("registered", "2025-05-02")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("happened", "period", "path"),
    [
        (road("cycle"), {"start": "2025-03-18"}, "period.start"),
        (road("cycle"), {"start": "2025-03-17", "end": "2026-01-01"}, "period.end"),
        (road("reviewed"), {"start": "2025-03-17"}, "period.start"),
        (road("cycle"), {"start": "then"}, "period.start"),
        (road("cycle"), {"start": "2025-03"}, None),
        (road("cycle"), {"start": "2025-03-17T08:00:00+01:00"}, None),
        (road("cycle"), {}, None),
    ],
)
def test_a_period_changed_at_the_hospital_is_not_overlooked(
    version: FhirVersion, happened: tuple[SubjectEvent, ...], period: Json, path: str | None
) -> None:
    resource = {**to_fhir(subject_of(*happened), version=version), "period": period}

    if path is None:
        assert from_fhir(resource) == subject_of(*happened)
    else:
        assert fault(resource) == path


@pytest.mark.parametrize(
    ("version", "name"),
    [(R4, "assignedArm"), (R4, "actualArm"), (R5, "assignedComparisonGroup"), (R5, "actualComparisonGroup")],
)
def test_an_arm_changed_at_the_hospital_is_not_overlooked(version: FhirVersion, name: str) -> None:
    randomised, registered = subject_of(*road("randomised")), subject_of(*road("registered"))

    assert fault({**to_fhir(randomised, version=version), name: "control"}) == name
    assert fault({**to_fhir(registered, version=version), name: "control"}) == name
    assert from_fhir({**to_fhir(randomised, version=version), name: "experimental"}) == randomised


# --- entries of others (R5) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "added", "expected"),
    [
        (road("screening"), entry("ineligible", "2026-01-01"), [event("ineligible", "2026-01-01", reason="unknown")]),
        (
            road("screening"),
            entry("ineligible", "2026-01-01", reason={"coding": [{"system": "urn:x:y", "code": "E07"}]}),
            [event("ineligible", "2026-01-01", reason="E07")],
        ),
        (
            road("screening"),
            entry("ineligible", "2026-01-01", reason={"text": "Mme Durand ne veut pas"}),
            [event("ineligible", "2026-01-01", reason="unknown")],
        ),
        (road("screening"), entry("eligible", "2026-01-01T23:30:00Z"), [event("eligible", "2026-01-02")]),
        (road("screening"), entry("eligible"), [event("eligible", DAY_OF_CHANGE)]),
        (road("reviewed"), entry(None, "2026-01-01", milestone="Screened"), [event("screened", "2026-01-01")]),
        (road("consented"), entry("on-study", "2026-01-01"), [event("registered", "2026-01-01")]),
        (road("registered"), entry("on-study", "2026-01-01"), []),
        (road("registered"), entry("pending-on-study", "2026-01-01"), []),
        (road("treatment-over"), entry("withdrawn", "2026-01-01"), [event("withdrawn", "2026-01-01")]),
        (road("screening"), entry("screening", "2025-02-20"), []),
    ],
)
def test_an_entry_of_somebody_else_becomes_an_event(
    happened: tuple[SubjectEvent, ...], added: Json, expected: list[SubjectEvent]
) -> None:
    resource = {**to_fhir(subject_of(*happened), version=R5), "meta": CHANGED}
    resource["progress"].insert(0, added)
    pulled = from_fhir(resource)

    assert pulled == subject_of(*happened, *expected)
    assert from_fhir(to_fhir(pulled, version=R5)) == pulled


def test_an_entry_of_somebody_else_stands_at_its_day() -> None:
    happened = (event("reviewed", "2025-02-03"), event("eligible", "2025-03-03"))
    resource = to_fhir(subject_of(*happened), version=R5)
    resource["progress"].append(entry("ineligible", "2025-02-20"))

    between = event("ineligible", "2025-02-20", reason="unknown")
    assert from_fhir(resource) == subject_of(happened[0], between, happened[1])


def test_a_state_changed_in_our_own_entry_becomes_an_event() -> None:
    happened = road("eligible")
    resource = to_fhir(subject_of(*happened), version=R5)
    resource["progress"][-1]["subjectState"]["coding"][0]["code"] = "not-registered"

    expected = event("not-registered", happened[-1].on, reason="unknown")
    assert from_fhir(resource) == subject_of(*happened, expected)


def test_a_day_and_a_reason_changed_in_our_own_entry_are_read() -> None:
    resource = to_fhir(subject_of(event("reviewed", "2025-02-03"), event("ineligible", "2025-03-03")), version=R5)
    resource["progress"][1]["startDate"] = "2025-03-04"
    resource["progress"][1]["reason"]["coding"].insert(0, {"system": "urn:x:y", "code": "A1"})
    resource["progress"][1]["reason"]["coding"][1]["code"] = "E09"

    assert from_fhir(resource).events[1] == event("ineligible", "2025-03-04", reason="E09")


def test_a_last_state_that_was_ended_without_a_next_one_is_refused() -> None:
    resource = to_fhir(subject_of(*road("eligible")), version=R5)
    resource["progress"][-1]["endDate"] = "2026-01-01"

    assert fault(resource) == "progress[4].endDate"
    resource["progress"].append(entry("withdrawn", "2026-01-01"))
    assert from_fhir(resource).events[-1] == event("withdrawn", "2026-01-01")


def test_days_changed_in_our_own_entries_only_change_the_order() -> None:
    found, screened, eligible = (
        event("pre-screened", "2025-02-03"),
        event("screened", "2025-03-01"),
        event("eligible", "2025-03-03"),
    )
    resource = to_fhir(subject_of(found, screened, eligible), version=R5)
    resource["progress"][3]["startDate"] = "2025-02-20"

    # The milestone was written with a state that it does not lead to any more.
    assert from_fhir(resource) == subject_of(found, event("eligible", "2025-02-20"), screened)


def test_an_event_with_two_entries_has_one_day() -> None:
    happened = road("randomised")
    resource = to_fhir(subject_of(*happened), version=R5)
    milestone, state = resource["progress"][-2:]
    state["startDate"] = "2026-01-01"

    assert fault(resource) == "progress[9].startDate"
    milestone["startDate"] = "2026-01-01"
    assert from_fhir(resource).events == (*happened[:-1], msgspec.structs.replace(happened[-1], on="2026-01-01"))


def test_a_milestone_whose_event_was_removed_is_read_as_somebody_elses() -> None:
    happened = (event("pre-screened", "2025-02-03"), event("screened", "2025-03-01"))
    resource = to_fhir(subject_of(*happened), version=R5)
    del resource["progress"][2]

    # The state before it was written as over.
    assert fault(resource) == "progress[0].endDate"
    del resource["progress"][0]["endDate"]
    assert from_fhir(resource) == subject_of(*happened)


def test_a_randomisation_in_the_words_of_fhir_is_one_event() -> None:
    happened = road("cycle")
    resource = to_fhir(subject_of(*happened), version=R5)
    resource["progress"][-1].pop("endDate", None)
    resource["progress"] += [
        entry(None, "2026-01-01", milestone="Randomized"),
        entry("on-study-observation", "2026-01-01"),
    ]
    randomised = event("randomised", "2026-01-01", arm="bras témoin", intervention=False)

    assert fault(resource) == "progress[9].subjectState"
    linked = {
        **resource,
        "assignedComparisonGroup": to_fhir(subject_of(*happened, randomised), version=R5)["assignedComparisonGroup"],
    }
    assert from_fhir(linked, study=RELUTH) == subject_of(*happened, randomised)
    assert from_fhir({**resource, "assignedComparisonGroup": "control"}).arm == "control"


@pytest.mark.parametrize(
    ("added", "path"),
    [
        (entry("randomised", "2026-01-01"), "subjectState"),
        (entry("on-study-intervention", "2026-01-01"), "subjectState"),
        (entry(None, "2026-01-01", milestone="Randomized"), "milestone"),
        (entry(None, "2026-01-01", milestone="SignedUp"), "milestone"),
        (entry(None, "2026-01-01", milestone="Visit1"), "milestone"),
        (entry(None, "2026-01-01"), "subjectState"),
        (entry("ineligible"), "startDate"),
        (entry("ineligible", "2026"), "startDate"),
        (entry("ineligible", "soon"), "startDate"),
        (entry("ineligible", "2026-01-01", endDate="2026-02-01"), "endDate"),
        ({"subjectState": {"text": "screening"}, "startDate": "2026-01-01"}, "subjectState"),
        ({"subjectState": {"coding": [{"system": STATES}]}, "startDate": "2026-01-01"}, "subjectState"),
    ],
)
def test_an_entry_that_no_event_stands_for_is_refused(added: Json, path: str) -> None:
    resource = to_fhir(subject_of(*road("screening")), version=R5)
    at = len(resource["progress"])
    resource["progress"].append(added)

    assert fault(resource) == f"progress[{at}].{path}"


@pytest.mark.parametrize(
    ("at", "change", "path"),
    [
        (0, lambda one: one.pop("startDate"), "progress[0].startDate"),
        (0, lambda one: one["extension"][0]["extension"].pop(), "progress[0].extension[0].kind"),
        (10, lambda one: one.pop("subjectState"), "progress[10].extension[0].intervention"),
        (6, lambda one: one.update(startDate="2025-01-01"), "events[0].kind"),
    ],
)
def test_an_entry_of_ours_that_lost_what_it_needs_is_refused(at: int, change: Callable[[Json], Any], path: str) -> None:
    resource = to_fhir(subject_of(*road("treatment-over")), version=R5)
    change(resource["progress"][at])

    assert fault(resource) == path


@pytest.mark.parametrize("status", ["draft", "retired", "unknown", "on-study"])
def test_a_record_of_r5_that_is_not_in_use_is_refused(status: str) -> None:
    assert fault({**to_fhir(SHOWN, version=R5), "status": status}) == "status"


# --- resources of other tools --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ("potential-candidate", "pre-screened", None),
        ("candidate", "reviewed", None),
        ("screening", "screening", None),
        ("eligible", "eligible", None),
        ("ineligible", "ineligible", "unknown"),
        ("not-registered", "not-registered", "unknown"),
        ("withdrawn", "withdrawn", None),
        ("off-study", "ended", "unknown"),
    ],
)
def test_a_foreign_subject_has_the_event_that_its_status_stands_for(status: str, kind: str, reason: str | None) -> None:
    told = SubjectEvent(kind=EventKind(kind), on="2025-03-03", reason=reason)
    expected = subject_of(told, number="MTP-001")

    assert from_fhir(foreign_r4(status), study=RELUTH, site="05") == expected
    assert from_fhir(foreign_r5(entry(status, "2025-03-03")), study=RELUTH, site="05") == expected


@pytest.mark.parametrize(
    "status", ["pending-on-study", "on-study", "on-study-intervention", "on-study-observation", "follow-up"]
)
def test_a_foreign_subject_on_study_is_not_given_a_consent_that_nobody_told(status: str) -> None:
    told = {"study": RELUTH, "site": "05"}

    assert fault(foreign_r4(status, assignedArm="experimental"), **told) == "status"
    r5 = foreign_r5(entry(status, "2025-03-03"), assignedComparisonGroup="experimental")
    assert fault(r5, **told) == "progress[0].subjectState"


def test_a_foreign_subject_that_left_is_dated_by_the_end() -> None:
    told: dict[str, Any] = {"study": RELUTH, "site": "05"}

    assert from_fhir(foreign_r4("withdrawn", period={"end": "2025-07-01"}), **told).events[0].on == "2025-07-01"
    both = foreign_r4("withdrawn", period={"start": "2025-03-03", "end": "2025-07-01"})
    assert fault(both, **told) == "period.start"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"period": {}}, "period.start"),
        ({"period": {"start": "2025-03"}}, "period.start"),
        ({"period": None}, "period.start"),
        ({"identifier": []}, "identifier"),
        ({"identifier": [{"system": "urn:a:b", "value": "1"}, {"system": "urn:a:c", "value": "2"}]}, "identifier"),
        ({"identifier": [{"system": "urn:a:b", "value": PATIENT.value}]}, "number"),
        ({"study": {"reference": "ResearchStudy/9"}}, "study"),
        ({"study": {"identifier": {"system": "http://clinicaltrials.gov", "value": "NCT00000000"}}}, "study"),
        ({"study": None}, "study"),
        ({"individual": {"reference": "Patient/p1"}}, "individual.identifier"),
        ({"individual": {"identifier": {"value": "1"}}}, "individual.identifier.system"),
        ({"individual": {"identifier": {"system": "ipp", "value": "1"}}}, "individual.identifier.system"),
        ({"individual": {"type": "Group", "identifier": {"system": "urn:a:b", "value": "1"}}}, "individual.type"),
        ({"individual": None}, "individual"),
        ({"status": "randomised"}, "status"),
        ({"status": None}, "status"),
        ({"resourceType": "Observation"}, "resourceType"),
        ({"assignedArm": "experimental"}, "assignedArm"),
        ({"modifierExtension": [{"url": "urn:x:not", "valueBoolean": True}]}, "modifierExtension"),
        ({"period": {"start": "2025-03-03", "modifierExtension": [{"url": "urn:x:y"}]}}, "period.modifierExtension"),
    ],
)
def test_a_foreign_subject_that_lacks_something_is_refused_with_its_path(more: Json, path: str) -> None:
    resource = {key: value for key, value in {**foreign_r4("candidate"), **more}.items() if value is not None}

    assert fault(resource, study=RELUTH, site="05") == path


def test_a_foreign_subject_needs_the_study_and_the_site_that_it_was_pulled_for() -> None:
    assert fault(foreign_r4("candidate"), site="05") == "study"
    assert fault(foreign_r4("candidate"), study=RELUTH) == "extension"
    assert fault(foreign_r5(), study=RELUTH, site="05") == "progress"
    assert fault(foreign_r5(entry("candidate")), study=RELUTH, site="05") == "progress[0].startDate"


def test_a_foreign_subject_is_known_by_our_number_before_its_official_one() -> None:
    official = {"use": "official", "system": "urn:a:b", "value": "A"}
    listed = [{"system": "urn:a:c", "value": "B"}, official]
    ours = {"system": SUBJECT_SYSTEM, "value": "C"}

    assert from_fhir(foreign_r4("candidate", identifier=listed), study=RELUTH, site="05").number == "A"
    assert from_fhir(foreign_r4("candidate", identifier=[*listed, ours]), study=RELUTH, site="05").number == "C"


@pytest.mark.parametrize("resource", [None, [], "ResearchSubject", {}, {"resourceType": "ResearchSubject"}])
def test_what_is_no_subject_at_all_is_refused(resource: Any) -> None:
    with pytest.raises(MappingError):
        from_fhir(resource)


def test_an_error_quotes_nothing_of_the_resource() -> None:
    resource = foreign_r4("candidate", identifier=[{"system": "urn:a:b", "value": PATIENT.value}])
    resource["period"]["start"] = "Durand"

    with pytest.raises(MappingError) as caught:
        from_fhir(resource, study=RELUTH, site="05")
    assert str(caught.value) == "ResearchSubject/s1: period.start: a whole day is wanted"


# --- updating and breaking -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=subjects(), after=subjects())
def test_an_update_keeps_what_is_the_hospitals_and_reads_as_ours(
    version: FhirVersion, before: Subject, after: Subject
) -> None:
    theirs = to_fhir(before, version=version)
    ward = {"url": "https://hospital.example/fhir/ward", "valueString": "B2"}
    theirs["extension"].append(ward)
    theirs |= {"id": "77", "meta": CHANGED, "consent": {"reference": "Consent/1"}}
    # The same subject, whatever else became of it.
    renewed = msgspec.structs.replace(after, number=before.number, patient=before.patient)
    owned = OWNED[version]["ResearchSubject"]
    # As the push does where what the server says beyond ours would read as something else.
    merged = carry_over(to_fhir(renewed, version=version), theirs, owned=owned, exact=owned)

    assert from_fhir(merged) == renewed
    assert ward in merged["extension"] and merged["id"] == "77" and merged["consent"] == {"reference": "Consent/1"}


@pytest.mark.parametrize("version", [R4, R5])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_broken_subject_is_read_or_refused_but_nothing_else(version: FhirVersion, data: st.DataObject) -> None:
    resource = sent(data.draw(st.sampled_from(WRITTEN[version])))
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(resource))
        if not places:
            break
        holder, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(
                st.sampled_from(
                    [None, True, 0, -1, Decimal("1.5"), "", "x", "2026-01-01", [], ["x"], [None], {}, {"x": []}]
                )
            )

    with suppress(MappingError):
        assert isinstance(from_fhir(resource, study=data.draw(st.sampled_from([None, RELUTH])), site="05"), Subject)


# --- decisions -----------------------------------------------------------------------------------------------------


def test_every_state_of_a_trials_document_has_its_event() -> None:
    statuses = {state.research_subject_status for state in load_trial("nct04954820").states}
    found = {state: event_for(state, "2025-03-03", "other").kind for state in statuses}

    assert found == {
        "potential-candidate": EventKind.PRE_SCREENED,
        "candidate": EventKind.REVIEWED,
        "screening": EventKind.SCREENING,
        "eligible": EventKind.ELIGIBLE,
        "ineligible": EventKind.INELIGIBLE,
        "not-registered": EventKind.NOT_REGISTERED,
        "on-study": EventKind.REGISTERED,
        "withdrawn": EventKind.WITHDRAWN,
    }


def test_a_decision_without_its_status_day_or_reason_has_no_event() -> None:
    for told, field in [
        (("follow-up", "2025-03-03"), "status"),
        (("eligible", "2025-03"), "on"),
        (("ineligible", "2025-03-03"), "reason"),
    ]:
        with pytest.raises(EntityError) as caught:
            event_for(*told)
        assert caught.value.field == field


def _lists(content: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        found += ([value] if isinstance(value, list) else []) + _lists(value)
    return found


def _places(content: Any) -> Any:
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _places(content[key])
