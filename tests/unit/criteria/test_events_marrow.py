"""In: shares of irradiated marrow and external radiotherapy, in every order of days. Out: what proves, refutes and asks (E06)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from tests.unit.criteria.making import complete, criterion
from tests.unit.criteria.single import found, told

T, F, U = Truth.T, Truth.F, Truth.U
MARROW = criterion(
    {
        "marrow_irradiated": {
            "analyte": "marrow_fraction_irradiated",
            "above": "25",
            "courses": ["radiotherapy_course", "irradiation_history"],
        }
    },
    "E06",
)
NOTHING = (U, Reason.NO_DATA)
ASKS = (U, Reason.ASKS)
PROVEN = (T, None)


def share(value: Any = None, **more: Any) -> dict[str, Any]:
    return {"marrow-fraction": {**({} if value is None else {"value": value}), **more}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (share(26), PROVEN),
        (share(25), (F, None)),
        (share(0), (F, None)),
        (share(25, comparator=">"), PROVEN),
        (share(25, comparator=">="), (U, Reason.COMPARATOR)),
        (share(25, comparator="<="), (F, None)),
        (share(30, comparator="<"), (U, Reason.COMPARATOR)),
        (share(between=[20, 25]), (F, None)),
        (share(between=[20, 30]), (U, Reason.COMPARATOR)),
        (share(between=[26, 30]), PROVEN),
        (share(140), (U, Reason.IMPLAUSIBLE)),
        (share(30, unit="Gy"), (U, Reason.UNKNOWN_UNIT)),
        (share(text="voir CR"), (U, Reason.NOT_READ)),
        (share(30, status="preliminary"), NOTHING),
        (share(30, status="entered-in-error"), NOTHING),
        (share(30, status="amended"), PROVEN),
        (share(30, date="2025-06-02"), NOTHING),
        (share(30, date="2025-06-01"), PROVEN),
        (share(30, date="1998"), PROVEN),
    ],
)
def test_more_than_a_quarter_of_the_marrow_proves(entry: Any, expected: tuple[Truth, Reason | None]) -> None:
    assert told(MARROW, entry) == expected


def test_a_share_counts_however_old_and_whatever_came_later() -> None:
    assert told(MARROW, share(40, date="2010-01-01"), share(10)) == PROVEN


@pytest.mark.parametrize("when", ["2025", "2025-06", None])
def test_a_share_that_may_be_of_a_later_day_leaves_it_open(when: str | None) -> None:
    assert told(MARROW, share(40, date=when))[0] is U
    assert told(MARROW, share(10, date=when))[0] is U


def test_a_share_that_cannot_be_read_leaves_a_lower_one_open() -> None:
    assert told(MARROW, share(10, date="2025-01-01"), share(text="voir CR")) == (U, Reason.NOT_READ)


@pytest.mark.parametrize(
    "course",
    [
        {"radiotherapy": {"date": "2025-05-01"}},
        {"radiotherapy": {"date": "2025-05-01", "status": "in-progress"}},
        {"radiotherapy": {"date": None}},
        {"condition": {"icd10": "Z92.3", "recorded": "2025-05-01"}},
        {"condition": {"icd10": "Z51.0", "onset": "2025-05-01"}},
        {"condition": {"icd10": "Z923"}},
    ],
)
def test_an_irradiation_without_a_share_asks(course: dict[str, Any]) -> None:
    answer = found(MARROW, [course])

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.ASKS, True)
    assert answer.wanted == (Wanted("marrow_fraction_irradiated"),)
    assert len(answer.evidence) == 1


@pytest.mark.parametrize(
    "course",
    [
        {"radiotherapy": {"status": "not-done"}},
        {"radiotherapy": {"status": "entered-in-error"}},
        {"radiotherapy": {"status": "preparation"}},
        {"radiotherapy": {"date": "2025-06-02"}},
        {"radiotherapy": {"code": "http://snomed.info/sct|108290001"}},
        {"radiotherapy": {"code": "http://www.whocc.no/atc|V10XX04"}},
        {"condition": {"icd10": "Z92.3", "verification": "refuted"}},
        {"condition": {"icd10": "Z92.3", "recorded": "2025-06-02"}},
        {"condition": {"icd10": "Z92.2"}},
        {"condition": {"icd10": "Z51.1"}},
    ],
)
def test_what_is_no_irradiation_or_was_none_does_not_ask(course: dict[str, Any]) -> None:
    assert told(MARROW, course) == NOTHING
    assert told(MARROW, course, share(20)) == (F, None)


def test_the_treatment_itself_is_no_external_irradiation() -> None:
    coding = {"system": "http://snomed.info/sct", "code": "1217123003"}
    entry = {"resourceType": "Procedure", "status": "completed", "performedDateTime": "2025-05-25"}

    product = {"system": "http://www.whocc.no/atc", "code": "V10XX04"}

    assert told(MARROW, {**entry, "code": {"coding": [coding, product]}}) == NOTHING
    # Words beside the code of a course do not make it another one.
    assert told(MARROW, {**entry, "code": {"coding": [coding], "text": "Radiothérapie après Lutathera"}}) == ASKS
    assert told(MARROW, {**entry, "code": {"coding": [coding], "text": "Radiothérapie pelvienne"}}) == ASKS


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ({"radiotherapy": {"date": "2025-05-20"}}, (F, None)),
        ({"radiotherapy": {"date": "2025-05-21"}}, ASKS),
        ({"radiotherapy": {"date": "2010"}}, (F, None)),
        ({"radiotherapy": {"date": "2025-05"}}, ASKS),
        ({"radiotherapy": {"date": None}}, ASKS),
        ({"radiotherapy": {"period": ["2025-04-01", "2025-05-20"]}}, (F, None)),
        ({"radiotherapy": {"period": ["2025-04-01", "2025-05-21"]}}, ASKS),
        ({"condition": {"icd10": "Z92.3", "recorded": "2025-05-20"}}, (F, None)),
        ({"condition": {"icd10": "Z92.3", "recorded": "2025-05-21"}}, ASKS),
        ({"condition": {"icd10": "Z92.3"}}, ASKS),
    ],
)
def test_a_lower_share_refutes_the_courses_up_to_its_day(
    course: dict[str, Any], expected: tuple[Truth, Reason | None]
) -> None:
    answer = found(MARROW, [course, share(20)])

    assert (answer.truth, answer.reason) == expected
    assert len(answer.evidence) == 2


def test_the_latest_lower_share_refutes_what_an_earlier_one_does_not() -> None:
    course = {"radiotherapy": {"date": "2025-03-01"}}

    assert told(MARROW, course, share(10, date="2025-01-01")) == ASKS
    assert told(MARROW, course, share(10, date="2025-01-01"), share(20, date="2025-04-01")) == (F, None)


@pytest.mark.parametrize(
    ("entries", "said", "expected"),
    [
        ([], False, (F, None)),
        ([], True, PROVEN),
        ([{"radiotherapy": {"date": "2020-01-01"}}], False, (F, None)),
        ([{"radiotherapy": {"date": "2025-05-25"}}], False, ASKS),
        ([share(40)], False, (U, Reason.CONFLICT)),
        ([share(20)], True, (U, Reason.CONFLICT)),
        ([share(40)], True, PROVEN),
    ],
)
def test_the_share_may_be_attested(entries: list[Any], said: bool, expected: tuple[Truth, Reason | None]) -> None:
    assert told(MARROW, *entries, {"attest": {"E06": said}}) == expected


def test_no_declaration_makes_the_absence_of_an_irradiation() -> None:
    assert told(MARROW, site=complete("condition")) == NOTHING


def test_the_order_of_records_does_not_matter() -> None:
    entries = [
        share(20, date="2025-01-01", id="a"),
        share(text="voir CR", date="2020-01-01", id="b"),
        {"radiotherapy": {"date": "2025-02-01", "id": "c"}},
        {"condition": {"icd10": "Z92.3", "id": "d"}},
    ]
    answers = [found(MARROW, order) for order in permutations(entries)]

    assert len({(item.truth, item.reason, item.evidence, item.context) for item in answers}) == 1
