"""In: an authorised GET from a browser. Out: funnel and runs as HTML, the flow of persons as a picture."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from adapter.accounts import Permission
from adapter.service.api import desk_of
from adapter.service.desk import Desk
from adapter.service.formats import instant
from adapter.service.language import choose_language
from adapter.service.pictures import svg_response
from adapter.service.rendering import page, stage_of
from adapter.service.study.addresses import address
from adapter.service.study.flow import flow_boxes
from adapter.service.study.reading import read_funnel_of, told
from adapter.service.study.runs_listing import list_runs
from adapter.service.study.runs_reading import read_runs

__all__ = ["study_pages"]

_UNMAPPED_SHOWN = 20
_MOST_PAGES = 100_000

AnyDesk = Annotated[Desk, Depends(desk_of)]
OfSite = Annotated[str | None, Query(max_length=64)]

study_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@study_pages.get("/funnel")
def funnel_page(request: Request, desk: AnyDesk, site: OfSite = None) -> Response:
    """Persons per criterion, the flow of persons, completeness, and what cannot be read."""
    stage, language = stage_of(request), choose_language(request)
    funnel = read_funnel_of(desk, stage, site=site or None)
    shown = funnel.sites
    return page(
        request,
        "funnel.html",
        trial=desk.trial,
        stage=stage,
        site=site or None,
        sites=desk.sites_with(Permission.FUNNEL),
        funnel=funnel,
        boxes=flow_boxes(funnel, desk.trial, language),
        picture=address("/funnel/flow.svg", stage=stage, site=site, lang=language),
        told=lambda number: told(number, funnel.steps, parts=len(shown)),
        told_of_site=lambda number: told(number, funnel.steps),
        share=lambda number, of: round(100 * number / of) if of and funnel.steps == 1 else None,
        shown_codes=_UNMAPPED_SHOWN,
    )


@study_pages.get("/funnel/flow.svg")
def flow_picture(request: Request, desk: AnyDesk, site: OfSite = None) -> Response:
    """The flow of persons as a picture: the numbers of the table beside it."""
    from adapter.service.study.flow_picture import draw_flow  # noqa: PLC0415 - matplotlib is for who asks for a picture

    funnel = read_funnel_of(desk, stage_of(request), site=site or None)
    return svg_response(draw_flow(flow_boxes(funnel, desk.trial, choose_language(request))))


@study_pages.get("/runs")
def runs_page(
    request: Request,
    desk: AnyDesk,
    site: OfSite = None,
    number: Annotated[int, Query(alias="page", ge=1, le=_MOST_PAGES)] = 1,
) -> Response:
    """Runs of every kind, how the feeds stand, and quarantine."""
    runs = read_runs(desk, now=datetime.now(UTC), page=number, site=site or None)
    language = choose_language(request)
    return page(
        request,
        "runs.html",
        trial=desk.trial,
        site=site or None,
        sites=desk.sites_with(Permission.RUNS),
        runs=runs,
        listed=list_runs(runs, language),
        instant=lambda value: instant(value, language),
        newer=address("/runs", site=site, page=number - 1) if number > 1 else None,
        older=address("/runs", site=site, page=number + 1) if runs.more else None,
    )
