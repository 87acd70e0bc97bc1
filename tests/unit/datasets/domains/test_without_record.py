"""What of the feed is in no record is counted: nothing is missing in silence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.model import Finding, Package
from tests.support.sdtm_views import event_rows, made

from .feed_package import package_of
from .feed_tables import FEED
from .test_bad_input import BAD

ONE = "RELUTH-05-0001"
PATIENT = {"id": ONE, "usubjid": ONE, "gender": "female", "age": 62, "site_code": "05"}
RESULT = {"usubjid": ONE, "status": "final", "loinc": "718-7", "value": "12", "unit": "g/dL", "effective": "2024-02-02"}


def _told(package: Package) -> list[Finding]:
    return [one for one in package.findings if one.code == "without-record"]


def _counted(package: Package) -> list[tuple[str | None, str | None, str | None, int]]:
    return [(one.domain, one.variable, one.value, one.count) for one in _told(package)]


@pytest.mark.parametrize("feed", [FEED, BAD], ids=["feed", "bad"])
def test_resources_are_those_of_the_records_and_those_that_are_told_and_no_others(feed: Path) -> None:
    package = package_of(feed)
    named = {one.resource for each in package.datasets for row in each.rows for one in row.sources}
    missing: Counter[str | None] = Counter()
    for path in feed.glob("*.ndjson"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if f"{path.stem}/{json.loads(line)['id']}" not in named and path.stem not in ("Consent", "Medication"):
                missing[path.stem] += 1
    told: Counter[str | None] = Counter()
    for one in _told(package):
        told[one.domain] += one.count

    assert told == missing
    assert missing  # both feeds hold something that no domain takes


def test_kinds_of_the_feed_that_no_domain_takes_are_told() -> None:
    told = {(domain, value) for domain, _, value, _ in _counted(package_of())}

    assert {("Observation", "preliminary"), ("Coverage", "active"), ("AllergyIntolerance", None)} <= told


def _written(folder: Path, type_: str, *resources: dict[str, Any]) -> dict[str, Path]:
    path = folder / f"{type_}.ndjson"
    path.write_text("".join(json.dumps({"resourceType": type_, **one}) + "\n" for one in resources), encoding="utf-8")
    return {type_: path}


def test_what_a_where_passes_over_is_told_with_its_view_status_and_count(tmp_path: Path) -> None:
    statuses = {"o1": "final", "o2": "preliminary", "o3": "preliminary", "o4": "cancelled"}
    files = _written(tmp_path, "Observation", *({"id": key, "status": one} for key, one in statuses.items()))
    rows = [RESULT | {"id": key, "status": one} for key, one in statuses.items()]
    package = made(
        {
            "subject_event": event_rows(ONE, {"kind": "consented", "on": "2024-01-02"}),
            "patient": [PATIENT],
            "laboratory": rows,
        },
        files=files,
    )

    assert _counted(package) == [
        ("Observation", "status", "cancelled", 1),
        ("Observation", "status", "preliminary", 2),
    ]
    assert all("view laboratory" in one.text for one in _told(package))
    assert {(one.severity, one.subject, one.resource) for one in _told(package)} == {("warning", None, None)}


def test_what_no_domain_reads_is_told_with_its_code(tmp_path: Path) -> None:
    coded = {
        "coding": [{"system": "urn:reluth:terms"}, {"system": "urn:reluth:terms", "code": "marrow-fraction-irradiated"}]
    }
    files = _written(
        tmp_path,
        "Observation",
        {"id": "o1", "status": "final", "code": coded},
        {"id": "o2", "status": "final", "code": coded},
        {"id": "o3", "status": "final", "code": "not as FHIR has it"},
        {"id": "o4", "code": {"coding": []}},
    )

    assert _counted(made({}, [], files=files)) == [
        ("Observation", "code", "marrow-fraction-irradiated", 2),
        ("Observation", "status", None, 1),
        ("Observation", "status", "final", 1),
    ]


@pytest.mark.parametrize("type_", ["Consent", "Medication"])
def test_what_the_staging_has_used_is_not_asked_for_a_record(tmp_path: Path, type_: str) -> None:
    assert _told(made({}, [], files=_written(tmp_path, type_, {"id": "k1", "status": "active"}))) == []
