"""In: an authorised GET from a browser. Out: funnel and runs as HTML."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from adapter.service.api import desk_of
from adapter.service.desk import Desk
from adapter.service.rendering import page, stage_of
from adapter.service.study_reading import read_funnel_of, read_runs

__all__ = ["study_pages"]

_QUARANTINE_SHOWN = 200
_UNMAPPED_SHOWN = 20

study_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@study_pages.get("/funnel")
def funnel_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Persons per criterion."""
    stage = stage_of(request)
    funnel = read_funnel_of(desk, stage)
    return page(request, "funnel.html", trial=desk.trial, stage=stage, funnel=funnel, shown_codes=_UNMAPPED_SHOWN)


@study_pages.get("/runs")
def runs_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Pulls and quarantine."""
    return page(request, "runs.html", trial=desk.trial, runs=read_runs(desk), shown=_QUARANTINE_SHOWN)
