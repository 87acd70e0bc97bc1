"""What was given is exposure, once; and where the history tells of more infusions than the records, that is told."""

from __future__ import annotations

from typing import Any

from adapter.datasets.model import Package
from tests.support.sdtm_subject import CONSENTED, CYCLES, ONE, PATIENT, REGISTERED, TREATED, infusion
from tests.support.sdtm_views import event_rows, made, records

DAY = "2024-06-03"


def _package(*infusions: dict[str, Any], more: tuple[dict[str, Any], ...] = ()) -> Package:
    events = event_rows(ONE, CONSENTED, REGISTERED, *CYCLES, TREATED, *more)
    return made({"subject_event": events, "patient": [PATIENT], "medication_administration": list(infusions)})


def test_infusion_that_is_interrupted_has_treated_the_subject() -> None:
    package = _package(infusion("m1", DAY) | {"status": "on-hold", "dose": "3000", "end": None})

    assert records(package.dataset("EX"), "EXDOSE", "EXSTDTC", "EXENDTC") == [(3, f"{DAY}T10:30", None)]
    assert records(package.dataset("EC"), "ECDOSE", "ECOCCUR") == [(3000, "Y")]
    assert records(package.dataset("DM"), "ACTARMCD", "ARMNRS") == [("LUT2", None)]


def test_medication_that_is_interrupted_was_given() -> None:
    package = _package(
        infusion("m1", "2024-01-20") | {"status": "on-hold"},
        infusion("m2", DAY) | {"status": "on-hold", "atc": "H01CB02"},
    )

    assert records(package.dataset("CM"), "CMCAT", "CMSTDTC") == [
        ("SECOND PRRT", "2024-01-20T09:30"),
        ("GENERAL", f"{DAY}T10:30"),
    ]
