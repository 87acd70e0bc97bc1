"""A pull over HTTP that is killed goes on where it was, and gives the store of one that was not disturbed; two at once harm nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.fault_bench import Bench, Held, bench, held_by, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Fault, Habits, Seen
from tests.support.fault_process import KillPoint, PullProcess, count_calls, kill_point, start_pull

MODES = ("bulk", "search")
#: As many requests as `search.concurrency` may have been under way.
UNDER_WAY = 2
#: After every pull of these tests, so that the second pull of a ward asks for it, and the same in each ward.
LATER = datetime(2099, 1, 1, tzinfo=UTC)
_WAITS = 60


@dataclass(frozen=True)
class Undisturbed:
    """What a pull is that nobody kills: how often what happens in it, how many pages it reads, and what the store then holds."""

    counts: dict[str, int]
    pages: int
    held: Held


def _habits(seed: int) -> Habits:
    return Habits(polls=1, poll_wait="0", packed=seed % 2 == 1, count=seed % 3 > 0)


@contextmanager
def _ward(folder: Path, seed: int, mode: str) -> Iterator[Bench]:
    """A ward that was pulled once, and has changed since, for odd seeds; else one that never was."""
    folder.mkdir()
    clock = SkippingClock()
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock.install(monkeypatch)
        with bench(folder, clock, habits=_habits(seed)) as place:
            settings(folder, place.server, mode=mode, lines=[f"search.concurrency = {UNDER_WAY}"])
            if seed % 2:
                assert place.pull().code == 0
                for number in range(150):
                    place.server.ward.change("Observation", f"o{number}", LATER)
                for number in range(5):
                    place.server.ward.delete("Condition", f"c{number}", LATER)
            place.server.seen.clear()
            yield place


def _undisturbed(folder: Path, seed: int, mode: str) -> Undisturbed:
    with _ward(folder, seed, mode) as place, count_calls(pytest.MonkeyPatch()) as counts:
        assert place.pull().code == 0
        return Undisturbed({**counts, "request": len(place.server.seen)}, _pages(place.server.seen), place.held())


def _strike(place: Bench, pull: PullProcess, point: KillPoint) -> None:
    """Kill it, from outside or by itself."""
    if point.where == "request":
        until = time.monotonic() + _WAITS
        while not place.server.stalled.wait(0.02) and pull.process.poll() is None:
            assert time.monotonic() < until
        pull.kill()
        place.server.stalls.set()
    code, told, said = pull.end()

    assert (code, told) == (-9, {}), f"{point} was not reached: {said}"


def _finished(place: Bench) -> list[str]:
    """The files of the export that lie in the spool under their final names, whole."""
    files = [path for path in (place.store / "spool").rglob("*") if path.is_file() and ".part" not in path.name]
    kept = {path.read_bytes() for path in files}
    served = {(item.path, item.name) for item in place.server.of("file")}
    found = []
    for path, name in sorted(served):
        for encoding in ("gzip", "identity"):
            body = place.server.exports.file(int(path.split("/")[-2]), name, {"accept-encoding": encoding}).body
            if body and body in kept:
                found.append(path)
    return sorted(set(found))


def _pages(seen: list[Seen]) -> int:
    """How many pages were asked for; not of those questions by which deletions are confirmed before they are believed."""
    return sum(item.place in ("search", "next", "history") and "_id" not in item.query for item in seen)


def _kill_and_go_on(folder: Path, mode: str, seed: int) -> None:
    quiet = _undisturbed(folder / "quiet", seed, mode)
    point = kill_point(seed, quiet.counts)
    with _ward(folder / "killed", seed, mode) as place:
        before = place.held()
        if point.where == "request":
            place.server.faults.add(Fault("any", "stall", nth=point.nth, keep=point.sent))
        with start_pull(place.folder, place.store, dies=point) as pull:
            _strike(place, pull, point)
        place.server.faults.clear()
        finished, came = _finished(place), list(place.server.seen)
        halfway = place.held()
        committed = halfway != before
        place.server.seen.clear()

        again = place.pull()

        assert halfway in (before, quiet.held), "all of it is seen, or nothing"
        place.check_run(again)
        assert again.code == 0, again.err
        assert place.held() == quiet.held
        fetched = [item.path for item in place.server.of("file")]
        assert sorted(set(fetched) & set(finished)) == []
        if finished and not committed:
            assert place.server.of("kick-off") == [], "the export is still there"
        if mode == "search" and not committed:
            asked = _pages(came) + _pages(place.server.seen)
            assert asked <= quiet.pages + UNDER_WAY, "pages that came are not asked for again"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mode", MODES)
def test_pull_killed_goes_on_and_gives_the_store_of_one_undisturbed(tmp_path: Path, mode: str, seed: int) -> None:
    _kill_and_go_on(tmp_path, mode, seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 150))
@pytest.mark.parametrize("mode", MODES)
def test_pull_killed_at_fifty_points_goes_on_at_each(tmp_path: Path, mode: str, seed: int) -> None:
    _kill_and_go_on(tmp_path, mode, seed)


@pytest.mark.parametrize(("mode", "at"), [("bulk", "file"), ("search", "next")])
def test_pull_while_another_works_says_who_and_since_when(tmp_path: Path, mode: str, at: str) -> None:
    with _ward(tmp_path / "ward", 0, mode) as place:
        place.server.faults.add(Fault(at, "stall", nth=2, keep=0.5))
        with start_pull(place.folder, place.store) as first:
            assert place.server.stalled.wait(_WAITS)

            second = place.pull()
            place.server.stalls.set()
            code, told, said = first.end()

        assert (second.code, second.out) == (75, "")
        assert f"process {first.pid} on " in second.err
        assert " min" in second.err
        assert (code, told["complete"]) == (0, True), said
        place.check_all()
        place.check_sound()


@pytest.mark.parametrize("mode", MODES)
def test_pulls_begun_at_once_leave_the_store_whole(tmp_path: Path, mode: str) -> None:
    with _ward(tmp_path / "ward", 0, mode) as place:
        with start_pull(place.folder, place.store) as one, start_pull(place.folder, place.store) as other:
            ends = [one.end(), other.end()]

        codes = sorted(code for code, _, _ in ends)
        # One after the other, where one of them was slow to begin.
        assert codes in ([0, 75], [0, 0]), ends
        place.check_all()
        place.check_sound()
        assert place.pull().code == 0
        assert held_by(place.store).live == place.held().live


def _interrupt(place: Bench) -> None:
    with start_pull(place.folder, place.store) as pull:
        assert place.server.stalled.wait(_WAITS)
        pull.interrupt()
        time.sleep(0.2)
        place.server.stalls.set()
        code, told, _ = pull.end()
    place.server.faults.clear()

    assert code != 0
    assert told.get("complete", False) is False


def test_pull_interrupted_tells_the_server_that_its_export_is_not_wanted(tmp_path: Path) -> None:
    with _ward(tmp_path / "ward", 0, "bulk") as place:
        place.server.faults.add(Fault("status", "stall", keep=0.5))
        _interrupt(place)

        assert [item.status for item in place.server.of("cancel")] == [202]
        again = place.pull()
        assert again.code == 0, again.err
        place.check_run(again)


@pytest.mark.parametrize(("mode", "at"), [("bulk", "file"), ("search", "next")])
def test_pull_interrupted_while_it_fetches_goes_on_there(tmp_path: Path, mode: str, at: str) -> None:
    with _ward(tmp_path / "ward", 0, mode) as place:
        place.server.faults.add(Fault(at, "stall", nth=5, keep=0.5))
        _interrupt(place)
        finished, came = _finished(place), len(place.server.of(at))

        again = place.pull()

        assert again.code == 0, again.err
        place.check_run(again)
        asked = [item.path for item in place.server.of(at)[came:]]
        assert asked
        assert sorted(set(asked) & set(finished)) == []
        assert len(place.server.of("kick-off")) == (mode == "bulk")
