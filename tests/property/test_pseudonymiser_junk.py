"""Promise: whatever a hospital puts where something else belongs, pseudonymising neither fails nor lets it out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.datasets.pseudonymising import Notes, Pseudonymiser, Work, load_profile
from adapter.datasets.source import RawResource
from adapter.documents import load_trial
from adapter.fhir import FhirVersion, ResourceProblem, summarise
from adapter.terminology import Site
from tests.support.planting import BASES
from tests.support.subjects import consent, feed, patient, research_subject

MARK = "zqxjkvw"
JUNK: list[Any] = [
    None,
    True,
    5,
    1.5,
    MARK,
    "",
    [],
    [MARK],
    [None],
    [[MARK]],
    {},
    {MARK: MARK},
    [{MARK: [MARK]}],
    [5, {"coding": MARK}],
    {"coding": [MARK, 5]},
]
JUNK += [
    {"reference": 5},
    {"reference": ["x"]},
    {"value": {"value": 1}},
    {"coding": [{"system": ["x"], "code": {}}]},
    {"unit": [], "value": 1},
]


def spoilt(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resource with each of its elements, and each of theirs, replaced by each kind of junk; and with those that it lacks."""
    for path in paths(body):
        for junk in JUNK:
            found = copy.deepcopy(body)
            holder: Any = found
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = junk
            yield found


def paths(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in items:
        yield (*above, step)
        yield from paths(value, (*above, step))


def whole(type_: str) -> dict[str, Any]:
    """A resource with something in every element that the document names."""
    rules = load_profile().types[type_]
    body: dict[str, Any] = {"resourceType": type_, "id": "x"} | {name: {} for name in rules.elements}
    body |= {
        "medicationReference": {"reference": "#m"},
        "contained": [{"resourceType": "Medication", "id": "m", "code": {}}],
    }
    body |= {
        "valueString": "5",
        "component": [{"valueString": "5", "referenceRange": [{"age": {"low": {"value": 1, "code": "a"}}}]}],
    }
    return body | copy.deepcopy(dict(BASES.get(type_, {})))


@pytest.mark.parametrize("version", [FhirVersion.R4, FhirVersion.R5])
@pytest.mark.parametrize("type_", sorted(load_profile().types.keys() - {"Patient"}))
def test_junk_neither_fails_nor_leaves(type_: str, version: FhirVersion) -> None:
    notes = Notes()
    pseudonymiser = Pseudonymiser(
        load_profile(), load_trial("nct04954820"), Site.plain("icm"), key=bytes(32), version=version, notes=notes
    )
    bodies = [
        body for body in spoilt(whole(type_)) if body.get("resourceType") == type_ and isinstance(body.get("id"), str)
    ]
    rows = [row(type_, at, body) for at, body in enumerate(bodies)]

    made = pseudonymiser.subject(rows, Work(usubjid="RELUTH-05-0001", notes=notes), known={})

    assert MARK.encode() not in msgspec.json.encode(made.resources, enc_hook=str)
    assert len(made.resources) > len(rows) // 4


def row(type_: str, at: int, body: dict[str, Any]) -> RawResource:
    raw = msgspec.json.encode(body)
    return RawResource(type_, f"x{at}", "1", at, hashlib.sha256(raw).digest(), "Patient/1", raw)


@pytest.mark.parametrize("type_", ["Patient", "Consent", "ResearchSubject"])
def test_junk_in_who_somebody_is_neither_fails_nor_leaves(tmp_path: Path, type_: str) -> None:
    kinds = {"Patient": patient(), "Consent": consent(), "ResearchSubject": research_subject("1")}
    body = msgspec.json.decode(kinds[type_])
    lines: list[bytes] = []
    for at, spoilt_one in enumerate(spoilt(body)):
        if at % 4 or not isinstance(spoilt_one.get("id"), str):
            continue
        who = f"q{at}"
        known = {
            "Patient": patient(who),
            "Consent": consent(who),
            "ResearchSubject": research_subject(who, number=f"RELUTH-05-{at:04}"),
        }
        raw = msgspec.json.encode(with_person(spoilt_one, type_, who))
        try:
            summarise(raw)
        except ResourceProblem:
            continue
        lines += [*(other for kind, other in known.items() if kind != type_), raw]

    found, _ = feed(tmp_path, lines)

    assert MARK.encode() not in b"".join(path.read_bytes() for path in found.files.values())
    assert MARK not in str(found.findings) + str(found.subjects)


def with_person(body: dict[str, Any], type_: str, who: str) -> dict[str, Any]:
    """The same of another person."""
    owner = {"Consent": "patient", "ResearchSubject": "individual"}.get(type_)
    found = body | {"id": who if type_ == "Patient" else f"x{who}"}
    told = found.get(owner) if owner else None
    if owner and isinstance(told, dict) and isinstance(told.get("reference"), str):
        found[owner] = told | {"reference": f"Patient/{who}"}
    return found
