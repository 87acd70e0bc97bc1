"""In: every decision state with every verdict, record and proposal. Out: one bin each, as the table says."""

from __future__ import annotations

from itertools import product

import pytest

from adapter.criteria import Outcome, Trial
from adapter.screening.listing_bins import Bin, Facts, bin_of

READY, MISSING, FAILS, FINE = (
    Outcome.READY_FOR_INVESTIGATOR,
    Outcome.NEEDS_INFORMATION,
    Outcome.INELIGIBLE,
    Outcome.ELIGIBLE,
)
#: By state: eligible, ready, information missing, fails for now, fails for good, newly fails, no candidate any more.
TABLE = {
    "new": "eligible new waiting not-now not-eligible no-longer-eligible no-longer-eligible",
    "to-review": "to-review to-review to-review to-review to-review no-longer-eligible no-longer-eligible",
    "contacted": "to-review to-review waiting not-now to-review no-longer-eligible no-longer-eligible",
    "screening": "to-review to-review waiting not-now to-review no-longer-eligible no-longer-eligible",
    "eligible": "eligible eligible eligible eligible eligible no-longer-eligible no-longer-eligible",
    "not-eligible": "not-eligible not-eligible not-eligible not-eligible not-eligible to-review not-eligible",
    "declined": "declined declined declined declined declined declined declined",
    "not-registered": "declined declined declined declined declined declined declined",
    "withdrawn": "declined declined declined declined declined declined declined",
    "enrolled": "enrolled enrolled enrolled enrolled enrolled enrolled enrolled",
}
COLUMNS = (
    Facts("", FINE),
    Facts("", READY),
    Facts("", MISSING),
    Facts("", FAILS),
    Facts("", FAILS, permanent=True),
    Facts("", FAILS, proposal=True),
    Facts("", MISSING, candidate=False),
)


@pytest.mark.parametrize("state", TABLE)
def test_bin_is_as_the_table_says(state: str) -> None:
    found = [bin_of(Facts(state, one.outcome, one.permanent, one.candidate, one.proposal)) for one in COLUMNS]

    assert [str(one) for one in found] == TABLE[state].split()


def test_the_table_knows_every_state_of_the_trial(trial: Trial) -> None:
    assert set(TABLE) == {state.id for state in trial.states}


def test_nobody_is_without_a_bin() -> None:
    states = [*TABLE, "of-another-release"]
    choices = product(states, Outcome, (True, False), (True, False), (True, False))
    facts = [Facts(state, outcome, *rest) for state, outcome, *rest in choices]

    assert {bin_of(one) for one in facts} == set(Bin)


@pytest.mark.parametrize("outcome", [FINE, READY, MISSING])
def test_who_was_judged_not_eligible_is_to_review_when_the_data_say_otherwise(outcome: Outcome) -> None:
    assert bin_of(Facts("not-eligible", outcome, proposal=True)) is Bin.TO_REVIEW
    assert bin_of(Facts("not-eligible", outcome)) is Bin.NOT_ELIGIBLE


@pytest.mark.parametrize("state", ["contacted", "screening", "eligible"])
def test_a_failure_that_was_known_when_it_was_decided_does_not_call_anybody_no_longer_eligible(state: str) -> None:
    assert bin_of(Facts(state, FAILS)) is not Bin.NO_LONGER_ELIGIBLE
    assert bin_of(Facts(state, FAILS, proposal=True)) is Bin.NO_LONGER_ELIGIBLE
    assert bin_of(Facts(state, READY, candidate=False)) is Bin.NO_LONGER_ELIGIBLE


def test_a_state_of_another_release_is_for_a_person_to_look_at() -> None:
    assert bin_of(Facts("of-another-release", READY)) is Bin.TO_REVIEW
