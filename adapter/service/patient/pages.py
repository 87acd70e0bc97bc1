"""In: an authorised request from a browser. Out: a patient's page, its picture, its sources, the sheet for the tumour board."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.service.api import KEY_PATTERN, desk_of
from adapter.service.desk import Desk
from adapter.service.language import choose_language
from adapter.service.patient.attesting_pages import attesting_pages
from adapter.service.patient.deciding_pages import deciding_pages
from adapter.service.patient.file import Opened, open_patient
from adapter.service.patient.sources import find_source
from adapter.service.patient.timeline import draw_timeline
from adapter.service.patient.timeline_table import has_picture
from adapter.service.patient.view import patient_view, read_timeline, sheet_values
from adapter.service.pictures import svg_response
from adapter.service.rendering import page, stage_of, today_of

__all__ = ["patient_pages"]

_SOURCE_PATTERN = r"^[0-9a-f]{16}$"

AnyDesk = Annotated[Desk, Depends(desk_of)]
Key = Annotated[str, Path(pattern=KEY_PATTERN)]

patient_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
patient_pages.include_router(deciding_pages)
patient_pages.include_router(attesting_pages)


def _opened(request: Request, desk: Desk, key: str) -> Opened:
    found = open_patient(desk, key, stage_of(request))
    if found is None:
        raise HTTPException(404)
    return found


@patient_pages.get("/patients/{key}")
def patient_page(request: Request, desk: AnyDesk, key: Key) -> Response:
    """One patient, criterion by criterion."""
    opened = _opened(request, desk, key)
    desk.audit("view-patient", subject=f"{opened.site}/{opened.patient}")
    return patient_view(request, desk, opened, stage_of(request))


@patient_pages.get("/patients/{key}/print")
def print_page(request: Request, desk: AnyDesk, key: Key) -> Response:
    """One page of paper for the tumour board."""
    opened = _opened(request, desk, key)
    desk.audit("print-patient", subject=f"{opened.site}/{opened.patient}")
    values = sheet_values(request, desk, opened, stage_of(request))
    return page(request, "print.html", today=today_of(request), by=desk.viewer.name, **values)


@patient_pages.get("/patients/{key}/timeline.svg")
def timeline_picture(request: Request, desk: AnyDesk, key: Key) -> Response:
    """The timeline as a picture."""
    opened = _opened(request, desk, key)
    timeline = read_timeline(desk, opened, request)
    if timeline is None or not has_picture(timeline):
        raise HTTPException(404)
    desk.audit("view-patient", subject=f"{opened.site}/{opened.patient}", detail="timeline")
    compact = request.query_params.get("compact") == "1"
    return svg_response(draw_timeline(timeline, choose_language(request), compact=compact))


@patient_pages.get("/patients/{key}/sources/{source}")
def source_page(
    request: Request, desk: AnyDesk, key: Key, source: Annotated[str, Path(pattern=_SOURCE_PATTERN)]
) -> Response:
    """A resource as it is stored, for whom the identity is."""
    opened = _opened(request, desk, key)
    if not desk.may(Permission.IDENTITY, opened.site):
        raise HTTPException(403)
    found = find_source(desk, opened, source)
    if found is None:
        raise HTTPException(404)
    desk.audit("view-source", subject=f"{opened.site}/{opened.patient}", detail=found.reference)
    stage = stage_of(request)
    query = "" if stage == "registration" else f"?stage={stage}"
    return page(request, "source.html", trial=desk.trial, file=opened.file, source=found, query=query)
