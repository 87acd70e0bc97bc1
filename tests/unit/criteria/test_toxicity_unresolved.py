"""In: adverse events and current results, of every grade, outcome and cause. Out: what is unresolved, what asks a person (E03.b)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Answer, Wanted
from adapter.terminology import Site
from tests.support.record_kinds import GRADE_URL
from tests.unit.criteria.making import START, criterion
from tests.unit.criteria.single import flips, found

T, F, U = Truth.T, Truth.F, Truth.U
SITE = Site("icm", adverse_event_grade=GRADE_URL)
ANALYTES = (
    "hemoglobin",
    "platelets",
    "neutrophils",
    "leukocytes",
    "lymphocytes",
    "creatinine",
    "alt",
    "ast",
    "bilirubin_total",
    "albumin",
)
UNRESOLVED = criterion(
    {
        "unresolved_toxicity": {
            "analytes": list(ANALYTES),
            "grade": 2,
            "window_days": 28,
            "excluded_text": "alop[ée]ci[ea]|polyn[ée]vrite|neuropathie p[ée]riph[ée]rique|peripheral sensory neuropathy",
            "wanted": "E03.b",
        }
    },
    "E03",
)
UNITS = {
    "hb": "g/dL",
    "creatinine": "umol/L",
    "alt": "U/L",
    "ast": "U/L",
    "bilirubin": "umol/L",
    "albumin": "g/L",
}
ULN = {"creatinine": 100, "alt": 40, "ast": 40, "bilirubin": 20}
ASKS = (U, Reason.ASKS)
NEEDS = (U, Reason.NEEDS_ATTESTATION)
CONFLICT = (U, Reason.CONFLICT)

GIVEN = {"infusion": {"date": str(START), "id": "given", "medication": "Medication/lot"}}
LOT = {
    "resourceType": "Medication",
    "id": "lot",
    "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]},
}


def answered(*entries: Any, site: Site = SITE) -> Answer:
    return found(UNRESOLVED, [GIVEN, *entries], shared=[LOT], site=site)


def unresolved(*entries: Any) -> tuple[Truth, Reason | None]:
    answer = answered(*entries)
    return answer.truth, answer.reason


def lab(of: str, value: Any = None, when: str | None = "2021-05-20", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"of": of, "date": when}
    if value is not None:
        fields |= {"value": Decimal(str(value)), "ucum": UNITS.get(of, "10*9/L")}
        fields |= {"high": ULN[of]} if of in ULN else {}
    return {"lab": {**fields, **more}}


def event(grade: int | None = 2, **more: Any) -> dict[str, Any]:
    return {"adverse-event": {**({} if grade is None else {"grade": grade}), **more}}


def due(grade: int | None = 2, **more: Any) -> dict[str, Any]:
    return event(grade, suspect=["MedicationAdministration/given"], **more)


@pytest.mark.parametrize(
    ("grade", "expected"), [(1, NEEDS), (2, (T, None)), (3, (T, None)), (5, (T, None)), (None, ASKS)]
)
def test_an_unresolved_event_of_grade_2_that_is_due_to_the_treatment_proves(
    grade: int | None, expected: tuple[Truth, Reason | None]
) -> None:
    assert unresolved(due(grade)) == expected


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("ongoing", (T, None)),
        ("recovering", (T, None)),
        # Nobody says that it goes on: that is for a person to say.
        ("unknown", ASKS),
        ("guéri", ASKS),
        (None, ASKS),
        ("resolved", NEEDS),
        ("resolvedWithSequelae", NEEDS),
        ("fatal", NEEDS),
    ],
)
def test_a_resolved_event_does_not_count(outcome: str | None, expected: tuple[Truth, Reason | None]) -> None:
    assert unresolved(due(outcome=outcome)) == expected


@pytest.mark.parametrize(
    ("assessments", "expected"),
    [
        ((), (T, None)),
        (("Certain",), (T, None)),
        (("Probably-Likely",), (T, None)),
        (("Possible",), (T, None)),
        (("Unlikely",), ASKS),
        (("unrelated",), ASKS),
        (("Unassessable-Unclassifiable",), ASKS),
        (("Conditional-Classified",), ASKS),
        (("Possible", "Unlikely"), ASKS),
    ],
)
def test_an_event_whose_cause_was_doubted_asks(
    assessments: tuple[str, ...], expected: tuple[Truth, Reason | None]
) -> None:
    system = "http://terminology.hl7.org/CodeSystem/adverse-event-causality-assess"
    causality = [{"assessment": {"coding": [{"system": system, "code": code}]}} for code in assessments]
    entry = {
        "resourceType": "AdverseEvent",
        "id": "ae",
        "actuality": "actual",
        "date": "2025-05-01",
        "outcome": {"coding": [{"code": "ongoing"}]},
        "extension": [{"url": GRADE_URL, "valueInteger": 3}],
        "suspectEntity": [{"instance": {"reference": "Medication/lot"}, "causality": causality}],
    }

    assert unresolved(entry) == expected


@pytest.mark.parametrize(
    ("suspect", "expected"),
    [
        (["MedicationAdministration/given"], (T, None)),
        (["Medication/lot"], (T, None)),
        (["https://fhir.example.org/r4/MedicationAdministration/given"], (T, None)),
        (["MedicationAdministration/chemo", "Medication/lot"], (T, None)),
        (["MedicationAdministration/chemo"], ASKS),
        (["Medication/other"], ASKS),
        ([], ASKS),
    ],
)
def test_an_event_of_another_or_of_no_cause_asks(suspect: list[str], expected: tuple[Truth, Reason | None]) -> None:
    assert unresolved(event(suspect=suspect)) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2025-06-01", (T, None)),
        ("2025-06-02", NEEDS),
        ("2020-01-01", (T, None)),
        ("2025-06", ASKS),
        ("2025", ASKS),
        ("2024", (T, None)),
    ],
)
def test_an_event_counts_up_to_the_reference_date(when: str, expected: tuple[Truth, Reason | None]) -> None:
    assert unresolved(due(date=when)) == expected


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ("Alopécie", False),
        ("alopecia", False),
        ("Neuropathie périphérique", False),
        ("peripheral sensory neuropathy", False),
        ("polynévrite", False),
        ("fatigue", True),
        ("thrombopénie", True),
    ],
)
def test_alopecia_and_peripheral_neuropathy_do_not_count(words: str, counts: bool) -> None:
    assert unresolved(due(event=words)) == ((T, None) if counts else NEEDS)


def test_the_display_of_the_event_counts_as_its_words() -> None:
    entry = {
        "resourceType": "AdverseEvent",
        "actuality": "actual",
        "date": "2025-05-01",
        "extension": [{"url": GRADE_URL, "valueInteger": 3}],
        "event": {"coding": [{"system": "urn:example:meddra", "code": "1", "display": "Alopecia"}]},
        "suspectEntity": [{"instance": {"reference": "Medication/lot"}}],
    }

    assert unresolved(entry) == NEEDS


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ({"valueInteger": 2}, 2),
        ({"valueInteger": 6}, None),
        ({"valueInteger": 0}, None),
        ({"valueCode": "3"}, 3),
        ({"valueCode": "grade 3"}, 3),
        ({"valueCodeableConcept": {"coding": [{"system": "urn:x", "code": "2"}]}}, 2),
        ({"valueCodeableConcept": {"text": "Grade 4"}}, 4),
        ({"valueCodeableConcept": {"coding": [{"code": "2"}], "text": "Grade 3"}}, None),
        ({"valueCodeableConcept": {"text": "sévère"}}, None),
        ({}, None),
    ],
)
def test_a_grade_is_read_in_the_forms_that_sites_send(value: dict[str, Any], grade: int | None) -> None:
    entry = {
        "resourceType": "AdverseEvent",
        "id": "ae",
        "actuality": "actual",
        "date": "2025-05-01",
        "extension": [{"url": GRADE_URL, **value}],
        "outcome": {"coding": [{"code": "ongoing"}]},
        "suspectEntity": [{"instance": {"reference": "Medication/lot"}}],
    }
    answer = answered(entry)

    assert answer.truth is (U if grade is None else T)
    assert [item.value for item in answer.shown if item.reference == "AdverseEvent/ae"] == [
        None if grade is None else f"grade {grade}"
    ]


def test_without_the_sites_extension_an_event_is_only_shown() -> None:
    answer = answered(due(4, id="ae"), site=Site.plain("icm"))

    assert (answer.truth, answer.reason, answer.evidence) == (U, Reason.NEEDS_ATTESTATION, ())
    assert [item.reference for item in answer.context] == ["AdverseEvent/ae"]


@pytest.mark.parametrize("told", [{"actuality": "potential"}, {"status": "entered-in-error"}], ids=["R4", "R5"])
def test_an_event_that_did_not_happen_is_none(told: dict[str, Any]) -> None:
    assert unresolved(due(**told)) == NEEDS


@pytest.mark.parametrize(
    ("of", "grade_2", "grade_1"),
    [
        ("hb", "9.9", "10"),
        ("platelets", "74.9", "75"),
        ("neutrophils", "1.49", "1.5"),
        ("leukocytes", "2.99", "3"),
        ("lymphocytes", "0.79", "0.8"),
        ("creatinine", "150.1", "150"),
        ("alt", "120.1", "120"),
        ("ast", "120.1", "120"),
        ("bilirubin", "30.1", "30"),
        ("albumin", "29.9", "30"),
    ],
)
def test_a_current_result_of_grade_2_asks_for_its_cause(of: str, grade_2: str, grade_1: str) -> None:
    answer = answered(lab(of, grade_2, "2025-05-20", id="current"))

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.ASKS, True)
    assert [item.reference for item in answer.evidence] == ["Observation/current"]
    assert answer.wanted == (Wanted("E03.b", attestation=True),)
    assert unresolved(lab(of, grade_1, "2025-05-20")) == NEEDS


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([lab("platelets", 60, "2025-05-04")], ASKS),
        ([lab("platelets", 60, "2025-05-03")], NEEDS),
        ([lab("platelets", 60, "2025-06-02")], NEEDS),
        ([lab("platelets", 60, "2025-05-20"), lab("platelets", 90, "2025-05-21")], NEEDS),
        ([lab("platelets", 90, "2025-05-20"), lab("platelets", 60, "2025-05-21")], ASKS),
        ([lab("platelets", 60, "2025-05-20", status="preliminary")], NEEDS),
        ([lab("platelets", 80, "2025-05-20", comparator="<")], NEEDS),
        ([{"lab": {"of": "platelets", "value": 60, "date": "2025-05-20"}}], NEEDS),
        ([lab("platelets", 60, "2025-05-20", note="amas plaquettaires")], NEEDS),
        ([{"lab": {"of": "alt", "value": 900, "ucum": "U/L", "date": "2025-05-20"}}], NEEDS),
    ],
)
def test_only_the_latest_sure_result_of_the_window_asks(
    entries: list[Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert unresolved(*entries) == expected


@pytest.mark.parametrize(
    ("entries", "said", "expected"),
    [
        ([], False, (F, None)),
        ([], True, (T, None)),
        ([lab("hb", 9, "2025-05-20")], False, (F, None)),
        ([lab("hb", 9, "2025-05-19")], False, (F, None)),
        # a later result opens the question anew
        ([lab("hb", 9, "2025-05-21")], False, ASKS),
        ([lab("hb", 11, "2025-05-21")], False, (F, None)),
        ([lab("hb", 9, "2025-05-19"), lab("hb", 9, "2025-05-21")], False, ASKS),
        ([event(2, date="2025-05-10")], False, (F, None)),
        ([event(2, date="2025-05-21")], False, ASKS),
        ([event(1, date="2025-05-21")], False, (F, None)),
        ([due(2, date="2025-05-10")], False, (U, Reason.CONFLICT)),
        ([due(2, date="2025-05-10")], True, (T, None)),
        ([due(2, date="2025-05-21")], False, (T, None)),
        ([due(2, date="2025-05-10", outcome="resolved")], False, (F, None)),
    ],
)
def test_a_person_answers_for_the_cause(entries: list[Any], said: bool, expected: tuple[Truth, Reason | None]) -> None:
    assert unresolved(*entries, {"attest": {"E03": said}}) == expected


def test_a_proof_outweighs_what_asks() -> None:
    assert unresolved(event(3), due(2), lab("hb", 9, "2025-05-20")) == (T, None)


def test_the_day_is_named_on_which_a_persons_word_expires() -> None:
    assert flips(UNRESOLVED, GIVEN, {"attest": {"E03": False}}, site=SITE) == date(2025, 6, 18)


def test_the_order_of_events_does_not_matter() -> None:
    entries = [
        event(3, id="a"),
        event(2, id="b", date="2025"),
        event(None, id="c"),
        lab("hb", 9, "2025-05-20", id="d"),
    ]
    answers = [answered(*order) for order in (entries, entries[::-1], entries[2:] + entries[:2])]

    assert len({(item.truth, item.reason, item.evidence, item.context) for item in answers}) == 1
    assert {item.reference for item in answers[0].evidence} == {
        "AdverseEvent/a",
        "AdverseEvent/b",
        "AdverseEvent/c",
        "Observation/d",
    }
