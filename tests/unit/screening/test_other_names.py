"""In: the same people, once under the names of code systems, once under other ones. Out: whether they are found, and read alike."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import PatientVerdict, Trial
from adapter.documents import load_site
from adapter.screening import Asked, possible_candidates, screen
from adapter.screening.coverage import read_coverage
from adapter.screening.unread import unmapped_of
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.clinic import ON, write_feed
from tests.support.records import ChartWriter

SITE = load_site("clinic")
DAY = date.fromisoformat(ON)
OTHER = {
    '"http://loinc.org"': '"urn:oid:2.16.840.1.113883.6.1"',
    '"http://snomed.info/sct"': '"https://snomed.info/sct"',
    '"http://hl7.org/fhir/sid/icd-10"': '"urn:oid:2.16.840.1.113883.6.3"',
    '"http://terminology.hl7.org/CodeSystem/icd-o-3"': '"urn:oid:2.16.840.1.113883.6.43.1"',
    '"http://www.whocc.no/atc"': '"urn:oid:2.16.840.1.113883.6.73"',
    '"http://unitsofmeasure.org"': '"urn:oid:2.16.840.1.113883.6.8"',
}
RECORDS: dict[str, list[Any]] = {
    "tumour": [
        {"condition": {"icd10": "C17.2", "onset": "2020-01-01"}},
        {"condition": {"icd10": "I63.9", "onset": ON}},
        {"morphology": {"code": "8240/3"}},
        {"lab": {"of": "ki67", "value": 4, "ucum": "%", "date": ON}},
        {"lab": {"of": "hb", "value": 11.2, "ucum": "g/dL", "date": ON}},
        {"lab": {"of": "platelets", "value": 200, "ucum": "10*9/L", "date": ON}},
        {"lab": {"of": "neutrophils", "value": 2, "ucum": "10*9/L", "date": ON}},
        {"allergy": {"code": "http://snomed.info/sct|716186003"}},
    ],
    "morphology": [{"morphology": {"code": "M8240/3"}}],
    "infusion": [{"infusion": {"date": "2021-01-04"}}, {"infusion": {"date": "2021-03-01"}}],
    "allergic": [{"infusion": {"date": "2021-01-04"}}, {"allergy": {"atc": "H01CB02"}}],
}


def people(*, renamed: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, entries in RECORDS.items():
        writer = ChartWriter(f"Patient/{name}")
        resources = [writer.person({"gender": "male", "birthDate": "1960-05-02"}), *writer.write(entries)]
        for resource in resources:
            if resource["resourceType"] != "Patient":
                resource["id"] = f"{name}-{resource['id']}"
            text = json.dumps(resource)
            for system, other in OTHER.items() if renamed else ():
                text = text.replace(system, other)
            found.append(json.loads(text))
    return found


@pytest.fixture
def verdicts(store: Store, trial: Trial, tmp_path: Path) -> dict[bool, dict[str, PatientVerdict]]:
    found = {}
    for renamed in (False, True):
        feed = write_feed(tmp_path / str(renamed), people(renamed=renamed))
        pull(store, FolderSource(feed), site="clinic")
        asked = Asked(today=DAY, on=DAY, patients=[f"Patient/{name}" for name in RECORDS], save=False)
        found[renamed] = {one.patient: one for one in screen(store, trial, SITE, asked)}
        assert possible_candidates(store, trial, SITE) >= {f"Patient/{name}" for name in RECORDS}
    return found


def said(verdict: PatientVerdict) -> Any:
    parts = [(part.id, part.truth, part.reason, len(part.evidence)) for one in verdict.criteria for part in one.parts]
    whole = [(one.id, one.truth, one.reason, [item.value for item in one.evidence]) for one in verdict.criteria]
    return verdict.candidate_because, verdict.outcome, whole, parts


def test_other_names_change_no_verdict(verdicts: dict[bool, dict[str, PatientVerdict]]) -> None:
    assert len(verdicts[True]) == len(RECORDS)
    for patient, verdict in verdicts[False].items():
        assert said(verdicts[True][patient]) == said(verdict)
    decided = {one.id: str(one.truth) for one in verdicts[True]["Patient/tumour"].criteria}
    assert (decided["E10"], decided["I11"], decided["E15"]) == ("T", "T", "F")


def test_other_names_are_not_unmapped_and_count_as_what_they_are(store: Store, trial: Trial, tmp_path: Path) -> None:
    counted = []
    for renamed in (False, True):
        pull(store, FolderSource(write_feed(tmp_path / str(renamed), people(renamed=renamed))), site="clinic")
        unmapped = unmapped_of(store, trial, SITE)
        coverage = read_coverage(store, trial, SITE)
        counted.append((unmapped.codes, unmapped.units, [(one.what, one.stored, one.gaps) for one in coverage.data]))

    assert counted[0] == counted[1]
