"""In: the screened clinic, then records that the hospital deletes, merges, sets inactive or brings back. Out: what becomes of each person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Stage, Trial
from adapter.screening import (
    Asked,
    Bin,
    WorklistRow,
    explain,
    next_step,
    read_funnel,
    read_log,
    read_worklist,
    screen,
    screening_number,
    standing,
    words,
)
from adapter.screening.candidates import candidate_subjects
from adapter.screening.hospital_records import RECORD_DELETED, RecordState, deleted_people, inactive_people
from adapter.screening.proposals import proposals
from adapter.store import Store
from adapter.store.versions import Tombstone
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON, condition, patient, write_feed

SITE = "clinic"
ASKED = Asked(today=date.fromisoformat(ON), on=date.fromisoformat(ON))
_ALL_OF = {"intestinal": [("Patient", "intestinal"), ("Condition", "c-intestinal")]}


@pytest.fixture
def screened(store: Store, trial: Trial) -> Store:
    """The store after one screening."""
    _screen(store, trial)
    return store


def _screen(store: Store, trial: Trial, **more: Any) -> list[str]:
    return [found.patient for found in screen(store, trial, Site.plain(SITE), replace(ASKED, **more))]


def _delete(store: Store, *gone: tuple[str, str]) -> None:
    with store.begin_run(SITE, "pull") as run:
        store.lake.writer(run).commit(deleted=[Tombstone(type_, id_, run.last_seq) for type_, id_ in gone])


def _pull(store: Store, folder: Path, *resources: dict[str, Any]) -> None:
    pull(store, FolderSource(write_feed(folder, resources)), site=SITE)


def _rows(store: Store, trial: Trial) -> dict[str, WorklistRow]:
    return {row.patient.removeprefix("Patient/"): row for row in read_worklist(store, trial, Stage.REGISTRATION)}


def _decide(store: Store, trial: Trial, identity: str, state: str = "contacted") -> None:
    store.decide(SITE, f"Patient/{identity}", trial=trial.id, state=state, reason="to-contact", by="nurse")


def _content(store: Store, trial: Trial, identity: str) -> dict[str, Any]:
    saved = store.verdict_of(SITE, f"Patient/{identity}", trial=trial.id, stage="registration")
    assert saved is not None
    found: dict[str, Any] = json.loads(saved.content)
    return found


# Deleted ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [_ALL_OF["intestinal"], _ALL_OF["intestinal"][:1]], ids=["everything", "patient only"])
def test_a_deleted_record_leaves_the_list_at_once_and_stays_off_it(
    screened: Store, trial: Trial, gone: list[tuple[str, str]]
) -> None:
    _delete(screened, *gone)
    before = set(_rows(screened, trial))
    found = _screen(screened, trial)

    assert "intestinal" not in before
    assert "undotted" in before
    assert "Patient/intestinal" not in found
    assert "intestinal" not in _rows(screened, trial)


def test_a_deleted_record_is_not_among_everybody_either(screened: Store, trial: Trial) -> None:
    _delete(screened, ("Patient", "intestinal"))

    assert "Patient/intestinal" not in _screen(screened, trial, everyone=True)


def test_a_verdict_on_a_deleted_record_is_kept_and_marked(screened: Store, trial: Trial) -> None:
    before = _content(screened, trial, "intestinal")
    _delete(screened, *_ALL_OF["intestinal"])
    _screen(screened, trial)
    _screen(screened, trial)

    history = screened.verdict_history(trial.id, "registration", site=SITE, patients=["Patient/intestinal"])
    kept = [json.loads(one.verdict.content) for one in history["Patient/intestinal"]]
    assert kept[0] == before
    assert [one["outcome_reason"] for one in kept] == [None, RECORD_DELETED]
    assert (kept[1]["candidate"], kept[1]["outcome"], kept[1]["to_order"]) == (False, "ineligible", [])
    assert kept[1]["criteria"] == before["criteria"]


def test_a_screening_that_saves_nothing_marks_nothing(screened: Store, trial: Trial) -> None:
    _delete(screened, *_ALL_OF["intestinal"])
    _screen(screened, trial, save=False)
    _screen(screened, trial, patients=("Patient/undotted",))

    assert _content(screened, trial, "intestinal")["outcome_reason"] is None


@pytest.mark.parametrize(
    ("state", "group"), [("contacted", Bin.NO_LONGER_ELIGIBLE), ("enrolled", Bin.ENROLLED), ("declined", Bin.DECLINED)]
)
def test_who_was_decided_on_is_shown_when_the_record_is_deleted(
    screened: Store, trial: Trial, state: str, group: Bin
) -> None:
    _decide(screened, trial, "intestinal", state)
    _delete(screened, *_ALL_OF["intestinal"])
    at_once = _rows(screened, trial)["intestinal"]
    _screen(screened, trial)
    later = _rows(screened, trial)["intestinal"]

    # That the decision is to be looked at again takes a verdict since.
    assert at_once == replace(later, markers=("record-deleted",))
    assert (later.bin, later.state, later.record) == (group, state, RecordState.DELETED)
    assert standing(later, trial, words("en")) == "record deleted at the hospital"
    assert next_step(later, trial, words("fr")) == "demander à l'hôpital pourquoi le dossier a été supprimé"
    assert later.to_json()["record"] == "deleted"


def test_who_was_added_by_hand_is_shown_when_the_record_is_deleted(screened: Store, trial: Trial) -> None:
    screened.add_candidate(SITE, "Patient/breast", trial=trial.id, by="nurse")
    _screen(screened, trial)
    _delete(screened, ("Patient", "breast"))

    assert _rows(screened, trial)["breast"].outcome_reason == RECORD_DELETED


def test_a_decision_that_a_deletion_speaks_against_is_put_before_a_person(screened: Store, trial: Trial) -> None:
    _decide(screened, trial, "intestinal", "enrolled")
    _delete(screened, *_ALL_OF["intestinal"])
    _screen(screened, trial)

    assert [(one.patient, one.state, one.now) for one in proposals(screened, trial)] == [
        ("Patient/intestinal", "enrolled", "ineligible")
    ]


def test_the_log_keeps_who_was_deleted_and_says_why(screened: Store, trial: Trial) -> None:
    number = screening_number(SITE, screened.patient_key(SITE, "Patient/intestinal"))
    _delete(screened, *_ALL_OF["intestinal"])

    row = next(row for row in read_log(screened, trial, Stage.REGISTRATION) if row.number == number)
    assert (row.eligible, row.reason_not_enrolled, row.state) == ("no", RECORD_DELETED, "new")


def test_the_funnel_counts_no_deleted_person(screened: Store, trial: Trial) -> None:
    before = read_funnel(screened, trial, Stage.REGISTRATION)
    _delete(screened, ("Patient", "intestinal"))
    after = read_funnel(screened, trial, Stage.REGISTRATION)

    # The Condition is there still, and names the person.
    assert "Patient/intestinal" in set(screened.lake.patients(SITE))
    assert (before.patients - after.patients, before.candidates - after.candidates) == (1, 1)


def test_who_asks_for_a_deleted_person_by_name_is_told(screened: Store, trial: Trial) -> None:
    _delete(screened, ("Patient", "intestinal"))
    asked = replace(ASKED, patients=("Patient/intestinal",), save=False)

    (verdict,) = screen(screened, trial, Site.plain(SITE), asked)
    told = explain(verdict.to_json(), trial, words("en"))

    assert (verdict.candidate, verdict.outcome_reason) == (False, RECORD_DELETED)
    assert "The hospital has deleted the record since." in told.because
    assert told.headline.endswith("not eligible (record deleted at the hospital)")


def test_a_record_that_comes_back_is_screened_again(screened: Store, trial: Trial, tmp_path: Path) -> None:
    _delete(screened, *_ALL_OF["intestinal"])
    _screen(screened, trial)
    _pull(screened, tmp_path / "back", patient("intestinal"), condition("c-intestinal", "intestinal", "C17.2"))
    _screen(screened, trial)

    row = _rows(screened, trial)["intestinal"]
    assert (row.bin, row.record, row.outcome_reason) == (Bin.WAITING, RecordState.ACTIVE, None)


def test_a_person_whose_patient_resource_never_came_is_not_deleted(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    _pull(screened, tmp_path / "named", condition("c-named", "named", "C17.2"))
    _screen(screened, trial)

    assert "named" in _rows(screened, trial)
    assert deleted_people(screened, SITE) == frozenset()


def test_a_deleted_candidate_leaves_the_list_that_the_hospital_is_told(screened: Store, trial: Trial) -> None:
    def listed() -> int:
        told = candidate_subjects(screened, trial, site=SITE, identifier_system=None, on=ASKED.today)
        return len(told.listing.candidates)

    before = listed()
    _delete(screened, *_ALL_OF["intestinal"])

    assert before - listed() == 1


def test_a_deleted_subject_keeps_the_number_that_was_told(screened: Store, trial: Trial, tmp_path: Path) -> None:
    def told() -> dict[str, str]:
        found = candidate_subjects(screened, trial, site=SITE, identifier_system="urn:ipp", on=ASKED.today)
        screened.entities.put_all(SITE, found.subjects, source="test", by="test")
        return {subject.number: subject.patient.value for subject in found.subjects}

    _pull(screened, tmp_path / "named", patient("intestinal", identifier=[{"system": "urn:ipp", "value": "42"}]))
    _decide(screened, trial, "intestinal")
    before = told()
    _delete(screened, *_ALL_OF["intestinal"])

    assert "42" in before.values()
    assert told() == before


def test_nobody_unknown_is_told_of_after_the_record_was_deleted(screened: Store, trial: Trial) -> None:
    _decide(screened, trial, "intestinal")
    _delete(screened, *_ALL_OF["intestinal"])

    found = candidate_subjects(screened, trial, site=SITE, identifier_system=None, on=ASKED.today)
    assert "Patient/intestinal" not in {subject.patient.value for subject in found.subjects}


# Merged -------------------------------------------------------------------------------------------------------------


def _into(survivor: str) -> list[dict[str, Any]]:
    return [{"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}]


def test_a_survivor_carries_on_with_the_decision_on_the_record_merged_into_it(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    _decide(screened, trial, "undotted")
    _pull(screened, tmp_path / "merged", patient("undotted", active=False, link=_into("breast")))
    _screen(screened, trial)

    row = _rows(screened, trial)["breast"]
    assert (row.state, row.decision_reason, row.record) == ("contacted", "to-contact", RecordState.ACTIVE)


def test_a_replaces_link_alone_merges_too(screened: Store, trial: Trial, tmp_path: Path) -> None:
    _decide(screened, trial, "undotted")
    link = [{"other": {"reference": "Patient/undotted"}, "type": "replaces"}]
    _pull(screened, tmp_path / "merged", patient("breast", gender="female", link=link))
    _delete(screened, ("Patient", "undotted"))
    _screen(screened, trial)

    assert _rows(screened, trial)["breast"].state == "contacted"
    assert deleted_people(screened, SITE) == frozenset()


def test_a_merged_record_whose_survivor_is_deleted_is_a_person_still(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    _pull(screened, tmp_path / "merged", patient("undotted", link=_into("breast")))
    _delete(screened, ("Patient", "breast"))
    _screen(screened, trial)

    assert _rows(screened, trial)["breast"].record is RecordState.ACTIVE


def test_a_decision_outlives_the_deletion_of_the_record_that_was_merged_away(
    screened: Store, trial: Trial, tmp_path: Path
) -> None:
    _decide(screened, trial, "undotted")
    _pull(screened, tmp_path / "merged", patient("undotted", active=False, link=_into("breast")))
    _delete(screened, ("Patient", "undotted"))
    _screen(screened, trial)

    assert _rows(screened, trial)["breast"].state == "contacted"
    assert "undotted" not in _rows(screened, trial)


def test_a_merger_gives_nobody_another_number_in_the_log(screened: Store, trial: Trial, tmp_path: Path) -> None:
    number = screening_number(SITE, screened.patient_key(SITE, "Patient/undotted"))
    _pull(screened, tmp_path / "merged", patient("undotted", link=_into("breast")))
    _screen(screened, trial)
    key = screened.patient_key(SITE, "Patient/breast")

    numbers = {row.number for row in read_log(screened, trial, Stage.REGISTRATION)}
    assert number in numbers
    assert screening_number(SITE, key) not in numbers


# Inactive -----------------------------------------------------------------------------------------------------------


def test_an_inactive_record_stays_on_the_list_marked(screened: Store, trial: Trial, tmp_path: Path) -> None:
    before = _rows(screened, trial)["intestinal"]
    _pull(screened, tmp_path / "inactive", patient("intestinal", active=False))
    at_once = _rows(screened, trial)["intestinal"]
    _screen(screened, trial)
    row = _rows(screened, trial)["intestinal"]

    assert before.record is RecordState.ACTIVE
    assert at_once.record is RecordState.INACTIVE
    assert (row.bin, row.record, row.outcome) == (Bin.WAITING, RecordState.INACTIVE, before.outcome)
    assert standing(row, trial, words("en")).startswith("record set inactive at the hospital; ")
    assert standing(row, trial, words("fr")).startswith("dossier désactivé à l'hôpital ; ")


def test_a_record_that_is_active_again_is_no_longer_marked(screened: Store, trial: Trial, tmp_path: Path) -> None:
    _pull(screened, tmp_path / "inactive", patient("intestinal", active=False))
    _pull(screened, tmp_path / "active", patient("intestinal", active=True))

    assert _rows(screened, trial)["intestinal"].record is RecordState.ACTIVE
    assert inactive_people(screened, SITE, ["Patient/intestinal"]) == frozenset()


def test_a_merged_record_that_is_inactive_does_not_mark_its_survivor(screened: Store, trial: Trial) -> None:
    assert _rows(screened, trial)["survivor"].record is RecordState.ACTIVE


def test_a_site_without_patient_resources_has_no_states_of_records(tmp_path: Path) -> None:
    with Store.open(tmp_path / "other") as store:
        _pull(store, tmp_path / "feed", condition("c-1", "1", "C17.2"))

        assert deleted_people(store, SITE) == frozenset()
        assert inactive_people(store, SITE, ["Patient/1"]) == frozenset()
