"""In: the screened clinic. Out: attrition, persons counted once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from adapter.criteria import Stage, Trial
from adapter.screening import Asked, read_funnel, screen
from adapter.store import Store
from adapter.terminology import Site
from tests.support.clinic import ON, clinic, refute

ON_DAY = date.fromisoformat(ON)


def test_funnel_counts_persons_not_records(store: Store, trial: Trial) -> None:
    records = sum(1 for resource in clinic() if resource["resourceType"] == "Patient")

    found = read_funnel(store, trial, Stage.REGISTRATION)

    assert found.patients == records - 1


def test_funnel_counts_of_each_criterion_add_up_to_the_candidates(store: Store, trial: Trial) -> None:
    list(screen(store, trial, Site.plain("clinic"), Asked(today=ON_DAY, on=ON_DAY, everyone=True)))

    found = read_funnel(store, trial, Stage.REGISTRATION)

    assert found.candidates == sum(found.outcomes.values()) > 0
    assert {counts.passed + counts.failed + counts.open for counts in found.criteria} == {found.candidates}


def test_funnel_tells_what_alone_keeps_somebody_out(store: Store, trial: Trial) -> None:
    list(screen(store, trial, Site.plain("clinic"), Asked(today=ON_DAY, on=ON_DAY)))

    found = {counts.id: counts for counts in read_funnel(store, trial, Stage.REGISTRATION).criteria}

    assert (found["I01"].failed, found["I01"].sole_failing) == (1, 1)


def test_funnel_has_only_the_criteria_of_its_stage(store: Store, trial: Trial) -> None:
    found = read_funnel(store, trial, Stage.RANDOMISATION)

    assert [counts.id for counts in found.criteria] == [
        "I07",
        "I11",
        "I12",
        "E02",
        "E03",
        "E07",
        "E08",
        "E09",
        "E11",
        "E13",
    ]
    assert found.candidates == 0


def test_funnel_json_is_what_it_holds(store: Store, trial: Trial) -> None:
    found = read_funnel(store, trial, Stage.REGISTRATION, sites=["clinic"])

    assert found.to_json()["sites"] == ["clinic"]
    assert [item["id"] for item in found.to_json()["criteria"]] == [counts.id for counts in found.criteria]
    assert read_funnel(store, trial, Stage.REGISTRATION, sites=["nowhere"]).patients == 0


def test_funnel_leaves_out_who_is_no_candidate_any_more(store: Store, trial: Trial, tmp_path: Path) -> None:
    asked = Asked(today=ON_DAY, on=ON_DAY)
    list(screen(store, trial, Site.plain("clinic"), asked))
    before = read_funnel(store, trial, Stage.REGISTRATION).candidates
    refute(store, tmp_path, "intestinal")
    list(screen(store, trial, Site.plain("clinic"), asked))

    assert read_funnel(store, trial, Stage.REGISTRATION).candidates == before - 1
