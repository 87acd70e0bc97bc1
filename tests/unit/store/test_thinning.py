"""Promises of old verdicts: those that all say the same are thinned to one a week, and nothing that anybody asks has another answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.store import Lasting, Store, StoredVerdict

SITE, TRIAL, STAGE, PATIENT = "icm", "nct04954820", "registration", "Patient/1"
#: A Monday.
BEGIN = date(2025, 6, 2)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
READY, LOW = "ready-for-investigator", "ineligible"


def at(day: int, hour: int = 3) -> datetime:
    return datetime(BEGIN.year, BEGIN.month, BEGIN.day, hour, tzinfo=UTC) + timedelta(days=day)


def made(day: int, outcome: str = READY, **changes: Any) -> StoredVerdict:
    on = BEGIN + timedelta(days=day)
    order = [{"what": "alt", "by": str(on + timedelta(days=21)), "for": ["E07"]}]
    told = {"on": str(on), "candidate": outcome != LOW, "outcome": outcome, "to_order": order}
    values: dict[str, Any] = {
        "site": SITE,
        "patient": PATIENT,
        "trial": TRIAL,
        "stage": STAGE,
        "on": on,
        "screened_at": at(day),
        "run": f"r{day}",
        "content": json.dumps(told),
        "input_hash": "a",
    }
    return StoredVerdict(**(values | changes))


def screened(store: Store, outcomes: Sequence[str], **changes: Any) -> None:
    for day, outcome in enumerate(outcomes):
        store.save_verdicts([made(day, outcome, **changes)])


def thinned(store: Store, *, before: datetime = LATER, since: datetime | None = None, **lasting: Any) -> int:
    return store.thin_verdicts(SITE, before=before, since=since, lasting=Lasting(**lasting))


def days(store: Store, patient: str = PATIENT) -> list[int]:
    history = store.verdict_history(TRIAL, STAGE, site=SITE, patients=[patient])
    return [(one.verdict.on - BEGIN).days for one in history.get(patient, ())]


def test_of_days_that_say_the_same_one_a_week_stays_and_the_first_and_the_last(any_store: Store) -> None:
    screened(any_store, [READY] * 24)

    assert thinned(any_store) == 19
    assert days(any_store) == [0, 6, 13, 20, 23]


def test_each_change_stays_with_the_day_before_it(any_store: Store) -> None:
    screened(any_store, [READY] * 3 + [LOW] + [READY] * 2 + [LOW] * 4)
    thinned(any_store)

    assert days(any_store) == [0, 2, 3, 4, 5, 6, 9]


def test_what_a_person_saw_who_decided_stays(any_store: Store) -> None:
    screened(any_store, [READY] * 3)
    any_store.decide(
        SITE, "Patient/merged", trial=TRIAL, state="contacted", reason="to-contact", by="anna", seen="seen"
    )
    decided = any_store.decision_history(TRIAL)[0].decided_at
    for hours in range(-3, 3):
        moment = decided + timedelta(hours=24 * hours - 1)
        any_store.save_verdicts(
            [made(moment.date().toordinal() - BEGIN.toordinal(), screened_at=moment, input_hash="seen")]
        )
    told = [one.verdict for one in any_store.verdict_history(TRIAL, STAGE, site=SITE, patients=[PATIENT])[PATIENT]]
    seen = [one for one in told if one.input_hash == "seen" and one.screened_at <= decided][-1]
    thinned(any_store, before=decided + timedelta(days=99))

    left = [one.verdict for one in any_store.verdict_history(TRIAL, STAGE, site=SITE, patients=[PATIENT])[PATIENT]]
    assert seen in left
    assert len(left) < len(told)


def test_what_stood_when_a_patient_was_decided_on_stays(any_store: Store) -> None:
    any_store.decide(SITE, PATIENT, trial=TRIAL, state="contacted", reason="to-contact", by="anna")
    decided = any_store.decision_history(TRIAL)[0].decided_at
    first = decided.date() - timedelta(days=decided.weekday() + 14)
    for day in range(28):
        on = first + timedelta(days=day)
        moment = datetime(on.year, on.month, on.day, tzinfo=UTC)
        any_store.save_verdicts([made((on - BEGIN).days, screened_at=moment)])
    thinned(any_store, before=decided + timedelta(days=99))

    assert (decided.date() - BEGIN).days in days(any_store)
    assert len(days(any_store)) <= 6


def test_subjects_and_days_of_their_history_keep_every_verdict(store: Store) -> None:
    screened(store, [READY] * 20)
    screened(store, [READY] * 20, patient="Patient/2")
    thinned(store, patients={"Patient/2"}, days={BEGIN + timedelta(days=9)})

    assert days(store) == [0, 6, 9, 13, 19]
    assert days(store, "Patient/2") == list(range(20))


def test_what_is_young_stays_and_so_does_what_was_made_again_since(store: Store) -> None:
    screened(store, [READY] * 20)
    store.save_verdicts([made(3, screened_at=at(18))])
    thinned(store, before=at(10))

    assert days(store) == [0, 3, 6, *range(9, 20)]


def test_newest_stays_although_it_is_of_an_earlier_day(store: Store) -> None:
    screened(store, [READY] * 6)
    store.save_verdicts([made(2, screened_at=at(9))])
    thinned(store)

    assert days(store) == [0, 2, 5]
    assert next(store.latest_verdicts(TRIAL, STAGE)).on == BEGIN + timedelta(days=2)


def test_other_sites_trials_and_stages_are_left_alone(store: Store) -> None:
    for changes in ({"site": "other"}, {"trial": "start-net"}, {"stage": "randomisation"}, {"patient": "Patient/2"}):
        screened(store, [READY, LOW], **changes)
    screened(store, [READY] * 3, site="other")

    assert thinned(store) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(st.tuples(st.sampled_from([READY, LOW, "needs-information"]), st.integers(1, 20)), max_size=8),
    gap=st.sampled_from([1, 1, 2, 9]),
)
def test_every_question_has_the_answer_that_it_had(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[str, int]], gap: int
) -> None:
    outcomes = [outcome for outcome, length in runs for _ in range(length)]
    with Store.open(tmp_path_factory.mktemp("store")) as store:
        store.save_verdicts(made(gap * day, outcome) for day, outcome in enumerate(outcomes))
        before = _answers(store, len(outcomes))
        thinned(store)
        once = days(store)
        again = thinned(store)

        assert _answers(store, len(outcomes)) == before
        assert (again, days(store)) == (0, once)


def _answers(store: Store, many: int) -> dict[str, Any]:
    history = store.verdict_history(TRIAL, STAGE, site=SITE, patients=[PATIENT]).get(PATIENT, [])
    said = [(one.verdict.on, json.loads(one.verdict.content)["outcome"]) for one in history]
    return {
        "states": [(outcome, next(on for on, _ in group)) for outcome, group in groupby(said, key=lambda one: one[1])],
        "first": store.first_verdicts(TRIAL, STAGE, site=SITE),
        "latest": list(store.latest_verdicts(TRIAL, STAGE)),
        "told": [store.digests.candidates_at(TRIAL, STAGE, site=SITE, number=number) for number in range(many + 1)],
        # A package looks four weeks back for the verdict of the day of an event.
        "of the day": [
            next((one for on, one in reversed(said) if 0 <= (BEGIN + timedelta(days=day) - on).days <= 28), None)
            for day in range(max(((on - BEGIN).days for on, _ in said), default=0) + 1)
        ],
    }
