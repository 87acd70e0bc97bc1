"""In: an authorised request from a browser. Out: the worklist as HTML and CSV; a patient found by number, or put on the list."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.screening import words
from adapter.screening.listing_finding import NUMBER_LENGTH
from adapter.service.api import desk_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.language import choose_language
from adapter.service.rendering import page, stage_of, today_of
from adapter.service.worklist.csv_lines import csv_lines
from adapter.service.worklist.finding import find_patients, put_on_list
from adapter.service.worklist.listing import list_worklist
from adapter.service.worklist.reading import masked, parse_asked, read_listing, stream_listing

__all__ = ["worklist_pages"]

AnyDesk = Annotated[Desk, Depends(desk_of)]


async def _form_of(request: Request) -> dict[str, str]:
    """The fields of a form of ours.

    Raises:
        ForeignRequest: it was made for another session.
    """
    sent = await request.form()
    fields = {name: value for name, value in sent.items() if isinstance(value, str)}
    if not token_holds(request, fields.get(FORM_FIELD, "")):
        raise ForeignRequest
    return fields


OwnForm = Annotated[dict[str, str], Depends(_form_of)]

worklist_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@worklist_pages.get("/")
def worklist_page(request: Request, desk: AnyDesk) -> Response:
    """The worklist of a stage; bin, marker, criterion, site, order and page stand in the address, a text never does."""
    asked = {name: value for name, value in request.query_params.items() if name != "text"}
    return _worklist(request, desk, asked, stage_of(request))


@worklist_pages.post("/", dependencies=[Depends(from_here)])
def searched_page(request: Request, desk: AnyDesk, form: OwnForm) -> Response:
    """The worklist of a text: a number of the hospital must not stand in an address, so the answer is the page itself."""
    return _worklist(request, desk, form, _stage(form))


def _worklist(request: Request, desk: Desk, values: dict[str, str], stage: Stage) -> Response:
    today = today_of(request)
    asked = parse_asked(values, desk.trial, today=today)
    found, current = read_listing(desk, stage, asked)
    shown = found._replace(rows=[masked(desk, row) for row in found.rows])
    listing = list_worklist(
        shown,
        asked,
        desk.trial,
        choose_language(request),
        stage=stage,
        sites=desk.sites_with(Permission.WORKLIST),
        today=today,
    )
    return page(
        request,
        "worklist.html",
        trial=desk.trial,
        stage=stage,
        listing=listing,
        current=current,
        today=today,
        number_length=NUMBER_LENGTH,
        shows_identity=any(map(desk.shows_identity, desk.sites_with(Permission.WORKLIST))),
    )


@worklist_pages.get("/worklist.csv")
def worklist_csv(request: Request, desk: AnyDesk) -> Response:
    """All rows of what is asked for, as they are read."""
    stage = stage_of(request)
    asked = parse_asked(
        {name: value for name, value in request.query_params.items() if name not in ("text", "page")},
        desk.trial,
        today=today_of(request),
    )
    rows = (masked(desk, row) for row in stream_listing(desk, stage, asked))
    lines = csv_lines(rows, desk.trial, words(choose_language(request)))
    headers = {"Content-Disposition": f'attachment; filename="worklist-{desk.trial.id}-{stage}.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@worklist_pages.get("/find")
def find_page(request: Request, desk: AnyDesk) -> Response:
    """The form to find a patient by number."""
    return _find(request, desk, stage_of(request))


@worklist_pages.post("/find", dependencies=[Depends(from_here)])
def find_by_form(request: Request, desk: AnyDesk, form: OwnForm) -> Response:
    """To the patient's page where one is meant and listed; else who is called so, and why they are not listed."""
    stage, number = _stage(form), form.get("number", "").strip()
    if not number or len(number) > NUMBER_LENGTH:
        return _find(request, desk, stage, error="empty" if not number else "long", status=422)
    found = find_patients(
        desk,
        stage,
        number,
        site=form.get("site") or None,
        language=choose_language(request),
        today=today_of(request),
    )
    if len(found) == 1 and found[0].key is not None:
        return RedirectResponse(_patient_address(found[0].key, stage), status_code=303)
    return _find(request, desk, stage, found=found, number=number)


@worklist_pages.post("/candidates", dependencies=[Depends(from_here)])
def add_by_form(
    request: Request,
    desk: AnyDesk,
    form: OwnForm,
    site: Annotated[str, Form()] = "",
    patient: Annotated[str, Form()] = "",
) -> Response:
    """Put a patient on the list, screen them at once, then to their page."""
    made = put_on_list(desk, site, patient, today=today_of(request))
    if made is None:
        raise HTTPException(404)
    stage = _stage(form)
    if made.screened:
        return RedirectResponse(_patient_address(made.key, Stage.REGISTRATION), status_code=303)
    return _find(request, desk, stage, put=made)


def _find(request: Request, desk: Desk, stage: Stage, *, status: int = 200, **values: Any) -> Response:
    sites = desk.sites_with(Permission.WORKLIST)
    given = {"found": None, "number": "", "error": None, "put": None, **values}
    return page(
        request,
        "find.html",
        status=status,
        trial=desk.trial,
        stage=stage,
        sites=sites,
        shows_identity=any(map(desk.shows_identity, sites)),
        number_length=NUMBER_LENGTH,
        **given,
    )


def _stage(form: dict[str, str]) -> Stage:
    try:
        return Stage(form.get("stage") or Stage.REGISTRATION)
    except ValueError:
        raise HTTPException(422) from None


def _patient_address(key: str, stage: Stage) -> str:
    return f"/patients/{key}" if stage is Stage.REGISTRATION else f"/patients/{key}?stage={stage}"
