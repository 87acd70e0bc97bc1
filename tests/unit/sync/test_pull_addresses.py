"""Promises of what is named by absolute references: never taken for another person's, never lost without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.store import Store
from adapter.sync import FolderSource, PullSummary, pull
from tests.unit.store.making import patient, write_folder

OWN = "https://fhir.example.org/r4"
OTHER = "https://other.example.org/fhir"


def _line(type_: str, id_: str, **elements: Any) -> bytes:
    return json.dumps({"resourceType": type_, "id": id_, **elements}, separators=(",", ":")).encode()


def _result(id_: str, person: str) -> bytes:
    return _line("Observation", id_, status="final", subject={"reference": person})


def _pull(store: Store, folder: Path, files: dict[str, list[bytes]], *, own: tuple[str, ...] = ()) -> PullSummary:
    written = {name: b"".join(line + b"\n" for line in lines) for name, lines in files.items()}
    return pull(store, FolderSource(write_folder(folder, written)), site="icm", own_addresses=own)


def _people(store: Store, *ids: str) -> dict[str, str | None]:
    return dict(store.lake.patients_of("icm", [f"Observation/{id_}" for id_ in ids]))


def test_a_reference_to_another_server_is_not_one_to_the_local_person(store: Store, tmp_path: Path) -> None:
    lines = [_result("near", "Patient/12"), _result("far", f"{OTHER}/Patient/12")]
    summary = _pull(store, tmp_path / "in", {"Observation.ndjson": lines}, own=(OWN,))

    (aside,) = summary.as_object()["quarantine"]
    assert (summary.exit_code, aside["reference"]) == (5, "Observation/far")
    assert "(other.example.org/fhir)" in aside["reason"] and "own_addresses" in aside["reason"]
    assert _people(store, "near", "far") == {"Observation/near": "Patient/12"}


@pytest.mark.parametrize(
    "person",
    [
        "Patient/12",
        "/r4/Patient/12",
        "https://fhir.example.org/r4/Patient/12/_history/3",
        "http://FHIR.example.org/r4/Patient/12",
        "https://fhir.example.org:443/r4/Patient/12",
        "https://inside.example.org:8080/fhir/Patient/12",
    ],
)
def test_a_reference_to_an_own_address_is_local(store: Store, tmp_path: Path, person: str) -> None:
    own = (OWN, "http://inside.example.org:8080/fhir/")
    summary = _pull(store, tmp_path / "in", {"Observation.ndjson": [_result("o", person)]}, own=own)

    assert summary.exit_code == 0
    assert _people(store, "o") == {"Observation/o": "Patient/12"}


@pytest.mark.parametrize(
    "person", ["https://fhir.example.org/r3/Patient/12", "https://fhir.example.org:8443/r4/Patient/12"]
)
def test_another_tenant_of_the_same_host_is_another_server(store: Store, tmp_path: Path, person: str) -> None:
    summary = _pull(store, tmp_path / "in", {"Observation.ndjson": [_result("o", person)]}, own=(OWN,))

    assert summary.exit_code == 5


def test_a_folder_that_names_all_by_one_address_is_of_that_address(store: Store, tmp_path: Path) -> None:
    lines = [_result("a", f"{OTHER}/Patient/12"), _result("b", f"{OTHER}/Patient/13")]
    summary = _pull(store, tmp_path / "in", {"Observation.ndjson": lines, "Patient.ndjson": [patient("12")]})

    assert summary.exit_code == 0
    assert _people(store, "a", "b") == {"Observation/a": "Patient/12", "Observation/b": "Patient/13"}


@pytest.mark.parametrize("second", ["Patient/12", "https://third.example.org/fhir/Patient/12"])
def test_of_a_folder_that_names_people_in_two_ways_the_absolute_ones_are_put_aside(
    store: Store, tmp_path: Path, second: str
) -> None:
    files = {"Condition.ndjson": [_line("Condition", "c", subject={"reference": f"{OTHER}/Patient/12"})]}
    summary = _pull(store, tmp_path / "in", files | {"Observation.ndjson": [_result("o", second)]})

    aside = {item["reference"] for item in summary.as_object()["quarantine"]}
    is_relative = second.startswith("Patient/")
    assert aside == {"Condition/c"} | (set() if is_relative else {"Observation/o"})
    assert _people(store, "o") == ({"Observation/o": "Patient/12"} if is_relative else {})
    assert store.lake.patients_of("icm", ["Condition/c"]) == {}
    types = summary.as_object()["types"]
    assert (types["Condition"]["read"], types["Condition"]["new"], types["Condition"]["quarantined"]) == (1, 0, 1)


def test_once_the_address_is_named_what_lay_aside_is_read(store: Store, tmp_path: Path) -> None:
    files = {"Observation.ndjson": [_result("o", f"{OTHER}/Patient/12")]}
    _pull(store, tmp_path / "in", files, own=(OWN,))
    summary = _pull(store, tmp_path / "in", files, own=(OWN, OTHER))

    assert (summary.exit_code, store.quarantined("icm")) == (0, [])
    assert _people(store, "o") == {"Observation/o": "Patient/12"}


@pytest.mark.parametrize("element", ["medicationReference", "study"])
def test_what_hangs_on_another_servers_medication_or_study_is_put_aside(
    store: Store, tmp_path: Path, element: str
) -> None:
    type_ = "MedicationAdministration" if element == "medicationReference" else "ResearchSubject"
    target = "Medication/1" if element == "medicationReference" else "ResearchStudy/1"
    raw = _line(type_, "m", subject={"reference": "Patient/12"}, **{element: {"reference": f"{OTHER}/{target}"}})
    summary = _pull(store, tmp_path / "in", {f"{type_}.ndjson": [raw]}, own=(OWN,))

    assert [item["reference"] for item in summary.as_object()["quarantine"]] == [f"{type_}/m"]


def test_a_link_to_another_servers_patient_merges_nobody_here_and_is_told(store: Store, tmp_path: Path) -> None:
    links = [{"type": "replaces", "other": {"reference": f"{OTHER}/Patient/1"}}]
    near = [{"type": "replaces", "other": {"reference": f"{OWN}/Patient/3"}}]
    seen = [{"type": "seealso", "other": {"reference": f"{OTHER}/Patient/4"}}]
    lines = [_line("Patient", "12", link=links + seen), _line("Patient", "13", link=near), patient("1"), patient("3")]
    summary = _pull(store, tmp_path / "in", {"Patient.ndjson": lines}, own=(OWN,))

    assert store.lake.merges("icm") == {"Patient/3": "Patient/13"}
    (notice,) = summary.notices
    assert notice.startswith("1 links") and "(other.example.org/fhir)" in notice and "own_addresses" in notice
    assert summary.exit_code == 0


def test_in_a_folder_links_are_followed_that_stand_under_the_address_of_its_people(
    store: Store, tmp_path: Path
) -> None:
    def link(base: str, other: str) -> list[dict[str, Any]]:
        return [{"type": "replaces", "other": {"reference": f"{base}/Patient/{other}"}}]

    lines = [_line("Patient", "12", link=link(OTHER, "1")), _line("Patient", "13", link=link(OWN, "3"))]
    results = [_result("o", f"{OTHER}/Patient/12")]
    _pull(store, tmp_path / "in", {"Patient.ndjson": lines, "Observation.ndjson": results})

    assert store.lake.merges("icm") == {"Patient/1": "Patient/12"}


@pytest.mark.parametrize(
    "base", ["https://dupont:secret@h.example.org/fhir", "https://h.example.org/Patient/77", "https://h/Jean Dupont"]
)
def test_an_address_that_may_hold_more_than_one_is_not_shown(store: Store, tmp_path: Path, base: str) -> None:
    lines = [_line("Observation", "o", subject={"reference": f"{base}/Patient/12"})]
    summary = _pull(store, tmp_path / "in", {"Observation.ndjson": lines}, own=(OWN,))

    (aside,) = summary.as_object()["quarantine"]
    assert "one that is not shown" in aside["reason"]
