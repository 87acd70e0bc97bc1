"""In: document folders, whole and broken. Out: whether trial and site are loaded, and each fault names the file and the place."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from adapter.documents import load_site, load_trial, trials
from adapter.errors import DocumentError, UsageError
from adapter.terminology import Site


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def concept_map(folder: Path, name: str, text: str) -> Path:
    (folder / "conceptmaps").mkdir(exist_ok=True)
    (folder / "conceptmaps" / name).write_text(text, encoding="utf-8")
    return folder


def mapped(*codes: str) -> str:
    element = [{"code": "GLY", "target": [{"code": code, "equivalence": "equal"} for code in codes]}]
    return json.dumps(
        {"resourceType": "ConceptMap", "group": [{"source": "urn:l", "target": "urn:s", "element": element}]}
    )


def fault(folder: Path) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load_site("icm", folder)
    return caught.value


def test_the_trials_are_there_and_each_is_loaded_once() -> None:
    assert trials() == ["nct04954820", "start-net"]
    assert all(load_trial(name) is load_trial(name) for name in trials())


def test_the_trial_has_its_34_criteria_in_order() -> None:
    found = [item.id for item in load_trial("nct04954820").criteria]

    assert found == [f"I{n:02}" for n in range(1, 17)] + [f"E{n:02}" for n in range(1, 19)]


@pytest.mark.parametrize("name", ["nct00000000", "", "..", "NCT04954820"])
def test_an_unknown_trial_names_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match="there is nct04954820"):
        load_trial(name)


def test_a_site_without_an_overlay_is_plain() -> None:
    assert replace(load_site("icm"), aliases={}) == Site.plain("icm")


def test_an_empty_overlay_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours", encoding="utf-8")
    (tmp_path / ".git").mkdir()

    assert load_site("icm", tmp_path) == load_site("icm")


def test_an_overlay_is_read_whole(tmp_path: Path) -> None:
    write(
        tmp_path,
        completeness="- {domain: condition, from: 2020-01-01, to: 2025-12-31, declared_by: DIM, 'on': 2025-01-01}\n",
        units="- {analyte: hemoglobin, spelling: 'g%', unit: g/dL}\n",
        site="icd10_systems: [urn:cim10]\nuln:\n- {analyte: alt, high: 41, unit: U/L}\n",
    )
    concept_map(tmp_path, "b.json", mapped("2", "1"))
    concept_map(tmp_path, "a.json", mapped("1"))
    found = load_site("icm", tmp_path)

    assert found.id == "icm"
    assert found.complete_until("condition", date(2020, 1, 1), date(2025, 12, 31)) is not None
    assert found.unit_spellings == {("hemoglobin", "g%"): "g/dL"}
    assert "urn:cim10" in found.icd10_systems
    assert [limit.analyte for limit in found.limits] == ["alt"]
    assert found.concept_map == {("urn:l", "GLY"): (("urn:s", "1"), ("urn:s", "2"))}


def test_a_missing_overlay_is_a_fault(tmp_path: Path) -> None:
    assert fault(tmp_path / "none").problem == "no such overlay folder"


@pytest.mark.parametrize("name", ["completness.yaml", "site.yml", "conceptmap", "units.json"])
def test_a_misspelt_document_is_not_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")

    assert (fault(tmp_path).file, fault(tmp_path).problem) == (name, "no document of a site overlay")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- {domain: condition, from: 2020-01-01", "not YAML: "),
        ("a: 1\nb: 2\na: 3\n", "not YAML: the key a stands twice at line 3"),
        ("- {x: 1, x: 2}\n", "not YAML: the key x stands twice at line 1"),
        ("a: !!python/object:os.system {}\n", "not YAML: "),
        ("a: &a\n  <<: *a\n", "not YAML: "),
        ("", "expected a list"),
        ("a: 1\n", "expected a list"),
    ],
)
def test_a_document_that_is_no_yaml_is_named(tmp_path: Path, text: str, problem: str) -> None:
    found = fault(write(tmp_path, completeness=text))

    assert found.file == "completeness.yaml"
    assert found.problem.startswith(problem)


def test_a_key_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    found = fault(write(tmp_path, site="2025: true\n"))

    assert (found.pointer, found.problem) == ("", "not YAML: a key that is no text at line 1")


@pytest.mark.parametrize("text", ["{", "[1,]", '{"resourceType": "ConceptMap"', "\ufeff{}"])
def test_a_concept_map_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    found = fault(concept_map(tmp_path, "local.json", text))

    assert found.file == "local.json"
    assert found.problem.startswith("not JSON: ")


def test_a_document_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"icd10_systems: [caf\xe9]\n")

    assert str(fault(tmp_path)) == "site.yaml#: not UTF-8"


def test_a_document_with_a_control_character_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"a: \x07\n")

    assert str(fault(tmp_path)).startswith("site.yaml#: not YAML")


def test_a_document_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "conceptmaps").mkdir()
    (tmp_path / "conceptmaps" / "local.json").mkdir()

    assert str(fault(tmp_path)).startswith("local.json#: cannot be read (")


@pytest.mark.parametrize(
    ("name", "text", "pointer"),
    [
        (
            "completeness",
            "- {domain: labs, from: 2020-01-01, to: 2021-01-01, declared_by: x, 'on': 2021-01-01}\n",
            "/0/domain",
        ),
        ("units", "- {analyte: x, spelling: y}\n", "/0"),
        ("site", "uln:\n- {analyte: alt, high: 41.5, unit: U/L}\n", "/uln/0/high"),
    ],
)
def test_a_fault_in_an_overlay_points_to_its_place(tmp_path: Path, name: str, text: str, pointer: str) -> None:
    found = fault(write(tmp_path, **{name: text}))

    assert (found.file, found.pointer, found.exit_code) == (f"{name}.yaml", pointer, 3)
