"""In: the screened clinic. Out: for how many candidates data are there; what only a person can say is not missing data."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.criteria import Stage, Trial
from adapter.documents import load_trial
from adapter.screening import Asked, listed, read_data, read_funnel, screen
from adapter.screening.needs import needs_of
from adapter.store import Store
from adapter.terminology import Site
from tests.support.clinic import ON

ON_DAY = date.fromisoformat(ON)
CLINIC = Site.plain("clinic")


def test_data_are_counted_of_the_people_asked_about_only(store: Store, trial: Trial) -> None:
    list(screen(store, trial, CLINIC, Asked(today=ON_DAY, on=ON_DAY)))
    people = [one.patient for one in listed(store, trial, Stage.REGISTRATION) if one.candidate]
    of_all = {one.what: one.persons for one in read_data(store, trial, CLINIC, people)}
    of_nobody = {one.what: one.persons for one in read_data(store, trial, CLINIC, [])}
    of_one = {one.what: one.persons for one in read_data(store, trial, CLINIC, ["Patient/intestinal"])}

    assert people
    assert max(of_all.values()) > 1
    assert set(of_nobody.values()) == {0}
    assert max(of_one.values()) == 1
    assert all(of_one[what] <= of_all[what] <= len(people) for what in of_all)


def test_every_datum_has_its_criteria_and_a_label_in_both_languages(store: Store, trial: Trial) -> None:
    found = read_data(store, trial, CLINIC, [])

    assert all(one.criteria and set(one.label) >= {"fr", "en"} for one in found)


@pytest.mark.parametrize("name", ["nct04954820", "start-net"])
def test_no_datum_of_the_shipped_trials_is_named_by_its_id(name: str) -> None:
    named = [need for need in needs_of(load_trial(name)).values() if need.kind == "value-set"]

    assert len(named) > 5
    assert [need.what for need in named if need.value_set is None or need.value_set.label is None] == []


def test_criterion_is_complete_where_it_is_decided_or_waits_for_a_person(store: Store, trial: Trial) -> None:
    list(screen(store, trial, CLINIC, Asked(today=ON_DAY, on=ON_DAY)))
    found = read_funnel(store, trial, Stage.REGISTRATION)
    (there,) = found.completeness
    lines = {line.id: line for line in found.criteria}
    waits = [
        criterion.id
        for criterion in trial.criteria
        if criterion.automation == "manual" and criterion.id in lines and lines[criterion.id].open == found.candidates
    ]

    assert there.candidates == found.candidates
    assert all(line.passed + line.failed <= there.criteria[line.id] <= found.candidates for line in found.criteria)
    assert waits
    assert any(there.criteria[name] == found.candidates for name in waits)
    assert any(there.criteria[line.id] < found.candidates for line in found.criteria)
