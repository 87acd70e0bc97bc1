"""In: the worded test vectors of the trial's specification, as data in ``criteria/*.yaml``. Out: a promise for each, kept by the engine or broken.

A case is ``{name, source, on, stage, patient, merged, shared, added, overlay, resources, expect}``: what is left out comes from the file's
``defaults``. ``patient: null`` is a record without a Patient resource. ``resources`` is the short-hand of `tests.support.records`.
``overlay`` holds ``completeness`` (the document), ``site`` (site.yaml), ``units`` (units.yaml) and ``conceptmap: {from, to, codes}``, or the
name of one of the file's ``overlays``. ``each`` repeats a case for the ids of the file's ``groups``.

``expect`` for the criterion: ``truth`` (or ``truth_in``, where the specification only rules answers out), ``reason``, ``presumed``, ``flips_on``, ``evidence`` (references that it or a part must show),
``evidence_not``, ``sent`` and ``converted`` by reference, ``parts`` by id; ``absent`` when the stage must not show it. ``also`` expects of other criteria the same.
``patient`` expects of the whole verdict: its keys in the contract, and ``to_order_has``, ``to_order_unique``, ``candidate_because_has``, ``outcome_reason_not``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.criteria import Stage, Trial, evaluate
from adapter.documents import load_site, load_trial
from adapter.errors import DocumentError
from adapter.fhir import PatientRecord
from adapter.terminology import Site
from tests.support.records import ChartWriter, encode
from tests.support.scenario_yaml import load_scenarios

FOLDER = Path(__file__).parent / "criteria"
#: Criteria whose vectors this version answers from coded data; each has a file of its own.
CODED = ("I01", "I02", "I03", "I04", "I05", "I07", "I11", "I12", "E04", "E05", "E07", "E08", "E09", "E11", "E12", "E13")
CASE_KEYS = {
    "name", "source", "criterion", "on", "stage", "patient", "merged", "shared", "added", "overlay", "resources", "expect", "each",
}  # fmt: skip
CRITERION_KEYS = {
    "truth", "truth_in", "reason", "presumed", "flips_on", "evidence", "evidence_not", "sent", "converted", "parts", "also", "patient", "absent",
}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """One case with its file's defaults filled in."""

    file: str
    case: Mapping[str, Any]
    sets: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"{self.file}-{self.case['name'].replace(' ', '-')}"

    def resources(self) -> list[bytes]:
        """The record, the Patient first where there is one."""
        writer = ChartWriter(sets=self.sets)
        person = [] if self.case["patient"] is None else [writer.person(self.case["patient"])]
        return [encode(resource) for resource in [*person, *writer.write(self.case.get("resources", ()))]]

    def shared(self) -> dict[str, bytes]:
        """Medications that the record refers to."""
        written = ChartWriter().write(self.case.get("shared", ()))
        return {f"{item['resourceType']}/{item['id']}": encode(item) for item in written}


Judge = Callable[[Scenario, list[bytes]], dict[str, Any]]


def _replaced(value: Any, criterion: str) -> Any:
    if isinstance(value, str):
        return value.replace("$id", criterion)
    if isinstance(value, dict):
        return {_replaced(key, criterion): _replaced(item, criterion) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, criterion) for item in value]
    return value


def _scenarios() -> Iterator[Scenario]:
    for path in sorted(FOLDER.glob("*.yaml")):
        document = load_scenarios(path.read_text(encoding="utf-8"))
        sets, overlays, groups = document.get("sets", {}), document.get("overlays", {}), document.get("groups", {})
        for written in document["cases"]:
            if unknown := set(written) - CASE_KEYS:
                raise ValueError(f"{path.name}: {written['name']}: unknown {sorted(unknown)}")
            case = {**document["defaults"], "criterion": document.get("criterion"), **written}
            if isinstance(case.get("overlay"), str):
                case["overlay"] = overlays[case["overlay"]]
            for criterion in [item for group in case.get("each", ()) for item in groups[group]] or [None]:
                if criterion is None:
                    yield Scenario(path.stem, case, sets)
                else:
                    each = _replaced({**case, "criterion": criterion, "name": f"{case['name']} {criterion}"}, criterion)
                    yield Scenario(path.stem, each, sets)


SCENARIOS = list(_scenarios())
FILES = sorted({scenario.file for scenario in SCENARIOS})
#: Resources that no verdict may follow, by what is the matter with them.
NOISE = {
    kind: [encode(resource) for resource in ChartWriter().write(entries)]
    for kind, entries in load_scenarios((FOLDER.parent / "noise.yaml").read_text(encoding="utf-8")).items()
}


@cache
def _trial() -> Trial:
    return load_trial("nct04954820")


def _as_written(value: Any) -> Any:
    # A site's administrator writes dates and numbers bare, as YAML has them.
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        return date.fromisoformat(value)
    return float(value) if isinstance(value, Decimal) else value


def _overlay(wanted: Mapping[str, Any], folder: Path) -> Path:
    for kind, content in wanted.items():
        if kind == "conceptmap":
            (folder / "conceptmaps").mkdir(parents=True)
            elements = [
                {"code": local, "target": [{"code": code, "equivalence": "equivalent"}]}
                for local, code in content["codes"].items()
            ]
            document = {
                "resourceType": "ConceptMap",
                "id": "local",
                "status": "active",
                "group": [{"source": content["from"], "target": content["to"], "element": elements}],
            }
            (folder / "conceptmaps" / "local.json").write_text(json.dumps(document), encoding="utf-8")
        else:
            (folder / f"{kind}.yaml").write_text(yaml.safe_dump(_as_written(content)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Evaluates a scenario on given resources; overlays are written once each."""
    sites: dict[str, Site] = {}

    def site_of(scenario: Scenario) -> Site:
        key = repr(scenario.case.get("overlay"))
        if key not in sites:
            wanted = scenario.case.get("overlay")
            folder = _overlay(wanted, tmp_path_factory.mktemp("overlay")) if wanted else None
            sites[key] = load_site("test", folder)
        return sites[key]

    def verdict(scenario: Scenario, resources: list[bytes]) -> dict[str, Any]:
        case = scenario.case
        merged = tuple(case.get("merged", ()))
        record = PatientRecord.read("Patient/1", resources, merged=merged, shared=scenario.shared())

        assert record.unreadable == ()
        return evaluate(
            _trial(),
            record,
            site=site_of(scenario),
            stage=Stage(case["stage"]),
            on=date.fromisoformat(case["on"]),
            added=case.get("added", False),
        ).to_json()

    return verdict


def _check_criterion(found: Mapping[str, Any], expected: Any) -> None:
    wanted = expected if isinstance(expected, dict) else {"truth": expected}
    if unknown := set(wanted) - CRITERION_KEYS:
        raise ValueError(f"unknown expectations {sorted(unknown)}")
    seen = {item["reference"]: item for node in (*found["parts"], found) for item in node["evidence"]}
    plain = {key: found[key] for key in ("truth", "reason", "presumed", "flips_on") if key in wanted}
    assert plain == {key: wanted[key] for key in plain}, (found["reason"], found["parts"])
    assert found["truth"] in wanted.get("truth_in", "TFU")
    assert set(wanted.get("evidence", ())) <= set(seen)
    assert not set(wanted.get("evidence_not", ())) & set(seen)
    for reference, value in wanted.get("sent", {}).items():
        assert seen[reference]["value"] == value
    for reference, (value, unit) in wanted.get("converted", {}).items():
        converted = seen[reference]["converted"]
        assert (Decimal(converted["value"]), converted["unit"]) == (Decimal(value), unit)
    parts = {part["id"]: part for part in found["parts"]}
    for part, expected_part in wanted.get("parts", {}).items():
        _check_part(parts[part], expected_part)


def _check_part(found: Mapping[str, Any], expected: Any) -> None:
    wanted = expected if isinstance(expected, dict) else {"truth": expected}
    assert {key: found[key] for key in wanted} == wanted


def _check_patient(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, wanted in expected.items():
        if key == "to_order_has":
            offers = [
                order
                for order in found["to_order"]
                if wanted.get("what", order["what"]) == order["what"] and wanted["for"] in order["for"]
            ]
            assert offers, found["to_order"]
            assert all(order["by"] >= found["on"] for order in offers)
        elif key == "to_order_unique":
            assert set(Counter(order["what"] for order in found["to_order"]).values()) == {1}
        elif key == "candidate_because_has":
            assert wanted in found["candidate_because"]
        elif key == "outcome_reason_not":
            assert found["outcome_reason"] != wanted
        elif key == "criteria":
            assert [item["id"] for item in found["criteria"]] == wanted
        else:
            assert {key: found[key]} == {key: wanted}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_criterion_vector_is_answered_as_worded(scenario: Scenario, judge: Judge) -> None:
    expected = scenario.case["expect"]

    found = judge(scenario, scenario.resources())

    criteria = {item["id"]: item for item in found["criteria"]}
    if expected.get("absent"):
        assert scenario.case["criterion"] not in criteria
    elif scenario.case["criterion"] is not None:
        _check_criterion(criteria[scenario.case["criterion"]], expected)
    for criterion, wanted in expected.get("also", {}).items():
        _check_criterion(criteria[criterion], wanted)
    _check_patient(found, expected.get("patient", {}))
    assert all((item["truth"] == "U") == (item["reason"] is not None) for item in found["criteria"])


@pytest.mark.parametrize("file", FILES)
def test_criterion_vectors_do_not_depend_on_the_order_of_the_feed(file: str, judge: Judge) -> None:
    moved = [
        scenario.id
        for scenario in SCENARIOS
        if scenario.file == file
        and judge(scenario, scenario.resources()) != judge(scenario, scenario.resources()[::-1])
    ]

    assert moved == []


@pytest.mark.parametrize("file", FILES)
def test_criterion_vectors_are_not_moved_by_what_does_not_count(file: str, judge: Judge) -> None:
    noise = {scenario.id: _noise_for(scenario) for scenario in SCENARIOS if scenario.file == file}

    moved = [
        scenario.id
        for scenario in SCENARIOS
        if scenario.file == file
        and _truths(judge(scenario, scenario.resources()))
        != _truths(judge(scenario, [*noise[scenario.id], *scenario.resources()]))
    ]

    assert moved == []


def _noise_for(scenario: Scenario) -> list[bytes]:
    # Whether a preliminary result reopens what was attested before it, the specification leaves open.
    attested = any(b'"QuestionnaireResponse"' in raw for raw in scenario.resources())
    return [raw for kind, resources in NOISE.items() if not (attested and kind == "shown") for raw in resources]


def _truths(verdict: Mapping[str, Any]) -> dict[str, Any]:
    truths = {item["id"]: item["truth"] for item in verdict["criteria"]}
    return {**truths, "permanent": verdict["permanent"], "ineligible": verdict["outcome"] == "ineligible"}


def test_criterion_vectors_cover_every_coded_criterion_and_name_their_source() -> None:
    files = Counter(scenario.case["criterion"] for scenario in SCENARIOS)
    ids = Counter(scenario.id for scenario in SCENARIOS)

    assert {criterion for criterion in CODED if files[criterion] < 4} == set()
    assert [scenario for scenario, count in ids.items() if count > 1] == []
    assert all(scenario.case["source"] and scenario.case["expect"] for scenario in SCENARIOS)
    assert len(SCENARIOS) >= 250


@pytest.mark.parametrize(
    ("kind", "content", "place"),
    [
        ("completeness", [{"domain": "biology", "from": "2020-01-01", "to": "2025-01-01", "declared_by": "x", "on": "2025-01-01"}], "/0/domain"),
        ("completeness", [{"domain": "condition", "from": "2025-01-01", "to": "2020-01-01", "declared_by": "x", "on": "2025-01-01"}], "/0/to"),
        ("completeness", [{"domain": "condition", "from": "2020-01-01", "to": "2025-01-01", "on": "2025-01-01"}], "/0"),
        ("completeness", [{"domain": "condition", "from": "2020", "to": "2025-01-01", "declared_by": "x", "on": "2025-01-01"}], "/0/from"),
        ("site", {"icd10_system": ["urn:oid:1.2.250.1.999.1.2"]}, ""),
        ("site", {"fasting_codes": ["14749-6"]}, "/fasting_codes/0"),
    ],
)  # fmt: skip
def test_site_overlay_that_is_wrong_is_refused_with_its_place(
    kind: str, content: Any, place: str, tmp_path: Path
) -> None:
    _overlay({kind: content}, tmp_path)

    with pytest.raises(DocumentError) as refused:
        load_site("test", tmp_path)

    assert refused.value.file.endswith(f"{kind}.yaml")
    assert refused.value.pointer == place
    assert refused.value.exit_code == 3
