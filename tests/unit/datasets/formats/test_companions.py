"""In: files, findings and packages. Out: whether manifest, data package, findings and reviewer's guide say what is there, and notice what changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from adapter.datasets.formats import (
    Field,
    GuideNotes,
    Resource,
    field_type,
    manifest_problems,
    read_findings,
    reviewers_guide,
    write_datapackage,
    write_findings,
    write_manifest,
)
from adapter.datasets.model import Codelist, CodelistTerm, Finding
from adapter.errors import DefectError, UsageError
from tests.support.sdtm_packages import package

FINDINGS = [
    Finding(
        code="unit-unknown", text="A unit is in no table.", domain="LB", variable="LBORRESU", value="=1+1", count=3
    ),
    Finding(code="unit-unknown", text="A unit is in no table.", domain="LB", variable="LBORRESU", value="'x", count=2),
    Finding(code="arm-missing", text="No | arm, <b>none</b>.", severity="error", domain="DM", subject="RELUTH-05-0001"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "lab.csv").write_bytes(b"id,value\na,1\n")
    (tmp_path / "findings.csv").write_bytes(b"code\n")
    return tmp_path


def test_manifest_names_every_file_with_its_hash_and_size(folder: Path) -> None:
    write_manifest(folder, {"format": "views", "counts": {"subjects": 2}})
    said = json.loads((folder / "manifest.json").read_text())

    assert said["counts"] == {"subjects": 2}
    assert [one["path"] for one in said["files"]] == ["findings.csv", "views/lab.csv"]
    assert said["files"][1] == {
        "path": "views/lab.csv",
        "bytes": 13,
        "sha256": hashlib.sha256(b"id,value\na,1\n").hexdigest(),
    }
    assert manifest_problems(folder) == []


def test_manifest_notices_each_change(folder: Path) -> None:
    write_manifest(folder, {})
    (folder / "views" / "lab.csv").write_bytes(b"id,value\na,2\n")
    (folder / "findings.csv").unlink()
    (folder / "extra.txt").write_bytes(b"")

    assert manifest_problems(folder) == [
        "extra.txt: not named in the manifest",
        "findings.csv: missing",
        "views/lab.csv: changed",
    ]


@pytest.mark.parametrize("content", [None, "{", "{}", "[]", '{"files": [1]}'])
def test_missing_or_broken_manifest_is_told(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "manifest.json").write_text(content)

    with pytest.raises(UsageError, match=r"manifest\.json"):
        manifest_problems(folder)


def test_datapackage_describes_each_file(folder: Path) -> None:
    fields = (
        Field(name="id", type="string", description="getResourceKey()"),
        Field(name="value", type=field_type("decimal")),
    )
    lab = Resource(name="lab_results", path="views/lab.csv", fields=fields, rows=1, description="Results")
    write_datapackage(folder, [lab], name="reluth-views", title="ReLUTH")
    said = json.loads((folder / "datapackage.json").read_text())

    assert said["name"] == "reluth-views"
    assert said["resources"][0] == {
        "name": "lab-results-csv",
        "path": "views/lab.csv",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": 13,
        "hash": f"sha256:{hashlib.sha256(b'id,value' + bytes([10]) + b'a,1' + bytes([10])).hexdigest()}",
        "rows": 1,
        "schema": {
            "fields": [
                {"name": "id", "type": "string", "description": "getResourceKey()"},
                {"name": "value", "type": "number"},
            ],
            "missingValues": [""],
        },
        "profile": "tabular-data-resource",
        "dialect": {"delimiter": ",", "header": True},
        "description": "Results",
    }


def test_resource_without_its_file_or_of_one_name_is_refused(folder: Path) -> None:
    lab = Resource(name="lab", path="views/lab.csv", fields=(), rows=1)
    gone = Resource(name="gone", path="views/gone.csv", fields=(), rows=1)

    for wrong in ([gone], [lab, lab]):
        with pytest.raises(DefectError):
            write_datapackage(folder, wrong, name="a", title="a")


def test_findings_are_read_back_as_written_errors_first(tmp_path: Path) -> None:
    write_findings(FINDINGS, tmp_path / "findings.csv")
    back = read_findings(tmp_path / "findings.csv")

    assert back[0] == FINDINGS[2]
    assert set(back) == set(FINDINGS)


def test_findings_are_the_same_in_any_order_and_no_formula(tmp_path: Path) -> None:
    write_findings(FINDINGS, tmp_path / "a.csv")
    write_findings(reversed(FINDINGS), tmp_path / "b.csv")

    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert "'=1+1" in (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("content", [None, "severity,code\nerror,x\n", "severity,code,text,count\nbad,x,y,1\n"])
def test_what_are_no_findings_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "f.csv").write_text(content)

    with pytest.raises(UsageError, match=r"f\.csv"):
        read_findings(tmp_path / "f.csv")


def test_guide_counts_records_subjects_and_findings() -> None:
    guide = reviewers_guide(package(), FINDINGS)

    assert "| LB | Records of LB | FINDINGS | One record per key | STUDYID, USUBJID, LBTESTCD, LBSEQ | 4 | 2 |" in guide
    assert "| warning | `unit-unknown` | A unit is in no table. | LB | 5 |" in guide
    assert r"| error | `arm-missing` | No \| arm, &lt;b>none&lt;/b>. | DM | 1 |" in guide


def test_guide_lists_defaults_waivers_options_and_who_is_left_out() -> None:
    notes = GuideNotes(
        defaults={"RACE": "blank"},
        waivers={"CORE-000885": "No infusion under surveillance."},
        left_out={"no consent": 3},
        options={"Data cut": "2024-05-01"},
    )
    guide = reviewers_guide(package(), [], notes)

    for line in (
        "| RACE | blank |",
        "| CORE-000885 | No infusion under surveillance. |",
        "| no consent | 3 |",
        "| Data cut | 2024-05-01 |",
    ):
        assert line in guide


def test_guide_lists_terms_beyond_the_terminology_only() -> None:
    own = Codelist(id="OWN", name="Own", terms=(CodelistTerm(value="MINE"),))
    guide = reviewers_guide(package(codelists=(*package().codelists, own)), [])

    assert "| Unit | GBq | - |" in guide
    assert "HGB" not in guide
    assert "MINE" not in guide


def test_guide_of_nothing_to_tell_says_none() -> None:
    guide = reviewers_guide(package(codelists=()), [])

    assert guide.count("\nNone.\n") == 5


def test_a_report_beside_a_package_is_no_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "findings.csv").write_text("code\n")
    before = write_manifest(tmp_path, {}).read_bytes()
    (tmp_path / "report.html").write_text("<!doctype html>")

    assert manifest_problems(tmp_path) == []
    assert write_manifest(tmp_path, {}).read_bytes() == before
