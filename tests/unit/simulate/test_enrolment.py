"""In: calendars of enrolled subjects, and a small centre with them. Out: what the simulator promises of enrolment:
same bytes, histories that our own mapper reads, arms in balance, records that fit the trial.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.criteria import Stage
from adapter.documents import load_study
from adapter.simulate import simulate
from adapter.simulate.centre import shared
from adapter.simulate.enrolment import ARMS, enrolled_patient, journeys, screen_failure
from adapter.simulate.enrolment.subject import history
from mappings.entities import Identifier, Subject
from mappings.subject import to_fhir
from tests.support.cli import reluth
from tests.support.followed import Resource, Subjects
from tests.support.simulated import Centre, item_of

SEED = 7
ON = date(2025, 6, 1)
PATIENTS, ENROLLED, FAILURES = 70, 45, 3
# The centre of 170 patients, seed 7, as it was before anybody could be enrolled.
UNCHANGED = "195d69e32d223b767ca39b056959df0606d908394c09554ebc748c972122be4c"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- the same bytes ------------------------------------------------------------------------------------------------


def test_simulate_without_enrolled_gives_the_bytes_that_it_always_gave(tmp_path: Path) -> None:
    simulate(tmp_path, patients=170, seed=7)
    found = hashlib.sha256()
    for name, content in sorted(_bytes(tmp_path).items()):
        found.update(name.encode() + content)

    assert found.hexdigest() == UNCHANGED


def test_simulate_enrols_the_same_subjects_for_the_same_arguments(feed: Path, tmp_path: Path) -> None:
    simulate(tmp_path, patients=PATIENTS, seed=SEED, enrolled=ENROLLED)

    assert _bytes(tmp_path) == _bytes(feed)


def test_simulate_leaves_the_other_patients_as_they_are(feed: Path, tmp_path: Path) -> None:
    simulate(tmp_path, patients=PATIENTS - ENROLLED - FAILURES, seed=SEED)
    starts = {name: (feed / name).read_bytes().startswith(content) for name, content in _bytes(tmp_path).items()}

    assert all(starts.values()), starts


def test_simulate_counts_subjects_and_screen_failures(feed: Path, tmp_path: Path) -> None:
    summary = simulate(tmp_path, patients=PATIENTS, seed=SEED, enrolled=ENROLLED)

    assert summary.enrolled == ENROLLED == summary.stories["enrolled"]
    assert summary.stories["screen-failure"] == FAILURES == ENROLLED * 2 // 30
    assert sum(summary.stories.values()) == PATIENTS


def test_simulate_enrols_everybody_where_that_is_asked(tmp_path: Path) -> None:
    summary = simulate(tmp_path, patients=2, seed=SEED, enrolled=2)

    assert summary.stories == {"enrolled": 2}


@pytest.mark.parametrize("enrolled", [-1, 4])
def test_simulate_refuses_to_enrol_more_than_there_are(tmp_path: Path, enrolled: int) -> None:
    with pytest.raises(ValueError, match="enrolled"):
        simulate(tmp_path, patients=3, seed=SEED, enrolled=enrolled)

    assert list(tmp_path.iterdir()) == []


def test_simulate_command_tells_how_many_are_enrolled(tmp_path: Path) -> None:
    done = reluth("--json", "simulate", tmp_path, "--patients", "3", "--seed", "1", "--enrolled", "2")

    assert done.code == 0
    assert done.object["enrolled"] == 2
    assert done.object["stories"]["enrolled"] == 2


def test_simulate_command_refuses_more_subjects_than_patients_as_wrong_usage(tmp_path: Path) -> None:
    done = reluth("simulate", tmp_path, "--patients", "3", "--seed", "1", "--enrolled", "4")

    assert done.code == 2
    assert "--enrolled" in done.err
    assert list(tmp_path.iterdir()) == []


# --- histories -----------------------------------------------------------------------------------------------------


def test_every_history_is_read_and_written_again_by_our_mapper(subjects: Subjects) -> None:
    assert sorted(subjects) == [f"RELUTH-05-{number:04d}" for number in range(1, ENROLLED + FAILURES + 1)]
    for subject, resource in subjects.values():
        ours = to_fhir(subject)

        assert {name: resource[name] for name in ("extension", "identifier", "status")} == {
            name: ours[name] for name in ("extension", "identifier", "status")
        }
        assert resource["individual"]["reference"].startswith("Patient/p")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 40), on=st.dates(date(2024, 1, 1), date(2031, 12, 31)))
def test_journeys_are_orders_of_events_that_the_protocol_knows(seed: int, size: int, on: date) -> None:
    patient = Identifier(system="urn:oid:1.2.250.1.999", value="1")
    for journey in journeys(seed, size, on):
        signed = journey.registered - timedelta(days=9)
        events = tuple(history(journey, screened=signed, signed=signed))
        subject = Subject(study="nct04954820", site="05", number=journey.number, patient=patient, events=events)

        assert subject.arm == journey.arm
        assert max(event.on for event in events) <= journey.until.isoformat()
        assert journey.until <= on


def test_registrations_follow_one_another_over_thirty_months() -> None:
    registered = [journey.registered for journey in journeys(SEED, 146, ON)]

    assert registered == sorted(registered)
    assert date(2021, 10, 18) <= registered[0] < date(2022, 1, 1)
    assert date(2024, 4, 1) <= registered[-1] < date(2024, 6, 1)


def test_arms_are_those_of_the_study() -> None:
    study = load_study("nct04954820")

    assert {arm.name for arm in study.arms} == set(ARMS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_arms_are_even_in_every_block_of_four(seed: int) -> None:
    drawn = [journey for journey in journeys(seed, 146, ON) if journey.randomised is not None]
    arms = [journey.arm for journey in sorted(drawn, key=lambda one: (one.randomised, one.position))]
    blocks = [arms[at : at + 4] for at in range(0, len(arms) - 3, 4)]

    assert len(blocks) > 25
    assert all(Counter(block) == {"experimental": 2, "control": 2} for block in blocks)
    assert abs(arms.count("experimental") - arms.count("control")) <= 2


def test_most_subjects_are_followed_for_twelve_months() -> None:
    found = Counter(len(journey.visits) for journey in journeys(1, 146, ON))

    assert found[6] > 90
    assert found[4] + found[5] > 5  # the latest


def test_cycles_are_eight_weeks_apart_and_the_control_arm_gets_two() -> None:
    for journey in journeys(SEED, 146, ON):
        days = journey.given
        apart = [(later - earlier).days for earlier, later in pairwise(days)]

        assert all(56 <= gap <= 56 + 21 + 10 for gap in apart)
        assert journey.arm == "experimental" or len(days) <= 2


# --- the registration ----------------------------------------------------------------------------------------------


def _current(resources: Iterable[Resource]) -> list[Resource]:
    """The highest version of each."""
    found: dict[str, Resource] = {}
    for one in sorted(resources, key=lambda one: int(one["meta"]["versionId"])):
        found[f"{one['resourceType']}/{one['id']}"] = one
    return list(found.values())


def _differences(told: list[Resource], line: Mapping[str, Any]) -> tuple[str, dict[str, tuple[str, str]]]:
    on = date.fromisoformat(line["on"])
    items = [item_of(one) for one in (*_current(told), *shared(ON))]
    verdict = Centre(SEED, on=on).verdict(line["patient"], items, Stage.REGISTRATION).to_json()
    screened = {one["id"]: one["truth"] for one in verdict["criteria"]}
    wrong = {name: (truth, screened[name]) for name, truth in line["registration"].items() if screened[name] != truth}
    return verdict["outcome"], wrong


def test_subjects_fit_the_trial_at_their_registration() -> None:
    for index, journey in enumerate(journeys(SEED, 30, ON)):
        told = enrolled_patient(SEED, index, journey, ON)
        outcome, wrong = _differences(told.resources, told.truths[0])

        assert told.truths[0]["on"] == journey.registered.isoformat()
        assert outcome != "ineligible"
        assert wrong == {}


@pytest.mark.parametrize("position", [1, 2])
def test_screen_failures_do_not_fit_it(position: int) -> None:
    told = screen_failure(SEED, 5, position, ON)
    outcome, wrong = _differences(told.resources, told.truths[0])

    assert outcome == "ineligible"
    assert wrong == {}
