"""In: Coverages. Out: an active compulsory cover whose period surely holds the day proves; nothing refutes; an INS is a hint."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria.answer import Answer, Reason, Wanted
from adapter.criteria.concepts.coverage import answer_coverage
from adapter.criteria.scene import Scene
from adapter.criteria.tree import Coverage
from adapter.criteria.truth import Truth
from adapter.terminology import Site
from tests.unit.criteria.deciding import attested, flips_on, scene_of

T, F, U = Truth.T, Truth.F, Truth.U
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
INS_NIR = "urn:oid:1.2.250.1.213.1.4.8"
NODE = Coverage(
    types=("AMO", f"{ACT}|PUBLICPOL"),
    payors=("CPAM", "MSA"),
    asks=("AME",),
    excludes=("AMC",),
    hints=(INS_NIR, "INS-NIR"),
)


def cover(**fields: Any) -> dict[str, Any]:
    return {"coverage": fields}


def answer(scene: Scene) -> Answer:
    return answer_coverage(NODE, scene)


def told(*entries: dict[str, Any], **more: Any) -> tuple[Truth, Reason | None]:
    found = answer(scene_of(entries, **more))
    return found.truth, found.reason


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        ({"type": "AMO"}, T),
        ({"type": "amo"}, T),
        ({"type": "Régime AMO"}, T),
        ({"type": "AMOR"}, U),
        ({"type": "mutuelle"}, U),
        ({"code": "urn:oid:1.2.3|AMO"}, T),
        ({"code": f"{ACT}|PUBLICPOL"}, T),
        ({"code": "urn:oid:1.2.3|PUBLICPOL"}, U),
        ({"code": f"{ACT}|EHCPOL"}, U),
        ({"payor": "CPAM de l'Hérault"}, T),
        ({"payor": "MSA du Languedoc"}, T),
        ({"payor": "MSAV"}, U),
        ({"payor": "Mutuelle générale"}, U),
    ],
)
def test_a_cover_is_compulsory_by_type_or_by_payor(fields: dict[str, Any], truth: Truth) -> None:
    assert told(cover(**fields)) == (truth, None if truth is T else Reason.NO_DATA)


def test_a_cover_is_compulsory_by_the_sites_concept_map() -> None:
    site = Site("icm", concept_map={("urn:local", "RO"): ((ACT, "PUBLICPOL"),)})

    assert told(cover(code="urn:local|RO"), site=site) == (T, None)
    assert told(cover(code="urn:local|RO")) == (U, Reason.NO_DATA)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "AME"},
        {"type": "AME", "payor": "CPAM de Paris"},
        {"code": "urn:oid:1.2.3|AME", "payor": "CPAM de Paris"},
        {"code": f"{ACT}|PUBLICPOL", "payor": "CPAM de Paris, AME"},
        {"type": "AME", "end": "2025-01-01"},
    ],
)
def test_state_medical_aid_never_proves(fields: dict[str, Any]) -> None:
    assert told(cover(**fields)) == (U, Reason.ASKS)


def test_state_medical_aid_beside_a_compulsory_cover_takes_nothing_away() -> None:
    assert told(cover(type="AME"), cover()) == (T, None)


@pytest.mark.parametrize(
    ("fields", "truth", "reason"),
    [
        ({"start": "2025-06-01", "end": "2025-06-01"}, T, None),
        ({"start": "2020-01-01"}, T, None),
        ({"end": "2025-05-31"}, U, Reason.TOO_OLD),
        ({"end": "2025-05-31T22:30:00Z"}, T, None),
        ({"end": "2025-05"}, U, Reason.TOO_OLD),
        ({"end": "2025-06"}, T, None),
        ({"end": "2025"}, U, Reason.IMPRECISE_DATE),
        ({"end": "31/12/2025"}, U, Reason.IMPRECISE_DATE),
        ({"end": "9999-12-31"}, T, None),
        ({"start": "2025-06-02"}, U, Reason.NO_DATA),
        ({"start": "2025-06"}, U, Reason.IMPRECISE_DATE),
        ({"start": "2025-05"}, T, None),
        ({"start": None}, U, Reason.IMPRECISE_DATE),
        ({"start": None, "end": "2026-01-01"}, U, Reason.IMPRECISE_DATE),
        ({"start": None, "end": "2025-05-31"}, U, Reason.TOO_OLD),
        ({"start": "0001-01-01"}, U, Reason.IMPRECISE_DATE),
        ({"period": None}, U, Reason.IMPRECISE_DATE),
        ({"status": "draft"}, U, Reason.STATUS),
        ({"status": None}, U, Reason.STATUS),
        ({"status": "cancelled"}, U, Reason.NO_DATA),
        ({"status": "entered-in-error"}, U, Reason.NO_DATA),
    ],
)
def test_a_cover_proves_when_it_surely_holds_the_day(
    fields: dict[str, Any], truth: Truth, reason: Reason | None
) -> None:
    assert told(cover(**fields)) == (truth, reason)


def test_one_cover_in_force_is_enough_in_any_order() -> None:
    entries = [cover(id="a", end="2025-05-31"), cover(id="b"), cover(id="c", status="draft")]

    for order in permutations(entries):
        found = answer(scene_of(order))

        assert found.truth is T
        assert [item.reference for item in found.evidence] == ["Coverage/b"]


def test_the_reason_is_the_same_in_any_order() -> None:
    for first, second in permutations(("a", "b")):
        assert told(cover(id=first, end="2025-05-31"), cover(id=second, period=None)) == (U, Reason.IMPRECISE_DATE)


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": INS_NIR, "value": "160056900100123"},
        {
            "system": "urn:oid:1.2.250.1.213.1.4.5",
            "type": {"coding": [{"code": "INS-NIR"}]},
            "value": "160056900100123",
        },
    ],
)
def test_an_ins_is_a_hint_that_never_shows_its_number(identifier: dict[str, Any]) -> None:
    scene = scene_of(person={"identifier": [identifier]})

    found = answer(scene)

    assert (found.truth, found.reason) == (U, Reason.ASKS)
    assert [item.reference for item in found.shown] == ["Patient/1"]
    assert "160056900100123" not in repr(found)


def test_an_ins_does_not_reopen_what_is_attested() -> None:
    person = {"identifier": [{"system": INS_NIR, "value": "160056900100123"}]}

    for truth in (True, False):
        scene = scene_of([{"attest": {"I16": truth}}], person=person)

        assert attested(answer, scene, "I16").truth is (T if truth else F)


def test_the_hospitals_own_number_is_no_hint() -> None:
    found = answer(scene_of(person={"identifier": [{"system": "urn:oid:1.2.3.4", "value": "00123"}]}))

    assert (found.reason, found.shown) == (Reason.NO_DATA, ())


def test_an_open_cover_wants_one_and_a_person_can_close_it() -> None:
    for entries in ([], [cover(status="draft")], [cover(type="AME")]):
        found = answer(scene_of(entries))

        assert (found.attestable, found.wanted) == (True, (Wanted("coverage"),))
        assert len(found.evidence) == len(entries)


def test_a_cover_is_shown_without_words_or_names() -> None:
    found = answer(scene_of([cover(type="AMO secret", payor="CPAM secret", code="urn:x|RO", end="2025-12-31")]))

    assert found.evidence[0].value == "RO, active, ..2025-12-31"
    assert found.evidence[0].effective == "2020-01-01"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("fields", "flip"),
    [
        ({}, None),
        ({"end": "2025-06-10"}, date(2025, 6, 11)),
        ({"end": "2025-07"}, date(2025, 7, 2)),
        ({"start": "2025-06"}, date(2025, 6, 30)),
        ({"end": "2025-05-31"}, None),
    ],
)
def test_a_cover_changes_by_time_on_the_day_after_its_end(fields: dict[str, Any], flip: date | None) -> None:
    assert flips_on(answer, scene_of([cover(**fields)])) == flip


@pytest.mark.parametrize(
    ("fields", "link", "truth", "reason"),
    [
        ({"end": "2025-05-10"}, True, T, None),
        ({"end": "2025-05-10"}, False, F, None),
        ({"status": "draft", "start": "2025-05-21"}, True, U, Reason.STATUS),
        ({}, False, U, Reason.CONFLICT),
        ({"start": "2025-05-21"}, False, T, None),
        ({}, True, T, None),
    ],
)
def test_an_attested_cover_decides_what_is_open(
    fields: dict[str, Any], link: bool, truth: Truth, reason: Reason | None
) -> None:
    found = attested(answer, scene_of([cover(**fields), {"attest": {"I16": link}}]), "I16")

    assert (found.truth, found.reason) == (truth, reason)
