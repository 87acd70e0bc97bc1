"""In: a GET of /readyz. Out: 200 where the store answers and every feed is in step; 503 with the sites and types that are not.

Like /healthz it needs no session: it names sites and resource types, and nothing of a patient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from adapter.config import Settings
from adapter.errors import ReluthError, StateUnavailableError
from adapter.jobs import feed_states, feed_types
from adapter.observe import logger
from adapter.store import Store

__all__ = ["FailedPull", "Readiness", "StaleFeed", "readiness", "readiness_router"]

_HOUR = 3600


class StaleFeed(BaseModel):
    """A type of a site that is not in step; ``hours`` behind, None where it was ``never`` pulled."""

    model_config = ConfigDict(frozen=True)

    site: str
    type: str
    never: bool
    hours: float | None


class FailedPull(BaseModel):
    """A site whose last pull that ended failed as a whole: when it ended, and its exit code, None where it was killed."""

    model_config = ConfigDict(frozen=True)

    site: str
    ended_at: datetime
    exit_code: int | None


class Readiness(BaseModel):
    """Whether the service can answer, and by data that is not old; ``detail`` says what is wrong beside the feeds.

    ``failed`` tells of pulls that failed: why the feed will be stale, while it is not yet.
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "not ready"]
    detail: str | None = None
    stale: list[StaleFeed] = []
    failed: list[FailedPull] = []


def readiness(
    store: Store, settings: Settings, *, now: datetime, types: Mapping[str, list[str]] | None = None
) -> Readiness:
    """Ask the store, and compare each site's bookmarks with its ``stale_after_hours``.

    Args:
        store: open.
        settings: the sites; one without ``base_url`` (a folder feeds it) is never stale.
        now: aware time.
        types: what `adapter.jobs.feed_types` found, where it is known already.

    Returns:
        never an error: what keeps the service from telling makes it not ready.
    """
    try:
        store.patient_by_key("")
        states = feed_states(store, settings, now=now, types=types)
        failed = [found for site in sorted({state.site for state in states}) if (found := _failed(store, site))]
    except (SQLAlchemyError, StateUnavailableError) as error:
        logger("service").error("not ready", error=type(error).__name__)
        return Readiness(status="not ready", detail="The store does not answer.")
    except (ReluthError, OSError) as error:
        logger("service").error("not ready", error=type(error).__name__)
        return Readiness(status="not ready", detail="The store, or a trial's document, cannot be read.")
    stale = [
        StaleFeed(
            site=state.site,
            type=state.type,
            never=state.lag is None,
            hours=None if state.lag is None else round(state.lag.total_seconds() / _HOUR, 1),
        )
        for state in states
        if state.stale
    ]
    return Readiness(status="not ready" if stale else "ok", stale=stale, failed=failed)


def _failed(store: Store, site: str) -> FailedPull | None:
    # One may be under way.
    last = next((run for run in store.runs("pull", site=site, limit=2) if run.ended_at is not None), None)
    if last is None or last.ended_at is None or last.state != "failed":
        return None
    summary: dict[str, Any] = {} if last.summary is None else json.loads(last.summary)
    return FailedPull(site=site, ended_at=last.ended_at, exit_code=summary.get("exit_code"))


def readiness_router(
    settings: Settings,
    store_of: Callable[[Request], Store],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """The route /readyz.

    Args:
        settings: the sites.
        store_of: the open store of a running service, by a request.
        now: aware time.
    """
    router = APIRouter(tags=["health"])
    known: dict[str, list[str]] = {}

    def state(request: Request) -> Readiness:
        # Documents do not change while the service runs.
        if not known and settings.sites:
            try:
                known.update(feed_types(settings))
            except ReluthError:
                return Readiness(status="not ready", detail="A trial's document cannot be read.")
        return readiness(store_of(request), settings, now=now(), types=known)

    @router.get(
        "/readyz",
        summary="Whether the service can answer by data that is not old",
        operation_id="readiness",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "The store does not answer, or a feed is stale."}},
    )
    def ready(request: Request) -> JSONResponse:
        """Asks the store, and looks at the bookmarks of every site that has a server."""
        found = state(request)
        body: dict[str, Any] = found.model_dump(mode="json")
        return JSONResponse(body, status_code=200 if found.status == "ok" else 503)

    return router
