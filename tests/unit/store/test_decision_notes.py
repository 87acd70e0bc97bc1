"""Promises of decisions: what was seen and noted is kept with them, of those patients that are asked for; who added whom is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from adapter.store import StaleDecisionError, Store

SITE, TRIAL = "icm", "nct04954820"


def decide(store: Store, patient: str, state: str, **more: object) -> None:
    store.decide(SITE, patient, trial=TRIAL, state=state, reason="other", by="anna", **more)  # type: ignore[arg-type]


def test_decision_keeps_its_note_and_what_was_seen(store: Store) -> None:
    decide(store, "Patient/1", "contacted", note="Rappeler", seen="hash-1")
    decide(store, "Patient/1", "declined")

    assert [(one.version, one.note, one.seen) for one in store.decision_history(TRIAL)] == [
        (1, "Rappeler", "hash-1"),
        (2, "", None),
    ]


def test_decision_on_another_version_than_was_seen_keeps_nothing_of_its_note(store: Store) -> None:
    decide(store, "Patient/1", "contacted")
    with pytest.raises(StaleDecisionError):
        decide(store, "Patient/1", "declined", expected=0, note="verloren")

    assert [one.note for one in store.decision_history(TRIAL)] == [""]


def test_history_is_of_the_patients_that_are_asked_for(store: Store) -> None:
    for patient in ("Patient/1", "Patient/2", "Patient/3"):
        decide(store, patient, "contacted")
    asked = store.decision_history(TRIAL, site=SITE, patients=["Patient/3", "Patient/1"])

    assert [one.patient for one in asked] == ["Patient/1", "Patient/3"]
    assert store.decision_history(TRIAL, site=SITE, patients=[]) == []


def test_additions_tell_who_added_whom_and_when(store: Store) -> None:
    store.add_candidate(SITE, "Patient/1", trial=TRIAL, by="anna")
    store.add_candidate(SITE, "Patient/2", trial=TRIAL, by="bruno")
    found = store.additions(SITE, trial=TRIAL, patients=["Patient/2"])

    assert [(one.patient, one.added_by, one.added_at.tzinfo is not None) for one in found] == [
        ("Patient/2", "bruno", True)
    ]


def test_decision_of_an_earlier_release_has_no_note_and_nothing_seen(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        decide(store, "Patient/1", "contacted", note="x", seen="y")
        config = Config()
        config.set_main_option("script_location", "adapter.store:migrations")
        with store._state.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0005")
            columns = {column["name"] for column in inspect(connection).get_columns("decision")}
    with Store.open(tmp_path / "var") as store:
        kept = [(one.state, one.note, one.seen) for one in store.decision_history(TRIAL)]

    assert {"note", "seen"} & columns == set()
    assert kept == [("contacted", "", None)]
