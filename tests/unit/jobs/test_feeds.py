"""Promises of how feeds stand: what is behind, what is stale, what was never pulled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.jobs import FeedState, feed_states, feed_types, needed_types
from adapter.store import Store
from tests.support.feeds import NOW, feed_settings, pulled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


def states(store: Store, settings: Settings) -> dict[str, FeedState]:
    return {state.type: state for state in feed_states(store, settings, now=NOW)}


def test_feed_types_are_those_of_the_site_else_those_of_the_trials() -> None:
    server = {"base_url": "https://fhir.example.org/r4"}
    settings = Settings(sites={"icm": {**server, "types": ["Patient"]}, "aphp": server, "local": {}})

    assert feed_types(settings) == {"icm": ["Patient"], "aphp": needed_types(settings)}
    assert set(needed_types(settings)) == set(load_trial("nct04954820").resource_types)


def test_lag_is_counted_from_the_time_of_the_server(store: Store) -> None:
    pulled(store, "Patient", hours_ago=2)

    assert states(store, feed_settings())["Patient"] == ("icm", "Patient", timedelta(hours=2), False)


def test_type_that_was_never_pulled_is_stale_and_has_no_lag(store: Store) -> None:
    pulled(store, "Patient", hours_ago=2)

    assert states(store, feed_settings())["Observation"] == ("icm", "Observation", None, True)


@pytest.mark.parametrize(("hours", "stale"), [(25.9, False), (26.1, True)])
def test_type_is_stale_after_the_hours_of_its_site(store: Store, hours: float, stale: bool) -> None:
    pulled(store, "Patient", hours_ago=hours)

    assert states(store, feed_settings())["Patient"].stale is stale
    assert states(store, feed_settings(stale_after_hours=48))["Patient"].stale is False


def test_clock_of_a_server_that_is_ahead_is_no_lag(store: Store) -> None:
    pulled(store, "Patient", hours_ago=-3)

    assert states(store, feed_settings())["Patient"].lag == timedelta(0)


@pytest.mark.parametrize("written", ["Mon, 02 Jun 2025 10:00:00 GMT", "2025-06-02T10:00:00"])
def test_time_that_cannot_be_read_counts_from_when_it_was_noted(store: Store, written: str) -> None:
    store.set_bookmark("icm", "Patient", written)
    (mark,) = store.bookmarks()
    (found,) = feed_states(store, feed_settings(types=["Patient"]), now=mark.set_at + timedelta(hours=1))

    assert found.lag == timedelta(hours=1)


def test_bookmark_of_a_push_is_none_of_the_feed(store: Store) -> None:
    store.set_bookmark("icm", "push:Observation", NOW.isoformat())

    assert states(store, feed_settings())["Observation"].lag is None
