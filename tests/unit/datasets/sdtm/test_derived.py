"""What is derived agrees with the subject's reference day, elements, visits and exposure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sdtm_documents import documents, domain, variable
from tests.support.sdtm_views import event_rows, made, records

SUBJECT = "RELUTH-05-0001"
EVENTS = event_rows(
    SUBJECT,
    {"kind": "consented", "on": "2024-01-02"},
    {"kind": "registered", "on": "2024-01-10"},
    {"kind": "randomised", "on": "2024-05-20", "arm": "control"},
    {"kind": "visit", "on": "2024-07-20", "visit": 1},
    {"kind": "ended", "on": "2025-05-20", "reason": "completed"},
)


def _derived(form: dict[str, Any], rows: list[dict[str, Any]], *, type_: str = "integer", **tables: Any) -> list[Any]:
    told = domain(
        {"XXDTC": {"datetime": "effective"}, "XXVAL": {"number": "value"}, "XXCD": "code"},
        [variable("XXDER", type=type_, length=20), variable("XXVAL", type="float", length=8)],
        derive={"XXDER": form},
    )
    things = [{"id": f"k{at}", "usubjid": SUBJECT, **row} for at, row in enumerate(rows)]
    package = made(
        {"subject_event": EVENTS, "things": things, **tables}, documents=documents(told, *tables.pop("extra", ()))
    )
    return [one for (one,) in records(package.dataset("XX"), "XXDER")]


@pytest.mark.parametrize(
    ("day", "found"),
    [
        ("2024-05-20", 1),
        ("2024-05-19", -1),
        ("2024-05-21T07:30:00+02:00", 2),
        ("2024-05", None),
        (None, None),
        ("2023-05-20", -366),
    ],
)
def test_study_day_has_no_zero(day: str | None, found: int | None) -> None:
    assert _derived({"day": "XXDTC"}, [{"effective": day}]) == [found]


@pytest.mark.parametrize(
    ("day", "epoch"),
    [
        ("2024-01-01", None),
        ("2024-01-02", "SCREENING"),
        ("2024-05-19T23:00:00+02:00", "SCREENING"),
        ("2024-05-20", "OBSERVATION"),
        ("2025-05-20", "OBSERVATION"),
        ("2025-05-21", None),
        ("2024-05", None),
    ],
)
def test_epoch_is_that_of_the_element_of_the_day(day: str, epoch: str | None) -> None:
    assert _derived({"epoch": "XXDTC"}, [{"effective": day}], type_="text") == [epoch]


@pytest.mark.parametrize(
    ("row", "number"),
    [
        ({"effective": "2024-07-20"}, 1),
        ({"effective": "2024-07-13"}, 1),
        ({"effective": "2024-07-12"}, None),
        ({"effective": "2024-07-27"}, 1),
        ({"effective": "2024-07-28"}, None),
        ({"effective": "2024-07"}, None),
    ],
)
def test_visit_is_the_one_in_whose_window_the_day_lies(row: dict[str, Any], number: int | None) -> None:
    assert _derived({"visit": "XXDTC", "give": "number"}, [row]) == [number]


def test_visit_of_an_encounter_holds_whatever_the_day() -> None:
    stays = [
        {
            "id": "e1",
            "usubjid": SUBJECT,
            "status": "finished",
            "visit_kind": "visit-follow-up",
            "visit": 1,
            "start": "2024-07-22",
        }
    ]
    told = domain(
        {"XXDTC": {"datetime": "effective"}},
        [variable("XXNUM", type="float", length=8), variable("XXDY", type="integer", length=8)],
        source={
            "derive": {
                "XXNUM": {"visit": "XXDTC", "encounter": "encounter", "give": "number"},
                "XXDY": {"visit": "XXDTC", "encounter": "encounter", "give": "day"},
            }
        },
    )
    things = [{"id": "k1", "usubjid": SUBJECT, "effective": "2024-05-01", "encounter": "Encounter/e1"}]
    package = made({"subject_event": EVENTS, "encounter": stays, "things": things}, documents=documents(told))

    assert records(package.dataset("XX"), "XXNUM", "XXDY") == [(1, 62)]


@pytest.mark.parametrize(
    ("value", "low", "high", "indicator"),
    [
        ("9", "10", "20", "LOW"),
        ("10", "10", "20", "NORMAL"),
        ("20", "10", "20", "NORMAL"),
        ("20.1", "10", "20", "HIGH"),
        ("20.1", None, "20", "HIGH"),
        ("9", "10", None, "LOW"),
        ("9", None, None, "told"),
        (None, "10", "20", "told"),
    ],
)
def test_range_indicator_compares_exactly(value: str | None, low: str | None, high: str | None, indicator: str) -> None:
    form = {"range": "XXVAL", "low": "XXLO", "high": "XXHI", "otherwise": "XXCD"}
    told = domain(
        {"XXVAL": {"number": "value"}, "XXLO": {"number": "unit"}, "XXHI": {"number": "other"}, "XXCD": "code"},
        [*(variable(name, type="float", length=8) for name in ("XXVAL", "XXLO", "XXHI")), variable("XXIND")],
        derive={"XXIND": form},
    )
    things = [{"id": "k1", "usubjid": SUBJECT, "value": value, "unit": low, "other": high, "code": "told"}]

    assert records(made({"things": things}, documents=documents(told)).dataset("XX"), "XXIND") == [(indicator,)]


EXPOSURE = {
    "kind": "sdtm-domain",
    "domain": "EX",
    "label": "Exposure",
    "class": "INTERVENTIONS",
    "structure": "One record per infusion",
    "keys": ["USUBJID", "EXSEQ"],
    "version": "1.0.0",
    "sources": [{"id": "other", "view": "others", "set": {"EXSTDTC": {"datetime": "label"}}}],
    "variables": [
        variable("USUBJID"),
        variable("EXSEQ", type="integer", length=8),
        variable("EXSTDTC", type="datetime", length=20),
    ],
}


def _flags(rows: list[tuple[str, str | None, str]], exposure: str | None) -> list[str | None]:
    told = domain(
        {"XXCD": "code", "XXVAL": "value", "XXDTC": {"datetime": "effective"}},
        [variable("XXLOBXFL")],
        derive={"XXLOBXFL": {"last_before_exposure": "XXVAL", "at": "XXDTC", "by": ["XXCD"]}},
        keys=["USUBJID", "XXCD", "XXDTC", "XXSEQ"],
    )
    things = [
        {"id": f"k{at}", "usubjid": SUBJECT, "code": code, "value": value, "effective": day}
        for at, (code, value, day) in enumerate(rows)
    ]
    others = [] if exposure is None else [{"id": "m1", "usubjid": SUBJECT, "label": exposure}]
    package = made({"subject_event": EVENTS, "things": things, "others": others}, documents=documents(told, EXPOSURE))
    return [flag for (flag,) in records(package.dataset("XX"), "XXLOBXFL")]


def test_baseline_is_the_last_value_before_the_first_exposure() -> None:
    rows = [
        ("A", "1", "2024-05-01"),
        ("A", "2", "2024-05-30"),
        ("A", None, "2024-06-01"),
        ("A", "3", "2024-06-04"),
        ("B", "1", "2024-01-01"),
    ]

    assert _flags(rows, "2024-06-03T10:30") == [None, "Y", None, None, "Y"]


@pytest.mark.parametrize(
    ("day", "flag"),
    [("2024-06-03", None), ("2024-06-03T08:00:00+02:00", "Y"), ("2024-06-03T10:30:00+02:00", None), ("2024-06", None)],
)
def test_baseline_of_the_day_of_exposure_needs_a_time_that_says_so(day: str, flag: str | None) -> None:
    assert _flags([("A", "1", day)], "2024-06-03T10:30") == [flag]


def test_nobody_without_exposure_has_a_baseline() -> None:
    assert _flags([("A", "1", "2024-05-01")], None) == [None]


def test_baseline_of_one_instant_is_one_row_only() -> None:
    same = ("A", "1", "2024-05-01T08:00:00+02:00")

    assert sorted(_flags([same, same], "2024-06-03T10:30"), key=str) == [None, "Y"]
