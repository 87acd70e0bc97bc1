"""In: every way in which an export or a search can be asked for. Out: what the server is asked, as the settings say."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fault_bench import bench, settings
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import Habits
from tests.support.fault_ward import TYPES


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        pytest.param([], "/fhir/Patient/$export", id="patient"),
        pytest.param(['bulk.level = "system"'], "/fhir/$export", id="system"),
        pytest.param(['group = "of-the-trial"'], "/fhir/Group/of-the-trial/$export", id="group"),
        pytest.param(['group = "g"', 'bulk.level = "patient"'], "/fhir/Patient/$export", id="patient-though-a-group"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_export_is_asked_for_at_the_level_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], path: str, method: str
) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock) as place:
        settings(tmp_path, place.server, mode="bulk", lines=[*lines, f'bulk.method = "{method}"'])

        ran = place.pull()

        place.check_run(ran)
        assert ran.code == 0, ran.err
        (kick_off,) = place.server.of("kick-off")
        assert (kick_off.method, kick_off.path) == (method.upper(), path)
        assert "respond-async" in kick_off.headers["prefer"]
        if method == "get":
            assert sorted(kick_off.query["_type"][0].split(",")) == sorted(TYPES)


def test_export_after_the_first_is_asked_for_from_the_time_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock) as place:
        settings(tmp_path, place.server, mode="bulk")
        first = place.pull()
        clock.sleep(3600)

        again = place.pull()

        assert (first.code, again.code) == (0, 0)
        earlier, later = [item.query.get("_since") for item in place.server.of("kick-off")]
        assert earlier is None
        assert later is not None
        # A little earlier: what was written in that moment may have been committed after it.
        short_of = datetime.fromisoformat(first.object["transaction_time"]) - datetime.fromisoformat(later[0])
        assert timedelta(0) <= short_of <= timedelta(minutes=10)


def test_pull_by_another_way_goes_on_from_the_same_bookmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SkippingClock()
    clock.install(monkeypatch)
    with bench(tmp_path, clock, habits=Habits(auth="none")) as place:
        settings(tmp_path, place.server, mode="search")
        assert place.pull().code == 0
        clock.sleep(3600)
        place.server.ward.change("Observation", "o1", clock.now())
        settings(tmp_path, place.server, mode="bulk")

        ran = place.pull()

        place.check_run(ran)
        assert ran.object["types"]["Observation"] == {"read": 1, "new": 0, "changed": 1, "deleted": 0, "quarantined": 0}
