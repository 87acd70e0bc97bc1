"""In: a store. Out: bookmarks, runs, an outbox and decisions in it, as a feed of some weeks leaves them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.config import Settings
from adapter.store import Store

__all__ = ["NOW", "begun_run", "ended_run", "feed_settings", "pulled"]

NOW = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)


def feed_settings(**more: Any) -> Settings:
    """Settings of one site with a server, ``icm``, of which two types are pulled, and one that a folder feeds, ``local``."""
    icm = {"base_url": "https://fhir.example.org/r4", "types": ["Patient", "Observation"], **more}
    return Settings(sites={"icm": icm, "local": {}})


def pulled(store: Store, type_: str, *, hours_ago: float, site: str = "icm") -> None:
    """A type was pulled whole, by the server's time, so many hours before `NOW`."""
    store.set_bookmark(site, type_, (NOW - timedelta(hours=hours_ago)).isoformat())


def ended_run(
    store: Store, kind: str = "pull", *, site: str = "icm", complete: bool | None = True, **summary: Any
) -> str:
    """A run that ended; ``complete`` is None for one that failed. Its name."""
    with store.begin_run(site, kind) as run:
        told = json.dumps({"site": site, "run": run.name, **summary}) if summary else None
        if complete is not None:
            run.commit([], complete=complete, summary=told)
        return run.name


def begun_run(store: Store, kind: str = "pull", *, site: str = "icm") -> Any:
    """A run under way: a context manager."""
    return store.begin_run(site, kind)
