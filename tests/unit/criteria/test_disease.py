"""In: assessments before, between and after the courses. Out: progression and control, on an established first course only (I04, I05)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from tests.unit.criteria.making import START, answer_to, infusion, infusions

T, F, U = Truth.T, Truth.F, Truth.U
CONTROL = {"control_after_first_course": {"at_least_months": 12}}
PROGRESSION = {"progression": "between first and second course"}
NET = [{"condition": {"icd10": "C17.2", "onset": "2019-01-01"}}]
LAST = START + timedelta(days=168)


def progress(when: str, **more: Any) -> dict[str, Any]:
    return {"progress": {"date": when, **more}}


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([progress("2022-06-21")], T, None),
        ([progress("2022-06-20")], F, None),
        ([progress("2022")], U, Reason.IMPRECISE_DATE),
        ([progress("2022-06")], U, Reason.IMPRECISE_DATE),
        ([progress("2022-07")], T, None),
        ([progress("2022-05")], F, None),
        ([], U, Reason.NO_DATA),
        ([progress(str(LAST))], U, Reason.NO_DATA),
        ([progress("2021-03-01")], U, Reason.NO_DATA),
        ([progress("2022-06-20"), progress("2023-06-20")], F, None),
        ([progress("2022-06-20", observation="preliminary"), progress("2023-06-20")], T, None),
        ([progress("2022-06-20", observation="entered-in-error"), progress("2023-06-20")], T, None),
        ([progress("2022-06-20", status="stable"), progress("2023-06-20")], T, None),
        ([{"recist": {"value": "PD", "date": "2022-06-20"}}, progress("2023-06-20")], F, None),
        ([progress("2025-06-02")], U, Reason.NO_DATA),
    ],
)
def test_control_lasts_to_the_earliest_worsening_after_the_last_cycle(
    entries: list[Any], truth: Truth, reason: Reason | None
) -> None:
    found = answer_to(CONTROL, [*NET, *infusions(56, 56, 56), *entries])

    assert (found.truth, found.reason) == (truth, reason)


@pytest.mark.parametrize(
    ("entries", "truth", "reason"),
    [
        ([progress("2022-06-21")], T, None),
        ([progress("2021-06-22")], T, None),
        ([progress(str(LAST))], U, Reason.NO_DATA),
        ([progress("2021-03-01")], U, Reason.NO_DATA),
        ([progress("2021")], U, Reason.IMPRECISE_DATE),
        ([progress("2025-06-02")], U, Reason.NO_DATA),
        ([progress("2025-06")], U, Reason.IMPRECISE_DATE),
        ([progress("2023-06-01"), infusion("2023-05-01")], U, Reason.NO_DATA),
        ([progress("2023-04-01"), infusion("2023-05-01")], T, None),
        ([progress("2023"), infusion("2023-05-01")], U, Reason.IMPRECISE_DATE),
        ([{"recist": {"value": "PD", "date": "2022-06-20"}}], T, None),
        ([{"recist": {"value": "SD", "date": "2022-06-20"}}], U, Reason.NO_DATA),
    ],
)
def test_a_progression_lies_between_the_courses(entries: list[Any], truth: Truth, reason: Reason | None) -> None:
    found = answer_to(PROGRESSION, [*NET, *infusions(56, 56, 56), *entries])

    assert (found.truth, found.reason) == (truth, reason)


@pytest.mark.parametrize("rule", [CONTROL, PROGRESSION])
@pytest.mark.parametrize("gaps", [(56, 56), (56, 56, 56, 56), (56, 56, 200), (56, 56, 56, 200)])
def test_without_an_established_first_course_nothing_is_decided(rule: Any, gaps: tuple[int, ...]) -> None:
    found = answer_to(rule, [*NET, *infusions(*gaps), progress("2024-06-21")])

    assert (found.truth, found.reason) == (U, Reason.COURSE_UNDECIDED)


@pytest.mark.parametrize("rule", [CONTROL, PROGRESSION])
@pytest.mark.parametrize(
    "mark", [{"attest": {"I03": True}}, {"procedure": {"term": "prrt-course-first", "date": str(START)}}]
)
def test_an_attested_or_marked_course_ends_with_its_fourth_cycle(rule: Any, mark: Any) -> None:
    found = answer_to(rule, [*NET, *infusions(56, 56, 56, 200), mark, progress("2022-07-01")])

    assert found.truth is (T if rule is CONTROL else U)


@pytest.mark.parametrize("rule", [CONTROL, PROGRESSION])
def test_a_worsening_of_nobody_knows_which_tumour_is_unattributed(rule: Any) -> None:
    breast = {"condition": {"icd10": "C50.9", "onset": "2019-01-01"}}
    found = answer_to(rule, [*NET, breast, *infusions(56, 56, 56), progress("2023-01-01")])

    assert (found.truth, found.reason) == (U, Reason.UNATTRIBUTED)


@pytest.mark.parametrize("rule", [CONTROL, PROGRESSION])
def test_a_worsening_of_another_tumour_does_not_count(rule: Any) -> None:
    breast = {"condition": {"icd10": "C50.9", "onset": "2019-01-01", "id": "breast"}}
    found = answer_to(rule, [*NET, breast, *infusions(56, 56, 56), progress("2023-01-01", focus="breast")])

    assert found.reason is Reason.NO_DATA


def test_a_worsening_in_words_counts_as_recist_only() -> None:
    entry = {
        "resourceType": "Observation",
        "status": "final",
        "effectiveDateTime": "2022-07-01",
        "code": {"coding": [{"system": "urn:reluth:terms", "code": "recist-response"}]},
    }
    entries = [*NET, *infusions(56, 56, 56)]

    assert answer_to(PROGRESSION, [*entries, {**entry, "valueString": " pd "}]).truth is T
    assert answer_to(PROGRESSION, [*entries, {**entry, "valueString": "pas de PD"}]).truth is U
