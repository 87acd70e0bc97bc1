"""In: codes of the contract. Out: words in both languages, none missing."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest
import yaml

from adapter.criteria import Outcome, Reason, Stage, Trial
from adapter.errors import DocumentError, UsageError
from adapter.screening import LANGUAGES, Bin, words
from adapter.screening.words import Words

DOCUMENT = yaml.safe_load(files("mappings").joinpath("words/screening.yaml").read_text(encoding="utf-8"))
ENTRIES = [(group, code) for group, entries in DOCUMENT.items() for code in entries]


@pytest.mark.parametrize(("group", "code"), ENTRIES)
def test_words_have_both_languages_with_the_same_braces(group: str, code: str) -> None:
    entry = DOCUMENT[group][code]

    assert set(entry) == set(LANGUAGES)
    assert _braces(entry["en"]) == _braces(entry["fr"])


def _braces(text: object) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name} if isinstance(text, str) else set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words_know_every_code_of_the_contract(lang: str) -> None:
    found = words(lang)

    assert all(found.reason(reason) for reason in Reason)
    assert all(found.outcome(outcome) for outcome in Outcome)
    assert all(found.of("stages", stage) for stage in Stage)
    assert all(found.of(group, code) for group in ("bins", "bin_notes") for code in Bin)


def test_words_reasons_are_those_of_the_contract_and_no_more() -> None:
    assert set(words("en").codes("reasons")) == {str(reason) for reason in Reason}


def test_words_name_the_reasons_of_decisions_apart_from_criteria(trial: Trial) -> None:
    assert not {criterion.id for criterion in trial.criteria} & set(words("en").codes("decision_reasons"))


@pytest.mark.parametrize(
    ("lang", "written", "expected"),
    [
        ("en", "2025-06-01", "1 June 2025"),
        ("fr", "2025-06-01", "1er juin 2025"),
        ("fr", "2025-08-15T10:00:00+02:00", "15 août 2025"),
        ("en", "2025-05-31T22:30:00Z", "1 June 2025"),
        ("en", "2025-05-31T22:30", "31 May 2025"),
        ("en", "0001-01-01T00:00:00+02:00", "1 January 1"),
        ("en", "2024-05", "2024-05"),
    ],
)
def test_words_write_days_as_people_do_and_leave_what_is_no_day(lang: str, written: str, expected: str) -> None:
    assert words(lang).day(written) == expected


def test_words_say_that_a_true_exclusion_applies() -> None:
    assert words("en").verdict("exclusion", False) == "APPLIES"
    assert words("en").verdict("inclusion", True) == "met"
    assert words("fr").verdict("exclusion", None) == "ouvert"


def test_words_count_what_a_listing_cuts_off() -> None:
    assert words("en").listing(["a", "b", "c"], limit=2) == "a, b +1"
    assert words("en").listing(["a", "b"], limit=2) == "a, b"


def test_words_refuse_another_language() -> None:
    with pytest.raises(UsageError, match="language de"):
        words("de")


def test_words_name_the_place_of_a_missing_entry() -> None:
    with pytest.raises(DocumentError, match=r"words/screening\.yaml#/reasons: has no entry nonsense"):
        words("en").reason("nonsense")
    with pytest.raises(DocumentError, match="#/reasons/x: has no fr text"):
        Words("fr", {"reasons": {"x": {"en": "only"}}}).reason("x")


@pytest.mark.parametrize(
    ("written", "problem"), [(None, "cannot be read"), ("a: [", "not YAML"), ("- a\n", "is not a mapping")]
)
def test_words_name_the_document_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str | None, problem: str
) -> None:
    # The function of the same name hides the module.
    module = sys.modules["adapter.screening.words"]
    monkeypatch.setattr("adapter.documents.files", lambda _package: tmp_path)
    (tmp_path / "words").mkdir()
    if written is not None:
        (tmp_path / "words" / "screening.yaml").write_text(written, encoding="utf-8")

    with pytest.raises(DocumentError, match=f"words/screening.yaml#: {problem}"):
        module._document.__wrapped__()
