"""In: the registry record and the eligibility specification beside the project. Out: the trial's documents say what these say.

Skipped where the folder that holds them is missing: they are not ours to copy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.documents import load_trial

SHARED = Path(__file__).resolve().parents[3] / "shared" / "trial"
RECORD = SHARED / "NCT04954820-registry-record.txt"
SPECIFICATION = SHARED / "eligibility.yaml"

pytestmark = pytest.mark.skipif(
    not (RECORD.is_file() and SPECIFICATION.is_file()),
    reason="the registry record and the specification lie in ../shared, which is not here",
)


def _sentences(record: str, heading: str, until: str) -> list[str]:
    block = record.split(f"\n{heading}\n", 1)[1].split(f"\n{until}\n", 1)[0]
    return [_plain(item) for item in re.split(r"^\* ", block, flags=re.MULTILINE)[1:]]


def _plain(text: str) -> str:
    """A sentence without the record's escapes, line breaks and closing punctuation of a list."""
    return re.sub(r"\s+", " ", re.sub(r"\\([<>=\[\]])", r"\1", text)).strip().rstrip(",.")


def _specification() -> dict[str, Any]:
    found = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_trial_criteria_say_the_registry_s_sentences_in_its_order() -> None:
    record = RECORD.read_text(encoding="utf-8")
    criteria = load_trial("nct04954820").criteria

    inclusions = [_plain(item.text) for item in criteria if item.kind == "inclusion"]
    exclusions = [_plain(item.text) for item in criteria if item.kind == "exclusion"]

    assert inclusions == _sentences(record, "Inclusion Criteria", "Exclusion Criteria")
    assert exclusions == _sentences(record, "Exclusion Criteria", "Minimum Eligible Age")
    assert (len(inclusions), len(exclusions)) == (16, 18)


def test_trial_criteria_keep_the_specification_s_text_kind_stage_and_automation() -> None:
    stages = {
        "registration": {"registration"},
        "randomisation": {"randomisation"},
        "both": {"registration", "randomisation"},
    }
    wanted = [
        (item["id"], item["text"], item["kind"], stages[item["stage"]], item["automation"])
        for item in _specification()["criteria"]
    ]

    found = [
        (item.id, item.text, item.kind, {str(stage) for stage in item.stages}, item.automation)
        for item in load_trial("nct04954820").criteria
    ]

    assert found == wanted


def test_trial_carries_every_open_question_of_the_specification() -> None:
    wanted = _specification()["open_questions"]
    questions = load_trial("nct04954820").open_questions

    # Each question begins with the criteria it is about, where it names any.
    missing = [
        text
        for text in wanted
        if not any(_same_question(question.criteria, question.text["en"], text) for question in questions)
    ]

    assert len(wanted) == 9
    assert missing == []
    assert all(question.text["fr"] for question in questions)


def test_trial_marks_what_is_done_at_the_screening_visit() -> None:
    # clarifications.md 35
    found = {item.id for item in load_trial("nct04954820").criteria if item.at_screening_visit}

    assert found == {"I12", "I13", "I14", "I15"}


def _same_question(criteria: tuple[str, ...], english: str, wanted: str) -> bool:
    named = re.findall(r"\b[IE]\d\d\b", wanted)
    stop = {
        "a",
        "and",
        "are",
        "at",
        "by",
        "default",
        "of",
        "or",
        "the",
        "versus",
        "whether",
        "with",
        "which",
        "is",
        "in",
    }
    words = set(re.findall(r"[a-z0-9./]+", re.sub(r"\b[IE]\d\d\b", " ", wanted).lower())) - stop
    said = set(re.findall(r"[a-z0-9./]+", english.lower()))
    # Spelling of units and abbreviations varies; what is asked about does not.
    return set(named) <= set(criteria) and 2 * len(words & said) >= len(words)
