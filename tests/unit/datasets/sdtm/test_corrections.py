"""A correction that came under an id of its own replaces what it corrects, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.datasets.model import Package
from tests.support.sdtm_views import event_rows, made, records

ONE = "RELUTH-05-0001"
EVENTS = event_rows(
    ONE,
    {"kind": "consented", "on": "2024-01-10"},
    {"kind": "registered", "on": "2024-01-15"},
    {"kind": "randomised", "on": "2024-05-06", "arm": "experimental"},
)
INFUSION = {
    "id": "i1",
    "usubjid": ONE,
    "status": "completed",
    "atc": "V10XX04",
    "effective": "2024-05-20T10:00:00+02:00",
}
AT = "2024-05-19T08:00:00+02:00"
RESULT = {"usubjid": ONE, "status": "final", "loinc": "777-3", "unit": "G/L", "effective": AT}


def _package(**views: list[dict[str, Any]]) -> Package:
    return made({"subject_event": EVENTS, "medication_administration": [INFUSION], **views})


def _told(package: Package) -> list[tuple[str, str | None, int]]:
    return [(one.code, one.resource, one.count) for one in package.findings if one.code.endswith("-replaced")]


def _results(package: Package) -> list[tuple[Any, ...]]:
    return records(package.dataset("LB"), "LBORRES", "LBLOBXFL")


@pytest.mark.parametrize("status", ["corrected", "amended"])
@pytest.mark.parametrize("keys", [("a", "z"), ("z", "a")])
def test_result_of_the_instant_of_its_correction_is_left_out_and_told(status: str, keys: tuple[str, str]) -> None:
    wrong, right = keys
    package = _package(
        laboratory=[
            RESULT | {"id": wrong, "value": "8"},
            RESULT | {"id": right, "value": "210", "status": status},
        ]
    )

    assert _results(package) == [("210", "Y")]
    assert _told(package) == [("result-replaced", f"Observation/{wrong}", 1)]


def test_result_that_is_taken_back_is_no_result() -> None:
    package = _package(
        laboratory=[RESULT | {"id": "a", "value": "8"}, RESULT | {"id": "b", "status": "corrected", "absent": "error"}]
    )

    assert records(package.dataset("LB"), "LBORRES", "LBSTAT", "LBREASND", "LBLOBXFL") == [
        (None, "NOT DONE", "ERROR", None)
    ]


def test_component_corrects_a_result_of_its_own() -> None:
    package = _package(
        laboratory=[RESULT | {"id": "a", "value": "8"}],
        laboratory_component=[RESULT | {"id": "b", "row": 0, "value": "210", "status": "corrected"}],
    )

    assert _results(package) == [("210", "Y")]


@pytest.mark.parametrize("keys", [("a", "z"), ("z", "a")])
def test_result_of_the_day_of_its_correction_stays_and_is_no_baseline(keys: tuple[str, str]) -> None:
    wrong, right = keys
    day = {"effective": "2024-05-19"}
    package = _package(
        laboratory=[
            RESULT | day | {"id": wrong, "value": "8"},
            RESULT | day | {"id": right, "value": "210", "status": "corrected"},
        ]
    )

    assert sorted(_results(package), key=str) == [("210", "Y"), ("8", None)]
    assert _told(package) == [("result-perhaps-replaced", f"Observation/{wrong}", 1)]


@pytest.mark.parametrize(
    "other",
    [
        {"loinc": "718-7", "unit": "g/dL"},
        {"effective": "2024-05-19T08:05:00+02:00"},
        {"effective": "2024-05"},
        {"effective": None},
        {"status": "corrected"},
    ],
)
def test_result_of_another_question_or_time_stays(other: dict[str, Any]) -> None:
    package = _package(
        laboratory=[
            RESULT | {"id": "a", "value": "8"} | other,
            RESULT | {"id": "b", "value": "210", "status": "corrected"},
        ]
    )

    assert len(_results(package)) == 2
    assert not _told(package)


def test_two_results_of_one_instant_of_which_none_is_a_correction_are_two() -> None:
    package = _package(laboratory=[RESULT | {"id": key, "value": "8"} for key in "ab"])

    assert len(_results(package)) == 2


def test_measurement_is_corrected_for_its_own_lesion_only() -> None:
    size = {"usubjid": ONE, "term": "lesion-longest-diameter", "effective": AT, "unit": "mm"}
    rows = [
        size | {"id": "a", "value": "30", "status": "final", "lesion": "BodyStructure/b1"},
        size | {"id": "b", "value": "20", "status": "corrected", "lesion": "BodyStructure/b1"},
        size | {"id": "c", "value": "11", "status": "final", "lesion": "BodyStructure/b2"},
        size | {"id": "d", "value": "12", "status": "final"},
        size | {"id": "e", "value": "13", "status": "corrected"},
    ]

    assert sorted(records(_package(lesion=rows).dataset("TR"), "TRORRES")) == [("11",), ("12",), ("13",), ("20",)]


def test_response_and_vital_sign_are_corrected() -> None:
    response = {"usubjid": ONE, "term": "recist-response", "effective": AT}
    weight = {"usubjid": ONE, "loinc": "29463-7", "unit": "kg", "effective": AT}
    package = _package(
        recist=[
            response | {"id": "a", "status": "final", "value_term": "PD"},
            response | {"id": "b", "status": "amended", "value_term": "SD"},
        ],
        vital_signs=[
            weight | {"id": "c", "status": "final", "value": "7"},
            weight | {"id": "d", "status": "amended", "value": "70"},
        ],
    )

    assert records(package.dataset("RS"), "RSORRES") == [("SD",)]
    assert records(package.dataset("VS"), "VSORRES") == [("70",)]
