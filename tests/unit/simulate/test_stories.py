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
        ("creatinine-152-small-body", "E07", "U"),
        ("creatinine-153-large-body", "E07", "U"),
        ("board-of-first-course", "I06", "U"),
        ("board-same-day", "I06", "T"),
        ("scan-reopens", "I09", "U"),
        ("lesion-reopens", "I10", "U"),
        ("consent-attested-long-ago", "I14", "T"),
        ("best-response-pd", "E01", "T"),
        ("best-response-pd-but-controlled", "E01", "U"),
        ("best-response-sd", "E01", "F"),
        ("stable-after-worsening", "E01", "U"),
        ("response-attested-without-course", "E01", "T"),
        ("toxicity-platelets-24", "E03", "T"),
        ("toxicity-platelets-25", "E03", "F"),
        ("toxicity-gap", "E03", "U"),
        ("toxicity-clumps", "E03", "U"),
        ("toxicity-lymphopenia", "E03", "U"),
        ("toxicity-attested-against", "E03", "U"),
        ("toxicity-five-cycles", "E03", "U"),
        ("just-finished", "E03", "U"),
        ("anaemia-unanswered", "E03", "U"),
        ("anaemia-answered", "E03", "F"),
        ("anaemia-after-the-answer", "E03", "U"),
        ("radiation-reopens", "E06", "U"),
        ("infarction-reopens", "E10", "U"),
        ("heart-attested-this-year", "E10", "F"),
        ("heart-attested-long-ago", "E10", "U"),
        ("trial-attested-thirty-days", "E16", "F"),
        ("trial-attested-thirty-one-days", "E16", "U"),
        ("tumour-reopens", "E17", "U"),
        ("net-breast-two-years", "E17", "T"),
        ("net-breast-over-three-years", "E17", "T"),
        ("net-skin-not-controlled", "E17", "T"),
        ("net-cervix-controlled", "E17", "F"),
        ("glucose-presumed-gives-way", "E09", "T"),
        ("glucose-attested-against", "E09", "U"),
        ("performance-attested", "I07", "T"),
        ("counts-attested", "I11", "T"),
        ("albumin-attested", "E08", "F"),
        ("merged", "I03", "T"),
        ("deceased", "I03", "T"),
    ],
)
def test_story_supports_what_the_specification_says(story: str, criterion: str, truth: str) -> None:
    assert _truths(story)[criterion] == truth


@pytest.mark.parametrize(
    ("story", "truth"),
    [
        ("near-textbook", "U"),
        ("near-textbook-again", "F"),
        ("second-pd", "T"),
        ("second-unseen", "U"),
        ("second-worsened", "U"),
        ("second-attested", "T"),
        ("second-attested-against", "U"),
        ("second-one-attested", "U"),
        ("second-third-cycle", "T"),
    ],
)
def test_story_of_a_second_course_supports_e02(story: str, truth: str) -> None:
    assert _told(story).truths[0]["randomisation"]["E02"] == truth


@pytest.mark.parametrize("story", ["near-textbook", "near-textbook-again"])
def test_textbook_story_passes_every_criterion_of_registration(story: str) -> None:
    truths = _truths(story)

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
