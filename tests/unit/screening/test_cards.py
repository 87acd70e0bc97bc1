"""Promises of what a card says: short, in both languages, without values, silent where it should be."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Outcome, Trial
from adapter.documents import load_trial, trials
from adapter.screening.cards import (
    CARD_WORDS,
    OVERRIDE_DAYS,
    card_text,
    card_words,
    is_for_a_card,
    is_silenced,
    may_flip,
    override_reasons,
    signature_of,
)
from adapter.screening.words import LANGUAGES
from adapter.store.cards import Decided, Override
from tests.support.screened import criterion, evidence, verdict

_ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2025, 6, 12, 8, tzinfo=UTC)
Json = dict[str, Any]


def verdict_for(trial: Trial, outcome: str, truths: str) -> Json:
    """A verdict in which every criterion has the same truth, and everything is to be ordered."""
    return {
        "criteria_version": trial.version,
        "stage": "registration",
        "on": "2025-06-01",
        "candidate": True,
        "candidate_because": [signal.id for signal in trial.signals],
        "outcome": outcome,
        "outcome_reason": None,
        "permanent": False,
        "flips_on": "2025-07-01",
        "to_order": [{"what": what, "by": "2025-06-20", "for": ["I01"]} for what in trial.analytes],
        "criteria": [
            {"id": one.id, "truth": truths, "flips_on": "2025-07-01"}
            for one in trial.criteria
            if "registration" in one.stages
        ],
    }


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("truths", ["T", "F", "U"])
@pytest.mark.parametrize("name", trials())
def test_summary_is_shorter_than_the_specification_allows(name: str, truths: str, outcome: str, lang: str) -> None:
    trial = load_trial(name)
    text = card_text(verdict_for(trial, outcome, truths), trial, lang=lang, unseen=("Observation",))

    assert 0 < len(text.summary) < 140
    assert trial.acronym in text.summary
    assert "{" not in text.summary + text.detail


def test_summary_names_each_single_failing_criterion_and_stays_short(trial: Trial) -> None:
    for one in trial.criteria:
        if "registration" not in one.stages:
            continue
        failing = criterion(one.id, "F" if one.kind == "inclusion" else "T")
        for lang in LANGUAGES:
            summary = card_text(verdict("1", "ineligible", failing), trial, lang=lang).summary

            assert len(summary) < 140
            assert one.id in summary


def test_detail_tells_why_what_fails_what_is_missing_the_day_and_who_decides(trial: Trial) -> None:
    low = criterion("I11", "F", flips_on="2025-06-18")
    order = [{"what": "alt", "by": "2025-06-10", "for": ["E07"]}]
    told = card_text(verdict("1", "ineligible", low, to_order=order), trial, lang="en")

    assert "**Why this patient:** Lutathera." in told.detail
    assert "failed: 1" in told.detail
    assert "- I11 " in told.detail
    assert "may pass from 18 June 2025 on" in told.detail
    assert "by 10 June 2025 (E07)" in told.detail
    assert "Reference date: 1 June 2025. Criteria version 0.1.0." in told.detail
    assert told.detail.endswith("The investigator decides.")


def test_detail_holds_no_value_and_no_id_of_the_record(trial: Trial) -> None:
    shown = criterion("I11", "F", evidence=[evidence("Observation/hb-77", "7,7 g/dL", converted=("7.7", "g/dL"))])
    told = card_text(verdict("secret-id", "ineligible", shown), trial, lang="fr")

    assert not any(word in told.summary + told.detail for word in ("7,7", "7.7", "hb-77", "secret-id"))


def test_card_on_a_part_of_the_record_calls_nothing_complete(trial: Trial) -> None:
    told = card_text(verdict("1", "ready-for-investigator"), trial, lang="en", unseen=("Flag",))

    assert "missing" in told.summary
    assert "**Not everything was at hand:** Flag." in told.detail


def test_card_warns_only_where_the_treatment_is_ordered_for_who_may_fit(trial: Trial) -> None:
    ready, low = verdict("1", "ready-for-investigator"), verdict("1", "ineligible", criterion("I11", "F"))

    assert card_text(ready, trial, lang="fr").indicator == "info"
    assert card_text(ready, trial, lang="fr", is_order=True).indicator == "warning"
    assert card_text(low, trial, lang="fr", is_order=True).indicator == "info"


@pytest.mark.parametrize(
    ("more", "state", "shown"),
    [
        ({}, None, True),
        ({}, "contacted", True),
        ({"candidate": False}, None, False),
        ({"permanent": True}, None, False),
        ({"outcome_reason": "deceased"}, None, False),
        ({"outcome_reason": "record-deleted"}, None, False),
        ({}, "declined", False),
        ({}, "not-eligible", False),
        ({}, "not-registered", False),
        ({}, "withdrawn", False),
        ({}, "enrolled", False),
    ],
)
def test_card_is_for_who_may_be_a_candidate_still(more: Json, state: str | None, shown: bool) -> None:
    decided = None if state is None else Decided(state, NOW)

    assert is_for_a_card(verdict("1", "ready-for-investigator", **more), decided) is shown


def test_override_holds_for_its_service_and_verdict_and_time() -> None:
    put_away = Override("a", "same", "other", NOW - timedelta(days=OVERRIDE_DAYS - 1))
    old = Override("a", "same", "other", NOW - timedelta(days=OVERRIDE_DAYS))

    assert is_silenced([put_away], None, service="a", signature="same", at=NOW)
    assert not is_silenced([put_away], None, service="a", signature="another", at=NOW)
    assert not is_silenced([put_away], None, service="b", signature="same", at=NOW)
    assert not is_silenced([old], None, service="a", signature="same", at=NOW)
    assert not is_silenced([], None, service="a", signature="same", at=NOW)


def test_override_by_the_patients_word_holds_until_somebody_decides() -> None:
    said = Override("a", "same", "patient-declined", NOW - timedelta(days=400))

    assert is_silenced([said], None, service="b", signature="another", at=NOW)
    assert is_silenced([said], Decided("contacted", said.at - timedelta(1)), service="b", signature="x", at=NOW)
    assert not is_silenced([said], Decided("contacted", said.at + timedelta(1)), service="b", signature="x", at=NOW)


def test_signature_is_of_the_answers_and_not_of_the_day() -> None:
    one, later = verdict("1", "ineligible", criterion("I11", "F")), verdict("1", "ineligible", criterion("I11", "F"))
    later |= {"on": "2025-06-09", "flips_on": "2025-06-20"}

    assert signature_of(one) == signature_of(later)
    assert signature_of(one) != signature_of(verdict("1", "ineligible", criterion("I11", "U")))


def test_kept_verdict_may_flip_from_its_day_on() -> None:
    of_one = verdict("1", "needs-information", criterion("I11", "T", flips_on="2025-06-18"))

    assert not may_flip(of_one, today=date(2025, 6, 17))
    assert may_flip(of_one, today=date(2025, 6, 18))
    assert may_flip(verdict("1", "ineligible", flips_on="2025-06-18"), today=date(2025, 6, 19))


def test_reasons_to_put_a_card_away_are_those_of_decisions() -> None:
    codes = [code for code, _ in override_reasons("fr")]

    assert {"patient-declined", "other-trial", "other"} <= set(codes)
    assert not {"criteria-met", "to-contact"} & set(codes)
    assert all(words for _, words in override_reasons("en"))


def test_words_of_cards_are_all_said_and_in_both_languages() -> None:
    source = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("adapter/screening", "adapter/service/cards")
        for file in sorted((_ROOT / folder).glob("*.py"))
    )
    for lang in LANGUAGES:
        said = card_words(lang)
        for group in ("services", "summaries", "detail", "parts"):
            for code in said.codes(group):
                assert said.of(group, code), f"{CARD_WORDS} {group} {code}"
                built = group == "summaries" and code in [str(one) for one in Outcome]
                hooked = group == "services" and code.rpartition("-")[2] in ("title", "text")
                assert built or hooked or re.search(rf"['\"]{code}['\"]", source), f"{group} {code} is never said"
