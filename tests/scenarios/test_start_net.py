"""In: cases in ``start_net/*.yaml``. Out: a promise for each: what START-NET's documents, and nothing else, make of a record.

A case is ``{name, criterion, on, patient, shared, complete, resources, expect}``; what is left out comes from the file's ``defaults``.
``resources`` is the short-hand of `tests.support.records`; attestations and consents are this trial's unless they say otherwise. ``complete`` lists
the domains that the site declares complete. ``expect`` holds ``truth``, ``reason``, ``presumed``, ``flips_on``, ``evidence`` (references that the criterion
or a part must show), ``parts`` by id, and ``patient``: keys of the whole verdict, and ``to_order_has``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Stage, evaluate
from adapter.documents import load_trial
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness, Site
from tests.support.records import ChartWriter, encode
from tests.support.scenario_yaml import load_scenarios

TRIAL = "start-net"
FOLDER = Path(__file__).parent / "start_net"
MAN = {"gender": "male", "birthDate": "1960-05-02"}
CASE_KEYS = {"name", "criterion", "on", "patient", "shared", "complete", "resources", "expect"}
CRITERION_KEYS = ("truth", "reason", "presumed", "flips_on")
OTHER_KEYS = {"evidence", "parts", "patient"}


@dataclass(frozen=True)
class Case:
    """One case with its file's defaults filled in."""

    file: str
    told: Mapping[str, Any]
    sets: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"{self.told['criterion']}-{self.told['name'].replace(' ', '-')}"

    @property
    def site(self) -> Site:
        whole = tuple(
            Completeness(domain, date(1940, 1, 1), date(2025, 12, 31)) for domain in self.told.get("complete", ())
        )
        return replace(Site.plain("test"), completeness=whole)

    def resources(self) -> list[bytes]:
        """The record, the Patient first."""
        sets = {name: [_of_this_trial(entry) for entry in entries] for name, entries in self.sets.items()}
        writer = ChartWriter(sets=sets)
        own = [_of_this_trial(entry) for entry in self.told.get("resources", ())]
        return [encode(item) for item in (writer.person(self.told.get("patient", MAN)), *writer.write(own))]

    def verdict(self, resources: list[bytes], trial: str = TRIAL) -> dict[str, Any]:
        """The verdict of a trial on given resources."""
        shared = ChartWriter().write(self.told.get("shared", ()))
        known = {f"{item['resourceType']}/{item['id']}": encode(item) for item in shared}
        record = PatientRecord.read("Patient/1", resources, shared=known)
        assert record.unreadable == ()
        on = date.fromisoformat(self.told["on"])
        found = evaluate(load_trial(trial), record, site=self.site, stage=Stage.REGISTRATION, on=on)
        content: dict[str, Any] = json.loads(json.dumps(found.to_json()))
        return content


def _of_this_trial(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if "attest" in entry:
        return {"attest": {"questionnaire": f"urn:reluth:attestation:{TRIAL}", **entry["attest"]}}
    return entry


def _cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.yaml")):
        document = load_scenarios(path.read_text(encoding="utf-8"))
        for written in document["cases"]:
            if unknown := set(written) - CASE_KEYS:
                raise ValueError(f"{path.name}: {written['name']}: unknown {sorted(unknown)}")
            yield Case(path.stem, {**document["defaults"], **written}, document.get("sets", {}))


CASES = list(_cases())
FILES = sorted({case.file for case in CASES})


def _check(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    if unknown := set(expected) - set(CRITERION_KEYS) - OTHER_KEYS:
        raise ValueError(f"unknown expectations {sorted(unknown)}")
    wanted = {key: expected[key] for key in CRITERION_KEYS if key in expected}
    assert {key: found[key] for key in wanted} == wanted, found
    shown = {item["reference"] for node in (found, *found["parts"]) for item in node["evidence"]}
    assert set(expected.get("evidence", ())) <= shown
    parts = {part["id"]: part for part in found["parts"]}
    for identity, told in expected.get("parts", {}).items():
        part = told if isinstance(told, dict) else {"truth": told}
        assert {key: parts[identity][key] for key in part} == part, identity


def _check_patient(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if key == "to_order_has":
            assert value in [order["what"] for order in found["to_order"]]
        else:
            assert {key: found[key]} == {key: value}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_start_net_case_is_answered_as_told(case: Case) -> None:
    expected = case.told["expect"]

    found = case.verdict(case.resources())

    criteria = {item["id"]: item for item in found["criteria"]}
    _check(criteria[case.told["criterion"]], expected)
    _check_patient(found, expected.get("patient", {}))
    assert all((item["truth"] == "U") == (item["reason"] is not None) for item in found["criteria"])


@pytest.mark.parametrize("file", FILES)
def test_start_net_cases_do_not_depend_on_the_order_of_the_feed(file: str) -> None:
    moved = [
        case.id
        for case in CASES
        if case.file == file and case.verdict(case.resources()) != case.verdict(case.resources()[::-1])
    ]

    assert moved == []


def test_start_net_cases_show_every_criterion_pass_fail_and_stay_open() -> None:
    truths: dict[str, set[str]] = defaultdict(set)
    for case in CASES:
        truths[case.told["criterion"]].add(case.told["expect"]["truth"])

    assert {criterion.id: truths[criterion.id] for criterion in load_trial(TRIAL).criteria} == {
        criterion.id: {"T", "F", "U"} for criterion in load_trial(TRIAL).criteria
    }
    assert len({case.id for case in CASES}) == len(CASES)


def test_start_net_cases_name_every_part_of_a_criterion() -> None:
    named = {part for case in CASES for part in case.told["expect"].get("parts", {})}

    assert named == {part.id for criterion in load_trial(TRIAL).criteria for part in criterion.parts}


# Beside ReLUTH, on one record

MANUAL = {TRIAL: "I09", "nct04954820": "I08"}


def _truth(case: Case, entries: Sequence[Mapping[str, Any]], trial: str, criterion: str) -> str:
    told = replace(case, told={**case.told, "resources": entries})
    found = told.verdict(told.resources(), trial)
    truth: str = next(item["truth"] for item in found["criteria"] if item["id"] == criterion)
    return truth


@pytest.mark.parametrize("asked", sorted(MANUAL))
@pytest.mark.parametrize("attested", sorted(MANUAL))
def test_start_net_and_reluth_count_their_own_attestations_only(asked: str, attested: str) -> None:
    # Both trials have criteria of these ids: the questionnaire alone tells whose they are.
    entry = {"attest": {"I08": True, "I09": True, "questionnaire": f"urn:reluth:attestation:{attested}"}}

    found = _truth(CASES[0], [entry], asked, MANUAL[asked])

    assert found == ("T" if asked == attested else "U")


@pytest.mark.parametrize(("asked", "criterion"), [(TRIAL, "I02"), ("nct04954820", "I14")])
@pytest.mark.parametrize("named", ["NCT05387603", "NCT04954820"])
def test_start_net_and_reluth_count_their_own_consent_only(asked: str, criterion: str, named: str) -> None:
    own = named in load_trial(asked).identifiers

    found = _truth(CASES[0], [{"consent": {"trial": named}}], asked, criterion)

    assert found == ("T" if own else "U")


def test_start_net_excludes_whom_reluth_asks_for() -> None:
    course = [{"course": {"last": "2022-03-10"}}]

    assert _truth(CASES[0], course, TRIAL, "E02") == "T"
    assert _truth(CASES[0], course, "nct04954820", "I03") == "T"


def test_start_net_subject_is_a_participant_of_another_trial_to_reluth() -> None:
    study = {"research-study": {"id": "sn", "category": "interventional", "identifier": "NCT05387603"}}
    case = replace(CASES[0], told={**CASES[0].told, "shared": [study]})
    subject = [{"participation": {"study": "sn", "start": "2025-03-01"}}]
    told = replace(case, told={**case.told, "resources": subject})

    assert told.verdict(told.resources())["candidate_because"] == ["start-net-subject"]
    assert told.verdict(told.resources(), "nct04954820")["candidate_because"] == []
    assert _truth(case, subject, "nct04954820", "E16") == "T"
