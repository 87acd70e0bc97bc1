"""In: tiny trees whose leaves are attested true, false or not at all. Out: whether each node of logic answers as it says."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from adapter.criteria import Reason, Truth, Wanted
from adapter.criteria import tree as nodes
from adapter.criteria.answering import answer
from tests.unit.criteria.making import (
    PLAIN,
    answer_to,
    chart,
    complete,
    criterion,
    judged,
    scene,
    tiny,
    verdicts,
)

T, F, U = Truth.T, Truth.F, Truth.U
A, B = {"attested": "A.a"}, {"attested": "B.b"}


def told(**truths: Truth) -> list[dict[str, Any]]:
    """A response that says T or F of each leaf; U is left out."""
    names = {"a": "A.a", "b": "B.b"}
    answers = {names[key]: [{"valueBoolean": truth is T}] for key, truth in truths.items() if truth is not U}
    return [{"attest": {"answers": answers}}]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(Truth, Truth)))
def test_all_any_and_not_follow_kleene(a: Truth, b: Truth) -> None:
    rank = {F: 0, U: 1, T: 2}
    entries = told(a=a, b=b)

    assert answer_to({"all": [A, B]}, entries).truth is min(a, b, key=rank.__getitem__)
    assert answer_to({"any": [A, B]}, entries).truth is max(a, b, key=rank.__getitem__)
    assert answer_to({"not": A}, entries).truth is {T: F, F: T, U: U}[a]


CASES = {"cases": [{"if": A, "then": "F"}, {"if": B, "then": {"not": B}}, {"otherwise": {"open": {"reason": "asks"}}}]}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(T, T, F), (T, U, F), (T, F, F), (F, T, F), (U, T, F), (F, F, U), (U, U, U), (F, U, U)],
)
def test_the_first_proven_case_decides(a: Truth, b: Truth, expected: Truth) -> None:
    assert answer_to(CASES, told(a=a, b=b)).truth is expected


def test_a_case_shows_the_evidence_of_its_outcome_and_its_condition() -> None:
    hb = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}
    rule = {"cases": [{"if": A, "then": hb}, {"otherwise": B}]}
    found = answer_to(rule, [*told(a=T), {"lab": {"of": "hb", "value": 12, "ucum": "g/dL"}}])

    assert [item.reference for item in found.evidence] == ["Observation/lab-1", "QuestionnaireResponse/attestation-1"]


def test_a_case_may_change_when_an_earlier_condition_does() -> None:
    hb = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}
    rule = {"cases": [{"if": hb, "then": "T"}, {"otherwise": {"sex": "male"}}]}
    found = answer_to(rule, [{"lab": {"of": "hb", "value": 7, "ucum": "g/dL"}}])

    assert date(2025, 6, 18) in found.changes


HB = {"laboratory": {"analyte": "hemoglobin", "window_days": 28, "is": {"gt": "8"}}}
ALBUMIN = {"laboratory": {"analyte": "albumin", "window_days": 28, "is": {"gt": "30"}}}


def hb(value: int, **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "hb", "value": value, "ucum": "g/dL", **more}}


def albumin(value: int, **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "albumin", "value": value, "ucum": "g/L", **more}}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([hb(9), albumin(20)], T, None),
        ([hb(7), albumin(40)], F, None),
        ([albumin(40)], T, None),
        ([hb(9, date="2025-01-01"), albumin(20)], F, None),
        ([hb(9, status="preliminary"), albumin(40)], T, None),
        ([hb(9, comparator="<"), albumin(40)], U, Reason.COMPARATOR),
        ([{"lab": {"of": "hb", "value": 9}}, albumin(40)], U, Reason.NO_UNIT),
        ([hb(9, date="2025-01-01")], U, Reason.TOO_OLD),
        ([albumin(40, date="2025-01-01")], U, Reason.NO_DATA),
        ([], U, Reason.NO_DATA),
        ([{"lab": {"of": "albumin", "value": 40}}], U, Reason.NO_UNIT),
    ],
)
def test_a_fallback_answers_only_where_there_is_no_data(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to({"fallback": [HB, ALBUMIN]}, entries)

    assert (found.truth, found.reason) == (truth, reason)


@pytest.mark.parametrize(
    ("entries", "truth", "presumed", "reason"),
    [
        ([hb(7)], F, True, None),
        ([hb(9)], U, False, Reason.ASKS),
        ([], U, False, Reason.NO_DATA),
        ([hb(9, comparator="<")], U, False, Reason.COMPARATOR),
    ],
)
def test_what_only_refutes_never_proves(
    entries: list[Any], truth: Truth, presumed: bool, reason: Reason | None
) -> None:
    found = answer_to({"only_refutes": {"rule": HB, "wanted": "thing"}}, entries)

    assert (found.truth, found.presumed, found.reason) == (truth, presumed, reason)
    assert found.wanted == (() if truth is F else (Wanted("thing"),)) or truth is F


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([hb(9), albumin(40)], T, None),
        ([hb(7), albumin(20)], F, None),
        ([hb(9), albumin(20)], U, Reason.CONFLICT),
        ([hb(7), albumin(40)], U, Reason.CONFLICT),
        ([hb(9)], T, None),
        ([albumin(40)], T, None),
        ([albumin(20)], F, None),
        ([hb(9), albumin(40, comparator="<")], T, None),
        ([hb(9, comparator="<"), albumin(40)], U, Reason.COMPARATOR),
        ([hb(9, date="2025-01-01"), albumin(40)], T, None),
        ([hb(9, date="2025-01-01")], U, Reason.TOO_OLD),
        ([albumin(40, comparator="<")], U, Reason.COMPARATOR),
    ],
)
def test_a_cross_check_is_decided_by_the_first_and_contradicted_by_the_second(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to({"cross_check": {"decides": HB, "against": ALBUMIN}}, entries)

    assert (found.truth, found.reason) == (truth, reason)
    if reason is Reason.CONFLICT:
        assert len(found.evidence) == 2


def test_a_cross_check_without_any_data_wants_the_first() -> None:
    assert answer_to({"cross_check": {"decides": HB, "against": ALBUMIN}}).wanted == (Wanted("hemoglobin"),)


def test_open_says_why_and_what_is_wanted() -> None:
    found = answer_to({"open": {"reason": "asks", "wanted": "thing", "attestable": True}})
    bare = answer_to({"open": {"reason": "conflict"}})

    assert (found.reason, found.wanted, found.attestable) == (Reason.ASKS, (Wanted("thing", attestation=True),), True)
    assert (bare.reason, bare.wanted, bare.attestable) == (Reason.CONFLICT, (), False)


def test_nobody_attested_is_closed_by_an_attestation() -> None:
    found = answer_to(A)

    assert (found.truth, found.reason, found.attestable) == (U, Reason.NEEDS_ATTESTATION, True)
    assert found.wanted == (Wanted("A.a", attestation=True),)


@pytest.mark.parametrize(
    ("since", "truth", "reason"),
    [
        ("2024-12-15", T, None),
        ("2024-12-16", F, None),
        ("2024-12", U, Reason.IMPRECISE_DATE),
        ("2024-11", T, None),
        ("2025", F, None),
        (None, T, None),
        ("gestern", T, None),
    ],
)
def test_an_attested_date_must_lie_far_enough_back(since: str | None, truth: Truth, reason: Reason | None) -> None:
    answers = {"A.a": [{"valueBoolean": True, **({"valueDate": since} if since else {})}]}
    found = answer_to({"attested": {"link": "A.a", "since_days": 168}}, [{"attest": {"answers": answers}}])

    assert (found.truth, found.reason) == (truth, reason)


def test_an_attested_denial_needs_no_date() -> None:
    answers = {"A.a": [{"valueBoolean": False, "valueDate": "2025-05-01"}]}

    assert answer_to({"attested": {"link": "A.a", "since_days": 168}}, [{"attest": {"answers": answers}}]).truth is F


def test_a_part_and_another_criterion_answer_with_their_attestations() -> None:
    words = {"fr": "a", "en": "a"}
    trial = tiny(
        criterion({"part": "a"}, parts={"a": {"label": words, "rule": {"condition": {"in": "pancreas"}}}}),
        criterion({"not": {"criterion": "X"}}, "Y"),
    )
    found = verdicts(trial, [{"attest": {"answers": {"X.a": [{"valueBoolean": True}]}}}])

    assert [judged(found, name).truth for name in ("X", "Y")] == [T, F]
    assert judged(found, "X").parts[0].truth is T


def test_a_criterion_that_is_not_attestable_is_not_attested_from_outside() -> None:
    trial = tiny(criterion({"condition": {"in": "pancreas"}}, "I09", attestable=False))

    assert judged(verdicts(trial, [{"attest": {"I09": True}}]), "I09").truth is U


@pytest.mark.parametrize(("data", "truth", "reason"), [([], F, None), (["C25.9"], U, Reason.CONFLICT)])
def test_an_attested_false_is_contradicted_by_the_part_named(
    data: list[str], truth: Truth, reason: Reason | None
) -> None:
    words = {"fr": "a", "en": "a"}
    trial = tiny(
        criterion(
            {"all": [{"part": "a"}, {"attested": "B.b"}]},
            "I09",
            parts={"a": {"label": words, "rule": {"condition": {"in": "pancreas"}}}},
            contradicted_by="a",
        )
    )
    found = judged(
        verdicts(trial, [{"attest": {"I09": False}}, *({"condition": {"icd10": code}} for code in data)]), "I09"
    )

    assert (found.truth, found.reason) == (truth, reason)


def test_a_later_record_reopens_an_attested_question_and_an_earlier_one_does_not() -> None:
    trial = tiny(criterion(HB, "I09"))
    before = [hb(9, comparator="<", date="2025-05-18"), {"attest": {"I09": True}}]
    after = [hb(9, comparator="<", date="2025-05-22"), {"attest": {"I09": True}}]

    assert judged(verdicts(trial, before), "I09").truth is T
    assert judged(verdicts(trial, after), "I09").truth is U


def test_a_later_record_of_the_other_kind_holds_against_an_attestation() -> None:
    trial = tiny(criterion(HB, "I09"))

    assert judged(verdicts(trial, [{"attest": {"I09": True}}, hb(7, date="2025-05-22")]), "I09").truth is F
    assert (
        judged(verdicts(trial, [{"attest": {"I09": True}}, hb(7, date="2025-05-18")]), "I09").reason is Reason.CONFLICT
    )


def test_a_node_that_nobody_answers_is_a_defect() -> None:
    with pytest.raises(KeyError, match="Node"):
        answer(nodes.Node(), scene(tiny(criterion(HB))))


def test_an_answer_is_found_once_a_scene() -> None:
    trial = tiny(criterion(HB))
    place = scene(trial, [hb(9)])

    assert answer(trial.criteria[0].node, place) is answer(trial.criteria[0].node, place)


def test_a_scene_of_another_day_is_made_once() -> None:
    place = scene(tiny(criterion(HB)), [hb(9)])
    other = place.at(date(2025, 7, 1))

    assert other is place.at(date(2025, 7, 1))
    assert (other.on, other.record, other.readings) == (date(2025, 7, 1), place.record, place.readings)


def test_a_plain_site_declares_nothing() -> None:
    rule = {"condition": {"in": "pancreas", "complete": "condition"}}

    assert answer_to(rule, site=PLAIN).truth is U
    assert answer_to(rule, site=complete("laboratory")).truth is U
    assert answer_to(rule, site=complete("condition")).truth is F


def test_the_short_hand_writes_a_patient_unless_told_otherwise() -> None:
    assert [item["resourceType"] for item in chart([])] == ["Patient"]
    assert chart([], person=None) == []
