"""In: a verdict. Out: each criterion in the group that says what to do, with evidence as sent and converted."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.service.patient.sheet import Entry, Sheet, make_sheet
from adapter.service.shapes import Verdict
from tests.support.screened import HOSTILE, TRIAL, answer, criterion, evidence, verdict, verdicts


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial(TRIAL)


def sheet_of(patient: str, trial: Trial, *, today: date = date(2025, 6, 1)) -> Sheet:
    found = next(item for item in verdicts() if item["patient"] == f"Patient/{patient}")
    return make_sheet(Verdict.model_validate(found), trial, language="en", today=today)


def entries(sheet: Sheet) -> dict[str, Entry]:
    return {entry.id: entry for group in sheet.groups for entry in group.entries}


def test_sheet_shows_every_criterion_of_the_verdict_once(trial: Trial) -> None:
    sheet = sheet_of("low", trial)
    shown = [entry.id for group in sheet.groups for entry in group.entries]
    overview = [entry.id for _, group in sheet.overview for entry in group]

    assert sorted(shown) == sorted(item["id"] for item in verdict("x", "eligible")["criteria"])
    assert sorted(overview) == sorted(shown)


def test_sheet_groups_by_what_is_to_be_done(trial: Trial) -> None:
    groups = {group.id: {entry.id for entry in group.entries} for group in sheet_of("low", trial).groups}

    assert groups["failing"] == {"I11"}
    assert groups["open-data"] == set()
    assert "I06" in groups["open-attest"]
    assert "I01" in groups["passing"]


def test_sheet_puts_missing_data_apart_from_missing_words(trial: Trial) -> None:
    groups = {group.id: {entry.id for entry in group.entries} for group in sheet_of("course", trial).groups}

    assert groups["open-data"] == {"E07", "I04"}


def test_entry_shows_the_registry_sentence_verbatim(trial: Trial) -> None:
    shown = entries(sheet_of("ready", trial))

    assert {entry.id: entry.sentence for entry in shown.values()} == {
        name: trial.criterion(name).text for name in shown
    }


def test_entry_shows_values_as_sent_and_converted(trial: Trial) -> None:
    lines = {line.reference: line for line in entries(sheet_of("low", trial))["I11"].evidence}

    haemoglobin = lines["Observation/hb"]
    assert (haemoglobin.sent, haemoglobin.converted) == ("12,1 g/dL", "12.1 g/dL")
    assert (haemoglobin.version, haemoglobin.effective) == ("2", "20 May 2025, 08:30 (+02:00)")
    assert (lines["Observation/plt"].sent, lines["Observation/plt"].converted) == ("70 G/L", "70 10⁹/L")


def test_evidence_is_shown_once_with_the_parts_that_cite_it(trial: Trial) -> None:
    shared = evidence("Observation/x", "1 g")
    item = criterion(
        "E07",
        "F",
        evidence=[shared],
        parts=[answer("E07.a", "F", evidence=[shared]), answer("E07.d", "F", evidence=[shared])],
    )
    sheet = make_sheet(
        Verdict.model_validate(verdict("x", "eligible", item)), trial, language="en", today=date(2025, 6, 1)
    )

    lines = entries(sheet)["E07"].evidence
    assert [(line.reference, line.parts) for line in lines] == [("Observation/x", ("E07.a", "E07.d"))]


def test_entry_open_tells_why_what_to_get_and_whom_to_ask(trial: Trial) -> None:
    entry = entries(sheet_of("liver", trial))["E07"]

    assert entry.mark == "open"
    assert entry.reason
    assert entry.to_get == ((trial.wanted_label("alt", "en"), "10 June 2025"),)
    assert entry.who == trial.criterion("E07").confirm["en"]
    assert entry.defaults


def test_entry_passing_asks_for_nothing(trial: Trial) -> None:
    passing = [entry for entry in entries(sheet_of("ready", trial)).values() if entry.mark == "pass"]

    assert passing
    assert all(not entry.to_get and not entry.would_decide and entry.reason is None for entry in passing)


def test_part_presumed_is_told_apart_from_one_that_was_recorded(trial: Trial) -> None:
    parts = {part.id: part for part in entries(sheet_of("liver", trial))["E07"].parts}

    assert (parts["E07.b"].truth, parts["E07.b"].presumed) == ("F", True)
    assert (parts["E07.c"].truth, parts["E07.c"].presumed) == ("U", False)


def test_criterion_presumed_is_told_apart_from_one_that_was_recorded(trial: Trial) -> None:
    shown = entries(sheet_of("ready", trial))

    assert {name for name, entry in shown.items() if entry.presumed} == {"E05"}


def test_exclusion_that_is_true_fails_and_one_that_is_false_passes(trial: Trial) -> None:
    shown = entries(sheet_of("pancreas", trial))

    assert (shown["E04"].mark, shown["E05"].mark) == ("fail", "pass")


def test_order_whose_day_has_passed_is_marked(trial: Trial) -> None:
    on_the_day = sheet_of("liver", trial, today=date(2025, 6, 10)).orders
    day_after = sheet_of("liver", trial, today=date(2025, 6, 11)).orders

    assert [order.late for order in on_the_day] == [False]
    assert [order.late for order in day_after] == [True]


def test_value_is_kept_as_sent_whatever_it_holds(trial: Trial) -> None:
    assert entries(sheet_of("liver", trial))["E07"].evidence[0].sent == HOSTILE
