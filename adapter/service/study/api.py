"""In: an authorised GET under /api. Out: funnel, runs, screening log and audit trail as JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.service.api import KEY_PATTERN, desk_of, problems_of
from adapter.service.desk import Desk
from adapter.service.study.audit_reading import FIRST_DAY, LAST_DAY, AuditAsked, read_audit, subject_of_sites
from adapter.service.study.log_reading import log_entry, log_rows
from adapter.service.study.reading import funnel_shape
from adapter.service.study.runs_reading import read_runs
from adapter.service.study.shapes import AuditPage, FunnelCounts, Runs, ScreeningLog

__all__ = ["study_api"]

_MOST_ROWS = 1000
_MOST_PAGES = 100_000
_MOST_LINES = 2**53
#: Longer than any name of the trail.
_LONGEST = 128

AnyDesk = Annotated[Desk, Depends(desk_of)]
AtStage = Annotated[Stage, Query(description="Stage of the trial.")]
OfSite = Annotated[str | None, Query(max_length=64, description="Of one site only; else of all that you may see.")]

study_api = APIRouter(prefix="/api", tags=["screening"], responses=problems_of(401, 403, 404, 422))


@study_api.get("/funnel", summary="Persons per criterion", operation_id="funnel")
def funnel(desk: AnyDesk, stage: AtStage = Stage.REGISTRATION, site: OfSite = None) -> FunnelCounts:
    """Attrition over the candidates, completeness of their records, and the flow. Small numbers are told to who works with the list."""
    return funnel_shape(desk, stage, site=site)


@study_api.get("/runs", summary="Runs, feeds and quarantine", operation_id="runs")
def runs(
    desk: AnyDesk,
    site: OfSite = None,
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES, description="From 1.")] = 1,
) -> Runs:
    """What came, what was screened and sent, how far the feeds are behind, and what was put aside."""
    return read_runs(desk, now=datetime.now(UTC), page=page, site=site)


@study_api.get("/log", summary="The screening log", operation_id="screening_log")
def log(
    desk: AnyDesk,
    stage: AtStage = Stage.REGISTRATION,
    site: OfSite = None,
    offset: Annotated[int, Query(ge=0, le=_MOST_LINES, description="Rows to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS, description="At most so many rows.")] = 200,
) -> ScreeningLog:
    """Who was looked at, by number, with what outcome (ICH E6 8.3.20)."""
    sites, rows = log_rows(desk, stage, site=site)
    desk.audit("view-log", subject=subject_of_sites(sites), detail=f"{desk.trial.id} {stage}")
    shown = [log_entry(row) for row in rows[offset : offset + limit]]
    return ScreeningLog(trial=desk.trial.id, stage=stage, total=len(rows), offset=offset, rows=shown)


@study_api.get("/audit", summary="Who saw or changed what", operation_id="audit_trail")
def audit(
    desk: AnyDesk,
    *,
    action: Annotated[str | None, Query(max_length=_LONGEST, description="Only this action.")] = None,
    actor: Annotated[str | None, Query(max_length=_LONGEST, description="Only what this person did.")] = None,
    day: Annotated[date | None, Query(ge=FIRST_DAY, le=LAST_DAY, description="Only this day, in Paris.")] = None,
    patient: Annotated[str | None, Query(pattern=KEY_PATTERN, description="Only this patient: the random key.")] = None,
    before: Annotated[int | None, Query(ge=1, le=_MOST_LINES, description="Lines before that of this number.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS, description="At most so many lines.")] = 200,
) -> AuditPage:
    """The audit trail, newest first. Lines of accounts and of the door are for who may see the trail of all sites."""
    found = read_audit(desk, AuditAsked(action, actor, day, patient), limit=limit, before=before)
    desk.audit("view-audit", subject=subject_of_sites(desk.sites_with(Permission.AUDIT)))
    return found
