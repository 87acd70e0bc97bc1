"""In: a program that stands for CDISC CORE. Out: whether it is run as it should be, its report is read, and each failure is a clear error."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.checks.core_findings import core_report, load_waivers, parse_core_report
from adapter.datasets.formats import write_sdtm
from adapter.errors import DocumentError, RemoteError, TransientError, UsageError
from tests.support.sdtm_packages import package

REPORT: dict[str, Any] = {
    "Conformance_Details": {"CORE_Engine_Version": "0.12.0", "Standard": "SDTMIG"},
    "Dataset_Details": [],
    "Issue_Summary": [
        {"dataset": "lb.xpt", "core_id": "CORE-000100", "message": "A unit is missing", "issues": 4},
        {"dataset": "dm.xpt", "core_id": "CORE-000885", "message": "No EX record", "issues": 70},
    ],
    "Issue_Details": [],
    "Rules_Report": [
        {"core_id": "CORE-000100", "status": "SUCCESS"},
        {"core_id": "CORE-000885", "status": "SUCCESS"},
        {"core_id": "CORE-000999", "status": "SKIPPED"},
    ],
}

#: Writes down how it was called, and leaves the report that lies beside it where CORE would: at `-o` with the ending of the format.
PROGRAM = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
said = dict(zip(sys.argv[2::2], sys.argv[3::2]))
(here / "called.json").write_text(json.dumps(
    {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "secrets": [one for one in os.environ if one.startswith("RELUTH")]}}))
print("a line for the terminal")
if (here / "report.json").exists():
    pathlib.Path(said["-o"] + ".json").write_bytes((here / "report.json").read_bytes())
sys.exit(int((here / "code").read_text()) if (here / "code").exists() else 0)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    folder = tmp_path / "core"
    folder.mkdir()
    path = folder / "core"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    (folder / "report.json").write_text(json.dumps(REPORT))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sdtm(package(), tmp_path / "sdtm")
    return tmp_path / "sdtm"


def test_findings_are_ours_or_waived_with_their_reason(engine: Path, folder: Path) -> None:
    report = core_report(engine, folder, package())

    assert [(one.rule, one.dataset, one.issues) for one in report.ours] == [("CORE-000100", "lb.xpt", 4)]
    assert [(one.rule, bool(one.waived)) for one in report.waived] == [("CORE-000885", True)]
    assert report.unused == ("CORE-000886", "CORE-000741")
    assert (report.engine, report.rules, report.skipped) == ("0.12.0", 2, 1)


def test_report_is_printed_with_ours_before_the_waived() -> None:
    lines = list(parse_core_report(REPORT, {"CORE-000885": "No infusion there.", "CORE-000001": "Never."}).lines())

    assert lines == [
        "CDISC CORE 0.12.0: 2 rules run, 1 skipped",
        "findings to mend: 1",
        "  CORE-000100 lb.xpt (4): A unit is missing",
        "findings waived: 1",
        "  CORE-000885 dm.xpt (70): No EX record",
        "    waived: No infusion there.",
        "waivers that nothing needed: CORE-000001",
    ]


def test_engine_is_called_with_the_package_and_without_our_secrets(
    engine: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RELUTH_DATASETS__KEY", "secret")
    core_report(engine, folder, package())
    called = json.loads((engine.parent / "called.json").read_text())
    arguments = dict(zip(called["arguments"][1::2], called["arguments"][2::2], strict=True))

    assert called["arguments"][0] == "validate"
    assert (arguments["-s"], arguments["-v"], arguments["-ct"]) == ("sdtmig", "3-4", "sdtmct-2025-09-26")
    assert (arguments["-d"], arguments["-dxp"]) == (str(folder / "xpt"), str(folder / "define.xml"))
    assert (arguments["-of"], called["cwd"], called["secrets"]) == ("JSON", str(engine.parent), [])
    assert capfd.readouterr() == ("", "")


def test_report_is_read_whatever_the_exit_code(engine: Path, folder: Path) -> None:
    (engine.parent / "code").write_text("1")

    assert core_report(engine, folder, package()).ours


def test_nothing_is_left_in_the_package(engine: Path, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    core_report(engine, folder, package(terminology=None))

    assert sorted(folder.rglob("*")) == before
    assert "-ct" not in json.loads((engine.parent / "called.json").read_text())["arguments"]


def test_absent_or_unusable_engine_is_told(engine: Path, folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    bad = tmp_path / "bad"
    bad.write_text("#!/no/such/interpreter\n")
    bad.chmod(0o755)

    for wrong, told in ((tmp_path / "none", "no CDISC CORE"), (plain, "no CDISC CORE"), (bad, "cannot be run")):
        with pytest.raises(UsageError, match=told):
            core_report(wrong, folder, package())


def test_folder_without_a_package_is_told(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no SDTM package"):
        core_report(engine, tmp_path, package())


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        '{"Issue_Summary": 1}',
        '{"Issue_Summary": [{"core_id": 1}]}',
        '{"Issue_Summary": ["x"]}',
    ],
)
def test_missing_or_malformed_report_is_told(engine: Path, folder: Path, content: str | None) -> None:
    (engine.parent / "report.json").unlink()
    if content is not None:
        (engine.parent / "report.json").write_text(content)

    with pytest.raises(RemoteError, match="CDISC CORE"):
        core_report(engine, folder, package())


def test_engine_that_does_not_end_is_ended_with_its_workers(engine: Path, folder: Path) -> None:
    pid = engine.parent / "pid"
    engine.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid}\nwait\n")

    with pytest.raises(TransientError, match="did not end"):
        core_report(engine, folder, package(), timeout=1)
    worker = int(pid.read_text())
    assert _ended(worker)


def _ended(pid: int) -> bool:
    """It is gone, or waits for whoever takes over the orphans."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "(sleep) Z" in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


def test_shipped_waivers_have_their_reasons() -> None:
    waivers = load_waivers()

    assert set(waivers) == {"CORE-000885", "CORE-000886", "CORE-000741"}
    assert all(len(reason) > 40 for reason in waivers.values())


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ("- a: [", "#"),
        ("waivers: []", "#"),
        ("{kind: waivers, version: 1, waivers: []}", "#"),
        ("{kind: core-waivers, version: 1, waivers: [x]}", "#/waivers/0"),
        ("{kind: core-waivers, version: 1, waivers: [{rule: CORE-1, reason: x}]}", "#/waivers/0/rule"),
        ("{kind: core-waivers, version: 1, waivers: [{rule: CORE-000001, reason: ' '}]}", "#/waivers/0/reason"),
        (
            "{kind: core-waivers, version: 1, waivers: [{rule: CORE-000001, reason: x}, {rule: CORE-000001, reason: y}]}",
            "#/waivers/1/rule",
        ),
        ("{kind: core-waivers, version: 1, waivers: [{rule: CORE-000001}]}", "#/waivers/0"),
    ],
)
def test_wrong_waivers_are_told_by_their_place(tmp_path: Path, content: str, pointer: str) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text(content)

    with pytest.raises(DocumentError, match=rf"waivers\.yaml{pointer}: "):
        load_waivers(path)
