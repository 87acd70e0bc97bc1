"""Promises of a pull's events: each type with count and time, the fetching now and then, a server's words never."""

from __future__ import annotations

from adapter.jobs import LoggedTypes
from tests.unit.jobs.events import logged


def test_type_is_told_with_its_count_and_seconds() -> None:
    times = iter([0.0, 1.0, 3.5])
    with logged() as events:
        progress = LoggedTypes("icm", clock=lambda: next(times))
        progress.start("Observation")
        progress.advance("Observation", 500)
        progress.advance("Observation", 20)
        progress.finish("Observation")

    (event,) = events
    assert (event["event"], event["site"], event["type"], event["read"], event["seconds"]) == (
        "type read",
        "icm",
        "Observation",
        520,
        2.5,
    )


def test_fetching_is_told_once_a_minute_and_without_the_words_of_the_server() -> None:
    now = [0.0]
    with logged() as events:
        progress = LoggedTypes("icm", clock=lambda: now[0])
        for second in range(0, 150, 10):
            now[0] = float(second)
            progress.fetching("exporting Jeanne Dupont", second, 150)
        now[0] = 300.0
        progress.fetching("Observation", 150, 150)

    assert [(one["done"], one.get("type")) for one in events] == [(60, None), (120, None), (150, "Observation")]
    assert "Dupont" not in str(events)
