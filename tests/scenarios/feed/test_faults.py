"""In: ``bulk.yaml`` and ``search.yaml``: faults of a server. Out: each ends with all there and exit 0, or loud and named, never short with exit 0.

Keys of a case, all but ``row`` and ``exit`` to be left out:

- ``row``: of the table in ``shared/feed/hospital-feeds.md``, or words of what else must be survived.
- ``habits``, ``faults``: of the server (`tests.support.fault_plan`).
- ``settings``, ``arguments``: further lines of the site's settings, further arguments of `reluth pull`.
- ``before``: pulls without faults, and changes of the ward; an hour lies between them and the run.
- ``exit``: of the run; ``loud`` is 4, 5 or 75, ``any`` also 0.
- ``named``: what is told on stderr or in the closing object. ``said``: the same of a run that went well.
- ``holds``: what the store holds after a run that did not end with 0: ``nothing``, ``all but FILE``, ``all of before``.
- ``counts``: of the closing object, by type.
- ``seen``, ``seen_at_most``: how many requests of a kind came.
- ``waited``, ``waited_at_most``: seconds of all waits.
- ``resumed``: the files of which a part was asked for.
- ``again``: the run after that, or a list of runs, without faults: ``exit``, ``seen``, ``files`` that were asked for; ``restarted``: the server forgot
  its exports and pages before it. ``none`` where it would be the same again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Ran
from tests.support.fault_bench import Bench, Held, bench, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Fault, Habits, Seen
from tests.support.scenario_yaml import load_scenarios

FOLDER = Path(__file__).parent
FEEDS = FOLDER.parents[3] / "shared" / "feed" / "hospital-feeds.md"
EXITS = {"loud": (4, 5, 75), "any": (0, 4, 5, 75)}
CASES = {
    f"{mode}-{name}": (mode, case)
    for mode in ("bulk", "search")
    for name, case in load_scenarios((FOLDER / f"{mode}.yaml").read_text(encoding="utf-8")).items()
}
KEYS = {
    "row", "habits", "faults", "settings", "arguments", "before", "exit", "named", "said", "holds", "counts", "seen", "seen_at_most",
    "waited", "waited_at_most", "resumed", "again",
}  # fmt: skip

Case = Mapping[str, Any]


@pytest.mark.parametrize("name", CASES)
def test_fault_ends_with_all_there_or_loud_and_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mode, case = CASES[name]
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock, habits=Habits(**case.get("habits", {}))) as place:
        settings(tmp_path, place.server, mode=mode, lines=case.get("settings", ()))
        _prepare(place, case.get("before", ()))
        before, waited = place.held(), sum(clock.waits)
        place.server.seen.clear()
        for row in case.get("faults", ()):
            place.server.faults.add(Fault(**{**row, "keep": float(row.get("keep", 0.5))}))

        caplog.clear()

        ran = place.pull(*case.get("arguments", ()))
        # pytest takes what is logged before it gets to stderr.
        ran = replace(ran, err=ran.err + caplog.text)

        place.check_run(ran)
        assert place.server.faults.untouched() == [], "a fault that hit nothing proves nothing"
        assert ran.code in _exits(case["exit"]), ran.err + ran.out
        _check_told(case, ran)
        _check_held(case, ran, place, before)
        _check_seen(case, place.server.seen)
        waited = sum(clock.waits) - waited
        assert case.get("waited", 0) <= waited <= case.get("waited_at_most", float("inf")), clock.waits
        _check_again(case, place, ran)


def _exits(told: Any) -> tuple[int, ...]:
    if isinstance(told, str):
        return EXITS[told]
    return tuple(told) if isinstance(told, list) else (told,)


def _prepare(place: Bench, actions: list[str]) -> None:
    began = place.clock.now()
    for action in actions:
        verb, _, reference = action.partition(" ")
        type_, _, id_ = reference.partition("/")
        if verb == "pull":
            assert place.pull().code == 0
            # What is changed from here on was surely changed after the pull.
            place.clock.sleep(3600)
        elif verb == "delete":
            place.server.ward.delete(type_, id_, place.clock.now())
        else:
            # A record is dated when it is written, and seen when that is committed.
            at = began - timedelta(minutes=2) if verb == "late" else place.clock.now()
            place.server.ward.change(type_, id_, at)
    place.clock.sleep(3600)


def _check_told(case: Case, ran: Ran) -> None:
    for words in (*case.get("named", ()), *case.get("said", ())):
        assert words in ran.out + ran.err
    for type_, counts in case.get("counts", {}).items():
        assert ran.object["types"][type_] == ran.object["types"][type_] | counts


def _check_held(case: Case, ran: Ran, place: Bench, before: Held) -> None:
    holds = case.get("holds", "")
    held = place.held()
    if holds == "nothing":
        assert held.versions == []
    elif holds == "all of before":
        assert held.live == before.live
    elif holds:
        name = holds.removeprefix("all but ")
        lost = set(_lines_of(place, name))
        assert held.versions == [item for item in place.server.ward.held() if item[2] not in lost]
        assert len(held.versions) + len(lost) == 320
    if ran.code:
        assert set(before.versions) <= set(held.versions), "what was there is there"


def _lines_of(place: Bench, name: str) -> list[bytes]:
    type_, number, _ = name.split(".")
    current = [item.raw for item in place.server.ward.current(type_)]
    return current[60 * (int(number) - 1) : 60 * int(number)]


def _check_seen(case: Case, seen: list[Seen]) -> None:
    came = Counter(item.place for item in seen)
    for kind, count in case.get("seen", {}).items():
        assert came[kind] == count, came
    for kind, count in case.get("seen_at_most", {}).items():
        assert came[kind] <= count, came
    if "resumed" in case:
        assert sorted({item.name for item in seen if "range" in item.headers}) == case["resumed"]


def _check_again(case: Case, place: Bench, first: Ran) -> None:
    again = case.get("again", [{"exit": 0}])
    if again == "none":
        return
    place.server.faults.clear()
    place.server.tokens.restore()
    for told in again if isinstance(again, list) else [again]:
        place.server.seen.clear()
        if told.get("restarted"):
            place.server.restart()

        ran = place.pull(*case.get("arguments", ()))

        assert ran.code in _exits(told["exit"]), ran.err + ran.out
        place.check_run(ran)
        _check_seen(told, place.server.seen)
        if "files" in told:
            assert sorted(item.name for item in place.server.of("file")) == told["files"]
        if first.code == 0:
            assert {counts["new"] + counts["changed"] for counts in ran.object["types"].values()} <= {0}


def test_cases_are_of_keys_that_are_read() -> None:
    assert set().union(*(case for _, case in CASES.values())) <= KEYS


def test_cases_name_every_row_of_the_table_of_faults() -> None:
    if not FEEDS.is_file():
        pytest.skip("The table of faults is in shared/feed/hospital-feeds.md beside the project, which is not here.")
    lines = FEEDS.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip() for line in lines if line.startswith("| ") and not line.startswith("| fault")}

    assert rows
    assert rows - {case["row"] for _, case in CASES.values()} == set()
