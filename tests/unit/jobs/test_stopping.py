"""Promises of ending: a signal ends the work at once, a commit first; a second signal kills."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from adapter.jobs import Stopped, run_part, stop_if_asked, stop_signals
from adapter.observe import uninterrupted
from tests.unit.jobs.events import logged


def stopped(work: Callable[[], None]) -> list[str]:
    """Do something that a signal ends; the signals of the events in the log."""

    def guarded() -> None:
        with stop_signals():
            work()

    with logged() as events, pytest.raises(Stopped):
        guarded()
    return [one["signal"] for one in events if one["event"] == "stopping"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_work(number: signal.Signals) -> None:
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), number)
        done.append("went on")

    assert stopped(work) == [number.name]
    assert done == []


def test_signal_waits_for_a_commit() -> None:
    done: list[str] = []

    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            with uninterrupted():
                done.append("begun")
            done.append("committed")
        done.append("went on")

    assert stopped(work) == ["SIGTERM"]
    assert done == ["begun", "committed"]


def test_second_signal_is_not_waited_with() -> None:
    found: list[object] = []

    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            found.append(signal.getsignal(signal.SIGTERM))

    assert stopped(work) == ["SIGTERM"]
    assert found == [signal.SIG_DFL]


def test_stop_that_was_lost_comes_up_at_the_next_thing() -> None:
    done: list[str] = []

    def work() -> None:
        with contextlib.suppress(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        done.append("went on")
        run_part("icm", "screen", lambda site: done.append("screened"))

    assert stopped(work) == ["SIGTERM"]
    assert done == ["went on"]


def test_stop_that_was_lost_comes_up_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.jobs.stopping._AGAIN", 0.05)

    def work() -> None:
        with contextlib.suppress(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    begun = time.monotonic()

    assert stopped(work) == ["SIGTERM"]
    assert time.monotonic() - begun < 10


def test_stop_does_not_come_up_in_another_thread() -> None:
    lost: list[BaseException] = []

    def beside() -> None:
        try:
            stop_if_asked()
        except Stopped as error:
            lost.append(error)

    def work() -> None:
        with contextlib.suppress(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
        stop_if_asked()

    assert stopped(work) == ["SIGTERM"]
    assert lost == []


def test_nothing_is_asked_once_it_is_over() -> None:
    stopped(lambda: os.kill(os.getpid(), signal.SIGTERM))

    stop_if_asked()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_handlers_are_as_before_once_it_is_over() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stop_signals():
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] != before

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
