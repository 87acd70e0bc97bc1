"""Promises of the lake: bytes, versions, people, codes."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from adapter.errors import UsageError
from adapter.fhir import summarise
from adapter.store import Origin, Store, Tombstone, TypeCounts
from adapter.store import lake as lake_module
from adapter.store import writer as writer_module
from adapter.store.segments import bucket_of
from tests.unit.store.making import LOINC, everything, fill, line, live, observation, patient, with_codes

ODD = (
    b'{"resourceType":"Observation","id":"o1", "subject":{"reference":"Patient/1"},"valueQuantity":{"value":1.10}, '
    b'"note":[{"text":"\\u00e9 \xc3\xa9\xe2\x80\xa8 \\/"}]}'
)


def test_records_are_the_bytes_that_came(store: Store) -> None:
    fill(store, [patient("1"), ODD])

    assert live(store) == {"Patient/1": [ODD, patient("1")]}


def test_lake_counts_new_changed_and_unchanged(store: Store) -> None:
    first = fill(store, [observation("a", "1", version=1), observation("b", "1", version=1)])
    second = fill(store, [observation("a", "1", version=1), observation("b", "1", version=2), observation("c", "1")])

    assert first == {"Observation": TypeCounts(read=2, new=2, changed=0)}
    assert second == {"Observation": TypeCounts(read=3, new=1, changed=1)}
    assert store.lake.stats() == {"sites": {"icm": {"Observation": {"live": 3, "versions": 4}}}}


def test_lake_counts_two_versions_of_a_new_id_as_new_and_changed(store: Store) -> None:
    counts = fill(store, [observation("a", "1", version=2), observation("a", "1", version=1)])

    assert counts == {"Observation": TypeCounts(read=2, new=1, changed=1)}
    assert live(store) == {"Patient/1": [observation("a", "1", version=2)]}


def test_lake_takes_a_line_once_however_often_it_comes(store: Store) -> None:
    lines = [observation("a", "1", version=1)] * 3

    assert fill(store, lines) == {"Observation": TypeCounts(read=3, new=1, changed=0)}
    assert fill(store, lines) == {"Observation": TypeCounts(read=3, new=0, changed=0)}
    assert len(everything(store)) == 1


def test_lake_keeps_no_file_of_a_run_that_adds_nothing(store: Store) -> None:
    fill(store, [patient("1"), observation("a", "1")])
    before = sorted(store.folder.glob("*/icm/*/*"))
    fill(store, [patient("1"), observation("a", "1")])

    assert sorted(store.folder.glob("*/icm/*/*")) == before


def _versions(*metas: dict[str, Any]) -> list[bytes]:
    return [observation("a", "1", valueInteger=place, **meta) for place, meta in enumerate(metas)]


EARLY, LATE = "2025-01-01T10:00:00+01:00", "2025-01-01T09:30:00Z"


@pytest.mark.parametrize(
    ("metas", "current"),
    [
        pytest.param([{"version": "10"}, {"version": "9"}], 0, id="higher-number-not-later-text"),
        pytest.param([{"version": "2", "updated": EARLY}, {"version": "1", "updated": LATE}], 0, id="version-first"),
        pytest.param([{"version": "1", "updated": LATE}, {"version": "1", "updated": EARLY}], 0, id="tie-then-time"),
        pytest.param([{"updated": LATE}, {"updated": EARLY}], 0, id="later-instant-not-later-text"),
        pytest.param([{"version": "b", "updated": LATE}, {"version": "c", "updated": EARLY}], 0, id="not-a-number"),
        pytest.param([{"version": "7", "updated": EARLY}, {"version": "c", "updated": LATE}], 1, id="one-no-number"),
        pytest.param([{}, {}], 1, id="nothing-said-the-last-one"),
        pytest.param([{"updated": LATE}, {}], 1, id="one-without-time-the-last-one"),
        pytest.param([{"updated": "yesterday"}, {"updated": "tomorrow"}], 1, id="no-times-the-last-one"),
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_current_version_follows_version_then_time_then_arrival(
    store: Store, metas: list[dict[str, Any]], current: int, runs: int
) -> None:
    lines = _versions(*metas)
    for part in [lines] if runs == 1 else [[each] for each in lines]:
        fill(store, part)

    assert live(store) == {"Patient/1": [lines[current]]}
    assert len(everything(store)) == len(lines)


def test_current_version_is_the_old_content_when_it_came_back(store: Store) -> None:
    old, new = _versions({}, {})
    for each in (old, new, old):
        fill(store, [each])

    assert live(store) == {"Patient/1": [old]}


def test_current_version_is_the_last_line_of_the_last_run(store: Store) -> None:
    old, new, other = _versions({}, {}, {})
    fill(store, [old])
    fill(store, [other, old])

    assert live(store) == {"Patient/1": [old]}
    fill(store, [new])
    assert live(store) == {"Patient/1": [new]}


def test_replay_of_versions_without_numbers_adds_nothing(store: Store) -> None:
    lines = _versions({}, {}, {})
    fill(store, lines)

    assert fill(store, lines) == {"Observation": TypeCounts(read=3, new=0, changed=0)}
    assert live(store) == {"Patient/1": [lines[-1]]}


def test_resource_that_moved_to_another_patient_leaves_the_first(store: Store) -> None:
    fill(store, [patient("1"), patient("2"), observation("a", "1", version=1)])
    fill(store, [observation("a", "2", version=2)])

    assert live(store) == {
        "Patient/1": [patient("1")],
        "Patient/2": [observation("a", "2", version=2), patient("2")],
    }
    assert with_codes(store, "icm", codes=[f"{LOINC}|718-7"]) == {"Patient/2"}


def test_deleted_resource_is_not_live_until_it_comes_back(store: Store) -> None:
    fill(store, [patient("1"), observation("a", "1", version=1)])
    with store.begin_run("icm", "pull") as run:
        store.lake.writer(run).commit(deleted=[Tombstone("Observation", "a", run.last_seq)])

    assert live(store) == {"Patient/1": [patient("1")]}
    assert store.lake.stats()["sites"]["icm"]["Observation"] == {"live": 0, "versions": 1}
    assert fill(store, [observation("a", "1", version=1)])["Observation"] == TypeCounts(1, 1, 0)
    assert live(store) == {"Patient/1": [observation("a", "1", version=1), patient("1")]}


def test_what_was_deleted_does_not_outrank_what_came_later(store: Store) -> None:
    fill(store, [observation("a", "1", version=9)])
    with store.begin_run("icm", "pull") as run:
        store.lake.writer(run).commit(deleted=[Tombstone("Observation", "a", run.last_seq)])
    fill(store, [observation("a", "1", version=1)])

    assert live(store) == {"Patient/1": [observation("a", "1", version=1)]}


def test_uncommitted_run_is_not_seen_and_is_cleared_away_by_the_next(store: Store) -> None:
    with store.begin_run("icm", "pull") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(patient("1")), patient("1"), Origin("x"))
        writer._flush("Patient")
    assert list(store.folder.glob("lake/icm/Patient/*"))
    assert store.lake.sites() == []
    assert list(store.lake.records("icm")) == []

    fill(store, [patient("2")])

    assert live(store) == {"Patient/2": [patient("2")]}
    assert len(list(store.folder.glob("lake/icm/Patient/*"))) == 1


def test_records_bring_merged_people_together(store: Store) -> None:
    fill(
        store,
        [
            patient("1", links=[("replaced-by", "2")], active=False),
            patient("2"),
            patient("3", links=[("replaces", "2")]),
            patient("4"),
            *(observation(f"o{number}", str(number)) for number in (1, 2, 3, 4)),
        ],
    )

    assert store.lake.merges("icm") == {"Patient/1": "Patient/3", "Patient/2": "Patient/3"}
    assert list(store.lake.patients("icm")) == ["Patient/1", "Patient/2", "Patient/3", "Patient/4"]
    found = {person.patient: person for person in store.lake.records("icm")}
    assert set(found) == {"Patient/3", "Patient/4"}
    assert found["Patient/3"].merged == ("Patient/1", "Patient/2")
    assert len(found["Patient/3"].resources) == 6
    assert list(store.lake.records("icm", ["Patient/1"])) == [found["Patient/3"]]
    assert list(store.lake.records("icm", ["Patient/4", "Patient/none"])) == [found["Patient/4"]]


def test_merged_person_in_the_bucket_of_the_survivor_is_found_by_name(store: Store) -> None:
    old = next(str(n) for n in range(1, 10_000) if bucket_of(f"Patient/{n}") == bucket_of("Patient/0"))
    fill(store, [patient(old, links=[("replaced-by", "0")]), patient("0"), observation("a", old)])

    (found,) = store.lake.records("icm", ["Patient/0"])
    assert len(found.resources) == 3


def test_merge_that_was_undone_no_longer_holds(store: Store) -> None:
    fill(store, [patient("1", links=[("replaced-by", "2")], version=1), patient("2", version=1)])
    fill(store, [patient("1", version=2)])

    assert store.lake.merges("icm") == {}
    assert set(live(store)) == {"Patient/1", "Patient/2"}


def test_person_without_patient_resource_exists(store: Store) -> None:
    fill(store, [observation("a", "7"), line("Medication", "m")])

    assert list(store.lake.patients("icm")) == ["Patient/7"]
    assert live(store) == {"Patient/7": [observation("a", "7")]}


def test_records_are_the_same_in_many_passes_as_in_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [patient(str(n), links=[("replaced-by", str(n + 1))] if n % 10 == 0 else ()) for n in range(100)]
    lines += [observation(f"o{n}", str(n % 100)) for n in range(300)]
    fill(store, lines)
    in_one = sorted(store.lake.records("icm"), key=lambda person: person.patient)
    monkeypatch.setattr(lake_module, "_PASS_BYTES", 500)
    in_many = sorted(store.lake.records("icm"), key=lambda person: person.patient)

    assert len(store.lake._passes("icm", None)) > 50
    assert in_many == in_one
    assert sum(len(person.resources) for person in in_one) == 400
    some = [f"Patient/{n}" for n in range(0, 100, 7)]
    expected = {store.lake.merges("icm").get(name, name) for name in some}
    assert {person.patient for person in store.lake.records("icm", some)} == expected


def test_lake_of_many_small_segments_is_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [observation(f"o{n}", str(n % 20), version=n // 50) for n in range(200)]
    lines += [observation(f"o{n}", str(n % 20), version=n % 5) for n in range(0, 200, 3)]
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 17)
    monkeypatch.setattr(writer_module, "_ALL_BATCHES_BYTES", 2_000)
    fill(store, lines)

    assert len(store.lake.index_files("icm")) > 10
    assert everything(store) == sorted({("Observation", summarise(raw).id, raw) for raw in lines})


def test_shared_resources_are_the_current_bytes(store: Store) -> None:
    fill(store, [line("Medication", "m1", version=1), line("Medication", "m2"), line("ResearchStudy", "m1")])
    fill(store, [line("Medication", "m1", version=2), observation("a", "1")])

    found = store.lake.shared("icm", ["Medication/m1", "ResearchStudy/m1", "Medication/none", "Observation/a"])

    assert found == {
        "Medication/m1": line("Medication", "m1", version=2),
        "ResearchStudy/m1": line("ResearchStudy", "m1"),
    }
    assert store.lake.shared("icm", []) == {}
    assert store.lake.shared("elsewhere", ["Medication/m1"]) == {}


def test_whom_a_resource_is_about_is_told_by_its_current_version(store: Store) -> None:
    fill(store, [observation("a", "1", version=1), observation("b", "1"), line("Medication", "m1")])
    fill(store, [observation("a", "2", version=2)])

    wanted = ["Observation/a", "Observation/none", "Medication/m1", "Patient/1"]
    assert store.lake.patients_of("icm", wanted) == {"Observation/a": "Patient/2"}
    assert store.lake.patients_of("icm", []) == {}
    assert store.lake.patients_of("elsewhere", wanted) == {}


ICD = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"


def _condition(id_: str, of: str, code: str, **more: Any) -> bytes:
    concept = {"coding": [{"system": ICD, "code": code, "display": "Tumeur"}]}
    return line("Condition", id_, code=concept, subject={"reference": f"Patient/{of}"}, **more)


def test_with_codes_finds_prefixes_without_dots_and_case(store: Store) -> None:
    fill(store, [_condition("a", "1", "C17.2"), _condition("b", "2", "c172"), _condition("c", "3", "C18.0")])

    assert with_codes(store, "icm", prefixes=[f"{ICD}|C17"]) == {"Patient/1", "Patient/2"}
    assert with_codes(store, "icm", prefixes=[f"{ICD}|C17.2"]) == {"Patient/1", "Patient/2"}
    assert with_codes(store, "icm", codes=[f"{ICD}|C17.2"]) == {"Patient/1"}
    assert with_codes(store, "icm", codes=["http://other|C17.2"]) == set()
    assert with_codes(store, "icm") == set()


@pytest.mark.parametrize("code", [" C17.2 ", "\u00a0C17.2", "C17.+2"])
def test_with_codes_reads_past_what_verdicts_read_past(store: Store, code: str) -> None:
    fill(store, [_condition("a", "1", code), _condition("b", "2", " 8240/3 ")])

    assert with_codes(store, "icm", prefixes=[f"{ICD}|C17.2"]) == {"Patient/1"}
    assert with_codes(store, "icm", codes=[f"{ICD}|8240/3"]) == {"Patient/2"}


def test_with_codes_finds_texts_without_case(store: Store) -> None:
    local = {"coding": [{"system": "urn:local", "code": "L1"}], "text": "Cure de LUTATHERA n°2"}
    fill(
        store,
        [
            line("Procedure", "a", code=local, subject={"reference": "Patient/1"}),
            _condition("b", "2", "C50"),
        ],
    )

    assert with_codes(store, "icm", text_pattern="luta(thera|cera)|oxodotr") == {"Patient/1"}
    assert with_codes(store, "icm", text_pattern="TUMEUR", types=["Procedure"]) == set()
    assert with_codes(store, "icm", text_pattern="TUMEUR", types=["Condition"]) == {"Patient/2"}


@pytest.mark.parametrize(("length", "found"), [(10_000, set()), (10_001, {"Patient/1"})])
def test_text_that_is_too_long_for_the_index_may_hold_any_word(store: Store, length: int, found: set[str]) -> None:
    told = "x" * length
    fill(store, [line("Observation", "a", note=[{"text": told}], subject={"reference": "Patient/1"})])

    assert with_codes(store, "icm", text_pattern="lutathera") == found
    index = pq.read_table(store.lake.index_files("icm")[0], partitioning=None)
    assert index.column("texts").nbytes < 20_000


def test_with_codes_follows_references_to_shared_resources(store: Store) -> None:
    lutathera = {"coding": [{"system": ATC, "code": "V10XX04"}], "text": "Lutathera"}
    given: dict[str, Any] = {"status": "completed", "medicationReference": {"reference": "Medication/lot1"}}
    fill(
        store,
        [
            line("Medication", "lot1", code=lutathera),
            line("MedicationAdministration", "a", subject={"reference": "Patient/1"}, **given),
            line("MedicationRequest", "b", subject={"reference": "Patient/2"}, **given),
            line("MedicationAdministration", "c", subject={"reference": "Patient/3"}, status="completed"),
        ],
    )

    code = f"{ATC}|V10XX04"
    assert with_codes(store, "icm", codes=[code]) == {"Patient/1", "Patient/2"}
    only = with_codes(store, "icm", codes=[code], text_pattern="lutathera", types=["MedicationAdministration"])
    assert only == {"Patient/1"}


def test_with_codes_ignores_what_is_no_longer_current(store: Store) -> None:
    fill(store, [_condition("a", "1", "C17", version=1)])
    fill(store, [_condition("a", "1", "C50", version=2)])

    assert with_codes(store, "icm", prefixes=[f"{ICD}|C17"]) == set()


def test_sites_do_not_see_each_other(store: Store) -> None:
    fill(store, [patient("1"), observation("a", "1")], site="icm")
    fill(store, [patient("1")], site="igr")

    assert store.lake.sites() == ["icm", "igr"]
    assert live(store, "igr") == {"Patient/1": [patient("1")]}
    assert store.lake.merges("igr") == {}
    assert list(store.lake.patients("nowhere")) == []


def test_store_is_for_its_owner_only(tmp_path: Path) -> None:
    with Store.open(tmp_path / "above" / "var") as store:
        fill(store, [patient("1")])
        with store.begin_run("icm", "pull") as run:
            store.quarantine(run, b"x", origin=Origin("f", 1), reason="not JSON")
        modes = {
            path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "above").rglob("*")
        }

    folders = {path for path, mode in modes.items() if (tmp_path / path).is_dir() or mode == 0o700}
    assert {modes[path] for path in folders} == {0o700}
    assert {mode for path, mode in modes.items() if path.suffix in {".parquet", ".sqlite"}} == {0o600}


def test_site_name_cannot_leave_the_store(store: Store) -> None:
    for name in ("../x", "", "a/b", ".hidden", "é"):
        with pytest.raises(UsageError):
            store.begin_run(name, "pull")


def test_writer_holds_little_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_BATCH_BYTES", 50_000)
    monkeypatch.setattr(writer_module, "_ALL_BATCHES_BYTES", 80_000)
    most = 0
    with store.begin_run("icm", "pull") as run:
        writer = store.lake.writer(run)
        for number in range(1_000):
            make = observation if number % 2 else _condition
            raw = make(f"r{number}", "1", code="C17", note=[{"text": "x" * 500}])
            writer.add(summarise(raw), raw, Origin("f", number))
            most = max(most, writer._waiting_bytes)
        writer.commit()

    assert most <= 80_000 + 2_000
    assert store.lake.stats()["sites"]["icm"] == {
        "Condition": {"live": 500, "versions": 500},
        "Observation": {"live": 500, "versions": 500},
    }
