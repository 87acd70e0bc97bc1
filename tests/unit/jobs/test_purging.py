"""Promises of purging: whom nobody could give again, and whoever somebody has named, is kept; who is away is told of, and comes back whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.errors import BusyError
from adapter.jobs import PurgeCounts, look_for_wanted, purge_site, signs_at
from adapter.jobs.forgetting import forget_person
from adapter.screening.funnel import persons_of
from adapter.screening.listing_finding import purged_named
from adapter.store import Origin, Store
from adapter.sync import FolderSource, PullSummary, pull
from adapter.sync.stored_patients import stored_patients
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier
from tests.support.changing_hospital import SERVER, Hospital, HospitalSource
from tests.support.simulated import SITE, TRIAL
from tests.support.subjects import subject
from tests.unit.store.making import everything, patient, write_folder

LATER = datetime.now(UTC) + timedelta(days=31)
TYPES = ["Condition", "Medication", "MedicationAdministration", "Observation", "Patient"]


def person(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "birthDate": "1960-01-01", **more}


def result(id_: str, of: str, value: int = 12) -> dict[str, Any]:
    coding = {"system": "http://loinc.org", "code": "718-7"}
    about = {"subject": {"reference": f"Patient/{of}"}, "valueQuantity": {"value": value}}
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"coding": [coding]}, **about}


def tumour(id_: str, of: str) -> dict[str, Any]:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "C17.2"}
    return {
        "resourceType": "Condition",
        "id": id_,
        "code": {"coding": [coding]},
        "subject": {"reference": f"Patient/{of}"},
    }


@pytest.fixture
def hospital() -> Hospital:
    """A candidate and two others."""
    made = Hospital(TYPES)
    made.put(person("ill"), tumour("c", "ill"), person("a"), result("a1", "a"), person("b"), result("b1", "b"))
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"trials": [TRIAL], "sites": {SITE: {"base_url": SERVER}}})


@pytest.fixture
def store(tmp_path: Path, hospital: Hospital, settings: Settings) -> Store:
    opened = Store.open(tmp_path / "var")
    assert read(opened, settings, hospital).exit_code == 0
    return opened


def read(store: Store, settings: Settings, hospital: Hospital, *, anew: bool = False, **more: Any) -> PullSummary:
    signs = signs_at(settings, SITE)
    return pull(store, HospitalSource(hospital, **more), site=SITE, full=anew, brings_back=anew, signs=signs)


def purged(store: Store, settings: Settings, **more: Any) -> PurgeCounts | None:
    return purge_site(store, settings, SITE, **{"now": LATER, "by": "me", "whole": True, **more})


def test_without_a_sign_all_of_them_goes_and_the_others_are_as_they_were(store: Store, settings: Settings) -> None:
    before = [row for row in everything(store, SITE) if row[1] in ("ill", "c")]

    assert purged(store, settings, dry_run=True) == PurgeCounts(2)
    assert purged(store, settings) == PurgeCounts(2, {"Observation": 2, "Patient": 2})
    assert everything(store, SITE) == before
    assert store.purged.patients(SITE) == {"Patient/a": "Patient/a", "Patient/b": "Patient/b"}
    assert persons_of(store, SITE) == 3
    [line] = store.audit_trail()
    assert (line.action, line.subject, line.detail) == ("purge", SITE, "2 persons, 4 versions")
    [run] = store.runs("purge", site=SITE)
    assert (run.state, json.loads(run.summary or "")["persons"]) == ("committed", 2)
    assert "Patient/" not in (run.summary or "")


def test_who_came_lately_stays(store: Store, settings: Settings) -> None:
    assert purged(store, settings, now=datetime.now(UTC) + timedelta(days=29)) == PurgeCounts()


def test_it_is_done_once_a_day(store: Store, settings: Settings, hospital: Hospital) -> None:
    assert purged(store, settings, now=datetime.now(UTC), whole=False) == PurgeCounts()
    assert purged(store, settings, now=datetime.now(UTC) + timedelta(hours=19), whole=False) is None
    assert purged(store, settings, now=datetime.now(UTC)) == PurgeCounts()


def test_clock_that_leapt_ahead_takes_nobody(store: Store, settings: Settings) -> None:
    leap = datetime.now(UTC) + timedelta(days=3650)
    days = [leap + timedelta(days=day) for day in range(10)]

    assert purged(store, settings, now=leap, whole=False) is None
    store.note_run(SITE, "pull", begun=leap, summary="{}")
    assert purged(store, settings, now=leap, whole=False) is None
    # A machine that was off for long goes on as one whose clock leapt: after some days.
    for day in days[1:]:
        store.note_run(SITE, "pull", begun=day, summary="{}")
    assert purged(store, settings, now=days[7], whole=False) is None
    assert purged(store, settings, now=days[9], whole=False) == PurgeCounts(2, {"Observation": 2, "Patient": 2})


def test_purging_goes_on_once_a_clock_that_was_ahead_is_right(store: Store, settings: Settings) -> None:
    store.note_run(SITE, "purge", begun=datetime.now(UTC) + timedelta(days=3650), summary="{}", complete=True)

    assert purged(store, settings, now=datetime.now(UTC), whole=False) == PurgeCounts()


@pytest.mark.parametrize(
    "change",
    [
        {"retention": {"non_candidates_days": 0}},
        {"sites": {SITE: {}}},
        {"sites": {}},
    ],
)
def test_nobody_goes_where_settings_keep_everybody_or_nobody_could_give_them_again(
    store: Store, settings: Settings, change: dict[str, Any]
) -> None:
    told = {"trials": [TRIAL], "sites": {SITE: {"base_url": SERVER}}, **change}

    assert purged(store, Settings.model_validate(told)) is None
    assert len(everything(store, SITE)) == 6


def _decide(store: Store) -> None:
    store.decide(SITE, "Patient/a", trial=TRIAL, state="to-review", reason="other", by="nurse")


def _add(store: Store) -> None:
    store.add_candidate(SITE, "Patient/a", trial=TRIAL, by="nurse")


def _key(store: Store) -> None:
    store.patient_key(SITE, "Patient/a")


def _put_aside(store: Store) -> None:
    with store.begin_run(SITE, "pull") as run:
        raw = b'{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/a"},"status":1}'
        store.quarantine(run, raw, origin=Origin("x", 1), reason="wrong", reference="Observation/x")
        store.flush_quarantine(run)
        run.commit([])


def _load(store: Store) -> None:
    loaded = msgspec.structs.replace(subject(), patient=Identifier(system=REFERENCE_SYSTEM, value="Patient/a"))
    store.entities.put_all(SITE, [loaded], source="file", by="me")


NAMING: list[Callable[[Store], None]] = [_decide, _add, _key, _put_aside, _load]


@pytest.mark.parametrize("name", NAMING)
def test_whoever_is_named_stays_and_is_wanted_back_where_it_was_after(
    store: Store, settings: Settings, hospital: Hospital, name: Callable[[Store], None], tmp_path: Path
) -> None:
    with Store.open(tmp_path / "other") as other:
        read(other, settings, hospital)
        name(other)
        found = purged(other, settings)
        assert found is not None
        assert found.persons == 1
    purged(store, settings)
    name(store)

    assert look_for_wanted(store, SITE, signs_at(settings, SITE))
    assert purged(store, settings) is None
    summary = read(store, settings, hospital, anew=True)
    assert (summary.exit_code, store.purged.patients(SITE)) == (0, {})
    assert len(everything(store, SITE)) == 6


def test_who_came_from_a_file_or_has_an_answer_of_ours_stays(store: Store, settings: Settings, tmp_path: Path) -> None:
    pull(store, FolderSource(write_folder(tmp_path / "in", {"Patient.ndjson": patient("a") + b"\n"})), site=SITE)
    found = purged(store, settings)

    assert found is not None
    assert store.purged.patients(SITE) == {"Patient/b": "Patient/b"}


def test_what_comes_of_them_without_a_sign_is_not_taken(store: Store, settings: Settings, hospital: Hospital) -> None:
    purged(store, settings)
    left = everything(store, SITE)
    hospital.put(result("a2", "a"))
    summary = read(store, settings, hospital)

    assert (summary.exit_code, summary.missing, everything(store, SITE)) == (0, [], left)
    # The last change before the bookmark comes once more.
    assert summary.notices == ["2 resources of people whose data were removed came and were not taken"]
    assert summary.types["Observation"].new == 0


def test_a_sign_is_told_of_until_the_site_was_read_whole(store: Store, settings: Settings, hospital: Hospital) -> None:
    purged(store, settings)
    hospital.put(tumour("a-tumour", "a"))
    summary = read(store, settings, hospital)

    assert summary.exit_code == 5
    [missing] = summary.missing
    assert missing.reason.startswith("1 persons have a sign since their data were removed")
    assert "Patient/a" not in summary.to_json()
    # A type that fails, and was read whole before, is one of which something may be missing.
    failed = read(store, settings, hospital, anew=True, failing=["Observation"])
    assert failed.exit_code == 75
    assert store.purged.tried(SITE) is not None
    assert store.purged.wanted(SITE).persons == 1
    assert {row[1] for row in everything(store, SITE)} == {"ill", "c"}
    back = read(store, settings, hospital, anew=True)
    assert back.exit_code == 0
    assert back.notices == ["2 persons whose data were removed were read again: the store has the whole site"]
    assert len(everything(store, SITE)) == 7


def infusion(of: str) -> dict[str, Any]:
    about = {"subject": {"reference": f"Patient/{of}"}, "medicationReference": {"reference": "Medication/m"}}
    return {"resourceType": "MedicationAdministration", "id": f"i-{of}", "status": "completed", **about}


def product(code: str) -> dict[str, Any]:
    coding = {"system": "http://www.whocc.no/atc", "code": code}
    return {"resourceType": "Medication", "id": "m", "code": {"coding": [coding]}}


@pytest.mark.parametrize("is_given_before", [True, False])
def test_a_product_that_turns_out_to_be_a_sign_has_them_all_read_again(
    store: Store, settings: Settings, hospital: Hospital, is_given_before: bool
) -> None:
    if is_given_before:
        hospital.put(product("N02BE01"), infusion("a"))
        read(store, settings, hospital)
    purged(store, settings)
    hospital.put(product("N02BE01"), infusion("a"))
    assert read(store, settings, hospital).exit_code == 0
    assert store.purged.references(SITE) == {("MedicationAdministration", "Medication/m")}
    hospital.put(product("V10XX04"))
    [missing] = read(store, settings, hospital).missing

    assert missing.reason.startswith("any of the 2 persons")
    assert read(store, settings, hospital, anew=True).exit_code == 0
    assert store.purged.references(SITE) == set()
    found = purged(store, settings)
    assert found is not None
    assert store.purged.patients(SITE) == {"Patient/b": "Patient/b"}


def test_who_is_merged_with_one_of_them_stays_as_they_were(
    store: Store, settings: Settings, hospital: Hospital
) -> None:
    purged(store, settings)
    before = everything(store, SITE)
    hospital.put(person("ill", link=[{"other": {"reference": "Patient/a"}, "type": "replaces"}]), result("i1", "ill"))
    hospital.put(person("new", link=[{"other": {"reference": "Patient/b"}, "type": "replaces"}]), tumour("n1", "new"))
    assert read(store, settings, hospital).exit_code == 5
    assert (everything(store, SITE), store.lake.merges(SITE)) == (before, {})
    hospital.put(result("i2", "ill", 6), tumour("n2", "new"))
    assert read(store, settings, hospital).exit_code == 5
    assert everything(store, SITE) == before
    read(store, settings, hospital, anew=True)
    assert store.lake.merges(SITE) == {"Patient/a": "Patient/ill", "Patient/b": "Patient/new"}
    assert len(everything(store, SITE)) == 6 + 6


def test_what_was_anothers_and_becomes_theirs_is_not_left_with_the_other(
    store: Store, settings: Settings, hospital: Hospital
) -> None:
    hospital.put(result("i1", "ill", 6))
    read(store, settings, hospital)
    purged(store, settings)
    hospital.put(result("i1", "a", 6))
    assert read(store, settings, hospital).types["Observation"].deleted == 1
    assert [len(one.resources) for one in store.lake.records(SITE)] == [2]
    hospital.put(result("i1", "ill", 6))
    read(store, settings, hospital)
    assert [len(one.resources) for one in store.lake.records(SITE)] == [3]


@pytest.mark.parametrize("link", [("b", "replaces", "ill"), ("ill", "replaces", "b")])
def test_whom_a_link_of_another_record_names_stays(
    store: Store, settings: Settings, hospital: Hospital, link: tuple[str, str, str]
) -> None:
    # Of two that replace one the smaller id holds: the other is a person of its own, whose record names them all the same.
    one, kind, other = link
    hospital.put(person("0", link=[{"other": {"reference": f"Patient/{other}"}, "type": kind}]))
    hospital.put(person(one, link=[{"other": {"reference": f"Patient/{other}"}, "type": kind}]))
    read(store, settings, hospital)
    purged(store, settings)

    assert not {"Patient/b", "Patient/ill", "Patient/0"} & store.purged.patients(SITE).keys()


def test_what_was_somebody_elses_before_keeps_both(store: Store, settings: Settings, hospital: Hospital) -> None:
    hospital.put(result("i1", "ill", 6))
    read(store, settings, hospital)
    hospital.put(result("i1", "a", 7))
    read(store, settings, hospital)
    purged(store, settings)

    assert store.purged.patients(SITE) == {"Patient/b": "Patient/b"}


def test_a_folder_with_a_sign_wants_them_back_and_does_not_bring_them(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    purged(store, settings)
    folder = write_folder(tmp_path / "in", {"Condition.ndjson": json.dumps(tumour("t", "a")).encode() + b"\n"})
    summary = pull(store, FolderSource(folder), site=SITE, full=True, brings_back=True, signs=signs_at(settings, SITE))

    assert (summary.exit_code, store.purged.wanted(SITE).persons) == (5, 1)
    assert store.purged.patients(SITE).keys() == {"Patient/a", "Patient/b"}


def test_without_knowing_the_signs_whatever_comes_is_one(store: Store, settings: Settings, hospital: Hospital) -> None:
    purged(store, settings)
    hospital.put(result("a2", "a"))

    assert pull(store, HospitalSource(hospital), site=SITE).exit_code == 5


def test_they_are_asked_for_by_patient_as_before(store: Store, settings: Settings) -> None:
    before = stored_patients(store, SITE, TYPES)
    purged(store, settings)

    assert stored_patients(store, SITE, TYPES) == before


def test_who_is_forgotten_is_on_no_list_of_who_was_purged(store: Store, settings: Settings, hospital: Hospital) -> None:
    purged(store, settings)
    forget_person(store, SITE, "Patient/a", trials=[load_trial(TRIAL)], reason="erasure", by="dpo")
    hospital.put(tumour("t", "a"))

    assert store.purged.patients(SITE).keys() == {"Patient/b"}
    assert read(store, settings, hospital).exit_code == 0


def test_nobody_is_wanted_back_where_all_who_were_purged_were_forgotten(store: Store, settings: Settings) -> None:
    purged(store, settings)
    store.purged.want_all(SITE)
    for one in ("Patient/a", "Patient/b"):
        forget_person(store, SITE, one, trials=[load_trial(TRIAL)], reason="erasure", by="dpo")

    assert (store.purged.signs(SITE), store.purged.references(SITE)) == (None, set())


def test_site_is_held_meanwhile(store: Store, settings: Settings) -> None:
    with store.begin_run(SITE, "pull"), pytest.raises(BusyError):
        purged(store, settings)


def test_it_is_done_whole_or_not_at_all(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store, SITE)

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in ("adapter.store.purging.keep_signs", "adapter.store.runs.Run.commit", "adapter.store.purging.lighten"):
        with monkeypatch.context() as patched:
            patched.setattr(place, broken)
            with pytest.raises(KeyboardInterrupt):
                purged(store, settings)
        assert everything(store, SITE) == before
        assert (store.purged.patients(SITE), store.purged.signs(SITE), store.audit_trail()) == ({}, None, [])
    found = purged(store, settings)
    assert found is not None
    assert found.persons == 2


def test_a_reader_under_way_still_has_its_files_for_a_while(store: Store, settings: Settings) -> None:
    files = store.lake.index_files(SITE)
    purged(store, settings)

    assert all(Path(file).is_file() for file in files)
    assert set(files) != set(store.lake.index_files(SITE))


def test_who_is_decided_on_between_found_and_removed_keeps_their_data(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, found = everything(store, SITE), store.purgeable

    def decided_on(*told: Any, **more: Any) -> Any:
        people = found(*told, **more)
        store.add_candidate(SITE, "Patient/a", trial=TRIAL, by="me")
        return people

    monkeypatch.setattr(store, "purgeable", decided_on)
    with pytest.raises(BusyError, match="somebody was decided on"):
        purged(store, settings)
    monkeypatch.undo()

    assert everything(store, SITE) == before
    assert purged(store, settings) == PurgeCounts(1, {"Observation": 1, "Patient": 1})


def test_who_was_purged_is_found_by_the_hospitals_numbers_of_which_none_is_kept(
    store: Store, settings: Settings, hospital: Hospital
) -> None:
    hospital.put(person("n", identifier=[{"system": "urn:ipp", "value": "80 04 X"}]))
    read(store, settings, hospital)
    purged(store, settings)
    hospital.put(person("n", identifier=[{"system": "urn:ipp", "value": "80 04 X"}, {"value": "new-7"}]))
    read(store, settings, hospital)

    for text in ("8004x", "80 04 X", "NEW-7", "n", "Patient/n"):
        assert [one.patient for one in purged_named(store, SITE, text)] == ["Patient/n"]
    assert purged_named(store, SITE, "8004") == purged_named(store, SITE, "ill") == []
    assert b"8004x" not in (store.folder / "state.sqlite").read_bytes().lower()
    forget_person(store, SITE, "Patient/n", trials=[load_trial(TRIAL)], reason="erasure", by="me")
    assert purged_named(store, SITE, "8004x") == []
