"""Promises of decisions on other records of a person: who declined under an id of an earlier system is not asked again unawares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapter.accounts import Viewer
from adapter.config import Settings, SiteSettings
from adapter.documents import load_trial
from adapter.screening import Asked, screen
from adapter.screening.same_number import decided_elsewhere
from adapter.service import create_app
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.changed_records import delete_records
from tests.support.cli import reluth
from tests.support.clinic import ON, condition, patient, write_feed
from tests.support.people import HOME

SITE, TRIAL, IPP = "clinic", "nct04954820", "urn:oid:1.2.250.1.999.1"
OLD, NEW = "Patient/old", "Patient/new"


class Hospital:
    """A store that a hospital's feeds go into."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._feeds = 0

    def pull(self, *resources: dict[str, Any]) -> None:
        self._feeds += 1
        pull(self.store, FolderSource(write_feed(self._folder / f"feed-{self._feeds}", resources)), site=SITE)

    def has(self, who: str, *numbers: dict[str, Any] | str, **more: Any) -> None:
        told = [{"system": IPP, "value": one} if isinstance(one, str) else one for one in numbers]
        self.pull(patient(who, identifier=told, **more), condition(f"c-{who}", who, "C17.2"))

    def decide(self, who: str, state: str = "declined") -> None:
        self.store.decide(SITE, f"Patient/{who}", trial=TRIAL, state=state, reason="patient-declined", by="nurse")

    def elsewhere(self, who: str = "new", *, system: str | None = IPP) -> list[tuple[str, str, bool]]:
        merges = self.store.lake.merges(SITE)
        people = [f"Patient/{who}", *(old for old, new in merges.items() if new == f"Patient/{who}")]
        found = decided_elsewhere(self.store, load_trial(TRIAL), SITE, people, system=system)
        return [(one.patient, one.decision.state, one.is_deleted) for one in found]


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with Store.open(tmp_path / "var") as store:
        yield Hospital(store, tmp_path)


@pytest.mark.parametrize("deleted", [False, True])
def test_decision_on_a_record_of_the_same_number_is_told(hospital: Hospital, deleted: bool) -> None:
    hospital.has("old", "00 41")
    hospital.decide("old")
    if deleted:
        delete_records(hospital.store, SITE, ("Patient", "old"), ("Condition", "c-old"))
    hospital.has("new", {"system": IPP, "value": "0041", "use": "old"}, "77")

    assert hospital.elsewhere() == [(OLD, "declined", deleted)]


@pytest.mark.parametrize(
    ("old", "system", "told"),
    [
        ("42", IPP, False),
        ({"system": "urn:other", "value": "41"}, IPP, False),
        ({"system": "urn:other", "value": "41"}, None, False),
        ({"value": "41"}, None, False),
        ("41", None, True),
        ("41", "urn:other", False),
        ({"system": IPP}, None, False),
    ],
)
def test_only_a_number_of_the_same_system_makes_two_records_one(
    hospital: Hospital, old: Any, system: str | None, told: bool
) -> None:
    hospital.has("old", old)
    hospital.decide("old")
    hospital.has("new", "41", {"value": "41"}, {"system": IPP})

    assert bool(hospital.elsewhere(system=system)) is told


def test_what_a_link_ties_to_the_person_is_their_own(hospital: Hospital) -> None:
    hospital.has("old", "41", link=[{"other": {"reference": NEW}, "type": "replaced-by"}])
    hospital.decide("old")
    hospital.has("new", "41")

    assert hospital.elsewhere() == []


def test_number_of_a_merged_record_counts_for_the_one_that_was_decided_on(hospital: Hospital) -> None:
    hospital.has("older", "41", link=[{"other": {"reference": OLD}, "type": "replaced-by"}])
    hospital.has("old", "55")
    hospital.decide("older", "contacted")
    hospital.decide("old")
    hospital.has("new", "41")

    assert hospital.elsewhere() == [(OLD, "declined", False)]


def test_record_without_a_decision_or_a_number_tells_nothing(hospital: Hospital) -> None:
    hospital.has("old", "41")
    hospital.has("new", "41")
    assert hospital.elsewhere() == []
    hospital.decide("old")
    hospital.pull(patient("new", meta={"versionId": "9"}))
    assert hospital.elsewhere() == []


@pytest.mark.parametrize("deleted", [False, True])
def test_patient_page_api_and_why_tell_it(hospital: Hospital, tmp_path: Path, deleted: bool) -> None:
    hospital.has("old", "41")
    hospital.has("new", "41")
    list(screen(hospital.store, load_trial(TRIAL), Site.plain(SITE), Asked(today=date.fromisoformat(ON))))
    hospital.decide("old")
    if deleted:
        delete_records(hospital.store, SITE, ("Patient", "old"), ("Condition", "c-old"))
    key, other = (hospital.store.patient_key(SITE, one) for one in (NEW, OLD))
    settings = Settings.model_validate(
        {"store": {"path": tmp_path / "var"}, "sites": {SITE: SiteSettings(identifier_system=IPP)}}
    )
    app = create_app(settings, token="t")
    app.state.access.viewer = lambda _session: Viewer.of_this_machine("nurse")
    with TestClient(app, base_url=HOME, headers={"Accept-Language": "en"}) as client:
        client.cookies.set(app.state.access.cookie, "a-session-of-the-tests")
        page, sheet = client.get(f"/patients/{key}").text, client.get(f"/patients/{key}/print").text
        (told,) = client.get(f"/api/patients/{key}").json()["decided_elsewhere"]
        there = client.get(f"/patients/{other}").status_code
    ran, spoken = (reluth("--store", tmp_path / "var", "why", "clinic/new", *more) for more in (["--json"], []))

    said = "A record that the hospital has deleted had the same number" if deleted else "has the same number at the"
    assert said in page and said in sheet
    assert f'href="/patients/{other}"' in page
    assert (told["key"], told["state"], told["record"]) == (other, "declined", "deleted" if deleted else "active")
    assert there == 200
    assert [(one["patient"], one["state"]) for one in ran.object["decided_elsewhere"]] == [(OLD, "declined")]
    assert ran.object["decision"] is None
    assert "On clinic/old, which ha" in spoken.out and "declined" in spoken.out
