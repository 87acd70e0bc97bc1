"""In: exports whose files are on a second host, or whose token covers less than is asked for. Out: tokens go where they are wanted only, and what is missing is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.fault_bench import Bench, bench, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Fault, Habits
from tests.support.fault_server import FaultServer, fault_server


@pytest.fixture(params=["wanted", "not-wanted"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock, habits=Habits(presigned=request.param == "not-wanted")) as place:
        yield place


@pytest.fixture
def friend(place: Bench) -> Iterator[FaultServer]:
    """The second host: it has the files of the first, and asks for the same tokens."""
    with fault_server(place.server.habits, clock=place.clock) as friend:
        friend.exports, friend.tokens = place.server.exports, place.server.tokens
        friend.stranger = place.stranger.origin
        yield friend


def test_files_of_another_host_come_with_a_token_only_where_it_is_wanted(place: Bench, friend: FaultServer) -> None:
    place.server.files_root = friend.root
    settings(place.folder, place.server, mode="bulk", lines=[f'hosts = ["{friend.address}"]'])

    ran = place.pull()

    place.check_run(ran)
    assert ran.code == 0, ran.err
    assert len(friend.of("file", whole=True)) == 6
    assert {item.place for item in friend.seen} == {"file"}
    assert {item.token is None for item in friend.seen} == {place.server.habits.presigned}


def test_files_of_a_host_that_is_not_on_the_list_are_not_asked_for(place: Bench, friend: FaultServer) -> None:
    place.server.files_root = friend.root
    settings(place.folder, place.server, mode="bulk")

    ran = place.pull()

    place.check_run(ran)
    assert ran.code == 4, ran.err
    assert friend.address in ran.err
    assert friend.seen == []


def test_files_that_are_redirected_to_a_host_of_the_list_come(place: Bench, friend: FaultServer) -> None:
    settings(place.folder, place.server, mode="bulk", lines=[f'hosts = ["{friend.address}"]'])
    place.server.faults.add(Fault("file", "redirect", of="Observation.2", to=friend.origin, times=0))

    ran = place.pull()

    place.check_run(ran)
    assert ran.code == 0, ran.err
    assert {item.name for item in friend.seen} == {"Observation.2.ndjson"}
    assert [item.status for item in friend.of("file", whole=True)][-1] == 200
    # A redirect to an address that was signed would be refused with a token.
    assert friend.seen[0].token is None


def test_redirect_of_a_redirect_to_a_host_that_is_not_on_the_list_is_refused(place: Bench, friend: FaultServer) -> None:
    settings(place.folder, place.server, mode="bulk", lines=[f'hosts = ["{friend.address}"]'])
    place.server.faults.add(Fault("file", "redirect", of="Observation.2", to=friend.origin, times=0))
    friend.faults.add(Fault("file", "redirect", times=0))

    ran = place.pull()

    place.check_run(ran)
    assert ran.code in (4, 5), ran.err
    assert "Observation.2.ndjson" in ran.err


def test_type_that_the_token_does_not_cover_is_named_where_an_export_leaves_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    granted = "system/Patient.rs system/Condition.rs system/MedicationAdministration.rs"
    with bench(tmp_path, clock, habits=Habits(auth="smart", granted=granted)) as place:
        settings(place.folder, place.server, mode="bulk")
        ran = place.pull()

        place.check_run(ran)
        assert ran.code == 5, ran.err
        assert ran.object["missing"] == [{"type": "Observation", "reason": "the token's scopes do not cover this type"}]
        assert set(ran.object["types"]) == {"Condition", "MedicationAdministration", "Patient"}
        with Store.open(place.store) as store:
            assert {mark.type for mark in store.bookmarks()} == set(ran.object["types"])
