"""In: the desk of whoever asks. Out: funnel and runs of the sites that they may see."""

from __future__ import annotations

import json
from typing import Any

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.screening import Funnel, read_funnel
from adapter.service.desk import Desk
from adapter.service.shapes import FunnelCounts, Quarantined, RunEntry, Runs, TypeCounts
from adapter.store import RunInfo

__all__ = ["funnel_shape", "read_funnel_of", "read_runs"]

_PULL = "pull"


def read_funnel_of(desk: Desk, stage: Stage) -> Funnel:
    """Persons per criterion, and what of each site cannot be read."""
    sites = desk.sites_with(Permission.FUNNEL)
    found = [desk.unread(site) for site in sites]
    return read_funnel(desk.store, desk.trial, stage, sites=sites, unmapped=[one for one in found if one is not None])


def funnel_shape(desk: Desk, stage: Stage) -> FunnelCounts:
    """The funnel as the API's object."""
    return FunnelCounts.model_validate(read_funnel_of(desk, stage).to_json())


def read_runs(desk: Desk) -> Runs:
    """The newest pulls, whatever became of them, and what stands in quarantine."""
    found = [run for run in desk.store.runs(_PULL) if desk.may(Permission.RUNS, run.site)]
    sites = sorted({run.site for run in found} | set(desk.sites_with(Permission.RUNS)))
    items = [item for site in sites for item in desk.store.quarantined(site)]
    return Runs(
        runs=[_run(run) for run in found],
        quarantine=[
            Quarantined(
                site=item.site,
                source=item.source,
                line=item.line,
                reference=item.reference,
                reason=item.reason,
                seen_at=item.seen_at,
            )
            for item in items
        ],
    )


def _run(run: RunInfo) -> RunEntry:
    # A run that died wrote no summary.
    summary: dict[str, Any] = {} if run.summary is None else json.loads(run.summary)
    return RunEntry(
        site=run.site,
        run=run.name,
        kind=run.kind,
        state=run.state,
        complete=run.complete,
        started_at=run.started_at,
        ended_at=run.ended_at,
        transaction_time=summary.get("transaction_time"),
        mode=summary.get("mode"),
        requests=summary.get("requests"),
        types={name: TypeCounts.model_validate(counts) for name, counts in summary.get("types", {}).items()},
    )
