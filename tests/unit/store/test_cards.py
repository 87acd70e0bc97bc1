"""Promises of what the state keeps of cards: each token once, each card with its line in the audit trail, persons counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from adapter.store import Store
from adapter.store.card_models import CardTokenRow
from adapter.store.cards import CardFeedback, ShownCard

NOW = datetime(2025, 6, 1, 8, tzinfo=UTC)


def soon() -> datetime:
    """Five minutes from now, whenever that is: a run of all tests is longer."""
    return datetime.now(UTC) + timedelta(minutes=5)


TRIAL, VIEW = "nct04954820", "reluth-patient-view"


def card(uuid: str = "u1", patient: str = "Patient/1", *, site: str = "icm") -> ShownCard:
    return ShownCard(
        uuid=uuid,
        service=VIEW,
        hook_instance="h",
        trial=TRIAL,
        site=site,
        patient=patient,
        client="ehr",
        user="Practitioner/7",
        outcome="needs-information",
        signature="s",
        suggestion=None,
    )


def override(store: Store, shown: ShownCard, reason: str, *, hours: int = 0) -> None:
    told = CardFeedback("overridden", NOW + timedelta(hours=hours), reason=reason, comment="a note")
    store.cards.take_feedback([(shown, told)], actor="cds:ehr")


def test_token_is_taken_once_for_its_issuer(store: Store) -> None:
    assert store.cards.use_token("a", "1", until=soon())
    assert not store.cards.use_token("a", "1", until=soon())
    assert store.cards.use_token("b", "1", until=soon())
    assert store.cards.use_token("a1", "", until=soon())


def test_token_used_by_two_stores_at_once_is_taken_once(store: Store, tmp_path: Path) -> None:
    with Store.open(store.folder) as other, ThreadPoolExecutor(2) as pool:
        for number in range(10):
            both = [pool.submit(one.cards.use_token, "a", str(number), until=soon()) for one in (store, other)]

            assert sorted(one.result() for one in both) == [False, True]


def test_token_that_has_expired_is_not_kept(store: Store) -> None:
    store.cards.use_token("a", "old", until=datetime.now(UTC) - timedelta(minutes=5))
    store.cards._swept = None
    store.cards.use_token("a", "new", until=soon())
    with store._state.session() as session:
        assert session.scalar(select(func.count()).select_from(CardTokenRow)) == 1


def test_card_shown_is_kept_with_its_line_in_the_audit_trail(store: Store) -> None:
    store.cards.show(card(), actor="cds:ehr:Practitioner/7")
    line = store.audit_trail()[-1]

    assert store.cards.of("u1") == card()
    assert store.cards.of("u2") is None
    assert (line.actor, line.action, line.subject) == ("cds:ehr:Practitioner/7", "card-shown", "icm/Patient/1")
    with pytest.raises(IntegrityError):
        store.cards.show(card(), actor="cds:ehr:Practitioner/7")
    assert len(store.audit_trail()) == 1


def test_feedback_told_twice_is_one(store: Store) -> None:
    store.cards.show(card(), actor="x")
    for _ in range(2):
        override(store, card(), "other-trial")

    assert len(store.cards.known("icm", ["Patient/1"], trial=TRIAL, stage="registration").overrides) == 1
    assert not any("a note" in line.detail for line in store.audit_trail())


def test_feedback_counts_persons_by_the_reason_given_last(store: Store) -> None:
    for uuid, patient, site in (
        ("u1", "Patient/1", "icm"),
        ("u2", "Patient/1", "icm"),
        ("u3", "Patient/2", "icm"),
        ("u4", "Patient/3", "chu"),
    ):
        store.cards.show(card(uuid, patient, site=site), actor="x")
    override(store, card("u1"), "other")
    override(store, card("u2"), "patient-declined", hours=1)
    override(store, card("u3", "Patient/2"), "")
    override(store, card("u4", "Patient/3", site="chu"), "other")
    accepted = CardFeedback("accepted", NOW)
    store.cards.take_feedback([(card("u3", "Patient/2"), accepted)], actor="x")

    assert store.cards.feedback_counts(TRIAL, ["icm"]) == {"": 1, "patient-declined": 1}
    assert store.cards.feedback_counts(TRIAL, ["icm", "chu"]) == {"": 1, "other": 1, "patient-declined": 1}
    assert store.cards.feedback_counts(TRIAL, []) == {}
    assert store.cards.feedback_counts("another", ["icm"]) == {}


def test_person_is_known_by_all_their_records(store: Store) -> None:
    ids = ["Patient/1", "Patient/old"]
    store.cards.show(card("u1", "Patient/old"), actor="x")
    override(store, card("u1", "Patient/old"), "other")
    store.decide("icm", "Patient/old", trial=TRIAL, state="contacted", reason="to-contact", by="nurse")
    store.add_candidate("icm", "Patient/old", trial=TRIAL, by="nurse")
    key = store.patient_key("icm", "Patient/1")
    known = store.cards.known("icm", ids, trial=TRIAL, stage="registration")

    assert known.decided is not None
    assert (known.decided.state, known.is_added, known.key, known.verdict) == ("contacted", True, key, None)
    assert [one.reason for one in known.overrides] == ["other"]
    nobody = store.cards.known("icm", ["Patient/2"], trial=TRIAL, stage="registration")
    assert (nobody.decided, nobody.overrides, nobody.is_added, nobody.key) == (None, (), False, None)


def test_last_decision_of_a_person_stands(store: Store) -> None:
    for state in ("contacted", "declined"):
        store.decide("icm", "Patient/1", trial=TRIAL, state=state, reason="other", by="nurse")
    known = store.cards.known("icm", ["Patient/1"], trial=TRIAL, stage="registration")

    assert known.decided is not None
    assert known.decided.state == "declined"
