"""In: an authorised GET from a browser. Out: the worklist as HTML."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from adapter.service.api import desk_of
from adapter.service.desk import Desk
from adapter.service.language import choose_language
from adapter.service.listing import list_worklist
from adapter.service.rendering import page, stage_of, today_of

__all__ = ["worklist_pages"]

worklist_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@worklist_pages.get("/")
def worklist_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """The worklist of a stage."""
    stage = stage_of(request)
    listing = list_worklist(desk.worklist(stage), desk.trial, choose_language(request))
    return page(
        request,
        "worklist.html",
        trial=desk.trial,
        stage=stage,
        listing=listing,
        proposed=desk.proposed(stage),
        today=today_of(request),
    )
