"""In: the desk of whoever asks, a page. Out: runs of every kind, how the feeds stand, what is in quarantine: of the sites that they may see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from adapter.accounts import Permission
from adapter.errors import ReluthError
from adapter.jobs import certificates_of, feed_states, feed_types, sites_left
from adapter.observe import logger
from adapter.service.desk import Desk
from adapter.service.redaction import without_ids
from adapter.service.study.kept import kept
from adapter.service.study.reading import asked_sites
from adapter.service.study.shapes import (
    CertificateEnd,
    FeedLag,
    MissingType,
    Quarantined,
    QuarantineReason,
    RunEntry,
    Runs,
    SiteLeft,
    TypeCounts,
    TypeWrites,
)
from adapter.store import QuarantinedItem, RunInfo

__all__ = ["RUNS_A_PAGE", "read_runs"]

RUNS_A_PAGE: Final = 25
_QUARANTINE_SHOWN = 50
_HOUR = 3600
_PUSH = "push"
#: What the closing objects of push, screening and attestation count beside the types; a list is told by its length.
_COUNTED: Final = (
    "evaluated",
    "candidates",
    "waiting",
    "unreadable",
    "failed",
    "unchanged",
    "taken_back",
    "held",
    "refused",
    "conflicts",
    "pending",
)


def read_runs(desk: Desk, *, now: datetime, page: int = 1, site: str | None = None) -> Runs:
    """A page of runs, whatever became of them, with the state of feeds and quarantine.

    Args:
        desk: of whoever asks.
        now: aware time.
        page: from 1.
        site: only this one.

    Raises:
        HTTPException: 404, the site asked for is not there for them.
    """
    sites = asked_sites(desk, Permission.RUNS, site)
    found = desk.store.runs(site=sites, limit=RUNS_A_PAGE + 1, offset=(page - 1) * RUNS_A_PAGE)
    return Runs(
        page=page,
        more=len(found) > RUNS_A_PAGE,
        runs=[_run(run, identity=desk.shows_identity(run.site)) for run in found[:RUNS_A_PAGE]],
        lag=list(_lags(desk, sites, now)),
        certificates=[
            CertificateEnd(
                site=one.site, kind=one.kind, ends_at=one.ends_at, days=one.days(now), soon=one.is_short(now)
            )
            for one in certificates_of(desk.store, desk.settings, sites=sites)
        ],
        left=[
            SiteLeft(site=one.site, server=one.server, renamed_to=one.renamed_to)
            for one in sites_left(desk.store, desk.settings, sites=sites)
        ],
        quarantine_reasons=[one for name in sites for one in _reasons(desk, name)],
        quarantine=[
            _quarantined(item, identity=desk.shows_identity(name))
            for name in sites
            for item in desk.store.newest_quarantined(name, limit=_QUARANTINE_SHOWN)
        ],
    )


def _run(run: RunInfo, *, identity: bool) -> RunEntry:
    # A run that died wrote no summary.
    summary: dict[str, Any] = {} if run.summary is None else json.loads(run.summary)
    ended = run.ended_at
    return RunEntry(
        site=run.site,
        run=run.name,
        kind=run.kind,
        state=run.state,
        complete=run.complete,
        told=run.summary is not None,
        started_at=run.started_at,
        ended_at=ended,
        exit_code=summary.get("exit_code"),
        problem=_problem(summary, identity=identity),
        seconds=None if ended is None else round((ended - run.started_at).total_seconds(), 1),
        transaction_time=summary.get("transaction_time"),
        mode=summary.get("mode"),
        requests=summary.get("requests"),
        types=_types(run.kind, summary.get("types") or {}),
        counts=_counts(summary),
        missing=[
            MissingType(type=one["type"], reason=one["reason"] if identity else without_ids(one["reason"]))
            for one in summary.get("missing", [])
        ],
    )


def _types(kind: str, told: Mapping[str, Any]) -> dict[str, TypeCounts] | dict[str, TypeWrites]:
    if kind == _PUSH:
        return {name: TypeWrites.model_validate(counts) for name, counts in told.items()}
    return {name: TypeCounts.model_validate(counts) for name, counts in told.items()}


def _problem(summary: Mapping[str, Any], *, identity: bool) -> str | None:
    problem: str | None = summary.get("problem")
    return problem if problem is None or identity else without_ids(problem)


def _counts(summary: Mapping[str, Any]) -> dict[str, int]:
    found = {}
    for name in _COUNTED:
        value = summary.get(name)
        if isinstance(value, list | int) and not isinstance(value, bool):
            found[name] = value if isinstance(value, int) else len(value)
    return found


def _lags(desk: Desk, sites: Iterable[str], now: datetime) -> Iterable[FeedLag]:
    """How each feed stands; types that a folder has fed are told without a judgement."""
    wanted = set(sites)
    marks = {(mark.site, mark.type): mark.transaction_time for mark in desk.store.bookmarks() if mark.site in wanted}
    try:
        # Documents do not change while the service runs.
        types = kept(desk.store, "feed types", None, lambda: feed_types(desk.settings))
        states = feed_states(desk.store, desk.settings, now=now, types=types)
    except (ReluthError, OSError) as error:
        logger("service").error("lag not known", error=type(error).__name__)
        states = []
    told = {(state.site, state.type): state for state in states if state.site in wanted}
    for key in sorted(told.keys() | marks.keys()):
        state = told.get(key)
        lag = None if state is None or state.lag is None else round(state.lag.total_seconds() / _HOUR, 1)
        yield FeedLag(
            site=key[0], type=key[1], up_to=marks.get(key), hours=lag, stale=None if state is None else state.stale
        )


def _reasons(desk: Desk, site: str) -> Iterable[QuarantineReason]:
    """Reasons with their counts; a reason that names resources is told without their ids, to everybody."""
    counts: dict[str, int] = {}
    for reason, items in desk.store.quarantine_reasons(site):
        general = without_ids(reason)
        counts[general] = counts.get(general, 0) + items
    for reason, items in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        yield QuarantineReason(site=site, reason=reason, items=items)


def _quarantined(item: QuarantinedItem, *, identity: bool) -> Quarantined:
    reference = item.reference
    if reference is not None and not identity:
        type_, slash, _ = reference.partition("/")
        reference = type_ if slash else None
    return Quarantined(
        site=item.site,
        source=item.source if identity else without_ids(item.source),
        line=item.line,
        reference=reference,
        reason=item.reason if identity else without_ids(item.reason),
        seen_at=item.seen_at,
    )
