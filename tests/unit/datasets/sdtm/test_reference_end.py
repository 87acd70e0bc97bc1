"""DM.RFENDTC: the last day on which anything of a subject is known, while the participation lasts; its end once it is over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sdtm_subject import CONSENTED, CYCLES, ONE, PATIENT, REGISTERED, TREATED, WATCHED, infusion
from tests.support.sdtm_views import event_rows, made, records


@pytest.mark.parametrize(
    ("more", "last"),
    [
        pytest.param({"effective": "2024-08-02T23:30:00Z"}, "2024-08-03", id="of-a-result"),
        pytest.param({"effective": "2024-08"}, "2024-07-22", id="partial"),
        pytest.param({"effective": "2024-08-02", "status": "cancelled"}, "2024-07-22", id="of-no-record"),
    ],
)
def test_reference_end_of_a_participation_that_lasts_is_the_last_day_of_any_record(
    more: dict[str, Any], last: str
) -> None:
    visit = {"kind": "visit", "on": "2024-07-22", "visit": 1}
    result = {"id": "o1", "usubjid": ONE, "status": "final", "loinc": "718-7", "value": "12", "unit": "g/dL"}
    package = made(
        {
            "subject_event": event_rows(ONE, CONSENTED, REGISTERED, *CYCLES, WATCHED, visit),
            "patient": [PATIENT],
            "laboratory": [result | more],
        }
    )

    assert records(package.dataset("DM"), "RFENDTC", "RFPENDTC") == [(last, None)]


def test_reference_end_is_no_day_that_was_only_planned() -> None:
    skipped = infusion("m2", "2024-12-01") | {"status": "not-done"}
    package = made(
        {
            "subject_event": event_rows(ONE, CONSENTED, REGISTERED, *CYCLES, TREATED),
            "patient": [PATIENT],
            "medication_administration": [infusion("m1", "2024-06-03"), skipped],
            "medication_request": [
                {"id": "r1", "usubjid": ONE, "status": "active", "intent": "order", "atc": "H01CB03",
                 "start": "2024-06-04", "end": "2025-06-04"}
            ],
        }
    )  # fmt: skip

    assert records(package.dataset("EC"), "ECOCCUR", "ECSTDTC")[-1] == ("N", "2024-12-01T09:30")
    assert records(package.dataset("CM"), "CMENDTC") == [("2025-06-04",)]
    assert records(package.dataset("DM"), "RFENDTC") == [("2024-06-04",)]


def test_reference_end_of_who_left_is_the_end_whatever_came_later() -> None:
    withdrawn = {"kind": "withdrawn", "on": "2024-06-10"}
    package = made(
        {
            "subject_event": event_rows(ONE, CONSENTED, REGISTERED, *CYCLES, TREATED, withdrawn),
            "patient": [PATIENT],
            "medication_administration": [infusion("m1", "2024-06-30")],
        }
    )

    assert records(package.dataset("DM"), "RFENDTC", "RFPENDTC") == [("2024-06-10", "2024-06-10")]
