"""Input that is not as it should be gives a finding with a name, and a package that is still valid."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.datasets.checks import check
from adapter.datasets.formats import prepared
from tests.support.sdtm_views import event_rows, made

ONE = "RELUTH-05-0001"
PATIENT: dict[str, Any] = {"id": ONE, "usubjid": ONE, "gender": "male", "age": 60, "site_code": "05"}
CONSENTED: dict[str, Any] = {"kind": "consented", "on": "2024-01-02"}
REGISTERED: dict[str, Any] = {"kind": "registered", "on": "2024-01-10"}
TREATED: dict[str, Any] = {"kind": "randomised", "on": "2024-05-20", "arm": "experimental"}
INFUSION: dict[str, Any] = {
    "id": "m1",
    "usubjid": ONE,
    "status": "completed",
    "atc": "V10XX04",
    "start": "2024-06-03T10:30:00+02:00",
    "end": "2024-06-03T11:00:00+02:00",
    "dose": "7392",
    "dose_unit": "MBq",
}


def _ended(reason: str) -> list[dict[str, Any]]:
    return [CONSENTED, REGISTERED, TREATED, {"kind": "ended", "on": "2025-05-20", "reason": reason}]


@pytest.mark.parametrize(
    ("events", "patient", "infusion", "code"),
    [
        pytest.param([CONSENTED, REGISTERED], {}, None, "subject-without-arm", id="no-arm"),
        pytest.param([CONSENTED, REGISTERED, TREATED], {"age": None}, None, "age-not-known", id="no-age"),
        pytest.param([CONSENTED, REGISTERED, TREATED], {"gender": "männlich"}, None, "unmapped-code", id="unknown-sex"),
        pytest.param([CONSENTED, REGISTERED, TREATED], {}, {"dose": None}, "infusion-without-activity", id="no-activity"),
        pytest.param([CONSENTED, REGISTERED, TREATED], {}, {"dose_unit": None}, "infusion-without-unit", id="no-unit"),
        pytest.param(
            [CONSENTED, REGISTERED, TREATED], {}, {"end": "2024-06-02T11:00:00+02:00"}, "dates-out-of-order", id="end-first"
        ),
        pytest.param([CONSENTED, REGISTERED], {"deceased_date": "2023-12-01"}, None, "dates-out-of-order", id="dead-first"),
        pytest.param(_ended("x" * 300), {}, None, "text-cut", id="300-letters"),
        pytest.param(_ended("déménagé-à-l-étranger"), {}, None, "non-ascii-folded", id="not-ascii"),
    ],
)  # fmt: skip
def test_bad_input_is_found_and_the_package_can_be_written(
    events: list[dict[str, Any]], patient: dict[str, Any], infusion: dict[str, Any] | None, code: str
) -> None:
    views = {"medication_administration": [INFUSION | infusion]} if infusion is not None else {}
    package = made({"subject_event": event_rows(ONE, *events), "patient": [PATIENT | patient], **views})

    assert code in {one.code for one in package.findings}
    assert {one.severity for one in package.findings} == {"warning"}
    for dataset in prepared(package).datasets:
        for row in dataset.rows:
            for cell in row.cells:
                assert not isinstance(cell, str) or (cell.isascii() and 0 < len(cell) <= 200), dataset.name


def test_package_of_a_plain_subject_passes_the_checks() -> None:
    over = [
        {"kind": "treatment-over", "on": "2024-07-29"},
        {"kind": "ended", "on": "2025-05-20", "reason": "completed"},
    ]
    cycles = [{"kind": "cycle", "on": "2024-01-20", "cycle": 1}, {"kind": "cycle", "on": "2024-03-16", "cycle": 2}]
    events = event_rows(ONE, CONSENTED, REGISTERED, *cycles, TREATED, *over)
    package = made({"subject_event": events, "patient": [PATIENT], "medication_administration": [INFUSION]})

    assert [(one.code, one.domain, one.variable) for one in check(prepared(package))] == []
