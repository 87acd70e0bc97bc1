"""In: single stories of the simulated centre. Out: the truths that the specification's worded vectors ask for."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.simulate import story_names
from adapter.simulate.patient import Record, patient

SEED = 7
ON = date(2025, 6, 1)


def _told(story: str, on: date = ON) -> Record:
    """The story's first patient."""
    return patient(SEED, story_names().index(story), on)


def _truths(story: str) -> dict[str, Any]:
    registration: dict[str, Any] = _told(story).truths[0]["registration"]
    return registration


@pytest.mark.parametrize(
    ("story", "criterion", "truth"),
    [
        ("eighteen-today", "I01", "T"),
        ("eighteen-tomorrow", "I01", "F"),
        ("birth-year-straddles", "I01", "U"),
        ("creatinine-152", "E07", "F"),
        ("creatinine-153", "E07", "T"),
        ("creatinine-mg-per-litre", "E07", "T"),
        ("liver-cause-unknown", "E07", "U"),
        ("liver-cause-malignancy", "E07", "F"),
        ("liver-cause-other", "E07", "T"),
        ("liver-over-five", "E07", "T"),
        ("organ-function-attested", "E07", "F"),
        ("organ-function-attested-against", "E07", "U"),
        ("nephrotic-attested-against", "E07", "U"),
        ("net-ileum-g1", "I02", "T"),
        ("net-ki67-at-20", "I02", "T"),
        ("net-ki67-35", "I02", "F"),
        ("net-ki67-range-straddles", "I02", "U"),
        ("net-site-alone", "I02", "U"),
        ("net-second-tumour-unattributed", "I02", "U"),
        ("net-breast-ki67-focus", "I02", "T"),
        ("net-stomach", "I02", "F"),
        ("net-pancreas-endocrine", "E04", "T"),
        ("net-refuted-pancreas", "E04", "F"),
        ("net-pancreas-unspecified", "E04", "U"),
        ("net-carcinoma-small-cell", "E05", "T"),
        ("net-review-8246", "E05", "U"),
        ("net-review-8246-well", "E05", "F"),
        ("other-lung-small-cell", "E05", "T"),
        ("other-prostate-psma", "I03", "U"),
        ("merged", "I03", "T"),
        ("deceased", "I03", "T"),
    ],
)
def test_story_supports_what_the_specification_says(story: str, criterion: str, truth: str) -> None:
    assert _truths(story)[criterion] == truth


def test_textbook_story_passes_every_criterion_that_it_answers() -> None:
    truths = _truths("near-textbook")

    assert {name: truth for name, truth in truths.items() if truth != ("T" if name.startswith("I") else "F")} == {}


def test_duplicate_record_tells_one_person_twice_and_merges_nothing() -> None:
    record = _told("duplicate-record")
    links = [
        link["type"]
        for resource in record.resources
        if resource["resourceType"] == "Patient"
        for link in resource["link"]
    ]

    assert len(record.truths) == 2
    assert links == ["seealso", "seealso"]


def test_psma_story_never_holds_lutathera() -> None:
    infusions = [r for r in _told("other-prostate-psma").resources if r["resourceType"] == "MedicationAdministration"]

    assert len(infusions) == 4
    assert "V10XX04" not in str(infusions)


@pytest.mark.parametrize("on", [date(2024, 2, 29), date(2025, 3, 1), date(2025, 12, 31)])
def test_stories_can_be_told_on_any_reference_date(on: date) -> None:
    for index in range(len(story_names())):
        record = patient(SEED, index, on)

        assert all(line["on"] == on.isoformat() for line in record.truths)
