"""Promises of reference ranges: printed ones are read as the criteria read them, no word of them stays, none goes in silence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.pseudonymising.ranges import read_printed_range
from tests.support.subjects import consent, feed, lab, patient, research_subject

FROM = [patient(), consent(), research_subject("1")]
IN_GRAMS = {"unit": "g/dL"}


def told(tmp_path: Path, *ranges: Any, **more: Any) -> tuple[list[Any], int]:
    """The ranges that leave, and how often a blanked one is told."""
    found, resources = feed(tmp_path, [*FROM, lab("o", referenceRange=list(ranges), **more)])
    blanked = sum(one.count for one in found.findings if one.code == "range-blanked")
    return resources["Observation"][0].get("referenceRange", []), blanked


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("< 40", None, "40"),
        ("<667", None, "667"),
        ("N: 4 - 40", "4", "40"),
        ("N: 0,61 - 6,1", "0.61", "6.1"),
        ("(10 - 40)", "10", "40"),
        ("VN 3.5-5", "3.5", "5"),
        (">= 60", "60", None),
        ("Femme : < 35", None, "35"),
    ],
)
def test_range_that_is_told_as_a_text_leaves_in_numbers_of_the_results_unit(
    tmp_path: Path, text: str, low: str | None, high: str | None
) -> None:
    ends = {"low": low, "high": high}

    left, blanked = told(tmp_path, {"text": text})

    assert left == [{name: {"value": end} | IN_GRAMS for name, end in ends.items() if end is not None}]
    assert blanked == 0


def test_unit_that_is_printed_behind_a_range_is_its_own(tmp_path: Path) -> None:
    left, _ = told(tmp_path, {"text": "120 - 160 g/L"})

    assert left == [{"low": {"value": "120", "unit": "g/L"}, "high": {"value": "160", "unit": "g/L"}}]


def test_coded_unit_of_the_result_is_that_of_the_range(tmp_path: Path) -> None:
    unit = {"unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}

    left, _ = told(tmp_path, {"text": "< 16"}, valueQuantity={"value": 12, **unit})

    assert left == [{"high": {"value": "16", **unit}}]


def test_limit_in_a_unit_that_cannot_leave_is_not_read_in_the_results(tmp_path: Path) -> None:
    strange, known = {"value": 12, "unit": "g%%"}, {"value": 16, **IN_GRAMS}

    assert told(tmp_path, {"low": strange, "high": strange | {"value": 16}}) == ([], 1)
    assert told(tmp_path, {"low": strange, "high": known}) == ([{"high": known | {"value": "16"}}], 1)


@pytest.mark.parametrize(
    "kind",
    [
        {"text": "cible thérapeutique"},
        {"coding": [{"system": "urn:lab", "code": "normal"}]},
        {"coding": [{"system": "urn:lab", "code": "1", "display": "treatment"}]},
    ],
)
def test_range_that_is_not_surely_the_normal_one_does_not_leave_as_it(tmp_path: Path, kind: dict[str, Any]) -> None:
    assert told(tmp_path, {"high": {"value": 41, **IN_GRAMS}, "type": kind}) == ([], 1)


def test_end_that_only_the_text_tells_stands_beside_the_number(tmp_path: Path) -> None:
    left, blanked = told(tmp_path, {"high": {"value": 41, **IN_GRAMS}, "text": "10 - 41"})

    assert left == [{"low": {"value": "10", **IN_GRAMS}, "high": {"value": "41", **IN_GRAMS}}]
    assert blanked == 0


def test_text_beside_numbers_that_says_nothing_costs_no_number(tmp_path: Path) -> None:
    left, blanked = told(tmp_path, {"high": {"value": 41}, "text": "voir le commentaire de Mme Dupont"})

    assert left == [{"high": {"value": "41"}}]
    assert blanked == 0


@pytest.mark.parametrize(
    "text",
    [
        "voir au verso",
        "40",
        "Dupont : 3 - 5",
        "< 40 Dupont",
        "Homme : < 40",
        "03-1960",
        "12-1960",
        "1,500 - 2,500",
        "12345678 - 12345679",
        "< 4" + " " * 80,
    ],
)
def test_range_that_cannot_be_read_or_is_anothers_is_blanked_and_told(tmp_path: Path, text: str) -> None:
    found, resources = feed(tmp_path, [*FROM, lab("o", referenceRange=[{"text": text}])])

    assert "referenceRange" not in resources["Observation"][0]
    assert {"range-blanked", "number-blanked"} & {one.code for one in found.findings}
    assert text.strip() not in repr(found.findings)


def test_range_of_the_persons_sex_is_taken_of_several_that_are_printed(tmp_path: Path) -> None:
    left, blanked = told(tmp_path, {"text": "Femme : < 35"}, {"text": "Homme : < 40"})

    assert left == [{"high": {"value": "35", **IN_GRAMS}}]
    assert blanked == 0


def test_range_of_the_other_sex_in_words_is_not_the_persons(tmp_path: Path) -> None:
    left, blanked = told(tmp_path, {"high": {"value": 40}, "text": "Homme : < 40"})

    assert (left, blanked) == ([], 1)


@pytest.mark.parametrize(("word", "left"), [("Femmes", 1), ("Hommes", 0)])
def test_sex_that_a_range_applies_to_may_be_told_in_a_word(tmp_path: Path, word: str, left: int) -> None:
    found, _ = told(tmp_path, {"high": {"value": 40}, "appliesTo": [{"text": word}]})

    assert len(found) == left


def test_range_of_a_component_is_read_too(tmp_path: Path) -> None:
    part = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "valueQuantity": {"value": 12, **IN_GRAMS},
        "referenceRange": [{"text": "< 16"}],
    }

    _, resources = feed(tmp_path, [*FROM, lab("o", component=[part])])

    assert resources["Observation"][0]["component"][0]["referenceRange"] == [{"high": {"value": "16", **IN_GRAMS}}]


def test_range_of_a_result_that_is_itself_a_range_is_in_its_unit(tmp_path: Path) -> None:
    interval = {"low": {"value": 1, **IN_GRAMS}, "high": {"value": 2, **IN_GRAMS}}

    left, _ = told(tmp_path, {"text": "< 16"}, valueQuantity=None, valueRange=interval)

    assert left == [{"high": {"value": "16", **IN_GRAMS}}]


def test_printed_numbers_are_exact() -> None:
    assert read_printed_range("0,10 - 1,10")[1:3] == (Decimal("0.10"), Decimal("1.10"))
