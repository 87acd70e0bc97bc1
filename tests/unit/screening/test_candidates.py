"""In: verdicts, decisions and loaded subjects. Out: the candidates as a hospital is told of them, and what is never told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.screening import Asked, screen
from adapter.screening.candidates import CANDIDATE_NUMBER, Candidates, candidate_subjects
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import EventKind, Identifier, Subject, SubjectEvent
from tests.support.clinic import ON as CLINIC_ON
from tests.support.clinic import patient, refute, write_feed
from tests.support.screened import SITE, TRIAL, verdict

IPP = "urn:oid:1.2.250.1.999.1"
ON = date(2025, 6, 10)
MAY = datetime(2025, 5, 20, 9, tzinfo=UTC)


class Desk:
    """A store in which screening and deciding happen at told times."""

    def __init__(self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._feeds = 0

    def pull(self, *resources: dict[str, Any]) -> None:
        self._feeds += 1
        pull(self.store, FolderSource(write_feed(self._folder / f"feed-{self._feeds}", resources)), site=SITE)

    def screened(self, who: str, outcome: str = "needs-information", *, at: datetime = MAY, **more: Any) -> None:
        found = verdict(who, outcome, **more)
        kept = StoredVerdict(
            site=SITE,
            patient=f"Patient/{who}",
            trial=TRIAL,
            stage="registration",
            on=at.date(),
            screened_at=at,
            run="by-hand",
            content=json.dumps(found),
            input_hash=str(at),
        )
        self.store.save_verdicts([kept])

    def decide(self, who: str, state: str, *, on: str, reason: str = "criteria-met") -> None:
        at = datetime.fromisoformat(f"{on}T10:00:00+02:00")
        self._monkeypatch.setattr("adapter.store.decisions.now", lambda: at)
        self.store.decide(SITE, f"Patient/{who}", trial=TRIAL, state=state, reason=reason, by="nurse")

    def candidates(self, *, identifier_system: str | None = IPP, on: date = ON) -> Candidates:
        found = load_trial(TRIAL)
        return candidate_subjects(
            self.store, found, site=SITE, identifier_system=identifier_system, on=on, site_code="05"
        )

    def subject(self, who: str) -> Subject:
        number = self.number(who)
        return next(one for one in self.candidates().subjects if one.number == number)

    def number(self, who: str) -> str:
        return CANDIDATE_NUMBER + self.store.patient_key(SITE, f"Patient/{who}")

    def put(self, *entities: Any) -> None:
        self.store.entities.put_all(SITE, entities, source="test", by="test")

    def at_hospital(self, who: str, kind: EventKind, *, on: str, **more: Any) -> Subject:
        """What is told of a person now, and one more event from the hospital, kept."""
        told = self.subject(who)
        changed = msgspec.structs.replace(told, events=(*told.events, SubjectEvent(kind=kind, on=on, **more)))
        self.store.entities.put_all(SITE, [changed], source="hospital", by="pull")
        return changed


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with Store.open(tmp_path / "var") as store:
        yield Desk(store, tmp_path, monkeypatch)


def _ipp(value: str, **more: Any) -> dict[str, Any]:
    return {"system": IPP, "value": value, **more}


def _literal(who: str) -> Identifier:
    return Identifier(system=REFERENCE_SYSTEM, value=f"Patient/{who}")


def _days(subject: Subject) -> list[tuple[str, str]]:
    return [(event.kind.value, event.on) for event in subject.events]


# --- who it is -----------------------------------------------------------------------------------------------------


def test_a_candidate_is_told_by_a_random_number_and_the_hospitals_own(desk: Desk) -> None:
    desk.pull(patient("1", identifier=[{"system": "urn:x:ins", "value": "1600"}, _ipp("000042")]))
    desk.screened("1")
    subject = desk.subject("1")

    assert subject.patient == Identifier(system=IPP, value="000042")
    assert (subject.study, subject.site) == (TRIAL, "05")
    assert subject.number.startswith("CAND-")
    assert "000042" not in subject.number


@pytest.mark.parametrize(
    "identifiers",
    [
        [],
        [{"system": "urn:x:ins", "value": "1600"}],
        [_ipp("000042"), _ipp("000043")],
        [_ipp("000042", use="old")],
        [_ipp(" 42")],
        [_ipp("")],
        ["000042"],
        "000042",
    ],
    ids=["none", "another-system", "two-in-use", "old", "untrimmed", "empty", "no-object", "no-list"],
)
def test_a_candidate_without_one_number_in_use_is_told_by_the_servers_own(desk: Desk, identifiers: Any) -> None:
    desk.pull(patient("1", identifier=identifiers))
    desk.screened("1")

    assert desk.subject("1").patient == _literal("1")


def test_a_candidate_keeps_the_number_in_use_beside_an_old_one(desk: Desk) -> None:
    desk.pull(patient("1", identifier=[_ipp("000041", use="old"), _ipp("000042", use="usual")]))
    desk.screened("1")

    assert desk.subject("1").patient.value == "000042"


def test_a_site_without_an_identifier_system_is_told_by_its_servers_own(desk: Desk) -> None:
    desk.pull(patient("1", identifier=[_ipp("000042")]))
    desk.screened("1")

    assert [one.patient for one in desk.candidates(identifier_system=None).subjects] == [_literal("1")]


def test_a_site_without_a_code_goes_by_its_name(desk: Desk) -> None:
    desk.screened("1")
    found = candidate_subjects(desk.store, load_trial(TRIAL), site=SITE, identifier_system=None, on=ON)

    assert found.listing.site == SITE
    assert [one.site for one in found.subjects] == [SITE]


# --- what is told --------------------------------------------------------------------------------------------------


def test_a_candidate_was_found_on_the_day_of_the_first_verdict_in_paris(desk: Desk) -> None:
    desk.screened("1", at=datetime(2025, 5, 31, 22, 30, tzinfo=UTC))
    desk.screened("1", at=datetime(2025, 6, 5, 9, tzinfo=UTC))

    assert _days(desk.subject("1")) == [("pre-screened", "2025-06-01")]


def test_decisions_are_told_in_the_order_in_which_they_were_made(desk: Desk) -> None:
    desk.screened("1")
    desk.decide("1", "to-review", on="2025-05-21", reason="to-contact")
    desk.decide("1", "contacted", on="2025-05-22", reason="to-contact")
    desk.decide("1", "screening", on="2025-05-22")
    desk.decide("1", "not-eligible", on="2025-05-30", reason="E07")
    subject = desk.subject("1")

    assert _days(subject) == [
        ("pre-screened", "2025-05-20"),
        ("pre-screened", "2025-05-21"),
        ("reviewed", "2025-05-22"),
        ("screening", "2025-05-22"),
        ("ineligible", "2025-05-30"),
    ]
    assert subject.events[-1].reason == "E07"


@pytest.mark.parametrize("second", ["old", "new"], ids=["one-record", "two-records-of-one-person"])
def test_the_last_decision_is_told_last_where_a_clock_was_set_back(desk: Desk, second: str) -> None:
    desk.pull(patient("old", identifier=[_ipp("000041")]), patient("new", identifier=[_ipp("000042")]))
    desk.screened("old")
    desk.decide("old", "contacted", on="2025-05-30")
    desk.decide(second, "screening", on="2025-05-22")
    link = [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    desk.pull(patient("old", identifier=[_ipp("000041")], link=link, meta={"versionId": "2"}))

    assert [_days(one) for one in desk.candidates().subjects] == [
        [("pre-screened", "2025-05-20"), ("reviewed", "2025-05-30"), ("screening", "2025-05-30")]
    ]


def test_a_decision_before_the_first_verdict_that_is_kept_moves_the_day_of_finding(desk: Desk) -> None:
    desk.screened("1", at=datetime(2025, 6, 5, 9, tzinfo=UTC))
    desk.decide("1", "contacted", on="2025-05-22")

    assert _days(desk.subject("1")) == [("pre-screened", "2025-05-22"), ("reviewed", "2025-05-22")]


@pytest.mark.parametrize("outcome", ["ineligible", "ready-for-investigator", "eligible"])
def test_a_verdict_is_never_told_as_an_event(desk: Desk, outcome: str) -> None:
    desk.screened("1")
    desk.decide("1", "contacted", on="2025-05-22")
    before = desk.subject("1")
    desk.put(before)
    desk.screened("1", outcome, at=datetime(2025, 6, 5, 9, tzinfo=UTC), permanent=outcome == "ineligible")

    assert desk.subject("1") == before


def test_telling_twice_is_no_new_version(desk: Desk) -> None:
    desk.screened("1")
    desk.decide("1", "contacted", on="2025-05-22")
    first = desk.candidates()
    desk.put(*first.subjects, first.listing)
    again = desk.candidates(on=date(2025, 6, 11))
    counts = desk.store.entities.put_all(SITE, [*again.subjects, again.listing], source="test", by="test")

    assert (counts.new, counts.changed, counts.unchanged) == (0, 0, 2)


# --- what the hospital has said ------------------------------------------------------------------------------------


def test_what_the_hospital_said_is_kept_and_decisions_are_put_in_by_day(desk: Desk) -> None:
    desk.screened("1")
    desk.decide("1", "contacted", on="2025-05-22")
    desk.at_hospital("1", EventKind.ELIGIBLE, on="2025-05-28")
    desk.decide("1", "screening", on="2025-05-25")
    desk.decide("1", "not-eligible", on="2025-05-28", reason="E07")

    assert _days(desk.subject("1")) == [
        ("pre-screened", "2025-05-20"),
        ("reviewed", "2025-05-22"),
        ("screening", "2025-05-25"),
        ("eligible", "2025-05-28"),
        ("ineligible", "2025-05-28"),
    ]
    assert desk.candidates().refused == []


def test_a_decision_that_cannot_follow_what_the_hospital_said_is_refused_and_nothing_lost(desk: Desk) -> None:
    desk.screened("1")
    desk.screened("2")
    stored = desk.at_hospital("1", EventKind.WITHDRAWN, on="2025-05-28")
    desk.decide("1", "contacted", on="2025-05-30")
    found = desk.candidates()

    assert stored in found.subjects
    assert len(found.subjects) == 2
    assert [(one.site, one.patient) for one in found.refused] == [(SITE, "Patient/1")]
    assert found.refused[0].reason.startswith("events[2].kind: ")


def test_an_inclusion_without_a_consent_is_refused_and_the_rest_told(desk: Desk) -> None:
    desk.screened("1")
    desk.decide("1", "eligible", on="2025-05-22")
    desk.decide("1", "enrolled", on="2025-05-23")
    desk.decide("1", "withdrawn", on="2025-05-30", reason="consent-withdrawn")
    found = desk.candidates()

    assert [kind for kind, _ in _days(found.subjects[0])] == ["pre-screened", "eligible", "withdrawn"]
    assert [one.reason for one in found.refused] == ["events[2].kind: the consent comes before the registration"]


def test_a_decision_state_that_the_trial_does_not_know_is_refused(desk: Desk) -> None:
    desk.screened("1")
    desk.decide("1", "no-such-state", on="2025-05-22")
    found = desk.candidates()

    assert [one.reason for one in found.refused] == ["status: is no status of a decision"]
    assert [_days(one) for one in found.subjects] == [[("pre-screened", "2025-05-20")]]


# --- who is told of, and who is listed -----------------------------------------------------------------------------


@pytest.mark.parametrize("named_by", [Identifier(system=IPP, value="000042"), _literal("1")], ids=["ipp", "literal"])
def test_a_person_loaded_as_a_subject_is_listed_by_it_and_told_of_once(desk: Desk, named_by: Identifier) -> None:
    desk.pull(patient("1", identifier=[_ipp("000042")]))
    desk.screened("1")
    event = SubjectEvent(kind=EventKind.SCREENING, on="2025-05-02")
    desk.put(Subject(study=TRIAL, site="05", number="RELUTH-05-0001", patient=named_by, events=(event,)))
    found = desk.candidates()

    assert found.subjects == []
    assert found.listing.subjects == ("RELUTH-05-0001",)
    assert found.listing.candidates[0].since == "2025-05-02"


def test_a_person_loaded_as_a_subject_leaves_the_list_like_others(desk: Desk) -> None:
    desk.screened("1", candidate=False, candidate_because=[])
    event = SubjectEvent(kind=EventKind.SCREENING, on="2025-05-02")
    desk.put(Subject(study=TRIAL, site="05", number="RELUTH-05-0001", patient=_literal("1"), events=(event,)))

    assert desk.candidates().listing.subjects == ()


def test_a_person_loaded_for_another_trial_is_a_candidate_of_this_one(desk: Desk) -> None:
    desk.screened("1")
    event = SubjectEvent(kind=EventKind.SCREENING, on="2025-05-02")
    desk.put(Subject(study="start-net", site="05", number="START-1", patient=_literal("1"), events=(event,)))

    assert desk.candidates().listing.subjects == (desk.number("1"),)


def test_who_is_no_candidate_any_more_leaves_the_list_and_the_subject_stays(desk: Desk) -> None:
    desk.screened("1")
    desk.screened("2")
    desk.put(*desk.candidates().subjects)
    stored = desk.subject("1")
    desk.screened("1", at=datetime(2025, 6, 5, 9, tzinfo=UTC), candidate=False, candidate_because=[])
    found = desk.candidates()
    desk.put(*found.subjects)
    kept = desk.store.entities.get(SITE, "subjects", stored.number)

    assert found.listing.subjects == (desk.number("2"),)
    assert kept is not None
    assert (kept.entity, kept.version) == (stored, 1)


@pytest.mark.parametrize("by", ["decision", "hospital"])
def test_who_is_no_candidate_any_more_but_was_decided_on_stays_listed(desk: Desk, by: str) -> None:
    desk.screened("1")
    if by == "decision":
        desk.decide("1", "contacted", on="2025-05-22")
    else:
        desk.at_hospital("1", EventKind.SCREENING, on="2025-05-22")
    desk.screened("1", at=datetime(2025, 6, 5, 9, tzinfo=UTC), candidate=False, candidate_because=[])

    assert desk.candidates().listing.subjects == (desk.number("1"),)
    assert len(desk.subject("1").events) == 2


def test_who_fails_for_good_is_not_told_of_unless_a_person_has_decided(desk: Desk) -> None:
    for who in ("for-good", "decided", "not-now"):
        desk.screened(who, "ineligible", permanent=who != "not-now")
    desk.decide("decided", "not-eligible", on="2025-05-22", reason="E04")
    found = desk.candidates()

    assert set(found.listing.subjects) == {desk.number("decided"), desk.number("not-now")}
    assert {one.number for one in found.subjects} == set(found.listing.subjects)
    assert _days(desk.subject("decided"))[-1] == ("ineligible", "2025-05-22")


def test_who_was_added_by_hand_is_told_of_like_others(store: Store, trial: Trial) -> None:
    asked = Asked(today=date.fromisoformat(CLINIC_ON), on=date.fromisoformat(CLINIC_ON))
    store.add_candidate("clinic", "Patient/breast", trial=trial.id, by="nurse")
    list(screen(store, trial, Site.plain("clinic"), asked))
    found = candidate_subjects(store, trial, site="clinic", identifier_system=None, on=ON)

    assert "Patient/breast" in {one.patient.value for one in found.subjects}
    assert found.listing.subjects == tuple(one.number for one in found.subjects)


def test_a_screening_of_changed_records_leaves_what_was_told(store: Store, trial: Trial, tmp_path: Path) -> None:
    asked = Asked(today=date.fromisoformat(CLINIC_ON), on=date.fromisoformat(CLINIC_ON))
    list(screen(store, trial, Site.plain("clinic"), asked))
    store.decide("clinic", "Patient/intestinal", trial=trial.id, state="contacted", reason="to-contact", by="nurse")
    before = candidate_subjects(store, trial, site="clinic", identifier_system=None, on=ON)
    store.entities.put_all("clinic", [*before.subjects, before.listing], source="screen", by="test")
    refute(store, tmp_path, "intestinal")
    refute(store, tmp_path, "undotted")
    list(screen(store, trial, Site.plain("clinic"), asked))
    after = candidate_subjects(store, trial, site="clinic", identifier_system=None, on=ON)
    gone = {one.number for one in before.subjects if one.patient.value == "Patient/undotted"}

    assert set(before.listing.subjects) - set(after.listing.subjects) == gone
    assert after.subjects == [one for one in before.subjects if one.number not in gone]


def test_a_person_whose_record_was_merged_keeps_the_number(desk: Desk) -> None:
    desk.pull(patient("old", identifier=[_ipp("000041")]), patient("new", identifier=[_ipp("000042")]))
    desk.screened("old")
    desk.decide("old", "contacted", on="2025-05-22")
    first = desk.candidates()
    desk.put(*first.subjects)
    link = [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    desk.pull(patient("old", identifier=[_ipp("000041")], link=link, meta={"versionId": "2"}))
    desk.screened("new", at=datetime(2025, 6, 5, 9, tzinfo=UTC))
    desk.decide("new", "screening", on="2025-06-06")
    found = desk.candidates()

    assert [one.number for one in found.subjects] == [desk.number("old")]
    assert found.subjects[0].patient == Identifier(system=IPP, value="000042")
    assert _days(found.subjects[0]) == [
        ("pre-screened", "2025-05-20"),
        ("reviewed", "2025-05-22"),
        ("screening", "2025-06-06"),
    ]


# --- the list ------------------------------------------------------------------------------------------------------


def test_the_list_tells_since_when_each_is_on_it_and_who_came_last(desk: Desk) -> None:
    desk.screened("1")
    first = desk.candidates(on=date(2025, 6, 1)).listing
    desk.put(first)
    unchanged = desk.candidates(on=date(2025, 6, 2)).listing
    desk.screened("2", at=datetime(2025, 6, 3, 9, tzinfo=UTC))
    grown = desk.candidates(on=date(2025, 6, 3)).listing

    assert unchanged == first
    assert grown.as_of == "2025-06-03"
    assert {one.number: one.since for one in grown.candidates} == {
        desk.number("1"): "2025-05-20",
        desk.number("2"): "2025-06-03",
    }


def test_a_list_that_the_hospital_put_away_stays_away(desk: Desk) -> None:
    desk.screened("1")
    desk.put(msgspec.structs.replace(desk.candidates().listing, retired=True))
    desk.screened("2")

    assert desk.candidates().listing.retired
    assert len(desk.candidates().listing.candidates) == 2


def test_a_site_without_candidates_has_an_empty_list(desk: Desk) -> None:
    found = desk.candidates()

    assert found.subjects == []
    assert (found.listing.study, found.listing.site, found.listing.candidates) == (TRIAL, "05", ())
