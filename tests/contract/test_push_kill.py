"""A push that is killed, or that seven others meet, leaves nothing twice and loses nothing: against a real HAPI FHIR R4 server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from adapter.store import OutboxState
from tests.support.enrolled import enrolled
from tests.support.hapi_server import running_hapi
from tests.support.push_hapi import SITE, Machine, Ward, ward_of
from tests.support.push_process import Moment, gate_before, start_push, write_settings

pytestmark = pytest.mark.hapi

#: Three persons have an extravasation, whose AdverseEvent is found by its tag.
PERSONS = 3
#: One a kind: study, subjects, labs, infusions.
TRANSACTIONS = 4
PUSHERS = 8
RANDOM_POINTS = 50


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """Three persons with one sample each, nothing pushed."""
    with ward_of(running_hapi(), enrolled(PERSONS, name="kill", months=0), tmp_path) as ward:
        write_settings(tmp_path, ward.base_url)
        yield ward


# Killed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nth", "moment"),
    [
        pytest.param(3, "unsent", id="before-the-server-had-it"),
        pytest.param(4, "flying", id="while-the-server-had-it"),
        pytest.param(4, "unheard", id="between-send-and-receipt"),
        pytest.param(2, "half-heard", id="in-the-middle-of-the-answer"),
    ],
)
def test_push_killed_at_the_wire_and_run_again_is_a_push_undisturbed(
    ward: Ward, tmp_path: Path, nth: int, moment: Moment
) -> None:
    machine = ward.machine()

    assert _killed_at(ward, tmp_path, nth, moment) == -9

    _is_whole_after_a_second_push(ward, tmp_path, machine)


def test_push_killed_with_the_answer_in_its_hands_and_run_again_is_a_push_undisturbed(
    ward: Ward, tmp_path: Path
) -> None:
    machine = ward.machine()

    with start_push(tmp_path, "store", dies=("done", 3)) as push:
        push.begin()
        assert push.end()[:2] == (-9, {})

    assert OutboxState.DONE not in {entry.state for entry in machine.store.outbox.entries(SITE) if entry.kind == "labs"}
    _is_whole_after_a_second_push(ward, tmp_path, machine)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(RANDOM_POINTS))
def test_push_killed_at_any_point_and_run_again_is_a_push_undisturbed(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    enrolment = enrolled(PERSONS, name=f"kill{seed}", months=seed % 3, seed=seed)
    with ward_of(running_hapi(), enrolment, tmp_path) as ward:
        write_settings(tmp_path, ward.base_url)
        machine = ward.machine()
        killed: list[int] = []
        # Now and then the push after a killed one is killed too.
        for _ in range(1 + rng.randrange(2)):
            if rng.random() < 0.5:
                moment = rng.choice(get_args(Moment))
                killed.append(_killed_at(ward, tmp_path, 1 + rng.randrange(TRANSACTIONS), moment))
            else:
                killed.append(_killed_after(tmp_path, rng.random() * 8))
        assert set(killed) <= {-9, 0}
        _is_whole_after_a_second_push(ward, tmp_path, machine)


# Several at once ----------------------------------------------------------------------------------------------------


def test_eight_machines_at_once_leave_each_identifier_once_or_tell_of_it(ward: Ward, tmp_path: Path) -> None:
    machines = [ward.machine(f"store{number}") for number in range(PUSHERS)]

    with gate_before(ward.base_url) as gate, ExitStack() as stack:
        write_settings(tmp_path, gate.url)
        pushes = [stack.enter_context(start_push(tmp_path, f"store{number}")) for number in range(PUSHERS)]
        # All of them have looked, and found nothing there, before the first one writes.
        gate.holds.clear()
        for push in pushes:
            push.begin()
        _wait_until(lambda: gate.arrived == PUSHERS)
        gate.holds.set()
        ended = [push.end() for push in pushes]

    assert {code for code, _, _ in ended} <= {0, 5}, ended
    told = {conflict["reason"] for _, summary, _ in ended for conflict in summary["conflicts"]}
    assert told <= {"duplicate"}
    # Who was left with something to do does it now; after that nobody has.
    for machine in machines:
        machine.push()
    before = ward.versions()
    for machine in machines:
        machine.push()
    assert ward.versions() == before
    assert {version for name, version in before.items() if not name.startswith("Provenance/")} == {"1"}

    twice = {name for name, number in _identifiers(ward).items() if number > 1}
    reported = {name for machine in machines for name in _in_conflict(machine)}
    assert twice <= reported
    # HAPI heeds If-None-Exist, also by the tag of what has no search by identifier.
    assert twice == set()
    assert ward.expected() - ward.counts() == Counter()


def test_eight_processes_on_one_store_are_one_that_works_and_seven_that_say_busy(ward: Ward, tmp_path: Path) -> None:
    machine = ward.machine()

    with gate_before(ward.base_url) as gate, ExitStack() as stack:
        write_settings(tmp_path, gate.url)
        pushes = [stack.enter_context(start_push(tmp_path, "store")) for _ in range(PUSHERS)]
        # Whoever is first does not get on until the others have ended.
        gate.holds.clear()
        for push in pushes:
            push.begin()
        _wait_until(lambda: sum(push.process.poll() is not None for push in pushes) == PUSHERS - 1)
        gate.holds.set()
        ended = [push.end() for push in pushes]

    assert sorted(code for code, _, _ in ended) == [0, *[75] * (PUSHERS - 1)]
    assert all(said for code, _, said in ended if code == 75)
    assert ward.entities() == list(ward.enrolment.entities)
    assert machine.states() == {OutboxState.DONE: len(ward.enrolment.entities)}


# --------------------------------------------------------------------------------------------------------------------


def _killed_at(ward: Ward, folder: Path, nth: int, moment: Moment) -> int:
    """Push through a gate that kills at the n-th transaction; the exit code."""
    with gate_before(ward.base_url) as gate:
        write_settings(folder, gate.url)
        gate.kills = (nth, moment)
        with start_push(folder, "store") as push:
            gate.victim = push
            push.begin()
            code, _, _ = push.end()
    write_settings(folder, ward.base_url)
    return code


def _killed_after(folder: Path, seconds: float) -> int:
    with start_push(folder, "store") as push:
        push.begin()
        time.sleep(seconds)
        push.kill()
        return push.end()[0]


def _is_whole_after_a_second_push(ward: Ward, folder: Path, machine: Machine) -> None:
    """The second sends what is missing, the third nothing; everything is there, once, with who wrote it."""
    second = _pushed(folder)
    assert second["complete"], second
    assert ward.entities() == list(ward.enrolment.entities)
    assert machine.states() == {OutboxState.DONE: len(ward.enrolment.entities)}
    before = ward.versions()

    third = _pushed(folder)

    assert (third["types"], third["taken_back"]) == ({}, 0)
    assert ward.versions() == before
    assert set(before.values()) == {"1"}
    assert _told_of(ward) == dict.fromkeys((name for name in before if not name.startswith("Provenance/")), 1)


def _pushed(folder: Path) -> dict[str, Any]:
    with start_push(folder, "store") as push:
        push.begin()
        code, summary, said = push.end()
    assert code == 0, said
    return summary


def _told_of(ward: Ward) -> Counter[str]:
    """How many Provenances speak of each resource."""
    held = ward.held(("Provenance",)).values()
    return Counter(target["reference"].partition("/_history")[0] for one in held for target in one["target"])


def _identifiers(ward: Ward) -> Counter[tuple[str, str]]:
    """How many resources stand under each identifier of ours."""
    found: Counter[tuple[str, str]] = Counter()
    for reference, resource in ward.held().items():
        known = resource.get("identifier")
        if known:
            first = known[0] if isinstance(known, list) else known
            found[reference.partition("/")[0], f"{first['system']}|{first['value']}"] += 1
    return found


def _in_conflict(machine: Machine) -> set[tuple[str, str]]:
    """Type and identifier of what a machine reports as standing there more than once."""
    entries = {
        (entry.kind, entry.key) for entry in machine.store.outbox.entries(SITE) if entry.state is OutboxState.CONFLICT
    }
    known = machine.store.outbox.conflicts(site=SITE)
    held = machine.ward.held()
    found = set()
    for conflict in known:
        assert (conflict.kind, conflict.key) in entries
        for reference in conflict.references:
            first = held[reference]["identifier"]
            first = first[0] if isinstance(first, list) else first
            found.add((reference.partition("/")[0], f"{first['system']}|{first['value']}"))
    return found


def _wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)
