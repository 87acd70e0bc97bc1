"""In: decisions, and verdicts before and after them. Out: which disagreement is put before a person again, and which is not."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Outcome, Stage, Trial
from adapter.documents import load_trial
from adapter.screening import Asked, screen
from adapter.screening.proposals import DISAGREES, NOT_A_CANDIDATE, Proposal, proposals
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.clinic import ON as CLINIC_ON
from tests.support.clinic import patient, refute, write_feed
from tests.support.screened import SITE, TRIAL, criterion, verdict

READY, INELIGIBLE = "ready-for-investigator", "ineligible"
PREGNANT = criterion("E13", "T")
LOW = criterion("I11", "F")


class Desk:
    """A store in which screening and deciding happen on told days of May 2025, at noon."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self._monkeypatch = monkeypatch

    def screened(self, day: int, outcome: str, *answers: Any, who: str = "1", site: str = SITE, **more: Any) -> None:
        at = datetime(2025, 5, day, 12, tzinfo=UTC)
        stage = more.get("stage", "registration")
        kept = StoredVerdict(
            site=site,
            patient=f"Patient/{who}",
            trial=TRIAL,
            stage=stage,
            on=at.date(),
            screened_at=at,
            run="by-hand",
            content=json.dumps(verdict(who, outcome, *answers, site=site, **more)),
            input_hash=str(at),
        )
        self.store.save_verdicts([kept])

    def decide(self, day: int, state: str, *, who: str = "1", site: str = SITE) -> None:
        self._monkeypatch.setattr("adapter.store.decisions.now", lambda: datetime(2025, 5, day, 13, tzinfo=UTC))
        self.store.decide(site, f"Patient/{who}", trial=TRIAL, state=state, reason="criteria-met", by="nurse")

    def proposals(self, **more: Any) -> list[Proposal]:
        return proposals(self.store, load_trial(TRIAL), **{"stage": Stage.REGISTRATION, **more})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with Store.open(tmp_path / "var") as store:
        yield Desk(store, monkeypatch)


def test_a_verdict_that_turned_against_a_decision_is_proposed_with_what_changed(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "eligible")
    desk.screened(3, READY)
    desk.screened(4, INELIGIBLE, LOW)
    desk.screened(5, INELIGIBLE, LOW, PREGNANT)

    assert desk.proposals() == [
        Proposal(
            site=SITE,
            patient="Patient/1",
            key=desk.store.patient_key(SITE, "Patient/1"),
            state="eligible",
            decided_by="nurse",
            decided_at=datetime(2025, 5, 2, 13, tzinfo=UTC),
            then=READY,
            now=INELIGIBLE,
            changed=("I11", "E13"),
            since=date(2025, 5, 4),
        )
    ]


@pytest.mark.parametrize("now", [str(outcome) for outcome in Outcome])
@pytest.mark.parametrize("state", [state.id for state in load_trial(TRIAL).states])
def test_only_a_disagreement_of_the_table_is_proposed(desk: Desk, state: str, now: str) -> None:
    is_kept = state in {"contacted", "screening", "eligible", "enrolled"}
    desk.screened(1, READY if is_kept else INELIGIBLE)
    desk.decide(2, state)
    desk.screened(3, now)
    wanted = now == INELIGIBLE if is_kept else state == "not-eligible" and now != INELIGIBLE

    assert [one.now for one in desk.proposals()] == ([now] if wanted else [])


def test_the_table_speaks_of_states_and_outcomes_that_there_are() -> None:
    said = set().union(*DISAGREES.values())

    assert set(DISAGREES) <= {state.id for state in load_trial(TRIAL).states}
    assert said == {*map(str, Outcome), NOT_A_CANDIDATE}


def test_who_is_no_candidate_any_more_is_proposed_where_a_person_goes_on(desk: Desk) -> None:
    for who, state in (("1", "screening"), ("2", "not-eligible")):
        desk.screened(1, READY if who == "1" else INELIGIBLE, who=who)
        desk.decide(2, state, who=who)
        desk.screened(3, "needs-information", who=who, candidate=False, candidate_because=[])

    assert [(one.patient, one.now) for one in desk.proposals()] == [("Patient/1", NOT_A_CANDIDATE)]


def test_who_has_died_is_proposed_as_ineligible(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "contacted")
    desk.screened(3, INELIGIBLE, candidate=False, outcome_reason="deceased", permanent=True)

    assert [(one.now, one.changed) for one in desk.proposals()] == [(INELIGIBLE, ())]


@pytest.mark.parametrize(("state", "then"), [("eligible", INELIGIBLE), ("not-eligible", READY)])
def test_what_a_person_decided_against_is_not_put_before_them_again(desk: Desk, state: str, then: str) -> None:
    desk.screened(1, then)
    desk.decide(2, state)
    desk.screened(3, then)

    assert desk.proposals() == []


def test_a_decision_that_no_screening_has_followed_is_not_proposed(desk: Desk) -> None:
    desk.screened(1, INELIGIBLE, LOW)
    desk.decide(2, "eligible")

    assert desk.proposals() == []


def test_another_reason_than_the_overridden_one_is_proposed(desk: Desk) -> None:
    desk.screened(1, INELIGIBLE, LOW)
    desk.decide(2, "screening")
    desk.screened(3, INELIGIBLE, LOW, PREGNANT)

    assert [(one.then, one.now, one.changed) for one in desk.proposals()] == [(INELIGIBLE, INELIGIBLE, ("E13",))]


def test_a_mended_reason_is_not_proposed_to_who_overrode_it(desk: Desk) -> None:
    desk.screened(1, INELIGIBLE, LOW, PREGNANT)
    desk.decide(2, "screening")
    desk.screened(3, INELIGIBLE, PREGNANT)

    assert desk.proposals() == []


def test_a_changed_criterion_is_not_proposed_to_who_judged_not_eligible_against_the_data(desk: Desk) -> None:
    desk.screened(1, "needs-information", criterion("E07", "U", reason="no-data"))
    desk.decide(2, "not-eligible")
    desk.screened(3, READY)

    assert desk.proposals() == []


def test_a_criterion_that_the_trial_has_no_longer_is_no_reason(desk: Desk) -> None:
    known = verdict("1", INELIGIBLE, LOW)["criteria"]
    desk.screened(1, INELIGIBLE, LOW)
    desk.decide(2, "screening")
    desk.screened(3, INELIGIBLE, LOW)
    with desk.store._state.engine.begin() as connection:
        packed = zlib.compress(json.dumps(verdict("1", INELIGIBLE, criteria=[*known, criterion("X99", "T")])).encode())
        connection.exec_driver_sql("update verdict set content = ? where number = 1", (packed,))

    assert desk.proposals() == []


def test_a_decision_before_any_verdict_is_held_against_the_first(desk: Desk) -> None:
    desk.decide(2, "contacted")
    desk.screened(3, INELIGIBLE, LOW)

    assert [(one.then, one.changed, one.since) for one in desk.proposals()] == [(None, (), date(2025, 5, 3))]


def test_deciding_again_answers_a_proposal_whatever_is_decided(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "eligible")
    desk.screened(3, INELIGIBLE, LOW)
    open_before = len(desk.proposals())
    desk.decide(4, "eligible")
    desk.screened(5, INELIGIBLE, LOW)

    assert (open_before, desk.proposals()) == (1, [])


def test_a_screening_of_the_same_records_does_not_put_an_answered_proposal_again(
    store: Store, trial: Trial, tmp_path: Path
) -> None:
    asked = Asked(today=date.fromisoformat(CLINIC_ON), on=date.fromisoformat(CLINIC_ON))
    for feed in (None, "refuted"):
        if feed is not None:
            refute(store, tmp_path, "intestinal")
        list(screen(store, trial, Site.plain("clinic"), asked))
        store.decide(
            "clinic", "Patient/intestinal", trial=trial.id, state="eligible", reason="criteria-met", by="nurse"
        )
    list(screen(store, trial, Site.plain("clinic"), asked))

    assert proposals(store, trial, stage=Stage.REGISTRATION) == []


def test_a_verdict_that_agrees_again_takes_the_proposal_back(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "eligible")
    desk.screened(3, INELIGIBLE, LOW)
    desk.screened(4, READY)

    assert desk.proposals() == []


def test_proposals_come_by_site_and_patient_and_for_one_site_where_asked(desk: Desk) -> None:
    for site, who in (("nimes", "1"), ("icm", "2"), ("icm", "1")):
        desk.screened(1, READY, who=who, site=site)
        desk.decide(2, "eligible", who=who, site=site)
        desk.screened(3, INELIGIBLE, LOW, who=who, site=site)

    assert [(one.site, one.patient) for one in desk.proposals()] == [
        ("icm", "Patient/1"),
        ("icm", "Patient/2"),
        ("nimes", "Patient/1"),
    ]
    assert [one.site for one in desk.proposals(site="nimes")] == ["nimes"]


def test_proposals_are_those_of_a_stage(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "enrolled")
    desk.screened(3, INELIGIBLE, LOW)
    desk.screened(3, READY, stage="randomisation")

    assert desk.proposals(stage=Stage.RANDOMISATION) == []
    assert len(desk.proposals(stage=Stage.REGISTRATION)) == 1


def test_a_merged_record_brings_its_decision_and_its_verdicts(desk: Desk, tmp_path: Path) -> None:
    link = [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    pull(
        desk.store, FolderSource(write_feed(tmp_path / "feed", [patient("old", link=link), patient("new")])), site=SITE
    )
    desk.screened(1, READY, who="old")
    desk.decide(2, "eligible", who="old")
    desk.screened(3, INELIGIBLE, LOW, who="new")

    assert [(one.patient, one.then, one.now, one.changed) for one in desk.proposals()] == [
        ("Patient/new", READY, INELIGIBLE, ("I11",))
    ]


def test_a_proposal_is_told_as_json(desk: Desk) -> None:
    desk.screened(1, READY)
    desk.decide(2, "eligible")
    desk.screened(4, INELIGIBLE, LOW)
    told = desk.proposals()[0].to_json()

    assert json.loads(json.dumps(told)) == {
        "site": SITE,
        "patient": "Patient/1",
        "key": desk.store.patient_key(SITE, "Patient/1"),
        "state": "eligible",
        "decided_by": "nurse",
        "decided_at": "2025-05-02T13:00:00+00:00",
        "then": READY,
        "now": INELIGIBLE,
        "changed": ["I11"],
        "since": "2025-05-04",
    }


def test_a_screening_that_disagrees_leaves_the_decision_as_it_is(store: Store, trial: Trial, tmp_path: Path) -> None:
    asked = Asked(today=date.fromisoformat(CLINIC_ON), on=date.fromisoformat(CLINIC_ON))
    list(screen(store, trial, Site.plain("clinic"), asked))
    store.decide("clinic", "Patient/intestinal", trial=trial.id, state="eligible", reason="criteria-met", by="nurse")
    decided = store.decision_history(trial.id)
    refute(store, tmp_path, "intestinal")
    list(screen(store, trial, Site.plain("clinic"), asked))
    found = proposals(store, trial, stage=Stage.REGISTRATION)

    assert [(one.patient, one.state, one.now, one.changed) for one in found] == [
        ("Patient/intestinal", "eligible", NOT_A_CANDIDATE, ("E04",))
    ]
    assert store.decision_history(trial.id) == decided
