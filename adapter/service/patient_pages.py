"""In: an authorised request from a browser. Out: a patient's page as HTML."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from adapter.service.api import KEY_PATTERN, desk_of
from adapter.service.desk import Desk
from adapter.service.language import choose_language
from adapter.service.patient_file import read_patient
from adapter.service.rendering import page, stage_of, today_of
from adapter.service.sheet import decided_state, make_history, make_sheet

__all__ = ["patient_pages"]

patient_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@patient_pages.get("/patients/{key}")
def patient_page(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], key: Annotated[str, Path(pattern=KEY_PATTERN)]
) -> Response:
    """One patient, criterion by criterion."""
    stage = stage_of(request)
    file = read_patient(desk, key, stage)
    if file is None:
        raise HTTPException(404)
    language = choose_language(request)
    sheet = make_sheet(file.verdict, desk.trial, language=language, today=today_of(request))
    state = decided_state(file, desk.trial, language)
    # Where nobody has decided, nothing can disagree: that is the rule, and saves the reading of a whole site.
    proposed = file.decision is not None and file.key in desk.proposed(stage, site=file.verdict.site)
    return page(
        request,
        "patient.html",
        trial=desk.trial,
        stage=stage,
        file=file,
        sheet=sheet,
        state=state,
        history=make_history(file, desk.trial, language),
        proposed=proposed,
    )
