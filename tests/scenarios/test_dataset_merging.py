"""In: packages of two sites, of each format. Out: that `reluth export --merge` puts them together, whole, or says what they differ in."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from adapter.datasets.formats import manifest_problems, write_manifest
from tests.support.datasets import bytes_of, compiled_once
from tests.support.packages import export, fill

FORMS = ("sdtm", "views", "fhir")


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


def made(folder: Path, *, subjects: int, code: str) -> Path:
    """A site with a package of each format."""
    fill(folder, subjects=subjects, code=code)
    for form in FORMS:
        assert export(folder, folder / f"{form}-{code}", "--format", form).code == 0
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("icm"), subjects=2, code="05")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("chu"), subjects=3, code="07")


def told(package: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((package / "manifest.json").read_bytes())
    return found


@pytest.mark.parametrize("form", FORMS)
def test_merge_has_the_subjects_and_records_of_both_sites(one: Path, other: Path, tmp_path: Path, form: str) -> None:
    parts = [one / f"{form}-05", other / f"{form}-07"]
    ran = export(tmp_path, tmp_path / "all", "--merge", parts[0], "--merge", parts[1], json=True)
    said = [told(part) for part in parts]

    assert ran.code == 0
    assert ran.object["subjects"] == sum(each["subjects"] for each in said) == 5
    assert manifest_problems(tmp_path / "all") == []
    merged = told(tmp_path / "all")
    assert merged["sites"] == ["icm"]
    for name, count in ran.object["records"].items():
        own = [each["records"].get(name, 0) for each in said]
        # What is said of the trial, and of datasets as a whole, is in each of them, and once in the merged one.
        assert count == (own[0] if form == "sdtm" and name in ("RELREC", "TA", "TE", "TI", "TS", "TV") else sum(own)), (
            name
        )
    rows = [pq.read_table(package / "trace.parquet").num_rows for package in (*parts, tmp_path / "all")]
    assert rows[2] == rows[0] + rows[1]
    groups = json.loads((tmp_path / "all/k-anonymity.json").read_bytes())
    assert groups["subjects"] == 5
    assert {each["site"] for each in groups["by_class"]} == {"05", "07"}


@pytest.mark.parametrize("form", FORMS)
def test_merge_is_the_same_in_whatever_order_the_packages_are_named(
    one: Path, other: Path, tmp_path: Path, form: str
) -> None:
    parts = [one / f"{form}-05", other / f"{form}-07"]
    for name, order in (("a", parts), ("b", parts[::-1])):
        assert export(tmp_path, tmp_path / name, "--merge", order[0], "--merge", order[1]).code == 0

    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_merged_views_hold_each_row_as_it_was_in_both_files(one: Path, other: Path, tmp_path: Path) -> None:
    parts = [one / "views-05", other / "views-07"]
    assert export(tmp_path, tmp_path / "all", "--merge", parts[0], "--merge", parts[1]).code == 0
    described = {each["path"]: each for each in told_resources(tmp_path / "all")}

    assert described.keys() == {each["path"] for each in told_resources(parts[0])}
    for path in sorted(tmp_path.glob("all/views/*.parquet")):
        table = pq.read_table(path)
        own = [pq.read_table(part / f"views/{path.name}") for part in parts]
        assert sorted(map(str, table.to_pylist())) == sorted(str(row) for each in own for row in each.to_pylist())
        with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == table.column_names
        assert len(rows) - 1 == table.num_rows == described[f"views/{path.name}"]["rows"]
    assert pq.read_table(tmp_path / "all/views/patient.parquet").num_rows == 5


def told_resources(package: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((package / "datapackage.json").read_bytes())["resources"]
    return found


def test_merged_feeds_hold_each_line_as_it_was(one: Path, other: Path, tmp_path: Path) -> None:
    parts = [one / "fhir-05", other / "fhir-07"]
    assert export(tmp_path, tmp_path / "all", "--merge", parts[0], "--merge", parts[1]).code == 0

    names = {path.name for part in parts for path in part.glob("fhir/*")}
    assert {path.name for path in tmp_path.glob("all/fhir/*")} == names
    for name in names:
        own = [line for part in parts if (part / "fhir" / name).exists() for line in lines(part / "fhir" / name)]
        assert sorted(lines(tmp_path / "all/fhir" / name)) == sorted(own)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("form", FORMS)
def test_merge_refuses_a_subject_in_two_packages_and_names_both(one: Path, tmp_path: Path, form: str) -> None:
    shutil.copytree(one / f"{form}-05", tmp_path / "twin")
    ran = export(tmp_path, tmp_path / "all", "--merge", one / f"{form}-05", "--merge", tmp_path / "twin")

    assert ran.code == 2
    assert f"RELUTH-05-0001 stands in {form}-05 and in twin" in ran.err
    assert not (tmp_path / "all").exists()


def test_merge_refuses_a_package_that_is_not_as_it_was_made_or_was_made_otherwise(
    one: Path, other: Path, tmp_path: Path
) -> None:
    shutil.copytree(other / "sdtm-07", tmp_path / "changed")
    (tmp_path / "changed/sdtm/define.xml").write_bytes(b"<ODM/>")
    assert export(other, tmp_path / "cut", "--as-of", "2024-01-01").code == 0
    shutil.copytree(other / "views-07", tmp_path / "views")
    found = {
        name: export(tmp_path, tmp_path / "all", "--merge", one / "sdtm-05", "--merge", tmp_path / name)
        for name in ("changed", "cut", "views", "nothing")
    }

    assert {ran.code for ran in found.values()} == {2}
    assert "sdtm/define.xml: changed" in found["changed"].err
    assert "as_of" in found["cut"].err
    assert "format" in found["views"].err
    assert not (tmp_path / "all").exists()


def test_merge_refuses_views_with_other_columns_and_names_the_file(one: Path, other: Path, tmp_path: Path) -> None:
    shutil.copytree(other / "views-07", tmp_path / "older")
    described = json.loads((tmp_path / "older/datapackage.json").read_bytes())
    described["resources"][0]["schema"]["fields"].pop()
    (tmp_path / "older/datapackage.json").write_text(json.dumps(described), encoding="utf-8")
    facts = {name: value for name, value in told(tmp_path / "older").items() if name != "files"}
    write_manifest(tmp_path / "older", facts)
    ran = export(tmp_path, tmp_path / "all", "--merge", one / "views-05", "--merge", tmp_path / "older")

    assert ran.code == 2
    assert f"they differ in the columns of {described['resources'][0]['path']}" in ran.err
    assert not (tmp_path / "all").exists()


def test_merge_refuses_views_that_are_not_described(one: Path, other: Path, tmp_path: Path) -> None:
    shutil.copytree(other / "views-07", tmp_path / "bare")
    (tmp_path / "bare/datapackage.json").unlink()
    write_manifest(
        tmp_path / "bare", {name: value for name, value in told(tmp_path / "bare").items() if name != "files"}
    )
    ran = export(tmp_path, tmp_path / "all", "--merge", one / "views-05", "--merge", tmp_path / "bare")

    assert (ran.code, "bare: no datapackage.json" in ran.err) == (2, True)
    assert not (tmp_path / "all").exists()


def test_core_is_refused_for_packages_without_domains(one: Path, other: Path, tmp_path: Path) -> None:
    core = tmp_path / "core"
    core.write_text("#!/bin/sh\n", encoding="utf-8")
    core.chmod(0o755)
    merged: list[str | Path] = ["--merge", one / "fhir-05", "--merge", other / "fhir-07"]

    ran = export(tmp_path, tmp_path / "all", *merged, "--core", core)

    assert (ran.code, "must hold some" in ran.err) == (2, True)
