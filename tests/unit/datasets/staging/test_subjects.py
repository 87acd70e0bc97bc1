"""Promises of who is in an export, under which number, and until when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from adapter.config import Settings, SiteSettings
from adapter.datasets.staging.feed import Staged
from adapter.store import Store
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier, Subject
from tests.support.subjects import (
    TRIAL,
    consent,
    event,
    feed,
    lab,
    patient,
    read,
    research_subject,
    staged,
    subject,
)
from tests.unit.store.making import fill, line

SIGNED = event("consented", "2025-01-10")
REGISTERED = event("registered", "2025-01-20")


def codes(found: Staged) -> set[str]:
    return {one.code for one in found.findings}


def numbers(found: Staged) -> list[str]:
    return [one.usubjid for one in found.subjects]


def everything(found: Staged) -> bytes:
    return b"".join(path.read_bytes() for path in found.files.values())


# --- consent ---------------------------------------------------------------------------------------------------------


def test_subject_with_a_consent_is_in_under_its_number(tmp_path: Path) -> None:
    found, resources = feed(tmp_path, [patient(), consent(), research_subject("1"), lab("o1")])

    assert numbers(found) == ["RELUTH-05-0001"]
    assert found.subjects[0].subjid == "05-0001"
    assert found.subjects[0].consented_on == date(2025, 1, 10)
    assert resources["Patient"][0]["id"] == "RELUTH-05-0001"
    assert resources["Observation"][0]["subject"] == {"reference": "Patient/RELUTH-05-0001"}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [consent(status="rejected")],
        [consent(status="draft")],
        [consent(status="entered-in-error")],
        [consent(identifier=[{"value": "NCT00000000"}])],
        [consent(scope={"coding": [{"code": "treatment"}]})],
        [consent(on=None)],
    ],
    ids=["none", "rejected", "draft", "error", "other study", "care", "undated"],
)
def test_subject_without_a_consent_leaves_no_byte(tmp_path: Path, lines: list[bytes]) -> None:
    screening = event("screening", "2025-01-02")

    found, _ = feed(tmp_path, [patient(), *lines, research_subject("1", screening), lab("o1")])

    assert found.subjects == ()
    assert everything(found) == b""
    assert found.left_out == {"no-consent": 1}
    assert found.trace == []


def test_consent_of_the_history_is_enough(tmp_path: Path) -> None:
    found, resources = feed(tmp_path, [patient(), research_subject("1", SIGNED), lab("o1")])

    assert found.subjects[0].consented_on == date(2025, 1, 10)
    assert "Consent" not in resources


def test_consent_that_only_a_form_tells_stands_in_the_history(tmp_path: Path) -> None:
    screening = event("screening", "2025-01-02")

    found, _ = feed(tmp_path, [patient(), consent(), research_subject("1", screening)])

    assert [(one.kind, one.on) for one in found.subjects[0].events] == [
        ("screening", "2025-01-02"),
        ("consented", "2025-01-10"),
    ]


def test_consent_to_something_else_is_not_exported(tmp_path: Path) -> None:
    care = consent(id="care", identifier=[{"value": "reuse of data"}])

    _, resources = feed(tmp_path, [patient(), consent(), care, research_subject("1")])

    assert len(resources["Consent"]) == 1


def test_patients_who_are_no_subjects_leave_no_byte(tmp_path: Path) -> None:
    found, _ = feed(tmp_path, [patient("2"), consent("2"), lab("o2", "2")])

    assert everything(found) == b""


# --- withdrawal ------------------------------------------------------------------------------------------------------

LABS = [
    lab("before", on="2025-03-01"),
    lab("on", on="2025-03-10"),
    lab("after", on="2025-03-11"),
    lab("month", on="2025-03"),
    lab("undated", on=None),
]


def days(resources: dict[str, list[dict[str, Any]]]) -> list[str]:
    return sorted(one["effectiveDateTime"] for one in resources.get("Observation", []))


@pytest.mark.parametrize(
    "lines",
    [
        [consent(), research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-03-10"))],
        [consent(), consent(id="c2", on="2025-03-10", status="inactive"), research_subject("1")],
        [
            consent(),
            consent(id="c2", on="2025-03-10", provision={"type": "deny", "provision": [{"type": "permit"}]}),
            research_subject("1"),
        ],
        [consent(status="inactive", updated="2025-03-10T09:00:00+01:00"), research_subject("1")],
        [
            consent(status="inactive", provision={"period": {"end": "2025-03-10"}}, updated="2025-04-01T09:00:00Z"),
            research_subject("1"),
        ],
        [consent(provision={"type": "permit", "period": {"end": "2025-03-10"}}), research_subject("1")],
        [
            consent(),
            research_subject("1"),
            research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-03-10"), id="r2"),
        ],
    ],
    ids=["event", "second form", "denied in part", "made inactive", "provision ended", "ran out", "second subject"],
)
def test_withdrawn_subject_is_in_up_to_the_day(tmp_path: Path, lines: list[bytes]) -> None:
    found, resources = feed(tmp_path, [patient(), *lines, *LABS])

    assert days(resources) == ["2025-03-01", "2025-03-10"]
    assert found.subjects[0].withdrawn_on == date(2025, 3, 10)
    assert resources["ResearchSubject"][0]["status"] == "withdrawn"


@pytest.mark.parametrize(
    "lines",
    [
        [consent(), research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-03-10", reason="no-data"))],
        [
            consent(),
            consent(id="c2", on="2025-03-10", status="rejected", provision={"type": "deny"}),
            research_subject("1"),
        ],
        [consent(), consent(id="c2", on="2025-03-10", provision={"type": "deny"}), research_subject("1")],
    ],
    ids=["event", "rejected", "denied"],
)
def test_withdrawal_of_all_data_leaves_no_byte(tmp_path: Path, lines: list[bytes]) -> None:
    found, _ = feed(tmp_path, [patient(), *lines, *LABS])

    assert everything(found) == b""
    assert found.left_out == {"withdrawn-no-data": 1}


def test_withdrawal_of_all_data_holds_for_an_earlier_data_cut(tmp_path: Path) -> None:
    lines = [
        patient(),
        consent(),
        research_subject("1", SIGNED, REGISTERED, event("withdrawn", "2025-03-10", reason="no-data")),
    ]

    found, _ = feed(tmp_path, lines, as_of=date(2025, 2, 1))

    assert everything(found) == b""


def test_withdrawal_that_was_noted_on_the_worklist_holds(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient(), consent(), research_subject("1"), *LABS])
        with time_machine.travel(datetime(2025, 3, 10, 9, tzinfo=UTC), tick=False):
            store.decide("icm", "Patient/1", trial=TRIAL.id, state="withdrawn", reason="consent-withdrawn", by="x")
        found = staged(store, tmp_path / "feed")

    assert days(read(found)) == ["2025-03-01", "2025-03-10"]


def test_consent_given_again_holds(tmp_path: Path) -> None:
    forms = [consent(), consent(id="c2", on="2025-03-10", status="inactive"), consent(id="c3", on="2025-04-01")]

    found, resources = feed(tmp_path, [patient(), *forms, research_subject("1"), lab("late", on="2025-05-01")])

    assert days(resources) == ["2025-05-01"]
    assert found.subjects[0].withdrawn_on is None


def test_refusal_before_the_consent_takes_nothing_back(tmp_path: Path) -> None:
    refused = research_subject("1", event("withdrawn", "2024-12-01", reason="no-data"), updated="2024-12-02T00:00:00Z")
    agreed = research_subject("1", SIGNED, REGISTERED, id="r2", updated="2025-02-02T00:00:00Z")

    found, resources = feed(tmp_path, [patient(), consent(), refused, agreed, lab("o1")])

    assert len(resources["Observation"]) == 1
    assert found.subjects[0].withdrawn_on is None


def test_forms_of_one_day_that_contradict_are_a_refusal(tmp_path: Path) -> None:
    forms = [consent(), consent(id="c2", status="rejected")]

    found, resources = feed(tmp_path, [patient(), *forms, research_subject("1"), *LABS])

    assert days(resources) == []
    assert "consent-unsure" in codes(found)


# --- data cut --------------------------------------------------------------------------------------------------------


def test_data_cut_leaves_out_what_is_later_and_who_consented_later(tmp_path: Path) -> None:
    lines = [patient(), consent(), research_subject("1"), *LABS]
    lines += [patient("2"), consent("2", "2025-03-11"), research_subject("2", event("consented", "2025-03-11"))]

    found, resources = feed(tmp_path, lines, as_of=date(2025, 3, 10))

    assert numbers(found) == ["RELUTH-05-0001"]
    assert found.left_out == {"consented-after-cut": 1}
    assert len(resources["Observation"]) == 4


def test_data_cut_shows_as_going_on_what_ended_later(tmp_path: Path) -> None:
    who = {"reference": "Patient/1"}
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"}]}
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    ended = line(
        "Condition",
        "x",
        code=icd,
        subject=who,
        onsetDateTime="2025-01-15",
        abatementDateTime="2025-04-01",
        clinicalStatus={"coding": [{"system": clinical, "code": "resolved"}]},
    )
    stay = line("Encounter", "e", status="finished", subject=who, period={"start": "2025-03-09", "end": "2025-03-12"})
    died = patient(deceasedDateTime="2025-06-01")

    found, resources = feed(tmp_path, [died, consent(), research_subject("1"), ended, stay], as_of=date(2025, 3, 10))

    assert resources["Condition"][0]["clinicalStatus"] == {"coding": [{"system": clinical, "code": "active"}]}
    assert "abatementDateTime" not in resources["Condition"][0]
    assert resources["Encounter"][0]["status"] == "in-progress"
    assert resources["Encounter"][0]["period"] == {"start": "2025-03-09"}
    assert "deceasedDateTime" not in resources["Patient"][0] and not found.subjects[0].deceased


def test_data_cut_ends_the_history(tmp_path: Path) -> None:
    late = (
        SIGNED,
        REGISTERED,
        event("cycle", "2025-02-01", cycle=1),
        event("progression", "2025-05-01"),
        event("died", "2025-06-01"),
    )

    found, resources = feed(tmp_path, [patient(), consent(), research_subject("1", *late)], as_of=date(2025, 3, 10))

    assert [one.kind for one in found.subjects[0].events] == ["consented", "registered", "cycle"]
    assert resources["ResearchSubject"][0]["status"] == "on-study"


# --- who is who ------------------------------------------------------------------------------------------------------


def test_merged_patients_are_one_subject(tmp_path: Path) -> None:
    link: Any = [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]
    lines = [patient("1", link=link), patient("2"), consent("1"), research_subject("1"), lab("o1", "1"), lab("o2", "2")]

    found, resources = feed(tmp_path, lines)

    assert numbers(found) == ["RELUTH-05-0001"]
    assert len(resources["Patient"]) == 1
    assert [one["subject"]["reference"] for one in resources["Observation"]] == ["Patient/RELUTH-05-0001"] * 2


def test_two_research_subjects_of_a_patient_are_told_and_the_newest_holds(tmp_path: Path) -> None:
    old = research_subject("1", updated="2025-01-01T00:00:00Z", number="RELUTH-05-0008")
    new = research_subject("1", id="r2", updated="2025-02-01T00:00:00Z", number="RELUTH-05-0009")

    found, resources = feed(tmp_path, [patient(), consent(), old, new])

    assert numbers(found) == ["RELUTH-05-0009"]
    assert len(resources["ResearchSubject"]) == 1
    assert "two-subject-numbers" in codes(found)


def test_loaded_subject_holds_over_the_hospitals(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient(), consent(), research_subject("1", number="RELUTH-05-0009")])
        store.entities.put_all(
            "icm", [subject("1", SIGNED, REGISTERED, event("cycle", "2025-02-02", cycle=1))], source="x", by="y"
        )
        found = staged(store, tmp_path / "feed")

    assert numbers(found) == ["RELUTH-05-0001"]
    assert found.subjects[0].first_cycle_on == date(2025, 2, 2)
    entry = next(one for one in found.trace if one.type == "Subject")
    assert (entry.id, entry.version, entry.key.partition("/")[0]) == ("RELUTH-05-0001", "1", "ResearchSubject")


def test_loaded_subject_without_a_patient_in_the_lake_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("2")])
        store.entities.put_all("icm", [subject("1")], source="x", by="y")
        found = staged(store, tmp_path / "feed")

    assert found.subjects == ()
    assert codes(found) == {"subject-without-patient"}
    assert found.left_out == {"no-patient": 1}


def test_loaded_subject_whose_number_two_patients_have_is_told(tmp_path: Path) -> None:
    double = patient("1")
    other = patient("2", identifier=[{"system": "urn:oid:1.2.250.1.999.1.3", "value": "8004500001"}])
    with Store.open(tmp_path / "var") as store:
        fill(store, [double, other, consent("1")])
        store.entities.put_all("icm", [subject("1")], source="x", by="y")
        found = staged(store, tmp_path / "feed")

    assert everything(found) == b""
    assert codes(found) == {"subject-with-two-patients"}


def test_research_subject_of_another_study_makes_no_subject(tmp_path: Path) -> None:
    other = research_subject("1", extension=[], study={"identifier": {"value": "NCT00000000"}})

    found, _ = feed(tmp_path, [patient(), consent(), other, lab("o1")])

    assert everything(found) == b""


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["8004500001", "RELUTH-05-8004500001", "S8004500001"])
def test_number_that_is_or_holds_a_hospital_number_is_refused(tmp_path: Path, number: str) -> None:
    found, _ = feed(
        tmp_path,
        [
            patient(),
            consent(),
            research_subject("1", number=number) if number != "8004500001" else foreign(number),
            lab("o"),
        ],
    )

    assert everything(found) == b""
    assert codes(found) == {"subject-number-is-hospital-number"}
    assert found.left_out == {"number-refused": 1}


def foreign(number: str) -> bytes:
    return line(
        "ResearchSubject",
        "r1",
        status="screening",
        individual={"reference": "Patient/1"},
        study={"identifier": {"system": "http://clinicaltrials.gov", "value": "NCT04954820"}},
        identifier=[{"value": number}],
        period={"start": "2025-01-05"},
    )


@pytest.mark.parametrize("number", ["DUPONT", "1954-03-12", "06-12-34-56-78", "180053417201245", "A1B2C3"])
def test_number_that_is_no_pseudonym_is_refused(tmp_path: Path, number: str) -> None:
    found, _ = feed(tmp_path, [patient(), consent(), foreign(number)])

    assert everything(found) == b""
    assert codes(found) == {"subject-number-refused"}


def test_number_of_two_patients_is_refused_for_both(tmp_path: Path) -> None:
    lines = [patient("1"), consent("1"), research_subject("1"), patient("2"), consent("2")]

    found, _ = feed(tmp_path, [*lines, research_subject("2", number="RELUTH-05-0001")])

    assert everything(found) == b""
    assert found.left_out == {"number-refused": 2}


def test_subject_without_a_number_gets_the_next_free_one_and_keeps_it(tmp_path: Path) -> None:
    lines = [
        patient("1"),
        consent("1"),
        research_subject("1"),
        patient("2"),
        consent("2", "2025-01-12"),
        without_number("2"),
    ]
    with Store.open(tmp_path / "var") as store:
        fill(store, lines)
        first = numbers(staged(store, tmp_path / "a"))
        fill(store, [patient("3"), consent("3", "2025-01-01"), without_number("3")])
        second = staged(store, tmp_path / "b")

    assert first == ["RELUTH-05-0001", "RELUTH-05-0002"]
    assert numbers(second) == ["RELUTH-05-0001", "RELUTH-05-0002", "RELUTH-05-0003"]
    assert second.subjects[1].consented_on == date(2025, 1, 12)


def without_number(identity: str) -> bytes:
    return line(
        "ResearchSubject",
        f"r{identity}",
        status="screening",
        individual={"reference": f"Patient/{identity}"},
        study={"identifier": {"system": "http://clinicaltrials.gov", "value": "NCT04954820"}},
        period={"start": "2025-01-05"},
    )


def test_number_that_was_given_here_makes_way_for_the_one_that_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient("2"), consent("2"), without_number("2")])
        given = numbers(staged(store, tmp_path / "a"))
        fill(store, [patient("1"), consent("1"), research_subject("1")])
        found = staged(store, tmp_path / "b")

    assert given == ["RELUTH-05-0001"]
    assert [(one.usubjid, one.age is not None) for one in found.subjects] == [
        ("RELUTH-05-0001", True),
        ("RELUTH-05-0002", True),
    ]
    assert "subject-number-changed" in codes(found)


def test_subject_without_a_number_at_a_site_without_a_code_is_told(tmp_path: Path) -> None:
    bare = Settings(sites={"icm": SiteSettings()})

    found, _ = feed(tmp_path, [patient("1"), consent("1"), without_number("1")], settings=bare)

    assert codes(found) == {"no-site-code"}
    assert found.left_out == {"no-number": 1}


# --- what a hospital wrote in its own words ---------------------------------------------------------------------------


def test_reason_and_arm_in_a_hospitals_words_do_not_leave(tmp_path: Path) -> None:
    events = (
        SIGNED,
        REGISTERED,
        event("randomised", "2025-02-01", arm="Madame Dupont", intervention=True),
        event("ended", "2025-03-01", reason="décès de Mme Dupont"),
    )

    found, resources = feed(tmp_path, [patient(), consent(), research_subject("1", *events)])

    assert "Dupont" not in everything(found).decode()
    assert [(one.kind, one.reason) for one in found.subjects[0].events] == [
        ("consented", None),
        ("registered", None),
        ("ended", "unknown"),
    ]
    assert {"unknown-arm", "code-blanked"} <= codes(found)
    assert "assignedArm" not in resources["ResearchSubject"][0]


def test_foreign_status_on_study_is_understood_with_the_consent(tmp_path: Path) -> None:
    status: dict[str, Any] = {
        "status": "on-study",
        "extension": [],
        "study": {"identifier": {"value": "NCT04954820"}},
        "period": {"start": "2025-01-20"},
    }

    found, _ = feed(tmp_path, [patient(), consent(), research_subject("1", **status)])

    assert [(one.kind, one.on) for one in found.subjects[0].events][:2] == [
        ("consented", "2025-01-10"),
        ("registered", "2025-01-20"),
    ]


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1960-01-10", 65),
        ("1960-01-11", 64),
        ("1930-01-01", 90),
        ("1960-01", None),
        ("1960", None),
        ("1959-12", 65),
        (None, None),
    ],
)
def test_age_is_that_on_the_day_of_the_consent(tmp_path: Path, born: str | None, age: int | None) -> None:
    found, resources = feed(tmp_path, [patient(born=born), consent(), research_subject("1")])

    told = [one for one in resources["Patient"][0]["extension"] if one["url"] == "urn:reluth:extension:age-at-consent"]
    assert found.subjects[0].age == age
    assert [one["valueInteger"] for one in told] == ([] if age is None else [age])
    assert "birthDate" not in resources["Patient"][0]


def test_event_that_cannot_follow_what_is_left_is_left_out_and_told(tmp_path: Path) -> None:
    events = (
        SIGNED,
        REGISTERED,
        event("randomised", "2025-02-01", arm="Madame Dupont", intervention=True),
        event("cycle", "2025-02-10", cycle=3),
        event("progression", "2025-05-01"),
    )

    found, _ = feed(tmp_path, [patient(), consent(), research_subject("1", *events)])

    assert [one.kind for one in found.subjects[0].events] == ["consented", "registered", "progression"]
    assert {"unknown-arm", "event-left-out"} <= codes(found)


def test_number_of_another_sites_subject_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient(), consent(), research_subject("1")], site="aura")
        fill(store, [patient(), consent(), research_subject("1")], site="icm")
        found = staged(store, tmp_path / "feed")

    assert [(one.usubjid, one.site) for one in found.subjects] == [("RELUTH-05-0001", "aura")]
    assert "subject-number-twice" in codes(found)


def test_subject_that_was_loaded_by_the_servers_own_id_is_found(tmp_path: Path) -> None:
    by_reference = Subject(
        study=TRIAL.id,
        site="05",
        number="RELUTH-05-0001",
        patient=Identifier(system=REFERENCE_SYSTEM, value="Patient/1"),
        events=(SIGNED,),
    )
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient()])
        store.entities.put_all("icm", [by_reference], source="x", by="y")
        found = staged(store, tmp_path / "feed")

    assert numbers(found) == ["RELUTH-05-0001"]


def test_second_subject_that_was_loaded_for_a_patient_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient()])
        store.entities.put_all("icm", [subject("1"), subject("1", number="RELUTH-05-0002")], source="x", by="y")
        found = staged(store, tmp_path / "feed")

    assert numbers(found) == ["RELUTH-05-0001"]
    assert found.left_out == {"two-numbers": 1}
    assert "two-subject-numbers" in codes(found) and "subject-without-patient" not in codes(found)
