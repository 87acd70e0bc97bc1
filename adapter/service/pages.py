"""In: an authorised GET from a browser. Out: worklist, patient, funnel and runs as HTML; and the refusals as pages."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from adapter.criteria import Stage
from adapter.screening import words
from adapter.service.access import SESSION_COOKIE, SESSION_SECONDS, Access
from adapter.service.api import KEY_PATTERN, desk_of
from adapter.service.desk import Desk
from adapter.service.formats import moment
from adapter.service.language import LANGUAGE_COOKIE, LANGUAGES, choose_language, load_words
from adapter.service.listing import list_worklist, patient_name
from adapter.service.shapes import TypeCounts
from adapter.service.sheet import decided_state, make_history, make_sheet
from adapter.terminology.coded import shown

__all__ = ["page", "page_router", "refusal_page", "static_router"]

_STATIC = {"icon.svg": "image/svg+xml", "style.css": "text/css; charset=utf-8"}
_YEAR = 365 * 24 * 60 * 60
_DAY = 24 * 60 * 60
_QUARANTINE_SHOWN = 200
_UNMAPPED_SHOWN = 20

page_router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
static_router = APIRouter(include_in_schema=False)


@page_router.get("/")
def worklist_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """The worklist of a stage."""
    stage = _stage(request)
    listing = list_worklist(desk.worklist(stage), desk.trial, choose_language(request))
    return page(
        request,
        "worklist.html",
        trial=desk.trial,
        stage=stage,
        listing=listing,
        proposed=desk.proposed(stage),
        today=_today(request),
    )


@page_router.get("/patients/{key}")
def patient_page(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], key: Annotated[str, Path(pattern=KEY_PATTERN)]
) -> Response:
    """One patient, criterion by criterion."""
    stage = _stage(request)
    file = desk.patient(key, stage)
    if file is None:
        raise HTTPException(404)
    language = choose_language(request)
    sheet = make_sheet(file.verdict, desk.trial, language=language, today=_today(request))
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


@page_router.get("/funnel")
def funnel_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Persons per criterion."""
    stage = _stage(request)
    funnel = desk.funnel(stage)
    return page(request, "funnel.html", trial=desk.trial, stage=stage, funnel=funnel, shown_codes=_UNMAPPED_SHOWN)


@page_router.get("/runs")
def runs_page(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Response:
    """Pulls and quarantine."""
    return page(request, "runs.html", trial=desk.trial, runs=desk.runs(), shown=_QUARANTINE_SHOWN)


@page_router.get("/login")
def login(request: Request, token: str = "") -> Response:
    """Exchange the one-time token for a session, and leave the address that holds it at once."""
    access: Access = request.app.state.access
    if not token:
        return refusal_page(request, 401)
    session = access.redeem(token)
    if session is None:
        return refusal_page(request, 403)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(SESSION_COOKIE, session, max_age=SESSION_SECONDS, httponly=True, samesite="strict")
    return response


@static_router.get("/static/{name}")
def static_file(name: str) -> Response:
    """The style sheet and the icon; nothing else is served from files."""
    if name not in _STATIC:
        raise HTTPException(404)
    headers = {"Cache-Control": f"public, max-age={_DAY}"}
    return Response(_static(name), media_type=_STATIC[name], headers=headers)


def refusal_page(request: Request, status: int) -> Response:
    """A page that says what is wrong and how to go on, with nothing of the request in it."""
    known = status if load_words().has(f"refusal.{status}-title") else 500
    return page(request, "refusal.html", refusal=known, status=status)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A template in the reader's language, with what all pages have in common."""
    language = choose_language(request)
    html = (
        _environment()
        .get_template(template)
        .render(
            {
                "language": language,
                "other_languages": [(name, _with(request, lang=name)) for name in LANGUAGES],
                "path": request.url.path,
                "say": words(language),
                "t": partial(_say, language),
                "has": load_words().has,
                "stages": [(stage, _with(request, stage=stage)) for stage in Stage],
                "moment": lambda value: moment(value, language),
                "status": status,
                "style": _style_version(),
                "trial": None,
                **values,
            }
        )
    )
    response = HTMLResponse(html, status_code=status)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR, httponly=True, samesite="strict")
    return response


def _say(language: Any, key: str, **values: object) -> str:
    return load_words().say(key, language, **values)


def _with(request: Request, **changed: str) -> str:
    """This page's address with a parameter changed; a token is never carried along."""
    kept = {name: value for name, value in request.query_params.items() if name in ("lang", "stage")}
    return f"{request.url.path}?{urlencode({**kept, **changed})}"


def _stage(request: Request) -> Stage:
    try:
        return Stage(request.query_params.get("stage", Stage.REGISTRATION))
    except ValueError:
        raise HTTPException(422) from None


def _today(request: Request) -> date:
    today: Callable[[], date] = request.app.state.today
    return today()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("adapter.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["patient_name"] = patient_name
    environment.filters["capital"] = _capital
    environment.filters["summed"] = _summed
    environment.filters["shown"] = shown
    return environment


def _capital(text: str) -> str:
    # Unlike str.capitalize: "ALT" stays "ALT", and the beta of hCG is not made a letter that reads B.
    first = text[:1]
    return first.upper() + text[1:] if first and unicodedata.name(first, "").startswith("LATIN") else text


def _summed(counts: dict[str, TypeCounts]) -> TypeCounts:
    fields = TypeCounts.model_fields
    return TypeCounts(**{name: sum(getattr(count, name) for count in counts.values()) for name in fields})


@cache
def _static(name: str) -> bytes:
    return files("adapter.service").joinpath("static", name).read_bytes()


@cache
def _style_version() -> str:
    return hashlib.sha256(_static("style.css")).hexdigest()[:8]
