"""In: AllergyIntolerances. Out: confirmed active allergies to a study substance prove, "none known" refutes, what is unsure asks."""

from __future__ import annotations

import re
from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria.answer import Answer, Reason, Wanted
from adapter.criteria.concepts.allergies import answer_allergy
from adapter.criteria.scene import Scene
from adapter.criteria.tree import Allergy
from adapter.criteria.truth import Truth
from adapter.fhir import PatientRecord
from adapter.terminology import Completeness, Site, ValueSet
from tests.support.records import encode
from tests.unit.criteria.deciding import attested, flips_on, scene_of

T, F, U = Truth.T, Truth.F, Truth.U
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
NODE = Allergy(
    substances=(
        ValueSet("lutathera", ATC, frozenset({"V10XX04"})),
        ValueSet("analogues", ATC, frozenset({"H01CB02", "H01CB03"})),
    ),
    asking=(ValueSet("analogues_other", ATC, prefixes=("H01CB",)),),
    asking_text=re.compile("lutathera|octreotide|lanreotide|somatostatine|arginine|lysine", re.IGNORECASE),
    none=ValueSet("no_known_allergy", SNOMED, frozenset({"716186003"})),
    complete="allergy",
)
NONE = {"code": f"{SNOMED}|716186003"}


def allergy(**fields: Any) -> dict[str, Any]:
    return {"allergy": fields}


def answer(scene: Scene) -> Answer:
    return answer_allergy(NODE, scene)


def told(*entries: dict[str, Any], **more: Any) -> tuple[Truth, Reason | None]:
    found = answer(scene_of(entries, **more))
    return found.truth, found.reason


def complete(start: date, end: date, domain: str = "allergy") -> Site:
    return Site("icm", completeness=(Completeness(domain, start, end),))


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({"atc": "V10XX04"}, T, None),
        ({"atc": "H01CB02"}, T, None),
        ({"atc": "H01CB03"}, T, None),
        ({"text": "produit", "substance": "H01CB02"}, T, None),
        ({"code": "urn:x|1", "substance": "V10XX04"}, T, None),
        ({"atc": "J01CA04"}, U, Reason.NO_DATA),
        ({"text": "pénicilline"}, U, Reason.ASKS),
        ({"atc": "H01CB05"}, U, Reason.ASKS),
        ({"text": "Lutathera"}, U, Reason.ASKS),
        ({"text": "acides aminés (lysine)"}, U, Reason.ASKS),
        ({"code": "urn:x|octreotide"}, U, Reason.ASKS),
        ({}, U, Reason.ASKS),
    ],
)
def test_an_allergy_counts_by_its_substance(fields: dict[str, Any], truth: Truth, reason: Reason | None) -> None:
    assert told(allergy(**fields)) == (truth, reason)


def test_an_allergy_counts_by_the_sites_concept_map() -> None:
    site = Site("icm", concept_map={("urn:local", "OCT"): ((ATC, "H01CB02"),)})

    assert told(allergy(code="urn:local|OCT"), site=site) == (T, None)
    assert told(allergy(code="urn:local|OCT")) == (U, Reason.ASKS)


def test_a_substance_in_the_display_of_another_code_asks() -> None:
    raw = {
        "resourceType": "AllergyIntolerance",
        "code": {"coding": [{"system": "urn:x", "code": "1", "display": "Octreotide LAR"}]},
    }

    assert told(raw) == (U, Reason.ASKS)


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({"verification": "unconfirmed"}, U, Reason.STATUS),
        ({"verification": "presumed"}, U, Reason.STATUS),
        ({"verification": None}, U, Reason.STATUS),
        ({"verification": "refuted"}, U, Reason.NO_DATA),
        ({"verification": "entered-in-error"}, U, Reason.NO_DATA),
        ({"clinical": "inactive"}, U, Reason.NO_DATA),
        ({"clinical": "resolved"}, U, Reason.NO_DATA),
        ({"clinical": None}, U, Reason.STATUS),
        ({"type": "intolerance"}, U, Reason.NO_DATA),
        ({"type": None}, U, Reason.ASKS),
        ({"type": "intolerance", "verification": "unconfirmed"}, U, Reason.NO_DATA),
    ],
)
def test_an_allergy_proves_when_it_is_confirmed_and_active(
    fields: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    assert told(allergy(atc="H01CB02", **fields)) == (truth, reason)


@pytest.mark.parametrize("fields", [{"clinical": "resolved"}, {"verification": "refuted"}, {"type": "intolerance"}])
def test_an_allergy_in_words_that_does_not_count_asks_nothing(fields: dict[str, Any]) -> None:
    assert told(allergy(text="octreotide", **fields)) == (U, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({"recorded": "2025-06-01"}, T, None),
        ({"recorded": "2025-06-02"}, U, Reason.NO_DATA),
        ({"recorded": "2025-06"}, U, Reason.IMPRECISE_DATE),
        ({"recorded": "2025-05"}, T, None),
        ({"onset": "2025-06-01"}, T, None),
        ({"onset": "2025-06-02"}, U, Reason.NO_DATA),
        ({"onset": "2025-06-02", "recorded": "2025-05-01"}, U, Reason.NO_DATA),
        ({"onset": "2020-01-01", "recorded": "2025-06-02"}, T, None),
        ({"onset": "2025"}, U, Reason.IMPRECISE_DATE),
        ({"onset": "2025", "recorded": "2025-05-01"}, T, None),
        ({"onset": "2025", "recorded": "2025-06-02"}, U, Reason.IMPRECISE_DATE),
        ({"onset": "jadis"}, T, None),
        ({"onset": "jadis", "recorded": "2025-06-02"}, U, Reason.IMPRECISE_DATE),
    ],
)
def test_an_allergy_counts_by_its_onset_else_by_its_recording(
    fields: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    assert told(allergy(atc="H01CB02", **fields)) == (truth, reason)


@pytest.mark.parametrize(("start", "truth"), [("2025-06-02", U), ("2025-06-01", T)])
def test_an_open_onset_period_counts_from_its_start(start: str, truth: Truth) -> None:
    raw = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "type": "allergy",
        "code": {"coding": [{"system": ATC, "code": "H01CB02"}]},
        "onsetPeriod": {"start": start},
    }

    assert told(raw)[0] is truth


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({}, F, None),
        ({"clinical": None}, F, None),
        ({"type": None}, F, None),
        ({"clinical": "inactive"}, U, Reason.NO_DATA),
        ({"clinical": "resolved"}, U, Reason.NO_DATA),
        ({"verification": "unconfirmed"}, U, Reason.STATUS),
        ({"verification": None}, U, Reason.STATUS),
        ({"verification": "refuted"}, U, Reason.NO_DATA),
        ({"verification": "entered-in-error"}, U, Reason.NO_DATA),
        ({"recorded": "2025-06-02"}, U, Reason.NO_DATA),
        ({"recorded": "2025-06"}, U, Reason.IMPRECISE_DATE),
    ],
)
def test_a_confirmed_statement_of_no_known_allergy_refutes(
    fields: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer(scene_of([allergy(**NONE, **fields)]))

    assert (found.truth, found.reason, found.presumed) == (truth, reason, False)


@pytest.mark.parametrize(
    ("other", "truth", "reason"),
    [
        ({"atc": "H01CB02"}, U, Reason.CONFLICT),
        ({"atc": "H01CB02", "verification": "unconfirmed"}, U, Reason.STATUS),
        ({"text": "arginine"}, U, Reason.ASKS),
        ({"atc": "H01CB02", "type": "intolerance"}, F, None),
        ({"atc": "J01CA04"}, F, None),
    ],
)
def test_no_known_allergy_beside_another_record_decides_only_what_nothing_opens(
    other: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    for entries in permutations([allergy(id="a", **NONE), allergy(id="b", **other)]):
        assert told(*entries) == (truth, reason)


def test_a_confirmed_allergy_proves_beside_an_unsure_one() -> None:
    found = answer(scene_of([allergy(atc="H01CB02", verification="presumed"), allergy(atc="V10XX04")]))

    assert found.truth is T
    assert [item.value for item in found.evidence] == ["V10XX04"]


@pytest.mark.parametrize(
    ("entries", "truth", "reason", "presumed"),
    [
        ([], F, None, True),
        ([allergy(atc="J01CA04")], F, None, True),
        ([allergy(atc="H01CB02", type="intolerance")], F, None, True),
        ([allergy(**NONE, verification="unconfirmed")], F, None, True),
        ([allergy(**NONE)], F, None, False),
        ([allergy(atc="H01CB02", verification="unconfirmed")], U, Reason.STATUS, False),
        ([allergy()], U, Reason.ASKS, False),
        ([allergy(atc="H01CB02")], T, None, False),
    ],
)
def test_absence_refutes_where_it_is_declared(
    entries: list[dict[str, Any]], truth: Truth, reason: Reason | None, presumed: bool
) -> None:
    found = answer(scene_of(entries, site=complete(date(2020, 1, 1), date(2030, 1, 1))))

    assert (found.truth, found.reason, found.presumed) == (truth, reason, presumed)


@pytest.mark.parametrize(
    ("start", "end", "truth", "flip"),
    [
        (date(2025, 6, 1), date(2025, 6, 1), F, date(2025, 6, 2)),
        (date(2025, 6, 2), date(2025, 6, 30), U, date(2025, 6, 2)),
        (date(2025, 1, 1), date(2025, 5, 31), U, None),
        (date(2025, 1, 1), date(2025, 6, 10), F, date(2025, 6, 11)),
    ],
)
def test_absence_refutes_on_declared_days_only(start: date, end: date, truth: Truth, flip: date | None) -> None:
    scene = scene_of(site=complete(start, end))

    assert answer(scene).truth is truth
    assert flips_on(answer, scene) == flip


def test_another_domain_declared_complete_says_nothing() -> None:
    site = complete(date(2020, 1, 1), date(2030, 1, 1), "condition")

    assert told(site=site) == (U, Reason.NO_DATA)


def test_a_partial_date_changes_when_it_has_surely_come() -> None:
    assert flips_on(answer, scene_of([allergy(atc="H01CB02", recorded="2025-06")])) == date(2025, 6, 30)


def test_an_open_allergy_wants_a_record_and_a_person_can_close_it() -> None:
    for entries in ([], [allergy(text="lysine")], [allergy(atc="H01CB02", verification="presumed")]):
        found = answer(scene_of(entries))

        assert (found.attestable, found.wanted) == (True, (Wanted("allergies"),))
        assert len(found.evidence) == len(entries)


def test_an_allergy_is_shown_by_its_code_never_by_its_words() -> None:
    found = answer(scene_of([allergy(text="octreotide, choc au CHU"), allergy(atc="H01CB05")]))

    assert [item.value for item in found.evidence] == [None, "H01CB05"]


@pytest.mark.parametrize(
    ("fields", "link", "truth", "reason"),
    [
        ({"atc": "H01CB02", "type": "intolerance", "recorded": "2025-05-25"}, False, F, None),
        ({"text": "lysine", "recorded": "2025-05-10"}, False, F, None),
        ({"atc": "H01CB02", "verification": "unconfirmed", "onset": "2025-05-25"}, False, U, Reason.STATUS),
        ({"atc": "H01CB02", "onset": "2025-05-25"}, False, T, None),
        ({"atc": "H01CB02", "onset": "2025-05-10"}, False, U, Reason.CONFLICT),
        ({**NONE, "onset": "2025-05-10"}, True, U, Reason.CONFLICT),
    ],
)
def test_an_attested_allergy_decides_what_is_open(
    fields: dict[str, Any], link: bool, truth: Truth, reason: Reason | None
) -> None:
    found = attested(answer, scene_of([allergy(**fields), {"attest": {"E15": link}}]), "E15")

    assert (found.truth, found.reason) == (truth, reason)


def test_an_allergy_put_aside_as_faulty_keeps_a_declared_absence_open() -> None:
    faulty = encode({"resourceType": "AllergyIntolerance", "id": "q", "code": 7, "patient": {"reference": "Patient/1"}})
    scene = scene_of(site=complete(date(2020, 1, 1), date(2030, 1, 1)))
    record = PatientRecord.read("Patient/1", [], held_back=[faulty])

    assert answer(Scene(scene.trial, record, scene.site, scene.on)).truth is U
