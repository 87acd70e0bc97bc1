"""Promises of one cycle: order, what a failure stops and what not, what is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.errors import BusyError, ConfigurationError, DocumentError, RemoteError, TransientError
from adapter.jobs import Outcome, Part, Steps, cycle_exit_code, run_cycle
from tests.unit.jobs.events import logged

EVENING = datetime(2025, 6, 2, 20, 0, tzinfo=UTC)


class Done:
    """The outcome of a part."""

    def __init__(self, exit_code: int = 0, **more: Any) -> None:
        self.exit_code = exit_code
        self._more = more

    def as_object(self) -> dict[str, Any]:
        return {"run": "r1", **self._more}


def steps(**work: Callable[[str], Outcome | None]) -> Steps:
    usual: dict[str, Callable[[str], Outcome | None]] = {
        name: lambda site: Done() for name in ("pull", "screen", "push")
    }
    return Steps(**{**usual, **work})


def failing(error: Exception) -> Callable[[str], Outcome | None]:
    def work(site: str) -> Outcome | None:
        raise error

    return work


def cycle(
    doing: Steps, *, quiet_hours: tuple[str, ...] = (), now: Callable[[], datetime] = lambda: EVENING
) -> list[Part]:
    with logged():
        return run_cycle("icm", doing, quiet_hours=quiet_hours, now=now)


def codes(parts: list[Part]) -> dict[str, int | str | None]:
    return {part.kind: part.skipped or part.exit_code for part in parts}


def test_cycle_pulls_then_screens_then_pushes() -> None:
    order: list[str] = []

    def noting(kind: str) -> Callable[[str], Outcome | None]:
        def work(site: str) -> Outcome | None:
            order.append(f"{kind} {site}")
            return Done()

        return work

    parts = cycle(Steps(noting("pull"), noting("screen"), noting("push")))

    assert order == ["pull icm", "screen icm", "push icm"]
    assert cycle_exit_code(parts) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RemoteError("401"), 4),
        (ConfigurationError("sites.icm.mode", "wrong"), 2),
        (DocumentError("site.yaml", "/a", "wrong"), 3),
        (ValueError("Dupont"), 1),
    ],
)
def test_cycle_goes_on_after_a_pull_that_failed(error: Exception, code: int) -> None:
    parts = cycle(steps(pull=failing(error)))

    assert codes(parts) == {"pull": code, "screen": 0, "push": 0}
    assert cycle_exit_code(parts) == code


def test_cycle_does_not_ask_a_server_again_that_did_not_answer() -> None:
    parts = cycle(steps(pull=failing(TransientError("no answer"))))

    assert codes(parts) == {"pull": 75, "screen": 0, "push": "the server did not answer to the pull"}


def test_cycle_names_a_defect_by_its_class_and_never_by_its_text() -> None:
    with logged() as events:
        parts = run_cycle("icm", steps(screen=failing(ValueError("Dupont"))), now=lambda: EVENING)

    assert [part.problem for part in parts] == [None, "a defect of ours (ValueError)", None]
    assert "Dupont" not in str(events)
    (defect,) = [one for one in events if one["event"] == "defect"]
    assert (defect["exception"], defect["kind"]) == ("ValueError", "screen")
    assert defect["place"].startswith("test_cycle.py:")


def test_cycle_exit_code_is_the_worst_by_the_contract() -> None:
    parts = cycle(steps(pull=lambda site: Done(5), screen=failing(BusyError("held")), push=failing(RemoteError("no"))))

    assert codes(parts) == {"pull": 5, "screen": 75, "push": 4}
    assert cycle_exit_code(parts) == 4


def test_cycle_leaves_the_hospital_alone_in_its_quiet_hours_and_screens() -> None:
    asked: list[str] = []
    doing = steps(pull=lambda site: asked.append("pull"), push=lambda site: asked.append("push"))

    parts = cycle(doing, quiet_hours=("21:00-06:00",))

    until = "quiet hours until 2025-06-03T06:00+02:00"
    assert codes(parts) == {"pull": until, "screen": 0, "push": until}
    assert asked == []
    assert cycle_exit_code(parts) == 75


def test_cycle_does_not_push_once_the_quiet_hours_have_begun() -> None:
    times = iter([datetime(2025, 6, 2, 4, 0, tzinfo=UTC), datetime(2025, 6, 2, 6, 0, tzinfo=UTC)])

    parts = cycle(steps(pull=lambda site: Done(75)), quiet_hours=("07:30-18:00",), now=lambda: next(times))

    assert codes(parts) == {"pull": 75, "screen": 0, "push": "quiet hours until 2025-06-02T18:00+02:00"}


def test_cycle_skips_what_has_nothing_to_do() -> None:
    parts = cycle(Steps(pull=lambda site: None, screen=lambda site: None, push=lambda site: None))

    assert codes(parts) == dict.fromkeys(("pull", "screen", "push"), "nothing to do")
    assert cycle_exit_code(parts) == 0


def test_cycle_lets_a_signal_through() -> None:
    def stopped(site: str) -> Outcome | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cycle(steps(screen=stopped))


def test_cycle_tells_each_part_as_it_ends() -> None:
    told: list[str] = []

    def screen(site: str) -> Outcome | None:
        told.append("screening")
        return Done()

    with logged():
        run_cycle("icm", steps(screen=screen), now=lambda: EVENING, tell=lambda part: told.append(part.kind))

    assert told == ["pull", "screening", "screen", "push"]


def test_cycle_logs_begin_and_end_of_each_run_with_counts() -> None:
    types = {"Observation": {"read": 3, "new": 2, "changed": 0}, "Patient": {"read": 1, "new": 1, "changed": 0}}
    pulled = Done(
        5, types=types, missing=[{"type": "Goal", "reason": "404"}], quarantine=[{"reason": "bad", "line": 7}]
    )
    with logged() as events:
        run_cycle("icm", steps(pull=lambda site: pulled), now=lambda: EVENING)
    of_pull = [one for one in events if one["kind"] == "pull"]

    assert [one["event"] for one in of_pull] == ["run begun", "missing", "put aside", "run ended"]
    ended = of_pull[-1]
    assert (ended["read"], ended["new"], ended["missing"], ended["exit_code"], ended["run"]) == (4, 3, 1, 5, "r1")
    assert "changed" not in ended
    assert ended["level"] == "warning"
    assert (of_pull[1]["type"], of_pull[2]["line"]) == ("Goal", 7)
