"""In: other tumours beside the study's, at every edge of five years. Out: what proves, what asks a person, what is over (E17)."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from adapter.criteria import Reason, Truth
from adapter.criteria.answer import Wanted
from adapter.terminology import Site
from tests.unit.criteria.making import PLAIN, complete, criterion
from tests.unit.criteria.single import flips, found, told

T, F, U = Truth.T, Truth.F, Truth.U
OTHER = criterion(
    {
        "other_tumour": {
            "in": "other_solid_tumour",
            "excepted": "excepted_tumour",
            "controlled": "E17.treated-and-controlled",
            "alert": "haematological_alert",
            "within": {"months": 60},
            "complete": "condition",
        }
    },
    "E17",
)
DECLARED = complete("condition")
NET: dict[str, Any] = {"condition": {"icd10": "C17.2", "onset": "2019-01-01", "histology": "8240/3", "id": "net"}}
NOTHING = (U, Reason.NO_DATA)
ASKS = (U, Reason.ASKS)
IMPRECISE = (U, Reason.IMPRECISE_DATE)
STATUS = (U, Reason.STATUS)
PROVEN, PRESUMED = (T, None), (F, None)


def tumour(code: str = "C50.9", **more: Any) -> dict[str, Any]:
    return {"condition": {"icd10": code, "id": "other", **more}}


def over(code: str = "C50.9", **more: Any) -> dict[str, Any]:
    return tumour(code, clinical="remission", **more)


def control(said: bool, **more: Any) -> dict[str, Any]:
    return {"attest": {"E17.treated-and-controlled": said, **more}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"onset": "2020-06-01"}, PROVEN),
        ({"onset": "2020-05-31"}, IMPRECISE),
        ({"onset": "2025-06-01"}, PROVEN),
        ({"onset": "2025-06-02"}, NOTHING),
        ({"onset": "2021"}, PROVEN),
        ({"onset": "2020"}, IMPRECISE),
        ({"onset": "2025"}, IMPRECISE),
        ({"onset": "2020-06-01", "abatement": "2021-01-01"}, PROVEN),
        ({"onset": "2010-01-01", "abatement": "2020-05-31"}, NOTHING),
        ({"onset": "2010-01-01", "abatement": "2020-06-01"}, PROVEN),
        ({"onset": "2010-01-01", "abatement": "2020"}, IMPRECISE),
        ({"onset": "2010-01-01", "abatement": "2019"}, NOTHING),
        ({"onset": "2010-01-01", "abatement": "2025-07-01"}, PROVEN),
        ({"onset": "2010-01-01"}, IMPRECISE),
        ({"abatement": "2020-05-31"}, NOTHING),
        ({"abatement": "2020-06-01"}, PROVEN),
        ({"recorded": "2023-01-01"}, IMPRECISE),
        ({"recorded": "2025-06-02"}, NOTHING),
        ({}, IMPRECISE),
    ],
)
def test_a_tumour_that_is_not_active_counts_by_its_days(
    more: dict[str, Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert told(OTHER, NET, over(**more)) == expected


@pytest.mark.parametrize("clinical", ["active", "recurrence", "relapse"])
@pytest.mark.parametrize("more", [{}, {"onset": "2010-01-01"}, {"recorded": "2010-01-01"}])
def test_an_active_tumour_counts_however_old(clinical: str, more: dict[str, Any]) -> None:
    assert told(OTHER, NET, tumour(clinical=clinical, **more)) == PROVEN


def test_an_active_tumour_that_ended_before_the_window_is_over() -> None:
    assert told(OTHER, NET, tumour(onset="2010-01-01", abatement="2015-01-01")) == NOTHING


@pytest.mark.parametrize("clinical", ["inactive", "resolved", "remission", None])
def test_a_tumour_of_a_known_onset_long_ago_without_an_end_is_open(clinical: str | None) -> None:
    assert told(OTHER, NET, tumour(onset="2010-01-01", clinical=clinical)) == IMPRECISE


@pytest.mark.parametrize("code", ["C50.9", "C43.5", "C61", "c34", "C25.9", "C16.0", "C76.2", "C97", "C00.1", "C56"])
def test_a_solid_tumour_counts(code: str) -> None:
    assert told(OTHER, NET, tumour(code, onset="2023-01-01")) == PROVEN


@pytest.mark.parametrize("code", ["C77.2", "C78.7", "C79.3", "D12.6", "D37.2", "D05.1", "E34.0", "Z85.3"])
def test_metastases_and_what_is_no_malignancy_do_not_count(code: str) -> None:
    assert told(OTHER, NET, tumour(code, onset="2023-01-01")) == NOTHING
    assert told(OTHER, NET, tumour(code, onset="2023-01-01"), site=DECLARED) == PRESUMED


@pytest.mark.parametrize("code", ["C81.9", "C90.0", "C96", "D46.9"])
@pytest.mark.parametrize(("site", "expected"), [(PLAIN, NOTHING), (DECLARED, PRESUMED)])
def test_what_is_not_solid_is_shown_and_does_not_count(
    code: str, site: Site, expected: tuple[Truth, Reason | None]
) -> None:
    answer = found(OTHER, [NET, tumour(code, onset="2023-01-01")], site=site)

    assert (answer.truth, answer.reason) == expected
    assert [(item.reference, item.value) for item in answer.context] == [("Condition/other", code)]


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        ("confirmed", PROVEN),
        (None, PROVEN),
        ("unconfirmed", STATUS),
        ("provisional", STATUS),
        ("refuted", NOTHING),
        ("entered-in-error", NOTHING),
    ],
)
def test_only_a_confirmed_tumour_proves(verification: str | None, expected: tuple[Truth, Reason | None]) -> None:
    assert told(OTHER, NET, tumour(onset="2023-01-01", verification=verification)) == expected


# The study tumour


@pytest.mark.parametrize("code", ["C17.2", "C17.9", "C17"])
def test_another_code_of_the_study_tumours_site_is_the_study_tumour(code: str) -> None:
    assert told(OTHER, NET, tumour(code, onset="2023-01-01"), site=DECLARED) == PRESUMED


@pytest.mark.parametrize("code", ["C17.2", "C18.1", "C20"])
def test_the_only_intestinal_primary_is_the_study_tumour(code: str) -> None:
    assert told(OTHER, tumour(code, onset="2023-01-01", histology="8240/3"), site=DECLARED) == PRESUMED


@pytest.mark.parametrize("code", ["C80", "C80.9", "C18.2", "C19", "C20"])
@pytest.mark.parametrize("more", [{"onset": "2023-01-01"}, {}])
def test_a_code_that_may_be_the_study_tumour_once_more_asks(code: str, more: dict[str, Any]) -> None:
    assert told(OTHER, NET, tumour(code, **more)) == ASKS


@pytest.mark.parametrize("code", ["C80", "C18.2"])
def test_such_a_code_is_nothing_when_it_was_over_before_the_window(code: str) -> None:
    assert told(OTHER, NET, over(code, onset="2010-01-01", abatement="2015-01-01")) == NOTHING


# Excepted tumours


@pytest.mark.parametrize("code", ["D06.9", "D06", "C44.3", "C44.9"])
@pytest.mark.parametrize("more", [{"onset": "2023-01-01"}, {"onset": "2010-01-01"}, {}, {"clinical": "remission"}])
def test_an_excepted_tumour_in_time_or_undated_asks(code: str, more: dict[str, Any]) -> None:
    answer = found(OTHER, [NET, tumour(code, **more)])

    assert (answer.truth, answer.reason, answer.attestable) == (U, Reason.ASKS, True)
    assert answer.wanted == (Wanted("E17.treated-and-controlled", attestation=True),)


@pytest.mark.parametrize("code", ["D06.9", "C44.3"])
@pytest.mark.parametrize(("abatement", "asks"), [("2020-05-31", False), ("2020-06-01", True), ("2020", True)])
def test_an_excepted_tumour_that_was_over_before_the_window_is_nothing(code: str, abatement: str, asks: bool) -> None:
    entry = over(code, onset="2018-01-01", abatement=abatement)

    assert told(OTHER, NET, entry, site=DECLARED) == (ASKS if asks else PRESUMED)


@pytest.mark.parametrize(("said", "truth"), [(True, F), (False, T)])
def test_a_person_says_whether_it_was_treated_and_is_controlled(said: bool, truth: Truth) -> None:
    answer = found(OTHER, [NET, tumour("D06.9", onset="2023-01-01"), control(said)])

    assert (answer.truth, answer.attested, answer.presumed) == (truth, True, False)
    assert {item.reference for item in answer.evidence} == {"Condition/other", "QuestionnaireResponse/attestation-1"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"icd10": "C50.9", "onset": "2023-01-01"}, PROVEN),
        ({"icd10": "C50.9", "onset": "2023-01-01", "verification": "unconfirmed"}, STATUS),
        ({"icd10": "C50.9", "clinical": None}, IMPRECISE),
        ({"icd10": "C80.9"}, ASKS),
        ({"icd10": "C50.9", "onset": "2010-01-01", "abatement": "2011-01-01"}, (F, None)),
    ],
)
def test_control_of_an_excepted_tumour_does_not_answer_another(
    entry: dict[str, Any], expected: tuple[Truth, Reason | None]
) -> None:
    assert told(OTHER, NET, tumour("C44.3"), control(True), {"condition": entry}) == expected


@pytest.mark.parametrize(("onset", "truth"), [("2025-05-20", F), ("2025-05-21", U)])
def test_an_excepted_tumour_found_after_the_persons_word_asks_anew(onset: str, truth: Truth) -> None:
    assert told(OTHER, NET, tumour("C44.3", onset=onset), control(True, authored="2025-05-20"))[0] is truth


@pytest.mark.parametrize(
    ("entry", "said", "expected"),
    [
        (tumour("C44.3"), False, (F, None)),
        (tumour("C44.3"), True, PROVEN),
        (tumour("C80.9"), False, (F, None)),
        (over(onset="2010-01-01"), False, (F, None)),
        (tumour(onset="2023-01-01"), False, (U, Reason.CONFLICT)),
        (tumour(onset="2023-01-01"), True, PROVEN),
    ],
)
def test_the_whole_may_be_attested(entry: Any, said: bool, expected: tuple[Truth, Reason | None]) -> None:
    assert told(OTHER, NET, entry, {"attest": {"E17": said}}) == expected


# Absence, time, order


@pytest.mark.parametrize(
    ("start", "end", "truth"),
    [
        (date(2020, 6, 1), date(2025, 6, 1), F),
        (date(2020, 6, 2), date(2025, 6, 1), U),
        (date(2020, 6, 1), date(2025, 5, 31), U),
    ],
)
def test_absence_is_presumed_where_all_five_years_are_declared(start: date, end: date, truth: Truth) -> None:
    answer = found(OTHER, [NET], site=complete("condition", start, end))

    assert (answer.truth, answer.presumed) == (truth, truth is F)


@pytest.mark.parametrize(
    ("entries", "site", "expected"),
    [
        # diagnosed in the window, then of unknown end
        ([over(onset="2020-06-15")], PLAIN, date(2025, 6, 16)),
        ([over(onset="2015-01-01", abatement="2020-07-01")], PLAIN, date(2025, 7, 2)),
        ([over("C44.3", onset="2015-01-01", abatement="2020-07-01")], DECLARED, date(2025, 7, 2)),
        # recorded some day of this year, and over in the window
        ([over(recorded="2025", abatement="2022-06-02")], PLAIN, date(2025, 12, 31)),
        ([tumour(onset="2015-01-01")], PLAIN, None),
        ([tumour(onset="2020-06-15")], PLAIN, None),
        ([], complete("condition", end=date(2025, 9, 1)), date(2025, 9, 2)),
    ],
)
def test_the_day_is_named_on_which_time_alone_changes_it(entries: list[Any], site: Site, expected: date | None) -> None:
    assert flips(OTHER, NET, *entries, site=site) == expected


def test_the_order_of_tumours_does_not_matter() -> None:
    entries = [
        NET,
        {"condition": {"icd10": "C80.9", "id": "a"}},
        {"condition": {"icd10": "C44.3", "id": "b"}},
        {"condition": {"icd10": "C50.9", "clinical": None, "id": "c"}},
        {"condition": {"icd10": "C90.0", "id": "d"}},
    ]
    answers = [found(OTHER, order) for order in permutations(entries)]

    assert len({(item.truth, item.reason, item.evidence, item.context) for item in answers}) == 1
