"""In: candidates and what people decided. Out: the flow: each candidate at one step, and the sums are those of the funnel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapter.criteria import Stage, Trial
from adapter.screening import STEPS, Asked, Listed, read_funnel, screen
from adapter.screening.flow import flow_of
from adapter.store import Decision, Store
from adapter.terminology import Site
from tests.support.clinic import ON

ON_DAY = date.fromisoformat(ON)


def person(
    outcome: str,
    state: str | None = None,
    *,
    failed: Iterable[str] = (),
    reason: str | None = None,
    candidate: bool = True,
) -> Listed:
    """A candidate with an outcome and perhaps a decision."""
    decided = None
    if state is not None:
        decided = Decision(1, "icm", "Patient/1", "t", 1, state, "other", "anna", datetime(2026, 11, 22, tzinfo=UTC))
    verdict = {"outcome": outcome, "outcome_reason": reason, "candidate": candidate, "on": ON}
    return Listed(
        "icm",
        "Patient/1",
        datetime(2026, 11, 22, tzinfo=UTC),
        verdict,
        passed=(),
        failed=tuple(failed),
        open=(),
        decision=decided,
    )


@pytest.mark.parametrize("state", [None, "new", "to-review"])
@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        ("ineligible", "criteria"),
        ("needs-information", "information"),
        ("ready-for-investigator", "ready"),
        ("eligible", "met"),
    ],
)
def test_flow_places_whom_nobody_decided_on_by_the_criteria(outcome: str, step: str, state: str | None) -> None:
    found = flow_of([person(outcome, state)])

    assert {name: n for name, n in found.steps.items() if n} == {step: 1}


@pytest.mark.parametrize("outcome", ["ineligible", "needs-information", "ready-for-investigator", "eligible"])
def test_flow_places_by_the_decision_where_there_is_one(trial: Trial, outcome: str) -> None:
    decided = [state.id for state in trial.states if state.id not in ("new", "to-review")]
    found = flow_of(person(outcome, state) for state in decided)

    assert {name: n for name, n in found.steps.items() if n} == dict.fromkeys(decided, 1)


def test_flow_knows_every_state_of_the_trial(trial: Trial) -> None:
    known = {step for steps in STEPS.values() for step in steps}

    assert {state.id for state in trial.states} - known == {"new", "to-review"}


def test_flow_counts_reasons_of_those_whom_criteria_leave_out_only() -> None:
    found = flow_of(
        [
            person("ineligible", failed=["I11", "E07"]),
            person("ineligible", failed=["I11"]),
            person("ineligible", reason="deceased", failed=["E01"]),
            person("ineligible", "declined", failed=["E02"]),
            person("ineligible", failed=["E03"], candidate=False),
        ]
    )

    assert found.reasons == (("I11", 2), ("E07", 1), ("deceased", 1))
    assert (found.of("excluded"), found.retained) == (4, 0)


def test_flow_of_a_store_adds_up_to_its_candidates(store: Store, trial: Trial) -> None:
    list(screen(store, trial, Site.plain("clinic"), Asked(today=ON_DAY, on=ON_DAY, everyone=True)))
    store.decide("clinic", "Patient/intestinal", trial=trial.id, state="declined", reason="patient-declined", by="anna")

    found = read_funnel(store, trial, Stage.REGISTRATION)

    assert found.flow.steps["declined"] == 1
    assert found.candidates == found.flow.of("excluded") + found.flow.retained
    assert found.flow.retained == sum(found.flow.of(group) for group in ("undecided", "followed", "enrolled"))


def test_flow_json_holds_every_step(store: Store, trial: Trial) -> None:
    told = read_funnel(store, trial, Stage.REGISTRATION).to_json()["flow"]

    assert {group: set(told[group]) - {"persons"} for group in STEPS} == {
        group: set(steps) for group, steps in STEPS.items()
    }


def test_person_that_is_no_candidate_stands_nowhere() -> None:
    gone = replace(person("eligible", "enrolled"), verdict={**person("eligible").verdict, "candidate": False})

    assert sum(flow_of([gone]).steps.values()) == 0
