"""Promises of the pseudonymised feed of a simulated centre with enrolled subjects."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.datasets.staging.feed import Staged
from adapter.fhir import PARIS, FhirVersion, parse_when, problems
from adapter.simulate import simulate
from adapter.store import Store, StoredVerdict
from tests.support.subjects import TRIAL, consent, event, lab, patient, read, research_subject, staged
from tests.unit.store.making import fill


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Six enrolled subjects among twenty patients."""
    folder = tmp_path_factory.mktemp("centre")
    simulate(folder / "feed", patients=20, seed=3, enrolled=6)
    lines = [raw for path in sorted((folder / "feed").glob("[A-Z]*.ndjson")) for raw in path.read_bytes().splitlines()]
    with Store.open(folder / "var") as store:
        fill(store, lines)
        yield store


@pytest.fixture(scope="module")
def whole(centre: Store, tmp_path_factory: pytest.TempPathFactory) -> Staged:
    return staged(centre, tmp_path_factory.mktemp("whole") / "feed")


def content(found: Staged) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in found.files.items()}


def test_feed_is_the_same_bytes_every_time(centre: Store, whole: Staged, tmp_path: Path) -> None:
    again = staged(centre, tmp_path / "feed")

    assert content(again) == content(whole)
    assert gc.isenabled()
    assert again.trace == whole.trace and again.findings == whole.findings


def test_feed_is_sorted_by_subject_and_id(whole: Staged) -> None:
    for type_, resources in read(whole).items():
        places = [(_owner(one), one["id"]) for one in resources]
        assert places == sorted(places), type_


def _owner(resource: dict[str, Any]) -> str:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    return next(
        (
            resource[name]["reference"].partition("/")[2]
            for name in ("subject", "patient", "individual")
            if name in resource
        ),
        "",
    )


def test_feed_has_one_patient_and_one_research_subject_a_subject(whole: Staged) -> None:
    resources = read(whole)
    numbers = [one.usubjid for one in whole.subjects]

    assert [one["id"] for one in resources["Patient"]] == numbers
    assert [one["identifier"][0]["value"] for one in resources["ResearchSubject"]] == numbers


def test_references_lead_to_what_is_in_the_feed(whole: Staged) -> None:
    resources = read(whole)
    there = {f"{type_}/{one['id']}" for type_, listed in resources.items() for one in listed}

    told = set(re.findall(rb'"reference":"([^"]+)"', b"".join(content(whole).values())))
    assert {one.decode() for one in told} <= there


def test_nothing_of_the_hospitals_names_is_in_the_feed(centre: Store, whole: Staged) -> None:
    output = b"".join(content(whole).values()).decode().lower()

    for person in centre.lake.records("icm"):
        for raw in person.resources:
            body = json.loads(raw)
            assert f'"{body["id"].lower()}"' not in output and f'/{body["id"].lower()}"' not in output
            if body["resourceType"] == "Patient":
                assert body.get("birthDate", "1800-01-01") not in output
                assert all(one["value"].lower() not in output for one in body.get("identifier", ()))
                assert all(f'"{one["family"].lower()}"' not in output for one in body.get("name", ()))


def test_resources_of_the_feed_are_valid(centre: Store, tmp_path: Path) -> None:
    found = staged(centre, tmp_path / "feed", numbers="number")

    for type_, path in found.files.items():
        for raw in path.read_bytes().splitlines()[:40]:
            body = msgspec.json.Decoder(float_hook=Decimal).decode(raw)
            assert problems(body, FhirVersion.R4) == [], type_


def test_numbers_are_exact_in_both_forms(tmp_path: Path) -> None:
    exact = lab("o1", valueQuantity={"value": 0, "unit": "g/dL"}).replace(b'"value":0', b'"value":1.10')
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient(), consent(), research_subject("1"), exact])
        as_text = content(staged(store, tmp_path / "a", numbers="text"))["Observation"]
        as_number = content(staged(store, tmp_path / "b", numbers="number"))["Observation"]

    assert b'"value":"1.10"' in as_text
    assert b'"value":1.10,' in as_number


def test_trace_leads_to_the_bytes_at_the_hospital(centre: Store, whole: Staged) -> None:
    resources = {f"{type_}/{one['id']}" for type_, listed in read(whole).items() for one in listed}

    assert {one.key for one in whole.trace} == resources
    observation = next(one for one in whole.trace if one.type == "Observation")
    origin = centre.lake.origins("icm", "Observation", observation.id)[-1]
    assert observation.version == origin.version and len(observation.sha256) == 64 and observation.seq is not None


def test_trace_of_an_infusion_names_the_medication_that_told_its_product(whole: Staged) -> None:
    several = [
        one for one in whole.trace if one.key.startswith("MedicationAdministration/") and one.type == "Medication"
    ]

    assert several
    assert all(
        any(other.key == one.key and other.type == "MedicationAdministration" for other in whole.trace)
        for one in several
    )


def test_moved_dates_keep_every_interval_of_a_subject(centre: Store, whole: Staged, tmp_path: Path) -> None:
    moved = staged(centre, tmp_path / "feed", shift_dates=True)
    weeks: dict[str, set[timedelta]] = {}
    before, after = read(whole), read(moved)

    for type_ in before:
        if type_ == "Medication":
            continue
        for old, new in zip(before[type_], after[type_], strict=True):
            for one, other in zip(dates_in(old), dates_in(new), strict=False):
                first, second = parse_when(one), parse_when(other)
                assert first is not None and second is not None
                if len(one) >= len("2025-05-20"):
                    gap = second.start.astimezone(PARIS).replace(tzinfo=None) - first.start.astimezone(PARIS).replace(
                        tzinfo=None
                    )
                    weeks.setdefault(_owner(old), set()).add(gap)

    assert all(len(gaps) == 1 for gaps in weeks.values())
    assert all(gap and gap % timedelta(weeks=1) == timedelta(0) for gaps in weeks.values() for gap in gaps)
    assert [one.consented_on - two.consented_on for one, two in zip(moved.subjects, whole.subjects, strict=True)] == [
        next(iter(weeks[one.usubjid])) for one in whole.subjects
    ]


def dates_in(node: Any) -> list[str]:
    """Dates with their day, in the order in which they stand: partial ones may be left out."""
    if isinstance(node, str):
        return [node] if re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?", node) else []
    if isinstance(node, dict):
        return [date for value in node.values() for date in dates_in(value)]
    return [date for value in node for date in dates_in(value)] if isinstance(node, list) else []


def test_verdicts_of_the_registration_are_handed_on_and_moved_with_the_dates(tmp_path: Path) -> None:
    content = msgspec.json.encode(
        {"criteria": [{"id": "E07", "truth": "T", "reason": None}, {"id": "I11", "truth": "U", "reason": "no-unit"}]}
    )
    verdict = {
        "site": "icm",
        "trial": TRIAL.id,
        "stage": "registration",
        "run": "r",
        "content": content.decode(),
        "input_hash": "h",
    }
    with Store.open(tmp_path / "var") as store:
        fill(
            store,
            [
                patient(),
                consent(),
                research_subject("1", event("consented", "2025-01-10"), event("registered", "2025-01-20")),
            ],
        )
        days = [date(2025, 1, 2), date(2025, 1, 20), date(2025, 2, 20)]
        store.save_verdicts(
            StoredVerdict(patient="Patient/1", on=day, screened_at=datetime(2025, 3, 1, tzinfo=UTC), **verdict)
            for day in days
        )
        found = staged(store, tmp_path / "a")
        moved = staged(store, tmp_path / "b", shift_dates=True)

    assert [(one.criterion, one.truth, one.reason, one.on) for one in found.verdicts] == [
        ("E07", "T", None, days[1]),
        ("I11", "U", "no-unit", days[1]),
    ]
    assert moved.verdicts[0].on - days[1] == moved.subjects[0].consented_on - found.subjects[0].consented_on


def test_verdict_of_long_before_is_none(tmp_path: Path) -> None:
    told = msgspec.json.encode({"criteria": [{"id": "E07", "truth": "T", "reason": None}]}).decode()
    with Store.open(tmp_path / "var") as store:
        fill(store, [patient(), consent(), research_subject("1")])
        at = datetime(2025, 3, 1, tzinfo=UTC)
        old = StoredVerdict("icm", "Patient/1", TRIAL.id, "registration", date(2024, 12, 22), at, "r", told, "h")
        store.save_verdicts([old])
        found = staged(store, tmp_path / "feed")

    assert found.verdicts == ()
    assert ("verdict-missing", "registration") in {(one.code, one.variable) for one in found.findings}


def test_anonymity_counts_who_looks_alike(whole: Staged) -> None:
    report = whole.anonymity()

    assert report["subjects"] == len(whole.subjects)
    assert report["smallest_class"] >= 1
    assert sum(one["subjects"] for one in report["by_class"]) == report["subjects"]
    assert json.loads(json.dumps(report)) == report


def test_files_are_their_owners_only_and_old_ones_go(centre: Store, tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir(mode=0o700)
    (folder / "Old.ndjson").write_text("{}")

    found = staged(centre, folder)

    assert {path.name for path in folder.iterdir()} == {path.name for path in found.files.values()}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_only_the_sites_that_are_asked_for_are_staged(centre: Store, tmp_path: Path) -> None:
    assert staged(centre, tmp_path / "feed", sites=["aura"]).subjects == ()
