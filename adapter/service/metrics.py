"""In: a GET of /metrics. Out: how the feeds stand, in the text format of Prometheus, read from the store at that moment.

Counts and times by site, resource type and kind of run; nothing of a patient. Like /healthz it needs no session: the service
listens on this machine only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from adapter.config import Settings
from adapter.errors import ReluthError
from adapter.jobs import certificates_of, feed_states, feed_types
from adapter.observe import logger, release
from adapter.store import RunInfo, Store

__all__ = ["METRICS", "FeedCollector", "metrics_router", "metrics_text", "outcome_of"]

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_KINDS: Final = ("pull", "screen", "push")
_OUTCOMES: Final = ("complete", "partial", "failed", "running")
_CHANGES: Final = ("read", "new", "changed", "deleted", "quarantined")
#: So many runs of a kind are read: one may be under way, and another was when that began.
_NEAR = 3

#: Every metric: its labels and what it tells (docs/operations.md has the same table; a test compares them).
METRICS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "reluth_build_info": (("version",), "The release that runs; always 1."),
    "reluth_feed_lag_seconds": (("site", "type"), "Since the server's time up to which the type was pulled whole."),
    "reluth_feed_stale": (
        ("site", "type"),
        "1 where the lag is above stale_after_hours, or the type was never pulled.",
    ),
    "reluth_run_last_end_timestamp_seconds": (("site", "kind"), "When the last ended run of the kind ended."),
    "reluth_run_last_complete_timestamp_seconds": (("site", "kind"), "When the last complete run of the kind ended."),
    "reluth_run_last_duration_seconds": (("site", "kind"), "How long the last ended run of the kind took."),
    "reluth_run_last_outcome": (("site", "kind", "outcome"), "1 for how the last run of the kind stands, else 0."),
    "reluth_run_last_failure_exit_code": (
        ("site", "kind"),
        "Exit code of the last ended run of the kind, where it failed and could say so.",
    ),
    "reluth_pull_last_resources": (("site", "type", "change"), "Resources of the last ended pull, by what they were."),
    "reluth_pull_last_missing_types": (("site",), "Types that the last ended pull could not have, or not whole."),
    "reluth_pull_last_requests": (("site", "outcome"), "Requests of the last ended pull: sent, and of these retries."),
    "reluth_certificate_end_timestamp_seconds": (
        ("site", "kind"),
        "When a certificate ends: the server's, ours, the authorities'.",
    ),
    "reluth_quarantined_items": (("site",), "Items put aside that wait to be read well."),
    "reluth_outbox_entries": (("site", "state"), "Trial entities by where they stand with the hospital's server."),
    "reluth_conflicts_open": (("site",), "Conflicts that wait for a person."),
    "reluth_backup_last_timestamp_seconds": ((), "When the last whole backup of the store was made."),
    "reluth_patients_decided": (("site", "trial", "state"), "Patients by the state that a person decided."),
}


class FeedCollector(Collector):
    """Reads the store when it is asked.

    Args:
        store: open.
        settings: sites and trials.
        now: aware time of this scrape.
        types: what `adapter.jobs.feed_types` found.
    """

    def __init__(self, store: Store, settings: Settings, *, now: datetime, types: Mapping[str, list[str]]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._types = types
        self._families: dict[str, GaugeMetricFamily] = {}

    def collect(self) -> Iterator[Metric]:
        """All metrics; one without a sample is told by its name all the same."""
        self._families = {
            name: GaugeMetricFamily(name, told, labels=labels) for name, (labels, told) in METRICS.items()
        }
        self._add("reluth_build_info", [release()], 1)
        self._feeds()
        counts = self._store.quarantine_counts()
        for site in self._sites():
            self._add("reluth_quarantined_items", [site], counts.get(site, 0))
            for kind in _KINDS:
                self._runs(site, kind)
        for one in certificates_of(self._store, self._settings):
            self._add("reluth_certificate_end_timestamp_seconds", [one.site, one.kind], one.ends_at.timestamp())
        self._giving_back()
        backup = self._store.last_backup()
        if backup is not None:
            self._add("reluth_backup_last_timestamp_seconds", [], backup.timestamp())
        yield from self._families.values()

    def _add(self, name: str, labels: Sequence[str], value: float) -> None:
        self._families[name].add_metric(labels, value)

    def _sites(self) -> list[str]:
        return sorted({*self._settings.sites, *self._store.lake.sites()})

    def _feeds(self) -> None:
        for state in feed_states(self._store, self._settings, now=self._now, types=self._types):
            labels = [state.site, state.type]
            if state.lag is not None:
                self._add("reluth_feed_lag_seconds", labels, state.lag.total_seconds())
            self._add("reluth_feed_stale", labels, state.stale)

    def _runs(self, site: str, kind: str) -> None:
        runs = self._store.runs(kind, site=site, limit=_NEAR)
        if not runs:
            return
        labels = [site, kind]
        standing = outcome_of(runs[0])
        for outcome in _OUTCOMES:
            self._add("reluth_run_last_outcome", [*labels, outcome], outcome == standing)
        # However long ago: an alert on it must not fall silent after a week of failures.
        complete = self._store.last_whole_run(kind, site=site)
        if complete is not None and complete.ended_at is not None:
            self._add("reluth_run_last_complete_timestamp_seconds", labels, complete.ended_at.timestamp())
        ended = next((run for run in runs if run.ended_at is not None), None)
        if ended is None or ended.ended_at is None:
            return
        self._add("reluth_run_last_end_timestamp_seconds", labels, ended.ended_at.timestamp())
        self._add("reluth_run_last_duration_seconds", labels, (ended.ended_at - ended.started_at).total_seconds())
        # A run that was killed wrote no summary: nothing is told of it, rather than noughts.
        summary: dict[str, Any] = {} if ended.summary is None else json.loads(ended.summary)
        if outcome_of(ended) == "failed" and "exit_code" in summary:
            self._add("reluth_run_last_failure_exit_code", labels, summary["exit_code"])
        # Nor has one that failed any counts.
        if kind == "pull" and "types" in summary:
            self._pull(site, summary)

    def _pull(self, site: str, summary: Mapping[str, Any]) -> None:
        for type_, counts in sorted(summary["types"].items()):
            for change in _CHANGES:
                self._add("reluth_pull_last_resources", [site, type_, change], counts.get(change, 0))
        self._add("reluth_pull_last_missing_types", [site], len(summary.get("missing", ())))
        requests: dict[str, Any] = summary.get("requests") or {}
        for outcome in ("sent", "retried"):
            if outcome in requests:
                self._add("reluth_pull_last_requests", [site, outcome], requests[outcome])

    def _giving_back(self) -> None:
        outbox = self._store.outbox
        waiting = Counter(conflict.site for conflict in outbox.conflicts())
        for site in outbox.sites():
            for state, number in sorted(outbox.counts(site).items()):
                self._add("reluth_outbox_entries", [site, state], number)
            self._add("reluth_conflicts_open", [site], waiting[site])
        for trial in self._settings.trials:
            decisions = self._store.decisions(trial).values()
            states = Counter((decision.site, decision.state) for decision in decisions)
            for (site, state), number in sorted(states.items()):
                self._add("reluth_patients_decided", [site, trial, state], number)


def outcome_of(run: RunInfo) -> str:
    """How a run stands, of the closed list: complete, partial, failed or running."""
    match run.state:
        case "open":
            return "running"
        case "committed":
            return "complete" if run.complete else "partial"
        case _:
            return "failed"


def metrics_text(
    store: Store, settings: Settings, *, now: datetime, types: Mapping[str, list[str]] | None = None
) -> bytes:
    """Everything of `METRICS`, in the text format of Prometheus.

    Args:
        store: open.
        settings: sites and trials.
        now: aware time.
        types: what `adapter.jobs.feed_types` found, where it is known already.
    """
    wanted = feed_types(settings) if types is None else types
    # A registry of its own: the library's one tells of this process, and its state outlives a scrape.
    registry = CollectorRegistry()
    registry.register(FeedCollector(store, settings, now=now, types=wanted))
    return generate_latest(registry)


def metrics_router(
    settings: Settings,
    store_of: Callable[[Request], Store],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """The route /metrics.

    Args:
        settings: sites and trials.
        store_of: the open store of a running service, by a request.
        now: aware time.
    """
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        summary="How the feeds stand, for Prometheus",
        operation_id="metrics",
        response_class=Response,
        responses={
            200: {
                "content": {"text/plain": {"schema": {"type": "string"}}},
                "description": "Text format of Prometheus.",
            },
            503: {"description": "The store does not answer."},
        },
    )
    def metrics(request: Request) -> Response:
        """Read from the store at this moment."""
        try:
            text = metrics_text(store_of(request), settings, now=now())
        except (ReluthError, OSError, SQLAlchemyError) as error:
            logger("service").error("no metrics", error=type(error).__name__)
            return Response("# the store does not answer\n", status_code=503, media_type=_CONTENT_TYPE)
        return Response(text, media_type=_CONTENT_TYPE)

    return router
