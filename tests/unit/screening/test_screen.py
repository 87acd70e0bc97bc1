"""In: the small clinic. Out: who is screened, as of when, in which order, and what is kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Outcome, PatientVerdict, Stage, Trial, evaluate
from adapter.fhir import PatientRecord
from adapter.screening import Asked, possible_candidates, screen
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ICD10, LOCAL, ON, condition, patient, refute, store_unread, write_feed

PLAIN = Site.plain("clinic")
ASKED = Asked(today=date.fromisoformat(ON), on=date.fromisoformat(ON))
CANDIDATES = ["child", "intestinal", "pancreatic", "subject", "survivor", "treated", "undotted"]


def _ids(verdicts: list[PatientVerdict]) -> list[str]:
    return [verdict.patient.removeprefix("Patient/") for verdict in verdicts]


def test_narrowing_loses_no_candidate_of_screening_everybody(store: Store, trial: Trial) -> None:
    everybody = screen(store, trial, PLAIN, replace(ASKED, everyone=True, save=False))

    found = possible_candidates(store, trial, PLAIN)

    assert {verdict.patient for verdict in everybody if verdict.candidate} <= found


def test_narrowing_leaves_out_who_has_no_signal(store: Store, trial: Trial) -> None:
    found = possible_candidates(store, trial, PLAIN)

    assert not {"Patient/breast", "Patient/local"} & found


def test_narrowing_finds_local_codes_that_the_site_maps(store: Store, trial: Trial) -> None:
    mapped = replace(PLAIN, concept_map={(LOCAL, "TUM-GRELE"): ((ICD10, "C17.2"),)})

    found = possible_candidates(store, trial, mapped)

    assert "Patient/local" in found


def test_narrowing_finds_the_sites_own_cim10_system(store: Store, trial: Trial, tmp_path: Path) -> None:
    own = "urn:oid:1.2.250.1.999.8"
    feed = write_feed(tmp_path / "more", [patient("own"), condition("c-own", "own", "C17.2", system=own)])
    pull(store, FolderSource(feed), site="clinic")

    found = possible_candidates(store, trial, replace(PLAIN, icd10_systems=PLAIN.icd10_systems | {own}))

    assert "Patient/own" in found


def test_narrowing_counts_a_merged_record_as_its_survivor(store: Store, trial: Trial) -> None:
    found = possible_candidates(store, trial, PLAIN)

    assert "Patient/survivor" in found
    assert "Patient/old" not in found


def test_screen_gives_candidates_in_order(store: Store, trial: Trial) -> None:
    verdicts = list(screen(store, trial, PLAIN, ASKED))

    assert _ids(verdicts) == CANDIDATES


def test_screen_gives_everybody_once_when_asked(store: Store, trial: Trial) -> None:
    verdicts = list(screen(store, trial, PLAIN, replace(ASKED, everyone=True)))

    assert _ids(verdicts) == sorted([*CANDIDATES, "breast", "dead", "local", "refuted"])


def test_screen_gives_named_patients_candidate_or_not(store: Store, trial: Trial) -> None:
    verdicts = list(screen(store, trial, PLAIN, replace(ASKED, patients=("Patient/breast",))))

    assert [(verdict.patient, verdict.candidate) for verdict in verdicts] == [("Patient/breast", False)]


def test_screen_gives_the_survivor_for_a_merged_patient(store: Store, trial: Trial) -> None:
    verdicts = list(screen(store, trial, PLAIN, replace(ASKED, patients=("Patient/old",))))

    assert [(verdict.patient, verdict.merged) for verdict in verdicts] == [("Patient/survivor", ("Patient/old",))]


def test_screen_lists_whom_a_person_added(store: Store, trial: Trial) -> None:
    store.add_candidate("clinic", "Patient/breast", trial=trial.id, by="nurse")

    found = {verdict.patient: verdict.candidate_because for verdict in screen(store, trial, PLAIN, ASKED)}

    assert found["Patient/breast"] == ("added",)


def test_screen_takes_the_recorded_date_of_a_subject_where_none_is_asked_for(store: Store, trial: Trial) -> None:
    today = date(2025, 7, 14)

    found = {verdict.patient: verdict.on for verdict in screen(store, trial, PLAIN, Asked(today=today))}

    assert found["Patient/subject"] == date(2025, 3, 10)
    assert found["Patient/intestinal"] == today


def test_screen_at_randomisation_has_the_ten_criteria_of_that_stage(store: Store, trial: Trial) -> None:
    asked = replace(ASKED, stage=Stage.RANDOMISATION)

    verdict = next(screen(store, trial, PLAIN, asked))

    assert [item.id for item in verdict.criteria] == [
        "I07",
        "I11",
        "I12",
        "E02",
        "E03",
        "E07",
        "E08",
        "E09",
        "E11",
        "E13",
    ]


def test_screen_keeps_candidates_and_forgets_the_others(store: Store, trial: Trial) -> None:
    list(screen(store, trial, PLAIN, replace(ASKED, everyone=True)))

    kept = [saved.patient.removeprefix("Patient/") for saved in store.latest_verdicts(trial.id, "registration")]

    assert kept == CANDIDATES


def test_screen_learns_that_a_candidate_is_none_any_more(store: Store, trial: Trial, tmp_path: Path) -> None:
    list(screen(store, trial, PLAIN, ASKED))
    refute(store, tmp_path, "intestinal")

    verdicts = list(screen(store, trial, PLAIN, ASKED))

    saved = store.verdict_of("clinic", "Patient/intestinal", trial=trial.id, stage="registration")
    assert "intestinal" not in _ids(verdicts)
    assert saved is not None
    assert '"candidate":false' in saved.content


def test_screen_again_on_the_same_input_adds_no_verdict(store: Store, trial: Trial) -> None:
    first = {one.patient: one.input_hash for one in _kept(store, trial)}

    second = {one.patient: one.input_hash for one in _kept(store, trial)}

    assert first == second


def _kept(store: Store, trial: Trial) -> list[StoredVerdict]:
    list(screen(store, trial, PLAIN, ASKED))
    return list(store.latest_verdicts(trial.id, "registration"))


def test_screen_saves_nothing_when_not_asked_to(store: Store, trial: Trial) -> None:
    list(screen(store, trial, PLAIN, replace(ASKED, save=False)))

    assert list(store.latest_verdicts(trial.id, "registration")) == []


def test_screen_names_unreadable_resources_and_goes_on(store: Store, trial: Trial) -> None:
    reference = store_unread(store, "intestinal")

    screening = screen(store, trial, PLAIN, ASKED)

    assert _ids(list(screening)) == CANDIDATES
    assert screening.unreadable == (reference,)


def test_screen_counts_what_it_evaluated(store: Store, trial: Trial) -> None:
    screening = screen(store, trial, PLAIN, replace(ASKED, everyone=True))
    list(screening)

    assert (screening.evaluated, screening.candidates) == (len(CANDIDATES) + 4, len(CANDIDATES))


def test_screen_makes_the_dead_no_candidates(store: Store, trial: Trial) -> None:
    verdict = next(screen(store, trial, PLAIN, replace(ASKED, patients=("Patient/dead",))))

    assert (verdict.candidate, verdict.outcome, verdict.outcome_reason) == (False, Outcome.INELIGIBLE, "deceased")


def test_screen_leaves_no_file_behind(store: Store, trial: Trial) -> None:
    list(screen(store, trial, PLAIN, replace(ASKED, everyone=True)))

    assert [path for path in (store.folder / "tmp").rglob("*") if path.is_file()] == []


def test_screen_tells_how_far_it_is(store: Store, trial: Trial) -> None:
    told: list[tuple[int, int | None]] = []

    list(screen(store, trial, PLAIN, replace(ASKED, progress=lambda done, total: told.append((done, total)))))

    assert told[-1][0] == told[-1][1]


def test_screen_makes_a_new_verdict_when_a_site_document_changes(store: Store, trial: Trial) -> None:
    first = _kept(store, trial)[0].input_hash
    list(screen(store, trial, replace(PLAIN, fasting_codes=frozenset({("urn:x", "1")})), ASKED))

    assert next(store.latest_verdicts(trial.id, "registration")).input_hash != first


def test_screen_writes_verdicts_in_more_than_one_batch(
    store: Store, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The function of the same name hides the module.
    module = sys.modules["adapter.screening.screen"]
    monkeypatch.setattr(module, "_SAVE_BATCH", 2)
    monkeypatch.setattr(module, "_BATCH", 2)

    assert len(_kept(store, trial)) == len(CANDIDATES)


def test_screen_goes_on_past_a_defect_and_names_whom_it_left_out(
    store: Store, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(trial: Trial, record: PatientRecord, **more: Any) -> PatientVerdict:
        if record.patient == "Patient/treated":
            raise ZeroDivisionError
        return evaluate(trial, record, **more)

    monkeypatch.setattr(sys.modules["adapter.screening.screen"], "evaluate", broken)
    screening = screen(store, trial, PLAIN, ASKED)

    found = _ids(list(screening))

    assert found == [name for name in CANDIDATES if name != "treated"]
    assert screening.failed == ("Patient/treated (ZeroDivisionError)",)
