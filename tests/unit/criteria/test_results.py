"""In: prothrombin, pregnancy tests, blood pressure. Out: whether normal, positive and high mean what the clarifications say."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from tests.unit.criteria.making import WOMAN, answer_to, observation

T, F, U = Truth.T, Truth.F, Truth.U
NORMAL = {"prothrombin_normal": {"percent": "tp_percent", "others": ["inr", "prothrombin_seconds"], "window_days": 28}}


def tp(value: Any, when: str = "2025-05-20", **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "tp", "value": value, "unit": "%", "low": 70, "high": 120, "date": when, **more}}


def inr(value: Any, when: str = "2025-05-20", **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "inr", "value": value, "high": 1, "date": when, **more}}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([tp(70)], T, None),
        ([tp(69)], F, None),
        ([tp(130)], T, None),
        ([inr(1)], T, None),
        ([inr(2)], F, None),
        ([{"lab": {"of": "prothrombin-seconds", "value": 13, "unit": "s", "high": 14}}], T, None),
        ([{"lab": {"of": "prothrombin-seconds", "value": 15, "unit": "s", "high": 14}}], F, None),
        ([{"lab": {"of": "tp", "value": 80, "unit": "%"}}], U, Reason.NO_REFERENCE_RANGE),
        ([{"lab": {"of": "inr", "value": 1, "low": 1}}], U, Reason.NO_REFERENCE_RANGE),
        ([tp(75, comparator="<")], U, Reason.COMPARATOR),
        ([tp(80), inr(1)], T, None),
        ([tp(80), inr(2)], U, Reason.CONFLICT),
        ([tp(80), inr(2, "2025-05-21")], F, None),
        ([tp(80, "2025-05-21"), inr(2)], T, None),
        ([tp(80), {"lab": {"of": "inr", "text": "voir CR", "date": "2025-05-21"}}], U, Reason.NOT_READ),
        ([], U, Reason.NO_DATA),
        ([tp(80, "2025-01-01")], U, Reason.TOO_OLD),
    ],
)
def test_a_percentage_is_low_and_the_others_are_high_when_abnormal(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to(NORMAL, entries)

    assert (found.truth, found.reason) == (truth, reason)
    assert answer_to(NORMAL, entries[::-1]).truth is truth


def test_prothrombin_ranges_that_disagree_leave_it_open() -> None:
    ranges = [{"low": 70, "high": 120}, {"low": 80, "high": 120}]

    assert answer_to(NORMAL, [{"lab": {"of": "tp", "value": 75, "unit": "%", "ranges": ranges}}]).truth is U
    assert answer_to(NORMAL, [{"lab": {"of": "tp", "value": 85, "unit": "%", "ranges": ranges}}]).truth is T


POSITIVE = {"hcg": {"analyte": "hcg", "is": "positive", "window_days": 4}}
NEGATIVE = {"hcg": {"analyte": "hcg", "is": "negative", "window_days": 4}}


def hcg(value: Any, when: str = "2025-05-30", **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "hcg", "value": value, "unit": "UI/L", "high": 5, "date": when, **more}}


def said(text: str, when: str = "2025-05-30", **more: Any) -> dict[str, Any]:
    return {"lab": {"of": "pregnancy-test", "text": text, "date": when, **more}}


@pytest.mark.parametrize(
    ("entries", "positive", "reason"),
    [
        ([hcg(5)], F, None),
        ([hcg(6)], T, None),
        ([hcg(5, comparator="<")], F, None),
        ([hcg(5, comparator=">")], T, None),
        ([hcg(2, comparator=">")], U, None),
        ([hcg(10, comparator="<")], U, None),
        ([said("Négatif")], F, None),
        ([said("POSITIVE.")], T, None),
        ([said("pos"), said("neg")], T, None),
        ([said("douteux")], U, Reason.NOT_READ),
        ([hcg(2), hcg(900, "2025-05-29")], T, None),
        ([hcg(2), said("douteux", "2025-05-29")], U, Reason.NOT_READ),
        ([{"lab": {"of": "hcg", "value": 2, "unit": "UI/L", "date": "2025-05-30"}}], U, Reason.NO_REFERENCE_RANGE),
        ([hcg(2, "2025-05-28")], F, None),
        ([hcg(2, "2025-05-27")], U, Reason.TOO_OLD),
        ([hcg(2, "2025-05")], U, Reason.IMPRECISE_DATE),
        ([hcg(900, "2025-05")], U, Reason.IMPRECISE_DATE),
        ([hcg(2), hcg(900, "2025-06-02")], F, None),
        ([hcg(2, status="preliminary")], U, Reason.STATUS),
        ([hcg(2), hcg(900, status="preliminary")], F, None),
        ([said("en cours")], U, Reason.NO_DATA),
        ([], U, Reason.NO_DATA),
        ([said("positif", note="négatif")], U, None),
    ],
)
def test_a_pregnancy_test_is_positive_negative_or_open(
    entries: list[Any], positive: Truth, reason: Reason | None
) -> None:
    found, opposite = answer_to(POSITIVE, entries, person=WOMAN), answer_to(NEGATIVE, entries, person=WOMAN)

    assert found.truth is positive
    assert opposite.truth is {T: F, F: T, U: U}[positive]
    assert found.reason is opposite.reason
    assert reason is None or found.reason is reason


def test_a_coded_answer_with_a_word_is_read() -> None:
    entry = observation(
        "2118-8", valueCodeableConcept={"coding": [{"system": "urn:x", "code": "1", "display": "Negative"}]}
    )
    entry["effectiveDateTime"] = "2025-05-30"

    assert answer_to(NEGATIVE, [entry], person=WOMAN).truth is T


PRESSURE = {"blood_pressure": {"systolic_at_least": "160", "diastolic_at_least": "95", "days": 2, "window_days": 28}}


def bp(value: str, when: str, **more: Any) -> dict[str, Any]:
    return {"bp": {"value": value, "date": when, **more}}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([bp("172/98", "2025-05-20"), bp("168/96", "2025-05-25")], T, None),
        ([bp("160/80", "2025-05-20"), bp("150/95", "2025-05-25")], T, None),
        ([bp("159/94", "2025-05-20"), bp("159/94", "2025-05-25")], F, None),
        ([bp("132/78", "2025-05-20")], F, None),
        ([bp("172/98", "2025-05-20")], U, Reason.ASKS),
        ([bp("172/98", "2025-05-20"), bp("132/78", "2025-05-25")], U, Reason.CONFLICT),
        ([bp("172/98", "2025-05-10"), bp("132/78", "2025-05-20"), bp("132/78", "2025-05-25")], F, None),
        ([bp("132/78", "2025-05-10"), bp("172/98", "2025-05-20"), bp("172/98", "2025-05-25")], T, None),
        ([bp("172/98", "2025-05-20T08:00:00Z"), bp("132/78", "2025-05-20T18:00:00Z")], F, None),
        ([bp("172/98", "2025-05-20"), bp("132/78", "2025-05-20T18:00:00Z")], U, None),
        ([bp("172/98", "2025-05-20"), bp("132/78", "2025-05-20")], U, None),
        ([bp("172/-", "2025-05-20"), bp("-/96", "2025-05-25")], T, None),
        ([bp("132/-", "2025-05-20")], U, Reason.NO_DATA),
        ([bp("172/98", "2025-05-20", **{"as": "separate"}), bp("172/98", "2025-05-25", **{"as": "separate"})], T, None),
        ([bp("172/98", "2025-05"), bp("172/98", "2025-05-25")], U, Reason.IMPRECISE_DATE),
        ([bp("172/98", "2025-04-01"), bp("172/98", "2025-04-02")], U, Reason.TOO_OLD),
        ([bp("172/98", "2025-06-02"), bp("172/98", "2025-06-03")], U, Reason.NO_DATA),
        ([bp("132/78", "2025-05-20", status="preliminary")], U, Reason.STATUS),
        ([bp("132/78", "2025-05-20", without_unit=True)], U, None),
        ([bp("132/400", "2025-05-20")], U, None),
        ([], U, Reason.NO_DATA),
    ],
)
def test_blood_pressure_needs_two_days_to_be_high_and_one_to_be_low(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to(PRESSURE, entries)

    assert found.truth is truth
    assert reason is None or found.reason is reason
    assert answer_to(PRESSURE, entries[::-1]).truth is truth
