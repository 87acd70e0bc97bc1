"""Promises of verdicts, decisions, keys and the audit trail in the state."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.store import StaleDecisionError, Store, StoredVerdict

AT = datetime(2025, 6, 1, 12, tzinfo=UTC)


def _verdict(**changes: Any) -> StoredVerdict:
    values: dict[str, Any] = {
        "site": "icm",
        "patient": "Patient/1",
        "trial": "nct04954820",
        "stage": "registration",
        "on": date(2025, 6, 1),
        "screened_at": AT,
        "run": "r1",
        "content": "{}",
        "input_hash": "a",
    }
    return StoredVerdict(**(values | changes))


def test_latest_verdict_is_the_one_screened_last(store: Store) -> None:
    later = _verdict(on=date(2025, 5, 1), screened_at=AT + timedelta(hours=1), content='{"n":2}')
    store.save_verdicts([later, _verdict(), _verdict(patient="Patient/0"), _verdict(site="abc")])

    found = list(store.latest_verdicts("nct04954820", "registration"))
    assert found == [_verdict(site="abc"), _verdict(patient="Patient/0"), later]
    assert [v.site for v in store.latest_verdicts("nct04954820", "registration", site="abc")] == ["abc"]
    assert list(store.latest_verdicts("nct04954820", "randomisation")) == []


def test_verdict_that_says_the_same_from_the_same_input_takes_the_earlier_ones_place(store: Store) -> None:
    again = _verdict(screened_at=AT + timedelta(hours=1), run="r2")
    assert store.save_verdicts([_verdict()]) == 1
    assert store.save_verdicts([_verdict(), again]) == 2

    assert list(store.latest_verdicts("nct04954820", "registration")) == [again]
    with store._state.engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from verdict").scalar() == 1


def test_verdict_that_was_seen_is_not_written_over_by_what_another_release_says(store: Store) -> None:
    later = _verdict(screened_at=AT + timedelta(days=90), run="r2", content='{"n":2}')
    store.save_verdicts([_verdict()])
    store.save_verdicts([later])
    history = store.verdict_history("nct04954820", "registration", site="icm", patients=["Patient/1"])

    assert [one.verdict for one in history["Patient/1"]] == [_verdict(), later]
    assert list(store.latest_verdicts("nct04954820", "registration")) == [later]


def test_verdict_lies_packed_in_the_state_and_comes_back_to_the_letter(store: Store) -> None:
    told = _verdict(content='{"said":"' + "Hémoglobine 12,1 g/dL " * 500 + '"}')
    store.save_verdicts([told])
    with store._state.engine.connect() as connection:
        kept = connection.exec_driver_sql("select content from verdict").scalar()

    assert isinstance(kept, bytes) and len(kept) < 500
    assert store.verdict_of("icm", "Patient/1", trial="nct04954820", stage="registration") == told


def test_verdict_keeps_the_time_at_which_it_was_first_made(store: Store) -> None:
    hours = [timedelta(hours=hour) for hour in (0, 1, 2)]
    store.save_verdicts([_verdict(), _verdict(screened_at=AT + hours[1])])
    store.save_verdicts([_verdict(screened_at=AT + hours[2]), _verdict(patient="Patient/2", screened_at=AT + hours[2])])
    found = store.verdict_history("nct04954820", "registration", site="icm", patients=["Patient/1"])

    assert [(one.first_at, one.verdict.screened_at) for one in found["Patient/1"]] == [(AT, AT + hours[2])]
    assert store.first_verdicts("nct04954820", "registration", site="icm") == {
        "Patient/1": AT,
        "Patient/2": AT + hours[2],
    }


def test_verdict_dated_by_a_clock_that_was_ahead_is_not_the_latest_once_the_clock_is_right(store: Store) -> None:
    wrong = datetime.now(UTC) + timedelta(days=3650)
    for begun in (AT, wrong, AT + timedelta(days=1)):
        store.note_run("icm", "screen", begun=begun, summary="{}")
    store.save_verdicts([_verdict()])
    store.save_verdicts([_verdict(on=date(2036, 6, 1), screened_at=wrong), _verdict(site="abc", screened_at=wrong)])
    # The same as on the first day: its row takes the later time, and its number is the lower one.
    again = _verdict(screened_at=AT + timedelta(days=1))
    store.save_verdicts([again])

    assert list(store.latest_verdicts("nct04954820", "registration", site="icm")) == [again]
    assert store.verdict_of("icm", "Patient/1", trial="nct04954820", stage="registration") == again
    dated = store.verdict_of("icm", "Patient/1", trial="nct04954820", stage="registration", on=date(2036, 6, 1))
    assert dated is not None
    assert dated.screened_at == again.screened_at - timedelta(microseconds=1)
    assert store.first_verdicts("nct04954820", "registration", site="icm") == {"Patient/1": AT}


@pytest.mark.parametrize("runs", [[], [30, 31, 32], [-2, 5, 12, 19, 26, 32], [-60, 3650, -30, -2, 5, 12, 19, 26, 32]])
def test_verdicts_keep_their_times_where_the_clock_is_behind_now(store: Store, runs: list[int]) -> None:
    # As seen from a clock that shows some weeks or years less than it should: all that was screened lies in its future.
    today = datetime.now(UTC)
    for day in runs:
        store.note_run("icm", "screen", begun=today + timedelta(days=day), summary="{}")
    right = _verdict(screened_at=today + timedelta(days=32))
    store.save_verdicts([right])
    store.save_verdicts([_verdict(on=date(2000, 1, 1), screened_at=today - timedelta(days=1))])

    assert list(store.latest_verdicts("nct04954820", "registration")) == [right]


def test_verdict_of_a_later_moment_stays_the_latest_where_an_earlier_screening_ends_after_it(store: Store) -> None:
    later = _verdict(screened_at=AT + timedelta(minutes=15), content='{"n":2}')
    store.save_verdicts([later])
    store.save_verdicts([_verdict()])

    assert list(store.latest_verdicts("nct04954820", "registration")) == [later]


def test_verdict_of_a_patient_at_a_date(store: Store) -> None:
    may = _verdict(on=date(2025, 5, 1), screened_at=AT - timedelta(days=1))
    store.save_verdicts([may, _verdict()])

    def of(on: date | None) -> StoredVerdict | None:
        return store.verdict_of("icm", "Patient/1", trial="nct04954820", stage="registration", on=on)

    assert of(None) == _verdict()
    assert of(date(2025, 5, 1)) == may
    assert of(date(2025, 4, 1)) is None


def test_verdicts_by_the_thousand(store: Store) -> None:
    many = [_verdict(patient=f"Patient/{number:05}") for number in range(1_234)]

    assert store.save_verdicts(iter(many)) == 1_234
    assert list(store.latest_verdicts("nct04954820", "registration")) == many


def test_time_without_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="a time without zone"):
        store.save_verdicts([_verdict(screened_at=AT.replace(tzinfo=None))])


def test_patient_key_is_random_and_stays(store: Store) -> None:
    key = store.patient_key("icm", "Patient/1")

    assert store.patient_key("icm", "Patient/1") == key
    assert store.patient_key("igr", "Patient/1") != key
    assert len(key) >= 20
    assert store.patient_by_key(key) == ("icm", "Patient/1")
    assert store.patient_by_key("unknown") is None


def test_candidate_added_by_hand_stays_added(store: Store) -> None:
    store.add_candidate("icm", "Patient/1", trial="nct04954820", by="nurse")
    store.add_candidate("icm", "Patient/1", trial="nct04954820", by="other")
    store.add_candidate("icm", "Patient/2", trial="other", by="nurse")

    assert store.added_candidates("icm") == {"Patient/1", "Patient/2"}
    assert store.added_candidates("icm", trial="nct04954820") == {"Patient/1"}
    assert store.added_candidates("igr") == set()


def _decide(store: Store, state: str, expected: int | None = None) -> int:
    return store.decide(
        "icm", "Patient/1", trial="nct04954820", state=state, reason="code", by="nurse", expected=expected
    ).version


def test_decisions_are_kept_all_and_the_last_one_stands(store: Store) -> None:
    assert [_decide(store, "to-review", 0), _decide(store, "contacted", 1), _decide(store, "declined")] == [1, 2, 3]

    assert store.decisions("nct04954820")["icm", "Patient/1"].state == "declined"
    history = store.decision_history("nct04954820", site="icm")
    assert [decision.state for decision in history] == ["to-review", "contacted", "declined"]
    assert store.decisions("nct04954820", site="igr") == {}


def test_decision_on_what_changed_meanwhile_is_refused(store: Store) -> None:
    _decide(store, "to-review", 0)

    with pytest.raises(StaleDecisionError, match="icm Patient/1") as raised:
        _decide(store, "declined", 0)
    assert isinstance(raised.value, UsageError)
    assert store.decisions("nct04954820")["icm", "Patient/1"].state == "to-review"


def test_audit_trail_keeps_the_order(store: Store) -> None:
    store.audit("nurse", "decide", subject="icm/Patient/1", detail="declined")
    store.audit("nurse", "add", subject="icm/Patient/2")

    assert [(entry.action, entry.subject, entry.detail) for entry in store.audit_trail()] == [
        ("decide", "icm/Patient/1", "declined"),
        ("add", "icm/Patient/2", ""),
    ]
