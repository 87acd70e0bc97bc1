"""In: records. Out: the timeline as the verdict reads them: cycles by course, status, results on the criteria's scales with limits and ranges."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from adapter.criteria import LabRange, Series, Timeline, lab_ranges, timeline_of
from adapter.documents import load_site, load_trial
from adapter.fhir import PatientRecord
from tests.support.patient_desk import ON, PATIENT, TRIAL, cycle, observation, record
from tests.support.record_parts import encode


def read(resources: Iterable[dict[str, Any]]) -> PatientRecord:
    return PatientRecord.read(PATIENT, [encode(item) for item in resources])


def told(*more: dict[str, Any], on: date = ON, trial: str = TRIAL) -> Timeline:
    return timeline_of(load_trial(trial), read((*record(), *more)), site=load_site("icm"), on=on)


def series(found: Timeline, analyte: str) -> Series:
    return next(one for one in found.series if one.analyte == analyte)


def test_cycles_are_told_by_course() -> None:
    found = told(cycle("late", "2025-01-06"), cycle("unsure", "2021-12-01"))

    assert [(one.when.earliest.isoformat(), one.course, one.completed) for one in found.infused] == [
        ("2021-01-04", "first", True),
        ("2021-03-01", "first", True),
        ("2021-04-26", "first", True),
        ("2021-06-21", "first", True),
        ("2021-12-01", "uncertain", True),
        ("2025-01-06", "later", True),
    ]


def test_status_is_told_with_who_said_it() -> None:
    assert [(one.said, one.kind, one.sure) for one in told().stated] == [("worsened", "clinical", True)]


def test_results_are_all_told_in_the_criterions_unit_with_its_limit() -> None:
    found = series(told(), "hemoglobin")

    assert (found.unit, [(one.criterion, one.operator, str(one.value)) for one in found.limits], found.window_days) == (
        "g/dL",
        [("I11", "gt", "8")],
        28,
    )
    assert [
        (point.when.text(), point.value and point.value.text(), point.evidence.value) for point in found.points
    ] == [
        ("2024-11-02", "9.5", "9.5 g/dL"),
        ("2025-05-20", "12.1", "121 g/L"),
    ]


def test_result_on_a_multiple_of_normal_is_told_so_or_not_at_all() -> None:
    bare = observation("alt-bare", "1742-6", "50", "U/L", day="2025-05-01")
    found = series(told(bare), "alt")

    assert (found.unit, sorted(str(one.value) for one in found.limits)) == ("{ULN}", ["2.5", "5"])
    assert [(point.evidence.value, point.value is None) for point in found.points] == [
        ("50 U/L", True),
        ("38 U/L", False),
    ]


def test_number_with_three_decimals_is_no_thousand() -> None:
    counted = observation("pnn-count", "26499-4", "5593", "/mm3", day="2025-05-01")
    point = series(told(counted), "neutrophils").points[0]

    assert point.value is not None
    assert point.value.text() == "5.593"


@pytest.mark.parametrize(("printed", "text"), [("<5,2 G/L", "<5.2"), (">=3 G/L", ">=3"), ("3-5 G/L", "3-5")])
def test_bound_and_range_stay_what_they_are(printed: str, text: str) -> None:
    item = observation("bound", "26499-4", "1", "G/L", day="2025-05-01")
    del item["valueQuantity"]
    point = series(told({**item, "valueString": printed}), "neutrophils").points[0]

    assert point.value is not None
    assert point.value.text() == text


def test_value_that_cannot_be_read_and_status_that_does_not_count_are_told() -> None:
    early = observation("early", "718-7", "10", "g/dL", day="2025-05-25", status="preliminary")
    found = told(early)

    assert [point.value is None for point in series(found, "neutrophils").points] == [True]
    assert [point.usable for point in series(found, "hemoglobin").points] == [True, True, False]


def test_grades_of_toxicity_are_no_limits() -> None:
    assert [str(one.value) for one in series(told(), "platelets").limits] == ["80"]


def test_what_is_surely_later_than_the_day_is_left_out() -> None:
    found = told(on=date(2024, 12, 31))

    assert [point.evidence.reference for point in series(found, "hemoglobin").points] == ["Observation/hb-old"]
    assert len(found.infused) == 4


def test_trial_without_courses_has_a_timeline_without_cycles() -> None:
    found = told(trial="start-net")

    assert found.infused == ()
    assert found.series


def test_ranges_are_those_of_the_report_else_the_sites_own() -> None:
    bare = observation("alt-bare", "1742-6", "50", "U/L", day="2025-05-01")
    both = [{"low": {"value": 4, "unit": "G/L"}, "high": {"value": 10, "unit": "G/L"}}]
    white = observation("leuk", "6690-2", "6", "G/L", day="2025-05-01", referenceRange=both)
    trial, person = load_trial(TRIAL), read((*record(), bare, white))
    found = lab_ranges(trial, person, site=load_site("icm"), on=ON)

    assert found["Observation/hb", "1", "121 g/L"] == LabRange(
        printed=("N: 130 - 170",), worded=frozenset({"N: 130 - 170"})
    )
    assert found["Observation/alt", "1", "38 U/L"] == LabRange(printed=("≤ 41 U/L",))
    assert found["Observation/leuk", "1", "6 G/L"] == LabRange(printed=("4-10 G/L",))
    assert ("Observation/alt-bare", "1", "50 U/L") not in found
    assert ("Observation/plt", "1", "143 G/L") not in found


def test_limit_that_the_site_declares_is_told_as_its_own(tmp_path: Any) -> None:
    limits = {"uln": [{"analyte": "alt", "high": "45", "unit": "U/L"}]}
    (tmp_path / "site.yaml").write_text(json.dumps(limits), encoding="utf-8")
    bare = observation("alt-bare", "1742-6", "50", "U/L", day="2025-05-01")
    site = load_site("icm", tmp_path)
    found = lab_ranges(load_trial(TRIAL), read((*record(), bare)), site=site, on=ON)

    assert found["Observation/alt-bare", "1", "50 U/L"] == LabRange(site=("45 U/L",))
