"""Promises of a record with newer resources over it: newest wins, nobody else's counts, a part is never the whole."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Trial
from adapter.screening import Asked, screen
from adapter.screening.fresh import read_fresh
from adapter.screening.live import takes_part, verdict_of
from adapter.screening.live_records import LiveRecords
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Completeness, Site
from tests.support.clinic import condition, patient, write_feed

IDS = ("Patient/1", "Patient/0")
DAY = date(2025, 6, 1)
Json = dict[str, Any]


def flag(identity: str = "f", of: str = "1", *, version: str | None = None, at: str | None = None, **more: Any) -> Json:
    meta = {name: value for name, value in (("versionId", version), ("lastUpdated", at)) if value is not None}
    told = {"resourceType": "Flag", "id": identity, "subject": {"reference": f"Patient/{of}"}, **more}
    return told | ({"meta": meta} if meta else {})


def raw(told: Json) -> bytes:
    return json.dumps(told).encode()


def news(*given: Json, stored: Json | None = None) -> list[Json]:
    known = None if stored is None else {f"{stored['resourceType']}/{stored['id']}": raw(stored)}
    return [json.loads(one.raw) for one in read_fresh([raw(one) for one in given], ids=IDS, stored=known)[0]]


EARLY, LATE = "2025-05-01T08:00:00Z", "2025-05-01T10:30:00+02:00"


@pytest.mark.parametrize(
    ("stored", "given", "is_news"),
    [
        (flag(), flag(), False),
        (flag(), flag(status="active"), True),
        (flag(version="1"), flag(version="2", status="active"), True),
        (flag(version="2"), flag(version="1", status="active"), False),
        (flag(version="9"), flag(version="10"), True),
        (flag(at=EARLY), flag(at=LATE, status="active"), True),
        (flag(at=LATE), flag(at=EARLY, status="active"), False),
        (flag(version="1", at=EARLY), flag(version="1", at="2025-05-01T10:00:00+02:00"), False),
        # As the store tells it: a number before a time.
        (flag(version="2", at=EARLY), flag(version="1", at=LATE, status="active"), False),
        (flag(version="1", at=LATE), flag(version="2", at=EARLY, status="active"), True),
        (flag(version="a"), flag(version="b"), False),
        (flag(version="a"), flag(version="b", status="active"), True),
    ],
)
def test_resource_is_news_where_it_is_newer_or_says_something_else(stored: Json, given: Json, is_news: bool) -> None:
    assert news(given, stored=stored) == ([given] if is_news else [])


def test_resource_of_somebody_else_is_left_out() -> None:
    assert news(flag(of="2"), {"resourceType": "Patient", "id": "2"}, {"resourceType": "Flag", "id": "x"}) == []
    assert len(news(flag(of="1"), flag("g", of="0"), {"resourceType": "Patient", "id": "0"})) == 3


def test_resource_that_came_twice_counts_as_its_newest() -> None:
    new, old = flag(version="2"), flag(version="1")

    assert news(new, old) == news(old, new) == [new]


def test_resource_that_cannot_be_read_is_told_of_where_it_is_theirs() -> None:
    broken = b'{"resourceType": "Observation", "id": "a b", "subject": {"reference": "Patient/%b"}}'

    assert read_fresh([broken % b"1"], ids=IDS) == ([], [broken % b"1"])
    assert read_fresh([broken % b"2", b"\xff", b"[]", b"{"], ids=IDS) == ([], [])


@pytest.fixture
def records(store: Store) -> LiveRecords:
    return LiveRecords(store, clock=lambda: 0.0)


def test_person_is_read_once_as_long_as_nothing_is_pulled(store: Store, tmp_path: Path) -> None:
    at = 0.0
    records = LiveRecords(store, clock=lambda: at)
    before = records.person("clinic", ("Patient/new",))
    assert before.stored is None
    pull(store, FolderSource(write_feed(tmp_path / "more", [patient("new")])), site="clinic")
    assert records.person("clinic", ("Patient/new",)) is before

    at = 5.0
    after = records.person("clinic", ("Patient/new",))
    assert after.stored is not None
    assert records.person("clinic", ("Patient/new",)) is after


def test_people_asked_for_at_once_are_each_given_their_own(store: Store, tmp_path: Path) -> None:
    told = [one for name in "abcdefgh" for one in (patient(name), condition(f"c-{name}", name, "C17.2"))]
    pull(store, FolderSource(write_feed(tmp_path / "more", told)), site="clinic")
    records = LiveRecords(store)
    asked = [*"abcdefgh", "nobody"] * 2
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: records.person("clinic", (f"Patient/{name}",)), asked))

    for name, person in zip(asked, found, strict=True):
        assert person.patient == f"Patient/{name}"
        stored = None if name == "nobody" else {f"Patient/{name}", f"Condition/c-{name}"}
        assert (None if person.stored is None else set(person.stored)) == stored


@pytest.fixture
def listed(store: Store, trial: Trial, tmp_path: Path) -> Store:
    """A store of which five people are on the list."""
    told = [one for name in "abcde" for one in (patient(name), condition(f"c-{name}", name, "C17.2"))]
    pull(store, FolderSource(write_feed(tmp_path / "more", told)), site="ward")
    assert len(list(screen(store, trial, Site.plain("ward"), Asked(today=DAY)))) == 5
    return store


def at_hand(records: LiveRecords) -> str:
    return "".join(name for name in "abcde" if records.at_hand("ward", (f"Patient/{name}",)) is not None)


def test_people_on_the_list_are_read_along_once_it_is_known_how_large_a_record_is(listed: Store) -> None:
    records = LiveRecords(listed, clock=lambda: 0.0)
    seen = []
    for name in "ab":
        records.person("ward", (f"Patient/{name}",))
        seen.append(at_hand(records))

    assert seen == ["a", "abcde"]
    for name in "abcde":
        person = records.at_hand("ward", (f"Patient/{name}",))
        assert person is not None
        assert person.stored is not None
        assert set(person.stored) == {f"Patient/{name}", f"Condition/c-{name}"}


def test_few_are_read_along_at_a_time(listed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.screening.live_records._MOST_AHEAD", 1)
    records = LiveRecords(listed, clock=lambda: 0.0)
    seen = []
    for name in "abe":
        records.person("ward", (f"Patient/{name}",))
        seen.append(len(at_hand(records)))

    assert seen == [1, 3, 5]


def test_no_more_are_read_along_than_are_thought_to_fit(listed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(len(raw) for one in listed.lake.records("ward", ["Patient/a"]) for raw in one.resources)
    monkeypatch.setattr("adapter.screening.live_records._AHEAD", 2 * size)
    records = LiveRecords(listed, clock=lambda: 0.0)
    for name in "de":
        records.person("ward", (f"Patient/{name}",))

    assert len(at_hand(records)) == 4


def test_newer_resource_takes_the_place_of_the_stored_one(store: Store, tmp_path: Path) -> None:
    told = [patient("n"), condition("c", "n", "C17.2")]
    pull(store, FolderSource(write_feed(tmp_path / "more", told)), site="clinic")
    records = LiveRecords(store)
    person = records.person("clinic", ("Patient/n",))
    changed = condition("c", "n", "C25.4")
    fresh, _ = read_fresh([raw(changed), raw(condition("d", "n", "I10"))], ids=person.ids, stored=person.stored)
    record = records.record(person, fresh)
    codes = {item.id: item.code.coding[0].code for item in record.conditions if item.code}

    assert codes == {"c": "C25.4", "d": "I10"}
    assert len(record.identities) == 1


def test_record_that_is_a_part_makes_nothing_absent(store: Store, trial: Trial) -> None:
    complete = tuple(Completeness(name, date(2000, 1, 1), date(2030, 1, 1)) for name in ("condition", "allergy"))
    site = replace(Site.plain("clinic"), completeness=complete)
    records = LiveRecords(store)
    record = records.record(records.person("clinic", ("Patient/nobody",)))

    whole = verdict_of(trial, record, site, today=DAY)
    part = verdict_of(trial, record, site, today=DAY, is_whole=False)
    assert any(item.presumed for item in whole.criteria)
    assert not any(item.presumed for item in part.criteria)


@pytest.mark.parametrize(
    ("status", "number", "expected"),
    [
        ("potential-candidate", "NCT04954820", False),
        ("screening", "NCT04954820", False),
        ("on-study", "NCT04954820", True),
        ("withdrawn", "NCT04954820", True),
        ("not-registered", "NCT04954820", True),
        ("on-study", "NCT00000000", False),
    ],
)
def test_subject_of_the_trial_at_the_hospital_ends_pre_screening(
    records: LiveRecords, trial: Trial, status: str, number: str, expected: bool
) -> None:
    subject = {
        "resourceType": "ResearchSubject",
        "id": "s",
        "status": status,
        "individual": {"reference": "Patient/1"},
        "study": {"identifier": {"system": "http://clinicaltrials.gov", "value": number}},
    }
    fresh, _ = read_fresh([raw(subject)], ids=IDS)

    assert takes_part(trial, records.record(records.person("clinic", IDS), fresh)) is expected
