"""In: a sound pull, then one whose newer versions cannot be read. Out: what each way of reading a record makes of the person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import PatientVerdict, Stage, Trial, evaluate
from adapter.screening import Asked, screen
from adapter.screening.live_records import LiveRecords
from adapter.screening.person_record import read_record
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON, condition, patient, write_feed

Way = Callable[[Store, Trial], PatientVerdict]

PLAIN = Site.plain("clinic")
DAY = date.fromisoformat(ON)
WHOSE = "held"
MEDICATION = {
    "resourceType": "Medication",
    "id": "m",
    "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
}
INFUSIONS = [
    {
        "resourceType": "MedicationAdministration",
        "id": f"i{number}",
        "status": "completed",
        "subject": {"reference": f"Patient/{WHOSE}"},
        "effectiveDateTime": day,
        "medicationReference": {"reference": "Medication/m"},
    }
    for number, day in enumerate(["2021-01-04", "2021-03-01", "2021-04-26", "2021-06-21"])
]


def screened(store: Store, trial: Trial) -> PatientVerdict:
    [found] = screen(store, trial, PLAIN, Asked(today=DAY, on=DAY, patients=[f"Patient/{WHOSE}"], save=False))
    return found


def read(store: Store, trial: Trial) -> PatientVerdict:
    found = read_record(store, "clinic", f"Patient/{WHOSE}")
    assert found is not None
    return evaluate(trial, found, site=PLAIN, stage=Stage.REGISTRATION, on=DAY)


def live(store: Store, trial: Trial) -> PatientVerdict:
    records = LiveRecords(store)
    person = records.person("clinic", (f"Patient/{WHOSE}",))
    return evaluate(trial, records.record(person), site=PLAIN, stage=Stage.REGISTRATION, on=DAY)


@pytest.fixture(params=[screened, read, live])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


def truths(verdict: PatientVerdict, *names: str) -> list[str]:
    return [str(one.truth) for name in names for one in verdict.criteria if one.id == name]


FAULTY = [
    ({**MEDICATION, "meta": {"versionId": "2"}, "batch": 5}, ["U", "T"]),
    ({**patient(WHOSE), "birthDate": 1950}, ["T", "U"]),
    ({**INFUSIONS[3], "effectiveDateTime": 5}, ["U", "T"]),
    ({**INFUSIONS[3], "effectiveDateTime": 5, "meta": {"versionId": "0"}}, ["U", "T"]),
    ({**INFUSIONS[3], "subject": 5}, ["U", "T"]),
    ({**INFUSIONS[3], "effectiveDateTime": 5, "subject": {"reference": "Patient/somebody"}}, ["U", "T"]),
]


@pytest.mark.parametrize(("faulty", "expected"), FAULTY)
def test_a_newer_version_in_quarantine_takes_the_place_of_the_one_in_the_lake(
    store: Store, trial: Trial, tmp_path: Path, way: Way, faulty: dict[str, Any], expected: list[str]
) -> None:
    sound = [patient(WHOSE), condition("c", WHOSE, "C17.2"), MEDICATION, *INFUSIONS]
    pull(store, FolderSource(write_feed(tmp_path / "sound", sound)), site="clinic")
    before = truths(way(store, trial), "I03", "I01")
    pull(store, FolderSource(write_feed(tmp_path / "faulty", [faulty])), site="clinic")

    assert (before, truths(way(store, trial), "I03", "I01")) == (["T", "T"], expected)


def test_a_line_that_was_cut_takes_the_place_of_what_it_would_have_been(
    store: Store, trial: Trial, tmp_path: Path, way: Way
) -> None:
    sound = [patient(WHOSE), condition("c", WHOSE, "C17.2"), MEDICATION, *INFUSIONS]
    pull(store, FolderSource(write_feed(tmp_path / "sound", sound)), site="clinic")
    before = truths(way(store, trial), "I03", "I01")
    (tmp_path / "cut").mkdir()
    line = json.dumps({**INFUSIONS[3], "medicationReference": {"reference": "Medication/m"}, "note": "x"})
    (tmp_path / "cut" / "MedicationAdministration.ndjson").write_text(line[: line.index('"note"') + 3])
    summary = pull(store, FolderSource(tmp_path / "cut"), site="clinic")

    assert [one.reference for one in summary.quarantine] == ["MedicationAdministration/i3"]
    assert not summary.complete
    assert (before, truths(way(store, trial), "I03", "I01")) == (["T", "T"], ["U", "T"])
    pull(store, FolderSource(write_feed(tmp_path / "again", INFUSIONS)), site="clinic")
    assert truths(way(store, trial), "I03", "I01") == ["T", "T"]
    assert store.quarantined("clinic") == []


def test_an_older_version_in_quarantine_takes_nothing_away(
    store: Store, trial: Trial, tmp_path: Path, way: Way
) -> None:
    sound = [{**item, "meta": {"versionId": "2"}} for item in (patient(WHOSE), MEDICATION, *INFUSIONS)]
    pull(store, FolderSource(write_feed(tmp_path / "sound", sound)), site="clinic")
    older = [{**INFUSIONS[3], "effectiveDateTime": 5}, {**MEDICATION, "batch": 5}, {**patient(WHOSE), "birthDate": 1}]
    again = [{**item, "meta": {"versionId": "1"}} for item in older]
    pull(store, FolderSource(write_feed(tmp_path / "older", again)), site="clinic")

    assert truths(way(store, trial), "I03", "I01") == ["T", "T"]


def test_a_product_that_lies_in_quarantine_only_may_be_the_one(
    store: Store, trial: Trial, tmp_path: Path, way: Way
) -> None:
    feed = [patient(WHOSE), *INFUSIONS, {**MEDICATION, "batch": 5}]
    pull(store, FolderSource(write_feed(tmp_path / "feed", feed)), site="clinic")
    [criterion] = [one for one in way(store, trial).criteria if one.id == "I03"]

    assert len(criterion.evidence) == len(INFUSIONS)


LUTATHERA = {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]}
GIVEN = {key: value for key, value in INFUSIONS[0].items() if key != "medicationReference"}
HISTOLOGY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/icd-o-3", "code": "8240/3"}]}
STUDY = {"resourceType": "ResearchStudy", "id": "s", "status": "active", "identifier": [{"value": "NCT04954820"}]}
SUBJECT = {
    "resourceType": "ResearchSubject",
    "id": "rs",
    "status": "candidate",
    "study": {"reference": "ResearchStudy/s"},
    "individual": {"reference": f"Patient/{WHOSE}"},
}
OBSERVED = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "59847-4"}]},
    "subject": {"reference": f"Patient/{WHOSE}"},
    "valueCodeableConcept": HISTOLOGY,
}
ONLY_SIGNS: dict[str, list[dict[str, Any]]] = {
    "coded": [{**GIVEN, "medicationCodeableConcept": LUTATHERA, "effectiveDateTime": 5}],
    "in-words": [{**GIVEN, "medicationCodeableConcept": {"text": "LUTATHERA 370 MBq"}, "effectiveDateTime": 5}],
    "contained": [
        {
            **GIVEN,
            "contained": [{"resourceType": "Medication", "id": "m", "code": LUTATHERA}],
            "medicationReference": {"reference": "#m"},
            "effectiveDateTime": 5,
        }
    ],
    "by-reference": [MEDICATION, {**INFUSIONS[0], "effectiveDateTime": 5}],
    "product-faulty": [{**MEDICATION, "batch": 5}, INFUSIONS[0]],
    "both-faulty": [{**MEDICATION, "batch": 5}, {**INFUSIONS[0], "effectiveDateTime": 5}],
    "without-an-id": [{**GIVEN, "id": None, "medicationCodeableConcept": LUTATHERA}],
    "value": [{**OBSERVED, "issued": 5}],
    "subject": [STUDY, {**SUBJECT, "period": 5}],
    "conclusion": [
        {**OBSERVED, "resourceType": "DiagnosticReport", "conclusionCode": [HISTOLOGY], "issued": 5},
    ],
}


ANNEX = Site.plain("annex")


@pytest.mark.parametrize("with_patient", [True, False])
@pytest.mark.parametrize("name", ONLY_SIGNS)
def test_whose_only_sign_cannot_be_read_is_a_candidate(
    store: Store, trial: Trial, tmp_path: Path, name: str, with_patient: bool
) -> None:
    people = [patient(WHOSE), patient("somebody")] if with_patient else [patient("somebody")]
    feed = [*people, *ONLY_SIGNS[name]]
    pull(store, FolderSource(write_feed(tmp_path / "aside", feed)), site="annex")
    found = list(screen(store, trial, ANNEX, Asked(today=DAY, on=DAY)))

    assert [one.patient for one in found] == [f"Patient/{WHOSE}"]
    assert found[0].candidate_because


@pytest.mark.parametrize(
    "faulty",
    [
        {**GIVEN, "medicationCodeableConcept": {"text": "paracétamol"}, "effectiveDateTime": 5},
        {**OBSERVED, "valueCodeableConcept": {"text": "normal"}, "issued": 5},
        {**SUBJECT, "period": 5, "study": {"identifier": {"value": "NCT00000000"}}},
    ],
)
def test_what_cannot_be_read_and_is_no_sign_makes_nobody_a_candidate(
    store: Store, trial: Trial, tmp_path: Path, faulty: dict[str, Any]
) -> None:
    pull(store, FolderSource(write_feed(tmp_path / "aside", [patient(WHOSE), faulty])), site="annex")

    assert list(screen(store, trial, ANNEX, Asked(today=DAY, on=DAY))) == []
