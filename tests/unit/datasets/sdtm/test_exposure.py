"""What was given is exposure, once; and where the history tells of more infusions than the records, that is told."""

from __future__ import annotations

from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("status", "told", "ended"),
    [
        # A Period of a day and a time of day would break its invariant in R4: the end stands in an extension.
        ("completed", {"effective": DAY, "end_told": f"{DAY}T11:00:00+02:00"}, f"{DAY}T11:00"),
        ("completed", {"effective": DAY}, DAY),
        ("in-progress", {"effective": f"{DAY}T10:30:00+02:00"}, None),
        ("on-hold", {"effective": f"{DAY}T10:30:00+02:00"}, None),
    ],
)
def test_end_of_what_was_given_is_as_it_was_told(status: str, told: dict[str, str], ended: str | None) -> None:
    one = infusion("m1", DAY) | {"status": status, "start": None, "end": None, **told}
    package = _package(one, one | {"id": "m2", "atc": "H01CB02"})

    assert records(package.dataset("EX"), "EXENDTC") == [(ended,)]
    assert records(package.dataset("EC"), "ECENDTC") == [(ended,)]
    assert records(package.dataset("CM"), "CMENDTC") == [(ended,)]


def test_medication_that_is_interrupted_was_given() -> None:
    package = _package(
        infusion("m1", "2024-01-20") | {"status": "on-hold"},
        infusion("m2", DAY) | {"status": "on-hold", "atc": "H01CB02"},
    )

    assert records(package.dataset("CM"), "CMCAT", "CMSTDTC") == [
        ("SECOND PRRT", "2024-01-20T09:30"),
        ("GENERAL", f"{DAY}T10:30"),
    ]


def _told(package: Package) -> list[tuple[str, str | None, int]]:
    named = ("infusion-recorded-twice", "infusions-of-one-day", "infusion-without-record")
    return [(one.code, one.domain, one.count) for one in package.findings if one.code in named]


@pytest.mark.parametrize("other", [{}, {"dose": "7.392", "dose_unit": "GBq", "dose_code": "GBq"}])
@pytest.mark.parametrize("keys", [("a", "z"), ("z", "a")])
def test_infusion_that_is_recorded_twice_is_given_once(keys: tuple[str, str], other: dict[str, str]) -> None:
    first, second = keys
    package = _package(infusion(first, DAY), infusion(second, DAY) | other)

    (exposure,), (collected,) = package.dataset("EX").rows, package.dataset("EC").rows
    assert exposure.key == collected.key
    assert len(package.dataset("RELREC").rows) == 2
    assert _told(package) == [("infusion-recorded-twice", "EC", 1), ("infusion-recorded-twice", "EX", 1)]


def test_cycle_before_the_randomisation_that_is_recorded_twice_was_given_once() -> None:
    package = _package(infusion("a", "2024-01-20"), infusion("b", "2024-01-20"))

    assert records(package.dataset("CM"), "CMSTDTC") == [("2024-01-20T09:30",)]
    assert _told(package) == [("infusion-recorded-twice", "CM", 1)]


@pytest.mark.parametrize(
    "other", [{"dose": "3000"}, {"status": "stopped"}, {"start": f"{DAY}T14:00:00+02:00", "end": None}]
)
def test_infusions_of_one_day_that_differ_are_kept_and_told(other: dict[str, Any]) -> None:
    package = _package(infusion("a", DAY), infusion("b", DAY) | other)

    assert len(package.dataset("EX").rows) == 2
    assert _told(package) == [("infusions-of-one-day", "EX", 1)]


@pytest.mark.parametrize("when", ["2023", "2023-01"])
def test_infusions_of_one_month_or_year_are_not_one(when: str) -> None:
    told = {"start": None, "end": None, "effective": when}
    package = _package(infusion("a", DAY) | told, infusion("b", DAY) | told)

    assert records(package.dataset("CM"), "CMSTDTC") == [(when,), (when,)]
    assert not _told(package)


@pytest.mark.parametrize(
    ("infusions", "found"),
    [([], [("infusion-without-record", "EX", 1)]), ([DAY], []), (["2024-07-29"], [])],
)
def test_infusion_that_the_history_alone_tells_is_told(infusions: list[str], found: list[Any]) -> None:
    # What is recorded in words only is no infusion, and the subject would be ASSIGNED, NOT TREATED without a word.
    given = {"kind": "cycle", "on": DAY, "cycle": 3}
    package = _package(*(infusion(f"m{at}", day) for at, day in enumerate(infusions)), more=(given,))

    assert _told(package) == found
