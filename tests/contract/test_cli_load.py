"""In: files on disk and `reluth load` as a user runs it. Out: the report, the exit codes, and nothing of what stood in the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.cli import reluth

SECRET = "Zebulon-4711"
SETTINGS = '[sites.icm]\nidentifier_system = "urn:example:ipp"\nsite_code = "05"\n'
LABS = "id;patient;loinc;effective;value;unit\n"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adapter.toml").write_text(SETTINGS)


def stored(kind: str) -> int:
    with Store.open(Path("var")) as store:
        return len(store.entities.all("icm", kind))


def test_template_loads_by_a_pipe_between_two_processes(tmp_path: Path) -> None:
    program = f"{sys.executable} -c 'import sys; from adapter.cli import main; sys.exit(main())'"
    line = f"{program} load labs --template | {program} load labs - --json"
    ran = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)

    assert (ran.returncode, json.loads(ran.stdout)["new"], stored("labs")) == (0, 2, 2)


@pytest.mark.parametrize("kind", ["study", "subjects", "infusions"])
def test_template_loads_as_it_is_printed(kind: str) -> None:
    name = "study.json" if kind == "study" else f"{kind}.csv"
    Path(name).write_text(reluth("load", kind, "--template").out, encoding="utf-8")
    ran = reluth("load", kind, name, "--json")

    assert (ran.code, ran.object["refused"]) == (0, [])
    assert stored(kind) == ran.object["new"] == (2 if kind == "infusions" else 1)


def test_report_is_the_object_of_the_contract() -> None:
    Path("labs.csv").write_text(LABS + "R1;P1;718-7;2025-05-20;12,1;g/dL\nR2;P1;718-7;20/05/2025;12,1;g/dL\n")
    ran = reluth("load", "labs", "labs.csv", "--json")

    assert ran.code == 5
    assert ran.object == {
        "kind": "labs",
        "site": "icm",
        "read": 2,
        "new": 1,
        "changed": 0,
        "unchanged": 0,
        "refused": [
            {
                "file": "labs.csv",
                "row": 3,
                "column": "effective",
                "value_class": "date-like",
                "reason": "a date (YYYY-MM-DD) or a time with its offset (YYYY-MM-DDThh:mm:ss+02:00) is wanted",
            }
        ],
    }


def test_second_load_of_the_same_file_changes_nothing() -> None:
    Path("labs.csv").write_text(LABS + "R1;P1;718-7;2025-05-20;12,1;g/dL\n")
    reluth("load", "labs", "labs.csv")
    ran = reluth("load", "labs", "labs.csv", "--json")

    assert (ran.code, ran.object["new"], ran.object["changed"], ran.object["unchanged"]) == (0, 0, 0, 1)


def test_file_without_rows_is_done() -> None:
    Path("labs.csv").write_text(LABS)
    ran = reluth("load", "labs", "labs.csv", "--json")

    assert (ran.code, ran.object["read"]) == (0, 0)


def test_shipped_study_is_loaded_by_its_trial() -> None:
    ran = reluth("load", "study", "--trial", "nct04954820", "--json")

    assert (ran.code, ran.object["new"], stored("study")) == (0, 1, 1)


def test_correcting_replaces_what_is_stored() -> None:
    header = "number,patient,event,on\n"
    Path("all.csv").write_text(header + "S-1,P1,consented,2025-01-10\nS-1,P1,registered,2025-01-12\n")
    Path("less.csv").write_text(header + "S-1,P1,consented,2025-01-10\n")
    reluth("load", "subjects", "all.csv")
    refused, corrected = (
        reluth("load", "subjects", "less.csv"),
        reluth("load", "subjects", "less.csv", "--correct", "--json"),
    )

    assert (refused.code, "--correct" in refused.err) == (5, True)
    assert (corrected.code, corrected.object["changed"]) == (0, 1)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("labs.csv", f"{SECRET};{SECRET.lower()};1950\n".encode(), 2),
        ("labs.csv", f"{LABS}R1;{SECRET};718-7;{SECRET};1;g/dL\n".encode(), 5),
        ("labs.csv", f'{LABS}R1;"{SECRET}" x;718-7;2025;1;g/dL\n'.encode(), 2),
        ("labs.csv", f"{LABS}R1;{SECRET}\n".encode(), 5),
        ("labs.csv", f"{LABS}R1;{SECRET}é\n".encode("cp1252"), 2),
        ("labs.json", f'[{{"{SECRET}": "{SECRET}", "id": "{SECRET}"}}]'.encode(), 5),
        ("labs.json", f'[{{"id": "{SECRET}", "status": "{SECRET}"}}, "{SECRET}"]'.encode(), 5),
        ("labs.json", f'[{{"id": "{SECRET}"'.encode(), 2),
        ("labs.json", f'[{{"id": "\\{SECRET}"}}]'.encode(), 2),
        ("labs.ndjson", f'{SECRET}\n{{"{SECRET}": {{"{SECRET}": "\\u0000"}}}}\n'.encode(), 5),
    ],
)
def test_nothing_of_a_bad_file_is_told(name: str, data: bytes, code: int) -> None:
    Path(name).write_bytes(data)
    ran = reluth("load", "labs", name, "--json")

    assert ran.code == code
    assert "zebulon" not in (ran.out + ran.err).lower()
