"""Promise: no identifier of a person leaves the site, wherever in a resource it stands and however it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.config import Settings, SiteSettings
from adapter.datasets.pseudonymising import load_profile
from adapter.datasets.staging.feed import Staged, stage
from adapter.datasets.staging.feed_types import READ_TYPES
from adapter.documents import load_trial
from adapter.fhir import ResourceProblem, summarise
from adapter.store import Store
from tests.support.planting import BASES, BORN, FORMS, OWN, Output, plant, text_paths
from tests.unit.store.making import fill, line

TRIAL = load_trial("nct04954820")
SETTINGS = Settings(sites={"icm": SiteSettings(site_code="05")})
#: What leaves by being named; of these each place is planted alone, of all others many at once.
NAMED = {name: frozenset(rules.elements) for name, rules in load_profile().types.items()}
AT_ONCE = 60
NAMES = list(FORMS)


def person(identity: str, **more: Any) -> list[bytes]:
    """A consented subject: Patient with the person's own numbers, Consent and ResearchSubject."""
    identifiers = [
        {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": OWN["ins"]},
        {"system": "urn:x", "value": OWN["ipp"]},
    ]
    owner = {"reference": f"Patient/{identity}"}
    return [
        line("Patient", identity, identifier=identifiers, gender="male", birthDate=BORN, **more),
        msgspec.json.encode(
            dict(BASES["Consent"]) | {"resourceType": "Consent", "id": f"c{identity}", "patient": owner}
        ),
        msgspec.json.encode(
            dict(BASES["ResearchSubject"])
            | {"resourceType": "ResearchSubject", "id": f"r{identity}", "individual": owner}
        ),
    ]


def planted(types: Iterable[str], first: int) -> Iterator[tuple[str, bytes]]:
    """(text, resource) of every place of every type; which text stands where turns with ``first``."""
    for type_ in sorted(types):
        together: list[tuple[Any, str]] = []
        for at, path in enumerate(text_paths(type_)):
            text = FORMS[NAMES[(at + first) % len(NAMES)]]
            if path[0][0] == "id":
                continue
            if path[0][0] in NAMED[type_] and not any(
                name in ("extension", "modifierExtension") for name, _ in path[1:]
            ):
                yield text, encoded(plant(type_, path, text, identity=f"{type_}-{at}"))
            else:
                together.append((path, text))
        for at in range(0, len(together), AT_ONCE):
            body = plant(type_, *together[at], identity=f"{type_}-many-{at}")
            for path, text in together[at + 1 : at + AT_ONCE]:
                merge(body, plant(type_, path, text, identity=body["id"]))
            yield "", encoded(body)


def merge(body: dict[str, Any], other: dict[str, Any]) -> None:
    """Put what one has and the other lacks into the first."""
    for name, value in other.items():
        if name not in body:
            body[name] = value
        elif isinstance(body[name], dict) and isinstance(value, dict):
            merge(body[name], value)
        elif isinstance(body[name], list) and isinstance(value, list) and isinstance(value[0], dict):
            merge(body[name][0], value[0]) if isinstance(body[name][0], dict) else None


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def readable(lines: Iterable[bytes]) -> list[bytes]:
    """Those that a pull would take: a text where a number belongs is put aside there."""
    found = []
    for raw in lines:
        try:
            summarise(raw)
        except ResourceProblem:
            continue
        found.append(raw)
    return found


def staged(folder: Path, lines: Sequence[bytes], **options: Any) -> tuple[Staged, bytes]:
    """The feed, and every byte of it and of what is told beside it."""
    with Store.open(folder / "var") as store:
        fill(store, lines)
        found = stage(store, SETTINGS, TRIAL, folder / "feed", **options)
    whole = b"\n".join(path.read_bytes() for path in found.files.values())
    beside = [found.findings, found.subjects, found.verdicts, found.left_out, found.anonymity()]
    return found, whole + b"\n" + msgspec.json.encode(beside)


def leaks(output: bytes) -> dict[str, list[str]]:
    told = Output(output)
    return {name: ways for name, text in FORMS.items() if (ways := told.traces_of(text))}


def test_planted_identifier_leaves_no_trace_from_any_element(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    types = sorted(NAMED.keys() - {"Patient", "Medication", "Consent"})
    lines = [*person("p"), *readable(raw for _, raw in planted(types, 0))]

    found, output = staged(tmp_path, lines)

    assert leaks(output) == {}
    assert {*types} <= found.files.keys()
    told = capsys.readouterr()
    assert leaks((told.out + told.err + caplog.text).encode()) == {}


def test_planted_identifier_is_found_where_it_is_not_taken_out(tmp_path: Path) -> None:
    """The search itself works: in the bytes that went in, every form is found."""
    lines = [*person("p"), *readable(raw for _, raw in planted(["Observation"], 0))]

    assert leaks(b"\n".join(lines)).keys() == FORMS.keys()


def test_planted_identifier_of_a_blanked_element_is_told_without_its_value(tmp_path: Path) -> None:
    body = plant("Observation", (("valueString", False),), FORMS["name"], identity="o")

    found, _ = staged(tmp_path, [*person("p"), encoded(body)])

    assert ("result-blanked", "Observation", "valueString", 1) in [
        (one.code, one.domain, one.variable, one.count) for one in found.findings
    ]


def test_planted_identifier_leaves_no_trace_from_patient_consent_or_subject(tmp_path: Path) -> None:
    lines: list[bytes] = []
    for type_, prefix in (("Patient", "a"), ("Consent", "b"), ("ResearchSubject", "d")):
        paths = [path for path in text_paths(type_) if path[0][0] != "id" and len(path) <= 3]
        for at in range(0, len(paths), 8):
            identity = f"{prefix}{at}"
            body: dict[str, Any] | None = None
            for offset, path in enumerate(paths[at : at + 8]):
                text = FORMS[NAMES[(at // 8 + offset) % len(NAMES)]]
                one = plant(type_, path, text, identity=identity if type_ == "Patient" else f"x{identity}")
                if body is None:
                    body = one
                else:
                    merge(body, one)
            assert body is not None
            owner = {"reference": f"Patient/{identity}"}
            body |= {"patient": owner} if type_ == "Consent" else {"individual": owner} if prefix == "d" else {}
            whole = [raw for raw in person(identity) if json.loads(raw)["resourceType"] != type_]
            lines += readable([*whole, encoded(body)])

    found, output = staged(tmp_path, lines)

    assert leaks(output) == {}
    assert len(found.subjects) > 20


@pytest.mark.parametrize("name", ["ipp", "own ipp", "nir", "uid", "birth"])
def test_planted_identifier_leaves_no_trace_from_ids_and_versions(tmp_path: Path, name: str) -> None:
    text = FORMS[name].replace("/", "-")
    lines = person("p")
    for type_ in sorted(READ_TYPES - {"Patient", "Consent"}):
        lines.append(encoded(dict(BASES[type_]) | {"resourceType": type_, "id": text, "meta": {"versionId": text}}))

    _, output = staged(tmp_path, lines)

    assert Output(output).traces_of(text) == []


@pytest.mark.prove
@pytest.mark.parametrize("first", range(len(NAMES)))
def test_planted_identifier_leaves_no_trace_in_any_form(tmp_path: Path, first: int) -> None:
    types = sorted(NAMED.keys() - {"Patient", "Medication", "Consent"})

    lines = [*person("p"), *readable(raw for _, raw in planted(types, first))]
    _, output = staged(tmp_path, lines, numbers="number", shift_dates=True)

    assert leaks(output) == {}


CODE_PLACES = [
    ("Observation", ("code", "valueCodeableConcept", "bodySite", "method", "dataAbsentReason")),
    ("Condition", ("code", "severity", "clinicalStatus")),
    ("Procedure", ("code", "category", "outcome")),
    ("AdverseEvent", ("event", "severity", "outcome")),
    ("MedicationAdministration", ("medicationCodeableConcept",)),
    ("AllergyIntolerance", ("code",)),
]
SYSTEMS = [
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://hl7.org/fhir/sid/icd-10",
    "http://www.whocc.no/atc",
    "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "http://unitsofmeasure.org",
    "urn:reluth:terms",
    "http://terminology.hl7.org/CodeSystem/mdr",
]
JUNK = st.one_of(
    st.from_regex(r"[0-9]{6,18}", fullmatch=True),
    st.from_regex(r"[0-9]{5,17}-[0-9]", fullmatch=True),
    st.from_regex(r"[A-Z]{1,3}[0-9]{5,12}", fullmatch=True),
    st.text(min_size=6, max_size=20).filter(lambda text: bool(text.strip())),
)


@given(codes=st.lists(JUNK, min_size=20, max_size=20))
@settings(max_examples=8, deadline=None)
def test_planted_junk_in_code_fields_does_not_leave(tmp_path_factory: pytest.TempPathFactory, codes: list[str]) -> None:
    lines = person("p")
    named = {code for system, code in load_profile().tables.codes}
    for at, code in enumerate(codes):
        for type_, elements in CODE_PLACES:
            system = SYSTEMS[at % len(SYSTEMS)]
            good = dict(BASES[type_])
            for element in elements:
                junk = [{"system": system, "code": code, "display": code}]
                kept = good.get(element, {}).get("coding", [])
                body = good | {
                    element: {"coding": [*junk, *kept]},
                    "id": f"{type_}-{element}-{at}",
                    "resourceType": type_,
                }
                lines.append(encoded(body))

    _, output = staged(tmp_path_factory.mktemp("junk"), readable(lines))

    whole = set(re.findall(rb'"((?:[^"\\]|\\.)*)"', output))
    for code in codes:
        written = json.dumps(code, ensure_ascii=False)[1:-1].encode()
        assert written not in whole or code in named or _is_short_form(code)


def _is_short_form(code: str) -> bool:
    """LOINC of at most five digits with the right check digit: too short for anybody's number."""
    return re.fullmatch(r"[1-9][0-9]{0,4}-[0-9]", code) is not None
