"""In: a server whose clock is wrong, and is set right between two pulls; ours likewise. Out: nothing that changed is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fault_bench import Bench, bench, settings
from tests.support.fault_clock import SkippingClock

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("mode", ["search", "bulk"])
@pytest.mark.parametrize("ahead", [2 * HOUR, 400 * 24 * HOUR], ids=["its zone", "its year"])
def test_clock_of_a_server_that_is_set_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, ahead: timedelta
) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock) as place:
        settings(tmp_path, place.server, mode=mode)
        right = place.server.now
        monkeypatch.setattr(place.server, "now", lambda: right() + ahead.total_seconds())
        assert place.pull().code == 0

        monkeypatch.setattr(place.server, "now", right)
        _change(place, clock.now)
        ran = place.pull()

        place.check_run(ran)
        assert ran.code == 0, ran.err


@pytest.mark.parametrize("mode", ["search", "bulk"])
def test_clock_of_ours_that_was_ahead_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock) as place:
        settings(tmp_path, place.server, mode=mode)
        right = clock.now
        # Both were ahead: a bookmark that is still to come.
        monkeypatch.setattr(SkippingClock, "now", lambda self: right() + 400 * 24 * HOUR)
        clock.install(monkeypatch)
        assert place.pull().code == 0

        monkeypatch.setattr(SkippingClock, "now", lambda self: right())
        clock.install(monkeypatch)
        _change(place, right)
        ran = place.pull()

        place.check_run(ran)
        assert ran.code == 0, ran.err


def _change(place: Bench, now: Callable[[], datetime]) -> None:
    place.clock.sleep(600)
    place.server.ward.change("Observation", "o5", now())
    place.server.ward.delete("Observation", "o7", now())
    place.clock.sleep(600)
