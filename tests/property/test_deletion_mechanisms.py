"""In: small records, each made for one mechanism. Out: whether less data turns the decision round by it, and whether the mechanism is named.

These are the only ways in which taking a resource away may turn T into F or F into T; what none of them explains is found as such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adapter.criteria import CriterionVerdict, Stage, Truth
from adapter.terminology import Completeness
from tests.support.deletion import Explanation, Mechanism, explain
from tests.support.records import ChartWriter
from tests.support.simulated import Centre, Item, item_of

CENTRE = Centre(1)
WOMAN = {"gender": "female", "birthDate": "1985-01-01"}
BLOOD = [
    {"lab": {"of": "neutrophils", "value": 4, "unit": "G/L"}},
    {"lab": {"of": "platelets", "value": 200, "unit": "G/L"}},
]
HIGH = {"lab": {"of": "hb", "value": 12, "unit": "g/dL", "date": "2025-05-20", "id": "lost"}}
LOW = {"lab": {"of": "hb", "value": 7, "unit": "g/dL", "date": "2025-05-10"}}
DECLARED = Completeness("condition", date(2000, 1, 1), date(2025, 12, 31))


def items_of(*entries: dict[str, Any], patient: str = "Patient/1", person: dict[str, Any] | None = None) -> list[Item]:
    writer = ChartWriter(patient)
    return [item_of(body) for body in (writer.person(person or WOMAN), *writer.write(entries))]


def linked(old: str, new: str, *entries: dict[str, Any]) -> list[Item]:
    link = [{"other": {"reference": f"Patient/{new}"}, "type": "replaced-by"}]
    return items_of(*entries, patient=f"Patient/{old}", person={**WOMAN, "link": link})


def pressed(value: int, day: str, **more: str) -> dict[str, Any]:
    return {"lab": {"of": "hcg", "value": value, "unit": "UI/L", "high": 5, "date": day, **more}}


def said(link: str, truth: bool, authored: str, **more: str) -> dict[str, Any]:
    return {"attest": {"answers": {link: [{"valueBoolean": truth}]}, "authored": authored, **more}}


SHOWN: dict[Mechanism, tuple[str, list[Item], Callable[[Item], bool], str]] = {
    Mechanism.LATEST: ("I11", items_of(*BLOOD, HIGH, LOW), lambda item: item.reference == "Observation/lost", "TF"),
    Mechanism.OTHER: (
        "I12",
        items_of(pressed(900, "2025-05-29", id="lost"), pressed(1, "2025-05-31")),
        lambda item: item.reference == "Observation/lost",
        "FT",
    ),
    Mechanism.COUNT: (
        "I03",
        items_of({"course": {"cycles": 4, "last": "2022-03-10"}}, {"infusion": {"date": "2022-05-05", "id": "lost"}}),
        lambda item: item.reference == "MedicationAdministration/lost",
        "FT",
    ),
    Mechanism.CONFLICT: (
        "I08",
        items_of(
            said("I08", False, "2025-05-20T10:00:00Z"),
            said("I08", True, "2025-05-20T10:00:00Z", id="lost-1"),
            said("I08", True, "2025-05-25T10:00:00Z", id="lost-2"),
        ),
        lambda item: "lost" in item.reference,
        "TF",
    ),
    Mechanism.EXCEPTION: (
        "E05",
        items_of(
            {"condition": {"icd10": "C17.2"}},
            {"morphology": {"code": "8246/3"}},
            said("E05.poorly-differentiated", True, "2025-05-20", id="lost"),
            said("I02.well-differentiated", True, "2025-05-10"),
        ),
        lambda item: item.reference == "QuestionnaireResponse/lost",
        "TF",
    ),
    Mechanism.MERGE: (
        "I11",
        [*items_of(*BLOOD, LOW), *linked("0", "1", HIGH)],
        lambda item: item.reference == "Patient/0",
        "TF",
    ),
    Mechanism.ATTRIBUTION: (
        "I02",
        items_of(
            {"condition": {"icd10": "C17.2", "histology": "8240/3", "id": "lost"}},
            {"condition": {"icd10": "C25.4", "id": "other"}},
            {"grade": {"value": "G1", "focus": "lost"}},
            {"morphology": {"code": "8240/3", "focus": "other"}},
        ),
        lambda item: item.reference == "Condition/lost",
        "TF",
    ),
    Mechanism.COMPLETENESS: (
        "E10",
        items_of({"condition": {"icd10": "I63.9", "onset": "2025-02-01", "id": "lost"}}),
        lambda item: item.type == "Condition",
        "TF",
    ),
}


@pytest.mark.parametrize("mechanism", Mechanism)
def test_less_data_turns_a_decision_round_by_a_mechanism_and_it_is_named(mechanism: Mechanism) -> None:
    criterion, items, lost, turn = SHOWN[mechanism]
    site = replace(CENTRE.site, completeness=(DECLARED,)) if mechanism is Mechanism.COMPLETENESS else CENTRE.site

    def answered(heap: Sequence[Item]) -> CriterionVerdict:
        found = replace(CENTRE, site=site).verdict("Patient/1", heap, Stage.REGISTRATION)
        return next(item for item in found.criteria if item.id == criterion)

    kept, gone = [item for item in items if not lost(item)], [item for item in items if lost(item)]

    assert f"{answered(items).truth}{answered(kept).truth}" == turn
    assert explain(answered, kept, gone, trial=CENTRE.trial).mechanism is mechanism


def test_a_turn_that_no_mechanism_explains_is_found_with_its_resource() -> None:
    items = items_of(*BLOOD, HIGH)

    def forgetful(heap: Sequence[Item]) -> CriterionVerdict:
        there = any(item.reference == "Observation/lost" for item in heap)
        return CriterionVerdict("I14", Truth.T if there else Truth.F, False, None, None)

    kept, gone = [item for item in items if "lost" not in item.reference], [items[-1]]

    assert explain(forgetful, kept, gone, trial=CENTRE.trial) == Explanation(None, ("Observation/lost",))
