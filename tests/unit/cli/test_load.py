"""In: arguments of `reluth load`. Out: templates, usage errors and sentences; without a store where none is needed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.support.cli import reluth

LABS = "id,patient,patient_system,loinc,effective,value,unit\n"
GOOD = "R1,P1,urn:example:patient,718-7,2025-05-20,12.1,g/dL\n"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["study", "subjects", "labs", "infusions"])
def test_template_goes_to_stdout_and_makes_no_store(kind: str) -> None:
    ran = reluth("load", kind, "--template")

    assert (ran.code, ran.err) == (0, "")
    assert "EXAMPLE" in ran.out
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(("asked", "code"), [((), "05"), (("--site", "icm"), "05")])
def test_template_of_subjects_is_for_the_site_of_the_settings(asked: tuple[str, ...], code: str) -> None:
    Path("adapter.toml").write_text('[sites.icm]\nsite_code = "05"\n')
    ran = reluth("load", "subjects", "--template", *asked)

    assert ran.out.splitlines()[1].split(",")[1] == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("labs",), "load KIND FILE"),
        (("study",), "--trial T"),
        (("labs", "--trial", "nct04954820"), "load KIND FILE"),
        (("study", "study.json", "--trial", "nct04954820"), "not both"),
        (("labs", "missing.csv"), "cannot be read"),
        (("labs", "."), "cannot be read"),
        (("candidates", "rows.csv"), "what can be loaded is"),
        (("candidates", "--template"), "what can be loaded is"),
        (("study", "rows.csv"), "a study is no table"),
        (("subjects", "rows.csv"), "is missing"),
        (("labs", "rows.csv", "--trial", "nct00000000"), "no trial"),
        (("study", "--trial", "nct00000000"), "no trial"),
        (("study", "--trial", "start-net"), "no study document"),
    ],
)
def test_usage_error_says_what_is_wanted(arguments: tuple[str, ...], said: str) -> None:
    Path("rows.csv").write_text(LABS + GOOD)
    ran = reluth("load", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_stdin_is_a_file_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO((LABS + GOOD.replace("12.1", "x")).encode()))
    monkeypatch.setattr("sys.stdin", given)
    ran = reluth("load", "labs", "-")

    assert ran.code == 5
    assert "reluth: -:2: value: a number is wanted" in ran.err


def test_refused_rows_are_named_even_when_quiet() -> None:
    Path("rows.csv").write_text(LABS + "".join(GOOD.replace("R1", f"R{at}").replace("12.1", "x") for at in range(25)))
    ran = reluth("--quiet", "load", "labs", "rows.csv")

    assert ran.err.count("a number is wanted") == 20
    assert ran.err.splitlines()[-1] == "reluth: and 5 more rows refused; --json lists them all"


def test_summary_is_one_sentence() -> None:
    Path("rows.csv").write_text(LABS + GOOD)
    ran = reluth("load", "labs", "rows.csv")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "site local: labs: 1 read, 1 new, 0 changed, 0 unchanged, 0 rows refused\n"
