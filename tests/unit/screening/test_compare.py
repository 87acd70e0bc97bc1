"""In: the small clinic and two versions of a trial. Out: which patients change, how many how, and that nothing is kept."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Outcome, PatientVerdict, Stage, Trial, Truth, evaluate, tree
from adapter.fhir import PatientRecord
from adapter.screening import Asked, screen
from adapter.screening.compare import CriterionChange, Versions, compare
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON, condition, patient, store_unread, write_feed

PLAIN = Site.plain("clinic")
ASKED = Asked(today=date.fromisoformat(ON), on=date.fromisoformat(ON))
CANDIDATES = 7


def with_age(trial: Trial, years: int) -> Trial:
    """The trial with another least age; the clinic's child is 14, everybody else 65."""
    return with_criterion(trial, "I01", node=tree.Age(years))


def with_criterion(trial: Trial, identity: str, **changed: Any) -> Trial:
    made = tuple(replace(item, **changed) if item.id == identity else item for item in trial.criteria)
    return replace(trial, criteria=made)


def without(trial: Trial, identity: str) -> Trial:
    return replace(trial, criteria=tuple(item for item in trial.criteria if item.id != identity))


def compared(store: Store, before: Trial, after: Trial, asked: Asked = ASKED) -> Versions:
    versions = Versions(before, after)
    compare(store, versions, PLAIN, asked)
    return versions


def test_compare_of_a_trial_with_itself_changes_nobody(store: Store, trial: Trial) -> None:
    found = compared(store, trial, trial)

    assert (found.compared, found.patients, found.differ) == (CANDIDATES, [], False)


def test_compare_names_who_changes_with_both_truths(store: Store, trial: Trial) -> None:
    found = compared(store, trial, with_age(trial, 12))

    assert [(change.site, change.patient) for change in found.patients] == [("clinic", "Patient/child")]
    assert found.patients[0].criteria == (CriterionChange("I01", Truth.F, Truth.T),)
    assert found.differ


def test_compare_tells_a_changed_outcome(store: Store, trial: Trial) -> None:
    found = compared(store, trial, with_age(trial, 12))

    (change,) = found.patients
    assert change.outcome == (Outcome.INELIGIBLE, Outcome.NEEDS_INFORMATION)
    assert found.outcomes == {(Outcome.INELIGIBLE, Outcome.NEEDS_INFORMATION): 1}


def test_compare_agrees_with_screening_under_either_version(store: Store, trial: Trial) -> None:
    older = with_age(trial, 66)
    truths = [
        {verdict.patient: verdict.criteria[0].truth for verdict in screen(store, version, PLAIN, ASKED)}
        for version in (trial, older)
    ]

    found = compared(store, trial, older)

    expected = {name for name, truth in truths[0].items() if truth is not truths[1][name]}
    assert {change.patient for change in found.patients} == expected
    assert len(expected) == CANDIDATES - 1


def test_compare_counts_the_patients_of_each_change(store: Store, trial: Trial) -> None:
    found = compared(store, trial, with_age(trial, 66))

    assert list(found.counts()) == [(CriterionChange("I01", Truth.T, Truth.F), CANDIDATES - 1)]


def test_compare_looks_at_candidates_of_either_version(store: Store, trial: Trial) -> None:
    narrower = replace(trial, signals=tuple(item for item in trial.signals if item.id != "lutathera"))

    there, back = compared(store, trial, narrower), compared(store, narrower, trial)

    assert [(change.patient, change.candidate) for change in there.patients] == [("Patient/treated", (True, False))]
    assert [(change.patient, change.candidate) for change in back.patients] == [("Patient/treated", (False, True))]
    assert there.compared == back.compared == CANDIDATES


def test_compare_lists_nobody_for_a_criterion_that_only_one_version_has(store: Store, trial: Trial) -> None:
    # Open for everybody in the clinic, so that without it no outcome is another one.
    found = compared(store, without(trial, "I08"), trial)

    assert found.patients == []
    assert found.differ
    assert list(found.counts()) == [(CriterionChange("I08", None, Truth.U), CANDIDATES)]


def test_compare_shows_a_new_criterion_where_it_changes_the_outcome(store: Store, trial: Trial) -> None:
    found = compared(store, without(trial, "I01"), trial)

    (change,) = found.patients
    assert change.patient == "Patient/child"
    assert change.criteria == (CriterionChange("I01", None, Truth.F),)


def test_compare_at_randomisation_compares_the_criteria_of_that_stage(store: Store, trial: Trial) -> None:
    asked = replace(ASKED, stage=Stage.RANDOMISATION)

    found = compared(store, trial, with_age(trial, 12), asked)

    assert found.patients == []


def test_compare_counts_whom_a_person_added(store: Store, trial: Trial) -> None:
    store.add_candidate("clinic", "Patient/breast", trial=trial.id, by="nurse")

    assert compared(store, trial, trial).compared == CANDIDATES + 1


def test_compare_writes_nothing(store: Store, trial: Trial) -> None:
    list(screen(store, trial, PLAIN, ASKED))
    before = _content(store), [saved.input_hash for saved in store.latest_verdicts(trial.id, "registration")]

    compared(store, trial, with_age(trial, 12))

    assert (_content(store), [saved.input_hash for saved in store.latest_verdicts(trial.id, "registration")]) == before


def _content(store: Store) -> dict[str, str]:
    """Every file of the store, its state included."""
    files = [file for file in store.folder.rglob("*") if file.is_file() and not file.name.endswith("-shm")]
    return {str(file): sha256(file.read_bytes()).hexdigest() for file in files}


def test_compare_saves_nothing_even_when_asked_to(store: Store, trial: Trial) -> None:
    compared(store, trial, trial, replace(ASKED, save=True, everyone=True, patients=("Patient/child",)))

    assert list(store.latest_verdicts(trial.id, "registration")) == []


def test_compare_gathers_site_after_site(store: Store, trial: Trial, tmp_path: Path) -> None:
    feed = write_feed(tmp_path / "other", [patient("kid", birthDate="2011-01-01"), condition("c-kid", "kid", "C17.2")])
    pull(store, FolderSource(feed), site="other")
    versions = Versions(trial, with_age(trial, 12))

    first = compare(store, versions, PLAIN, ASKED)
    second = compare(store, versions, Site.plain("other"), ASKED)

    assert [change.patient for change in first] == ["Patient/child"]
    assert [change.patient for change in second] == ["Patient/kid"]
    assert [change.site for change in versions.patients] == ["clinic", "other"]
    assert versions.compared == CANDIDATES + 1


def test_compare_names_unreadable_resources(store: Store, trial: Trial) -> None:
    reference = store_unread(store, "intestinal")

    assert compared(store, trial, trial).unreadable == {reference}


def test_compare_names_whom_a_defect_left_out(store: Store, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(trial: Trial, record: PatientRecord, **more: Any) -> PatientVerdict:
        if record.patient == "Patient/treated":
            raise ZeroDivisionError
        return evaluate(trial, record, **more)

    monkeypatch.setattr(sys.modules["adapter.screening.screen"], "evaluate", broken)

    found = compared(store, trial, trial)

    assert found.failed == {"clinic: Patient/treated (ZeroDivisionError)"}
    assert found.compared == CANDIDATES - 1


def test_compare_is_json_of_from_and_to(store: Store, trial: Trial) -> None:
    found = compared(store, trial, with_age(trial, 12))

    line = json.loads(json.dumps(found.patients[0].to_json()))
    closing = json.loads(json.dumps(found.to_json()))

    assert line["criteria"] == [{"id": "I01", "from": "F", "to": "T"}]
    assert line["outcome"] == {"from": "ineligible", "to": "needs-information"}
    assert (closing["compared"], closing["changed"]) == (CANDIDATES, 1)
    assert closing["criteria"] == [{"id": "I01", "from": "F", "to": "T", "patients": 1}]
    assert closing["outcomes"] == [{"from": "ineligible", "to": "needs-information", "patients": 1}]
    assert closing["documents"] == [{"where": "I01", "what": "rule.at_least", "from": "18", "to": "12"}]
