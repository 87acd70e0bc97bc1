"""Promises of a folder handed over: every file read or named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from adapter.errors import UsageError
from adapter.sync import FolderSource, Problem
from tests.unit.store.making import patient, write_folder


@pytest.mark.parametrize(
    "name",
    [
        "Patient.ndjson",
        "Patient.ndjson.gz",
        "Patient.1.ndjson",
        "Patient_000.ndjson",
        "Patient-2.ndjson.gz",
        "1.Patient.ndjson",
        "export_3.Patient.NDJSON",
    ],
)
def test_folder_reads_files_named_after_a_type(tmp_path: Path, name: str) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {name: patient("1") + b"\n"}))

    assert source.types() == ["Patient"]
    assert [item.raw for item in source.fetch("Patient")] == [patient("1")]
    assert source.notices() == []


@pytest.mark.parametrize(
    "name",
    [
        "truth.ndjson",
        "log.ndjson",
        "manifest.json",
        "Patient.json",
        "patient.ndjson",
        "Patient.Observation.ndjson",
        "Patient.ndjson.part",
    ],
)
def test_folder_names_what_it_does_not_read(tmp_path: Path, name: str) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {name: b"{}\n", "Medication.ndjson": b""}))

    assert source.types() == ["Medication"]
    assert [notice.partition(":")[0] for notice in source.notices()] == [name]


@pytest.mark.parametrize(
    "name",
    [
        "part-0001.ndjson",
        "patient.ndjson",
        "Patient.json",
        "Patient_Observation.ndjson",
        "Patient.ndjson.part",
        "x.ndjson.gz",
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        patient("1") + b"\n",
        b'{"id":"1","resourceType":"Patient"}\n',
        b'\xef\xbb\xbf{\n  "resourceType" : "Patient",\n  "id": "1"\n}',
        gzip.compress(patient("1") + b"\n", mtime=0),
    ],
)
def test_file_of_resources_under_another_name_is_missing(tmp_path: Path, name: str, content: bytes) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {name: content}))

    (missing,) = source.missing()
    assert missing.type == "Patient"
    assert missing.reason.startswith(f"{name}: not read, its name is not")
    assert source.notices() == []


@pytest.mark.parametrize("name", ["Patient.ndjson.zip", "Patient.001.ndjson.ZST", "patients.Patient.ndjson.bz2"])
def test_file_of_a_type_that_is_packed_in_another_way_is_missing(tmp_path: Path, name: str) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {name: b"PK\x03\x04", "Patient.ndjson.md5": b"0cc1"}))

    (missing,) = source.missing()
    assert (missing.type, missing.reason.endswith("packed in another way")) == ("Patient", True)
    assert [notice.partition(":")[0] for notice in source.notices()] == ["Patient.ndjson.md5"]


@pytest.mark.parametrize("content", [b'{"resourceType":"Surname"}', b'{"id":"1","resourceType":"Surname"}'])
def test_file_of_what_is_no_resource_of_fhir_is_named_alone(tmp_path: Path, content: bytes) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {"x.json": content}))

    assert source.missing() == []
    assert [notice.partition(":")[0] for notice in source.notices()] == ["x.json"]


def test_link_to_a_file_that_is_gone_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", {})
    (folder / "Patient.ndjson").symlink_to(tmp_path / "gone.ndjson")

    (problem,) = FolderSource(folder).fetch("Patient")

    assert isinstance(problem, Problem)
    assert (problem.incomplete, problem.reason) == (True, "the file cannot be read (No such file or directory)")


def test_folder_reads_parts_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["Patient.10.ndjson", "Patient.9.ndjson", "Patient.ndjson"]
    source = FolderSource(write_folder(tmp_path / "in", {name: name.encode() + b"\n" for name in names}))

    read = [item.origin.source for item in source.fetch("Patient")]
    assert read == ["Patient.9.ndjson", "Patient.10.ndjson", "Patient.ndjson"]


def test_folder_reads_only_the_types_asked_for_and_says_so(tmp_path: Path) -> None:
    files = {"Patient.ndjson": b"", "Condition.ndjson": b"", "Claim.ndjson": b""}
    source = FolderSource(write_folder(tmp_path / "in", files), ["Patient", "Condition", "Medication"])

    assert source.types() == ["Patient", "Condition"]
    assert source.notices() == ["Claim.ndjson: not read, Claim was not asked for", "Medication: no file in the folder"]
    assert source.missing() == []


def test_folder_has_no_time(tmp_path: Path) -> None:
    source = FolderSource(write_folder(tmp_path / "in", {}))

    assert source.transaction_time is None
    assert source.since("2025-01-01T00:00:00Z") is None


def test_folder_that_is_none_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^nothing: no such folder"):
        FolderSource(tmp_path / "nothing")


def test_file_that_cannot_be_read_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", {"Patient.1.ndjson": b"", "Patient.2.ndjson": patient("1")})
    source = FolderSource(folder)
    (folder / "Patient.1.ndjson").unlink()

    first, second = source.fetch("Patient")
    assert (first.origin.source, getattr(first, "incomplete", None)) == ("Patient.1.ndjson", True)
    assert second.raw == patient("1")
