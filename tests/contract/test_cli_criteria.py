"""In: the command line on a small simulated feed. Out: the criteria as others read them; who changes when one limit does."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.evidencevariable import EvidenceVariable
from fhir.resources.R4B.bundle import Bundle

from adapter.criteria import Truth
from adapter.documents import load_site, load_trial, load_trial_folder, trials
from adapter.screening import Asked, screen
from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.clinic import condition, patient, write_feed
from tests.support.simulated import ON

TRIAL = "nct04954820"
DAY = str(ON)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small simulated centre, and one patient on whom the limit of haemoglobin decides."""
    folder = tmp_path_factory.mktemp("criteria")
    write_feed(folder / "more", between_the_limits())
    assert reluth("simulate", folder / "feed", "--patients", "40", "--seed", "7").code == 0
    for feed in ("feed", "more"):
        assert reluth("pull", "--from", folder / feed, "--store", folder / "var", "--quiet").code == 0
    return folder / "var"


def between_the_limits() -> Iterator[dict[str, Any]]:
    """A patient whose marrow reserve is enough, with a haemoglobin of 8.5 g/dL."""
    yield patient("between")
    yield condition("c-between", "between", "C17.2")
    for code, value, unit in (("718-7", 8.5, "g/dL"), ("26499-4", 3, "10*9/L"), ("777-3", 200, "10*9/L")):
        yield {
            "resourceType": "Observation",
            "id": f"o-{code}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": "Patient/between"},
            "effectiveDateTime": "2025-05-20T08:00:00+02:00",
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        }


def a_copy(folder: Path, of: str = "", to: str = "") -> Path:
    """ReLUTH's documents in a folder, with what a pattern finds in the criteria replaced."""
    copied = Path(shutil.copytree(str(files("mappings") / "trials" / TRIAL), folder / "newer"))
    criteria = copied / "criteria.yaml"
    text, found = re.subn(of, to, criteria.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert found == 1
    criteria.write_text(text, encoding="utf-8")
    return copied


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ReLUTH with a haemoglobin above 9 g/dL in place of 8."""
    return a_copy(tmp_path_factory.mktemp("copy"), r'(analyte: hemoglobin,.*gt: )"8"', r'\1"9"')


@pytest.fixture(scope="module")
def limit_moved(store: Path, newer: Path) -> Ran:
    """The change of that limit, for machines."""
    return reluth("criteria", "diff", TRIAL, newer, "--store", store, "--on", DAY, "--json")


# Export


@pytest.mark.parametrize("trial", trials())
def test_export_as_group_prints_a_valid_bundle_with_the_cql(trial: str) -> None:
    ran = reluth("criteria", "export", "--trial", trial, "--as", "group")

    group, library = (entry["resource"] for entry in ran.object["entry"])

    assert ran.code == 0
    assert Bundle.model_validate_json(ran.out).type == "collection"
    assert (group["resourceType"], library["resourceType"]) == ("Group", "Library")
    assert (
        b64decode(library["content"][0]["data"]).decode()
        == reluth("criteria", "export", "--trial", trial, "--as", "cql").out
    )


@pytest.mark.parametrize("trial", trials())
def test_export_names_only_defines_that_the_cql_has(trial: str) -> None:
    cql = reluth("criteria", "export", "--trial", trial, "--as", "cql").out
    variable = reluth("criteria", "export", "--trial", trial, "--as", "evidencevariable").out

    named = {json.loads(f'"{text}"') for text in _expressions(json.loads(variable))}

    assert named
    assert [name for name in named if f'define "{name}"' not in cql] == []


def _expressions(value: object) -> Iterator[str]:
    """Every CQL identifier named anywhere, without its quotes."""
    if isinstance(value, dict):
        if value.get("language") == "text/cql":
            yield value["expression"].strip('"')
        for below in value.values():
            yield from _expressions(below)
    elif isinstance(value, list):
        for below in value:
            yield from _expressions(below)


@pytest.mark.parametrize("trial", trials())
def test_export_as_evidencevariable_prints_one_valid_resource(trial: str) -> None:
    ran = reluth("criteria", "export", "--trial", trial, "--as", "evidencevariable", "--lang", "fr")

    assert ran.code == 0
    assert EvidenceVariable.model_validate_json(ran.out).status == "draft"
    assert ran.object["language"] == "fr"
    assert ran.err == ""


def test_export_takes_a_folder_for_a_trial(newer: Path) -> None:
    ran = reluth("criteria", "export", "--trial", newer, "--as", "evidencevariable")

    marrow = next(item for item in ran.object["characteristic"] if item["linkId"] == "I11")

    first = marrow["definitionByCombination"]["characteristic"][0]
    assert first["definitionByTypeAndValue"]["valueQuantity"]["value"] == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as", "xml"), "--as xml"),
        (("--as", "evidencevariable", "--fhir-version", "4.0.1"), "--fhir-version 4.0.1"),
        (("--as", "evidencevariable", "--lang", "de"), "language de"),
        (("--as", "evidencevariable", "--trial", "none"), "no trial none"),
    ],
)
def test_export_refuses_what_it_does_not_know(arguments: tuple[str, ...], said: str) -> None:
    ran = reluth("criteria", "export", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


# Diff


def test_diff_of_a_trial_with_itself_is_empty_and_0(store: Path) -> None:
    ran = reluth("criteria", "diff", TRIAL, TRIAL, "--store", store, "--on", DAY, "--json")

    (closing,) = ran.objects
    assert ran.code == 0
    assert (closing["documents"], closing["changed"], closing["criteria"]) == ([], 0, [])
    assert closing["compared"] > 0


def test_diff_with_an_unchanged_copy_is_0(store: Path, tmp_path: Path) -> None:
    ran = reluth(
        "criteria", "diff", TRIAL, a_copy(tmp_path, "^kind: ", "kind:  "), "--store", store, "--on", DAY, "--json"
    )

    assert ran.code == 0


def test_diff_names_exactly_the_patients_whom_the_limit_changes(limit_moved: Ran, store: Path, newer: Path) -> None:
    expected = _changed_by_screening(store, newer)

    *lines, closing = limit_moved.objects

    assert limit_moved.code == 5
    assert {item["patient"] for item in lines} == expected
    assert "Patient/between" in expected
    assert all([change["id"] for change in item["criteria"]] == ["I11"] for item in lines)
    assert closing["changed"] == len(expected)
    assert sum(item["patients"] for item in closing["criteria"]) == len(expected)


def _changed_by_screening(path: Path, folder: Path) -> set[str]:
    """Candidates whose haemoglobin is above 8 and not above 9, as two screenings tell."""
    truths: list[dict[str, Truth]] = []
    with Store.open(path) as store:
        for trial in (load_trial(TRIAL), load_trial_folder(folder)):
            verdicts = screen(store, trial, load_site("local"), Asked(today=ON, on=ON, save=False))
            truths.append({v.patient: next(c.truth for c in v.criteria if c.id == "I11") for v in verdicts})
    return {patient for patient, truth in truths[0].items() if truth is not truths[1][patient]}


def test_diff_says_to_a_reader_where_documents_and_patients_differ(store: Path, newer: Path) -> None:
    ran = reluth("criteria", "diff", TRIAL, newer, "--store", store, "--on", DAY)

    assert "I11.a  rule.comparison.limit  8 -> 9" in ran.out
    assert "I11 T->F" in ran.out
    assert "I11  T -> F  Adequate bone marrow reserve" in ran.out
    assert "both say that they are version" in ran.err


def test_diff_of_documents_that_change_nobody_is_5_all_the_same(store: Path, tmp_path: Path) -> None:
    version = load_trial(TRIAL).version
    folder = a_copy(tmp_path, "^version: .*$", 'version: "99.0"')

    ran = reluth("criteria", "diff", TRIAL, folder, "--store", store, "--on", DAY, "--json")

    (closing,) = ran.objects
    assert ran.code == 5
    assert closing["documents"] == [{"where": "version", "what": "changed", "from": version, "to": "99.0"}]


def test_diff_is_the_same_text_again(limit_moved: Ran, store: Path, newer: Path) -> None:
    again = reluth("criteria", "diff", TRIAL, newer, "--store", store, "--on", DAY, "--json")

    assert again.out == limit_moved.out


def test_diff_at_randomisation_takes_the_stage(store: Path, newer: Path) -> None:
    stage = ("--stage", "randomisation")
    ran = reluth("criteria", "diff", TRIAL, newer, "--store", store, "--on", DAY, "--json", *stage)

    *lines, closing = ran.objects

    assert closing["stage"] == "randomisation"
    assert [item["id"] for item in closing["criteria"]] == ["I11"]
    assert len(lines) == closing["changed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((TRIAL, "nowhere"), "no trial nowhere"),
        ((TRIAL, TRIAL, "--stage", "later"), "--stage later"),
        ((TRIAL, TRIAL, "--on", "June"), "--on June"),
        ((TRIAL, TRIAL, "--site", "nowhere"), "--site nowhere"),
    ],
)
def test_diff_refuses_what_it_does_not_know(store: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = reluth("criteria", "diff", *arguments, "--store", store)

    assert ran.code == 2
    assert said in ran.err


def test_diff_of_a_faulty_folder_is_a_document_error(store: Path, tmp_path: Path) -> None:
    folder = a_copy(tmp_path, "^kind: criteria$", "kind: criterion")

    ran = reluth("criteria", "diff", TRIAL, folder, "--store", store)

    assert ran.code == 3
    assert "newer/criteria.yaml#/kind" in ran.err
