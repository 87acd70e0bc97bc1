"""In: simulated centres, block by block, and generated records with a signal in every spelling. Out: whether narrowing loses nobody.

Narrowing is a set query over an index; the other side here is a plain look through every resource as it was written, and the exact evaluation of
everybody. Whoever has a signal of ``candidate_when`` must be kept, unless certainly ineligible for good.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapter.criteria import Outcome, PatientVerdict, Signal, Stage
from adapter.screening import Asked, screen
from adapter.screening.narrow import possible_candidates
from adapter.simulate.centre import shared
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import ICD10, ICDO3, Site
from tests.support.simulated import ON, SITE, Centre, Item, encode, item_of

Body = dict[str, Any]


# Simulated centres ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "size"),
    [
        pytest.param(2, 120, id="240"),
        pytest.param(20, 5_000, id="100000", marks=[pytest.mark.prove, pytest.mark.timeout(7200)]),
    ],
)
def test_narrowing_keeps_every_simulated_patient_with_a_signal(tmp_path: Path, blocks: int, size: int) -> None:
    centre = Centre(2025)
    with Store.open(tmp_path / "store") as store:
        signalled: set[str] = set()
        for block in range(blocks):
            # One block at a time on disk and in memory; what stays is the store and the ids of the few.
            with tempfile.TemporaryDirectory(dir=tmp_path) as name:
                numbers = range(block * size, (block + 1) * size)
                signalled |= write_block(Path(name), centre, numbers, with_shared=block == 0)
                assert pull(store, FolderSource(Path(name)), site=SITE).exit_code == 0
        merges = store.lake.merges(SITE)
        signalled = {merges.get(patient, patient) for patient in signalled}
        kept = possible_candidates(store, centre.trial, centre.site)
        candidates: dict[str, bytes] = {}
        lost_for_good = set()
        evaluated = 0
        for verdict in everybody(store, centre):
            evaluated += 1
            if verdict.candidate:
                candidates[verdict.patient] = digest(verdict)
            if verdict.outcome is Outcome.INELIGIBLE and verdict.permanent:
                lost_for_good.add(verdict.patient)
        asked = Asked(today=ON, on=ON, save=False)
        narrowed = {item.patient: digest(item) for item in screen(store, centre.trial, centre.site, asked)}

    assert evaluated >= blocks * size
    assert signalled - kept <= lost_for_good
    assert candidates.keys() <= kept
    assert narrowed == candidates
    assert candidates


def everybody(store: Store, centre: Centre) -> Iterator[PatientVerdict]:
    """The verdicts of all patients of the store, one at a time."""
    return screen(store, centre.trial, centre.site, Asked(today=ON, on=ON, everyone=True, save=False))


def digest(verdict: PatientVerdict) -> bytes:
    return hashlib.sha256(encode(verdict.to_json())).digest()


def write_block(folder: Path, centre: Centre, numbers: range, *, with_shared: bool) -> set[str]:
    """Write some patients of the centre as NDJSON; who has a signal by a plain look at what is written."""
    found: set[str] = set()
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        if with_shared:
            for resource in shared(centre.on):
                put(item_of(resource), folder, files, stack)
        for number in numbers:
            written: set[str] = set()
            for person in centre.persons(number):
                known = {item.reference: item for item in person.items if item.owner is None}
                for item in person.items:
                    if item.owner is None or item.reference in written:
                        continue
                    written.add(item.reference)
                    put(item, folder, files, stack)
                    if shows_signal(item, known, centre):
                        found.add(item.owner)
    return found


def put(item: Item, folder: Path, files: dict[str, BinaryIO], stack: ExitStack) -> None:
    if item.type not in files:
        files[item.type] = stack.enter_context((folder / f"{item.type}.ndjson").open("wb"))
    files[item.type].write(item.raw + b"\n")


def shows_signal(item: Item, known: Mapping[str, Item], centre: Centre) -> bool:
    """Any coding or words of any signal, wherever they stand in the resource or in a shared one that it refers to."""
    status = item.body.get("status")
    verification = str(item.body.get("verificationStatus", ""))
    if status in ("entered-in-error", "cancelled", "not-done") or "refuted" in verification or "error" in verification:
        return False
    nodes = list(objects(item.body))
    for node in list(nodes):
        target = known.get(str(node.get("reference", "")))
        nodes += list(objects(target.body)) if target is not None else []
    return any(
        item.type in signal.resource_types and any(says(signal, node, centre) for node in nodes)
        for signal in centre.trial.signals
    )


def says(signal: Signal, node: Mapping[str, Any], centre: Centre) -> bool:
    if str(node.get("value")) in signal.study:
        return True
    system, code = node.get("system"), node.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return False
    return any(
        value_set.has(other, meant)
        for value_set in signal.value_sets
        for other, meant in centre.site.standard(system, code)
    )


def objects(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


# Generated records --------------------------------------------------------------------------------------------------------

OWN = "urn:oid:1.2.250.1.999.8"
LOCAL = "urn:local"
ATC = "http://www.whocc.no/atc"
LUTATHERA = "V10XX04"
MAPPED = {
    "tumeur-grele": (ICD10, "C17.9"),
    "carcinoide": (ICDO3, "8240/3"),
    "lut": (ATC, LUTATHERA),
    "angine": (ICD10, "J03.9"),
}


@cache
def generated() -> Centre:
    site = Site(
        SITE,
        icd10_systems=frozenset({ICD10, OWN}),
        concept_map={(LOCAL, code): (target,) for code, target in MAPPED.items()},
    )
    return replace(Centre(0), site=site)


def concept(system: str, code: str) -> Body:
    return {"coding": [{"system": system, "code": code}]}


@st.composite
def tumours(draw: st.DrawFn) -> Body:
    """An intestinal tumour in the spellings of ICD-10 and CIM-10, or the hospital's own code."""
    category = draw(st.sampled_from(("C17", "C18", "C19", "C20")))
    code = category + draw(st.sampled_from(("", ".2", "2", ".20", ".2+0", ".9")))
    system = draw(st.sampled_from((ICD10, OWN)))
    if draw(st.booleans()):
        code = code.lower()
    own = draw(st.booleans())
    return {"resourceType": "Condition", "code": concept(LOCAL, "tumeur-grele") if own else concept(system, code)}


@st.composite
def histologies(draw: st.DrawFn) -> Body:
    """A neuroendocrine morphology as a value, a component, an extension or a conclusion."""
    spelling = draw(st.sampled_from(("8240/3", "82403", "M8240/3", "M-8240/3", "m82403", "8249/3")))
    said = draw(st.sampled_from((concept(ICDO3, spelling), concept(LOCAL, "carcinoide"))))
    code = concept("http://loinc.org", "31206-6")
    return draw(
        st.sampled_from(
            (
                {"resourceType": "Observation", "status": "final", "code": code, "valueCodeableConcept": said},
                {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": code,
                    "component": [{"code": code, "valueCodeableConcept": said}],
                },
                {"resourceType": "DiagnosticReport", "status": "final", "code": code, "conclusionCode": [said]},
                {
                    "resourceType": "Condition",
                    "code": concept(ICD10, "C80.9"),
                    "extension": [{"url": "urn:any", "valueCodeableConcept": said}],
                },
            )
        )
    )


@st.composite
def infusions(draw: st.DrawFn) -> Body:
    """Lutathera as a code, as words, contained, or referred to."""
    product = concept(ATC, LUTATHERA)
    means: Body = draw(
        st.sampled_from(
            (
                {"medicationCodeableConcept": product},
                {"medicationCodeableConcept": concept(LOCAL, "lut")},
                {"medicationCodeableConcept": {"text": "LUTATHERA 7,4 GBq"}},
                {"medicationCodeableConcept": {"coding": [{"display": "177Lu-DOTATATE (lutathera)"}]}},
                {
                    "medicationReference": {"reference": "#m"},
                    "contained": [{"resourceType": "Medication", "id": "m", "code": product}],
                },
                {"medicationReference": {"reference": "Medication/product"}},
            )
        )
    )
    status = draw(st.sampled_from(("completed", "stopped", "in-progress", "on-hold")))
    return {"resourceType": "MedicationAdministration", "status": status, "effectiveDateTime": "2022-03-10", **means}


@st.composite
def imaging(draw: st.DrawFn) -> Body:
    """Somatostatin receptor imaging as a procedure, a study or a report."""
    code = concept("urn:reluth:terms", draw(st.sampled_from(("sstr-pet-68ga", "sstr-scint-111in", "sstr-scint-99mtc"))))
    return draw(
        st.sampled_from(
            (
                {"resourceType": "Procedure", "status": "completed", "code": code},
                {"resourceType": "ImagingStudy", "status": "available", "procedureCode": [code]},
                {"resourceType": "DiagnosticReport", "status": "final", "code": code},
            )
        )
    )


SIGNS = st.one_of(tumours(), histologies(), infusions(), imaging())
OTHERS = st.sampled_from(
    (
        {"resourceType": "Condition", "code": concept(ICD10, "C50.9")},
        {"resourceType": "Condition", "code": concept(LOCAL, "angine")},
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": {"text": "Paracétamol"},
        },
    )
)


def write_generated(folder: Path, people: list[tuple[Body | None, Body, bool]]) -> dict[str, list[Item]]:
    """Write a feed of these people; what belongs to each surviving identity."""
    product = {"resourceType": "Medication", "id": "product", "code": concept(ATC, LUTATHERA)}
    found: dict[str, list[Item]] = {}
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        put(item_of(product), folder, files, stack)
        for number, (sign, other, merged) in enumerate(people):
            patient = f"g{number}"
            bodies: list[Body] = [{"resourceType": "Patient", "id": patient, "birthDate": "1960-01-01"}]
            if merged:
                bodies[0]["link"] = [{"other": {"reference": f"Patient/{patient}-old"}, "type": "replaces"}]
                bodies.append({"resourceType": "Patient", "id": f"{patient}-old"})
            subject = {"reference": f"Patient/{patient}{'-old' if merged else ''}"}
            bodies += [
                {**body, "id": f"{patient}-{kind}", "subject": subject}
                for kind, body in (("sign", sign), ("other", other))
                if body is not None
            ]
            items = [item_of(body) for body in bodies]
            for item in items:
                put(item, folder, files, stack)
            found[f"Patient/{patient}"] = [*items, item_of(product)]
    return found


def narrowing_keeps(people: list[tuple[Body | None, Body, bool]]) -> None:
    centre = generated()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        feed = Path(name) / "feed"
        feed.mkdir()
        charts = write_generated(feed, people)
        store = stack.enter_context(Store.open(Path(name) / "store"))
        assert pull(store, FolderSource(feed), site=SITE).exit_code == 0
        kept = possible_candidates(store, centre.trial, centre.site)
    expected = {f"Patient/g{number}" for number, (sign, _, _) in enumerate(people) if sign is not None}
    exact = {
        patient for patient, items in charts.items() if centre.verdict(patient, items, Stage.REGISTRATION).candidate
    }

    assert exact == expected
    assert [charts[patient][-3].body for patient in sorted(expected - kept)] == []


PEOPLE = st.lists(st.tuples(st.one_of(st.none(), SIGNS, SIGNS), OTHERS, st.booleans()), min_size=20, max_size=60)
# Every example makes a store: shrinking a failure would take longer than reading it.
STEADY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@settings(STEADY, max_examples=2)
@given(PEOPLE)
def test_narrowing_keeps_whoever_has_a_signal_however_it_is_written(
    people: list[tuple[Body | None, Body, bool]],
) -> None:
    narrowing_keeps(people)


@pytest.mark.prove
@settings(STEADY, max_examples=100)
@given(PEOPLE)
def test_narrowing_keeps_whoever_has_a_signal_of_many(people: list[tuple[Body | None, Body, bool]]) -> None:
    narrowing_keeps(people)
