"""In: a verdict of the contract. Out: it in words: what decides first, values as sent and converted, what is missing, who can supply it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapter.criteria import Trial
from adapter.screening import Asked, CriterionLine, Explanation, explain, screen, words
from adapter.store import Decision, Store
from adapter.terminology import Site
from tests.support.clinic import ON

ON_DAY = date.fromisoformat(ON)
EVIDENCE = {
    "reference": "Observation/9",
    "version": "2",
    "effective": "2025-05-20",
    "value": "7,9 g/dL",
    "converted": {"value": "7.9", "unit": "g/dL"},
}


def _verdict(**more: Any) -> dict[str, Any]:
    verdict = {
        "trial": "nct04954820",
        "criteria_version": "0.1.0",
        "site": "icm",
        "patient": "Patient/1",
        "merged": [],
        "stage": "registration",
        "on": "2025-06-01",
        "candidate": True,
        "candidate_because": ["added"],
        "outcome": "ineligible",
        "outcome_reason": None,
        "permanent": False,
        "flips_on": None,
        "to_order": [{"what": "alt", "by": "2025-06-10", "for": ["E07"]}],
        "criteria": [
            _criterion("I01", "T"),
            _criterion("I11", "F", flips_on="2025-06-18", evidence=[EVIDENCE]),
            _criterion("E04", "F", presumed=True),
            _criterion("E07", "U", reason="no-reference-range"),
        ],
    }
    return {**verdict, **more}


def _criterion(identity: str, truth: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"presumed": False, "reason": None, "flips_on": None, "evidence": [], "parts": []}
    return {"id": identity, "truth": truth, **plain, **more}


def _line(found: Explanation, identity: str) -> CriterionLine:
    return next(line for line in (*found.failing, *found.open, *found.passing) if line.id == identity)


def test_why_puts_what_fails_before_what_is_open_before_what_passes(trial: Trial) -> None:
    found = explain(_verdict(), trial, words("en"))

    assert [line.id for line in found.failing] == ["I11"]
    assert [line.id for line in found.open] == ["E07"]
    assert [line.id for line in found.passing] == ["I01", "E04"]
    assert found.counts == "2 passed, 1 failed, 1 open"


def test_why_headline_holds_patient_stage_day_and_outcome(trial: Trial) -> None:
    found = explain(_verdict(), trial, words("fr"))

    assert found.headline == "icm/1 pour ReLUTH, inclusion, au 1er juin 2025 : non éligible"


def test_why_shows_the_value_as_sent_once_where_it_needs_no_conversion(trial: Trial) -> None:
    line = _line(explain(_verdict(), trial, words("en")), "I11")

    assert str(line.found[0]) == "7,9 g/dL · 20 May 2025 · Observation/9"


@pytest.mark.parametrize(
    ("effective", "told"),
    [
        ("2025-05-01..2025-05-31", "between 1 May 2025 and 31 May 2025"),
        ("2022-01-01..2022-12-31", "between 1 January 2022 and 31 December 2022"),
        ("..2016-11-29", "29 November 2016 at the latest"),
        ("2016-11-29..", "29 November 2016 at the earliest"),
        (None, None),
    ],
)
def test_why_does_not_tell_a_day_where_the_record_has_none(
    trial: Trial, effective: str | None, told: str | None
) -> None:
    verdict = _verdict(criteria=[_criterion("I11", "F", evidence=[{**EVIDENCE, "effective": effective}])])

    line = _line(explain(verdict, trial, words("en")), "I11")

    assert line.found[0].day == told


@pytest.mark.parametrize(("lang", "expected"), [("en", "79 g/L = 7.9 g/dL"), ("fr", "79 g/L = 7,9 g/dL")])
def test_why_shows_the_value_as_sent_and_as_converted(trial: Trial, lang: str, expected: str) -> None:
    evidence = {**EVIDENCE, "value": "79 g/L"}
    verdict = _verdict(criteria=[_criterion("I11", "F", evidence=[evidence])])

    line = _line(explain(verdict, trial, words(lang)), "I11")

    assert line.found[0].value == expected


def test_why_says_why_it_is_open_what_is_missing_and_whom_to_ask(trial: Trial) -> None:
    line = _line(explain(_verdict(), trial, words("en")), "E07")

    assert line.why_open == "the result comes without the laboratory's limit"
    assert line.missing == (trial.wanted_label("alt", "en"),)
    assert line.who == trial.criterion("E07").confirm["en"]


def test_why_notes_what_is_presumed_and_what_time_changes(trial: Trial) -> None:
    found = explain(_verdict(), trial, words("en"))

    assert "presumed from a declared completeness" in _line(found, "E04").notes
    assert "changes by time alone on 18 June 2025" in _line(found, "I11").notes


def test_why_keeps_defaults_visible_as_such(trial: Trial) -> None:
    criterion = trial.criterion("I11")
    found = explain(_verdict(), trial, words("fr"))

    assert criterion.defaults
    assert _line(found, "I11").defaults == tuple(default.text["fr"] for default in criterion.defaults)


def test_why_tells_open_parts_by_reason_and_decided_ones_by_truth(trial: Trial) -> None:
    part, other = trial.criterion("I11").parts[:2]
    parts = [
        {"id": part.id, "truth": "F", "presumed": False, "reason": None, "evidence": []},
        {"id": other.id, "truth": "U", "presumed": False, "reason": "no-unit", "evidence": []},
    ]

    line = _line(explain(_verdict(criteria=[_criterion("I11", "F", parts=parts)]), trial, words("en")), "I11")

    assert line.parts[0].startswith(part.id)
    assert line.parts[0].endswith("false")
    assert line.parts[1].endswith("the value has no unit")


def test_why_tells_what_to_get_by_when_and_for_what(trial: Trial) -> None:
    found = explain(_verdict(), trial, words("en"))

    assert found.to_order == (f"{trial.wanted_label('alt', 'en')} by 10 June 2025 (for E07)",)


def test_why_says_that_a_person_added_the_patient(trial: Trial) -> None:
    found = explain(_verdict(merged=["Patient/2"]), trial, words("en"))

    assert found.because == ("Merged records: Patient/2.", "On the list because of: added by a person.")


def test_why_lists_the_signals_looked_for_where_none_was_found(trial: Trial) -> None:
    found = explain(_verdict(candidate=False, candidate_because=[]), trial, words("en"), resources=12)

    text = "\n".join(found.because)
    assert not found.listed
    assert "(12 resources)" in text
    assert all(signal.label["en"] in text for signal in trial.signals)
    assert "C17" in text


def test_why_says_that_the_patient_has_died(trial: Trial) -> None:
    found = explain(_verdict(candidate=False, outcome_reason="deceased"), trial, words("en"))

    assert found.headline.endswith("not eligible (recorded as deceased)")
    assert "The record says that the patient has died." in found.because


@pytest.mark.parametrize(
    ("lang", "said", "anyway"),
    [
        ("en", "The hospital has deleted the record since.", "Evaluated all the same: not eligible"),
        ("fr", "L'hôpital a supprimé le dossier depuis.", "Évalué malgré tout : non éligible"),
    ],
)
def test_why_evaluates_nothing_all_the_same_of_a_deleted_record(
    trial: Trial, lang: str, said: str, anyway: str
) -> None:
    tongue = words(lang)
    deleted = explain(_verdict(candidate=False, outcome_reason="record-deleted"), trial, tongue)
    deceased = explain(_verdict(candidate=False, outcome_reason="deceased"), trial, tongue)

    assert deleted.because[-1] == said
    assert anyway not in "\n".join(deleted.because)
    assert deceased.because[-1].startswith(anyway)
    assert deleted.failing == deceased.failing


def test_why_tells_the_standing_decision(trial: Trial) -> None:
    at = datetime(2025, 6, 3, tzinfo=UTC)
    decision = Decision(1, "icm", "Patient/1", trial.id, 1, "declined", "patient-declined", "nurse", at)

    found = explain(_verdict(), trial, words("en"), decision=decision)
    by_criterion = explain(_verdict(), trial, words("en"), decision=replace_reason(decision, "E07"))

    assert found.decision is not None
    assert "the patient declined" in found.decision
    assert "3 June 2025" in found.decision
    assert by_criterion.decision is not None
    assert "(E07)" in by_criterion.decision


def replace_reason(decision: Decision, reason: str) -> Decision:
    """The same decision for another reason."""
    return Decision(
        decision.number,
        decision.site,
        decision.patient,
        decision.trial,
        decision.version,
        decision.state,
        reason,
        decision.decided_by,
        decision.decided_at,
    )


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_why_puts_every_verdict_of_the_clinic_in_words(store: Store, trial: Trial, lang: str) -> None:
    asked = Asked(today=ON_DAY, on=ON_DAY, everyone=True, save=False)
    for verdict in screen(store, trial, Site.plain("clinic"), asked):
        found = explain(verdict.to_json(), trial, words(lang), resources=1)

        assert len((*found.failing, *found.open, *found.passing)) == len(verdict.criteria)
        assert all(line.why_open and line.who for line in found.open)
