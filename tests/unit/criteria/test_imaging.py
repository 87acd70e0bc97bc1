"""In: receptor imaging and its values, on both sides of each limit. Out: whether one is in the window, and what its values say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.criteria.concepts.imaging import answer_examination, answer_examination_value
from tests.unit.criteria.receptor_imaging import (
    DAY,
    A,
    B,
    C,
    at,
    concept,
    krenning,
    outcome,
    percent,
    procedure,
    references,
    report,
    study,
    uptake,
    value,
)

T, F, U = Truth.T, Truth.F, Truth.U


# --- a: in the window


@pytest.mark.parametrize(
    ("when", "on", "truth", "reason"),
    [
        ("2025-02-28", "2025-06-30", T, None),
        ("2025-02-27", "2025-06-30", U, Reason.TOO_OLD),
        ("2025-02-01", "2025-06-01", T, None),
        ("2025-01-31", "2025-06-01", U, Reason.TOO_OLD),
        ("2025-01-31T23:30:00Z", "2025-06-01", T, None),
        ("2025-06-01", "2025-06-01", T, None),
        ("2025-06-02", "2025-06-01", U, Reason.NO_DATA),
        ("2025-03", "2025-06-01", T, None),
        ("2025-02", "2025-06-01", T, None),
        ("2025-02", "2025-06-02", U, Reason.IMPRECISE_DATE),
        ("2025-01", "2025-06-01", U, Reason.TOO_OLD),
        ("2025", "2025-06-01", U, Reason.IMPRECISE_DATE),
        ("2025-06", "2025-06-01", U, Reason.IMPRECISE_DATE),
        (None, "2025-06-01", U, Reason.IMPRECISE_DATE),
    ],
)
def test_an_examination_counts_for_four_calendar_months(
    when: str | None, on: str, truth: Truth, reason: Reason | None
) -> None:
    found = answer_examination(A, at(procedure(when), on=date.fromisoformat(on)))

    assert outcome(found) == (truth, reason)


@pytest.mark.parametrize("code", ["sstr-pet-68ga", "sstr-scint-111in", "sstr-scint-99mtc"])
@pytest.mark.parametrize("make", [procedure, study, report])
def test_an_examination_is_a_procedure_a_study_or_a_report(make: Any, code: str) -> None:
    assert answer_examination(A, at(make(DAY, code))).truth is T


@pytest.mark.parametrize("make", [procedure, study, report])
def test_another_tracer_is_no_such_examination(make: Any) -> None:
    found = answer_examination(A, at(make(DAY, "fdg-pet")))

    assert (outcome(found), found.evidence) == ((U, Reason.NO_DATA), ())


@pytest.mark.parametrize(
    ("entry", "counts"),
    [
        *((procedure(status=status), False) for status in ("in-progress", "not-done", "preparation", "unknown")),
        (procedure(status="entered-in-error"), False),
        *((study(status=status), False) for status in ("cancelled", "entered-in-error")),
        *((study(status=status), True) for status in ("registered", "available", "inactive", "unknown")),
        *((report(status=status), False) for status in ("preliminary", "registered", "cancelled", "entered-in-error")),
        *((report(status=status), True) for status in ("amended", "corrected")),
    ],
)
def test_only_what_was_done_counts(entry: Any, counts: bool) -> None:
    assert answer_examination(A, at(entry)).truth is (T if counts else U)


def test_a_report_that_is_not_final_is_shown_only() -> None:
    found = answer_examination(A, at(report(status="preliminary", id="r")))

    assert (outcome(found), found.evidence) == ((U, Reason.STATUS), ())
    assert [item.reference for item in found.context] == ["DiagnosticReport/r"]


def test_an_examination_too_old_is_shown_the_newest_one() -> None:
    found = answer_examination(A, at(procedure("2024-01-01", id="a"), procedure("2024-05-01", id="b")))

    assert (found.reason, references(found)) == (Reason.TOO_OLD, {"Procedure/b"})


def test_an_open_examination_is_ordered() -> None:
    assert answer_examination(A, at()).wanted == (Wanted("sstr-imaging"),)


@pytest.mark.parametrize("node", [A, B])
@pytest.mark.parametrize("when", ["2025-02-28", "2025-01-31", "2025-05-20", "2024-10-29", "2024-10-31", "2024-02-29"])
def test_the_day_after_the_window_closes_is_foretold(node: Any, when: str) -> None:
    entries = (procedure(when), percent(100, when))
    answered = answer_examination if node is A else answer_examination_value
    found = answered(node, at(*entries, on=date.fromisoformat(when)))
    later = [date.fromordinal(date.fromisoformat(when).toordinal() + days) for days in range(1, 140)]
    first_open = next(day for day in later if answered(node, at(*entries, on=day)).truth is U)

    assert found.truth is T
    assert first_open in found.changes


def test_a_partial_date_counts_from_the_day_it_has_passed() -> None:
    found = answer_examination(A, at(procedure("2025-06")))

    assert date(2025, 6, 30) in found.changes
    assert answer_examination(A, at(procedure("2025-06"), on=date(2025, 6, 29))).truth is U
    assert answer_examination(A, at(procedure("2025-06"), on=date(2025, 6, 30))).truth is T


def test_a_sure_examination_decides_beside_one_without_a_day() -> None:
    assert answer_examination(A, at(procedure(None), procedure(DAY))).truth is T


# --- b, c: the limits


@pytest.mark.parametrize(
    ("more", "truth", "reason"),
    [
        ({"valueQuantity": {"value": 90, "unit": "%"}}, T, None),
        ({"valueQuantity": {"value": Decimal("89.9"), "unit": "%"}}, F, None),
        ({"valueQuantity": {"value": 90, "comparator": ">=", "unit": "%"}}, T, None),
        ({"valueQuantity": {"value": 95, "comparator": "<", "unit": "%"}}, U, Reason.COMPARATOR),
        ({"valueQuantity": {"value": 90, "comparator": "<", "unit": "%"}}, F, None),
        ({"valueQuantity": {"value": 90}}, U, Reason.NO_UNIT),
        ({"valueQuantity": {"value": 101, "unit": "%"}}, U, Reason.IMPLAUSIBLE),
        ({"valueQuantity": None, "valueString": "voir CR"}, U, Reason.NOT_READ),
        ({"valueQuantity": None, "valueString": "en cours"}, U, Reason.NO_DATA),
    ],
)
def test_ninety_per_cent_of_the_lesions_are_positive(more: Any, truth: Truth, reason: Reason | None) -> None:
    found = answer_examination_value(B, at(procedure(), percent(0, **more)))

    assert outcome(found) == (truth, reason)


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([krenning(2)], T, None),
        ([krenning(1)], F, None),
        ([value("krenning-score", valueQuantity={"value": 4})], T, None),
        ([value("krenning-score", valueQuantity={"value": 0})], F, None),
        ([krenning(5)], U, Reason.IMPLAUSIBLE),
        ([uptake("at-liver")], T, None),
        ([uptake("above-liver")], T, None),
        ([uptake("below-liver")], F, None),
        ([uptake("intense")], U, Reason.NOT_READ),
        ([krenning(3), uptake("above-liver")], T, None),
        ([krenning(1), uptake("below-liver")], F, None),
        ([krenning(3), uptake("below-liver")], U, Reason.CONFLICT),
        ([krenning(1), uptake("at-liver")], U, Reason.CONFLICT),
        ([krenning(3, status="corrected"), uptake("below-liver")], U, Reason.CONFLICT),
        ([krenning(3, status="corrected"), krenning(1)], T, None),
        ([krenning(3), krenning(1)], U, Reason.CONFLICT),
    ],
)
def test_uptake_is_at_least_that_of_liver(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_examination_value(C, at(procedure(), *entries))

    assert outcome(found) == (truth, reason)


def test_values_inside_components_count() -> None:
    panel = value("panel", component=[{"code": concept("sstr-positive-percent"), "valueString": "80 %"}])

    assert answer_examination_value(B, at(procedure(), panel)).truth is F


def test_a_decided_value_shows_the_examination_and_the_value() -> None:
    found = answer_examination_value(B, at(procedure(id="p"), percent(100, id="o")))

    assert references(found) == {"Procedure/p", "Observation/o"}
    assert [item.converted.value for item in found.evidence if item.converted] == ["100"]


@pytest.mark.parametrize(("status", "truth"), [("amended", T), ("preliminary", U), ("entered-in-error", U)])
def test_only_usable_values_count(status: str, truth: Truth) -> None:
    found = answer_examination_value(B, at(procedure(), percent(100, status=status)))

    assert found.truth is truth


def test_a_preliminary_value_is_shown_and_named_as_the_reason() -> None:
    found = answer_examination_value(B, at(procedure(id="p"), percent(100, status="preliminary", id="o")))

    assert (found.reason, references(found)) == (Reason.STATUS, {"Procedure/p"})
    assert [item.reference for item in found.context] == ["Observation/o"]
