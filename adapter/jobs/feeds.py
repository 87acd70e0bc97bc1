"""In: settings, store, the time. Out: how far each site's feed is behind, by type, and which of them are stale."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from adapter.config import Settings
from adapter.documents import load_trial
from adapter.store import Store

__all__ = ["FeedState", "feed_states", "feed_types", "needed_types"]


class FeedState(NamedTuple):
    """How one type of one site stands.

    Attributes:
        site: a site of the settings that has a server.
        type: a resource type that is pulled from it.
        lag: time since the server's time up to which the type was pulled whole; None where it never was.
        stale: ``lag`` is more than the site's ``stale_after_hours``, or the type was never pulled.
    """

    site: str
    type: str
    lag: timedelta | None
    stale: bool


def needed_types(settings: Settings) -> list[str]:
    """The resource types that the settings' trials need, and no more (design 4.4)."""
    return sorted({name for trial in settings.trials for name in load_trial(trial).resource_types})


def feed_types(settings: Settings) -> dict[str, list[str]]:
    """What is pulled from each site of the settings that has a server: its own ``types``, else those of the trials."""
    sites = {name: site for name, site in settings.sites.items() if site.base_url is not None}
    usual = needed_types(settings) if any(site.types is None for site in sites.values()) else []
    return {name: usual if site.types is None else sorted(set(site.types)) for name, site in sites.items()}


def feed_states(
    store: Store, settings: Settings, *, now: datetime, types: Mapping[str, list[str]] | None = None
) -> list[FeedState]:
    """How every feed stands, by site and type.

    Args:
        store: open.
        settings: the sites.
        now: aware time.
        types: what `feed_types` found, where it is known already.

    Raises:
        DocumentError: a trial's document is wrong.
    """
    wanted = feed_types(settings) if types is None else types
    marks = {(mark.site, mark.type): mark for mark in store.bookmarks()}
    found = []
    for site in sorted(wanted):
        limit = timedelta(hours=settings.sites[site].stale_after_hours)
        for type_ in wanted[site]:
            mark = marks.get((site, type_))
            lag = None if mark is None else _lag(mark.transaction_time, mark.set_at, now)
            found.append(FeedState(site, type_, lag, stale=lag is None or lag > limit))
    return found


def _lag(transaction_time: str, set_at: datetime, now: datetime) -> timedelta:
    """Since the server's own time; since ours where the server's cannot be read. A clock ahead of ours is no lag."""
    try:
        moment = datetime.fromisoformat(transaction_time)
    except ValueError:
        moment = set_at
    if moment.tzinfo is None:
        moment = set_at
    return max(now - moment, timedelta(0))
