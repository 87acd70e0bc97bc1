"""In: a template, values, a request. Out: the page in the reader's language; the refusals as pages; the files that pages need."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.screening import words
from adapter.service.door.crossing import FORM_FIELD, form_token
from adapter.service.door.permissions import viewer_of
from adapter.service.formats import moment
from adapter.service.language import LANGUAGE_COOKIE, LANGUAGES, choose_language, load_words
from adapter.service.worklist.listing import patient_name
from adapter.terminology.coded import shown

__all__ = ["page", "refusal_page", "stage_of", "static_router", "today_of"]

#: In the order in which they are read: the last one makes rows of tables to cards on narrow screens.
_SHEETS: Final = ("style", "worklist", "patient", "study", "settle", "accounts", "narrow")
#: Served as they are; nothing else is served from files.
_STATIC: Final = {"icon.svg": "image/svg+xml", **{f"{name}.css": "text/css; charset=utf-8" for name in _SHEETS}}
_YEAR = 365 * 24 * 60 * 60
_DAY = 24 * 60 * 60
#: Addresses that take forms only, and the page that leads on from there.
_PAGE_OF: Final = {"/candidates": "/find", "/sign-out": "/account"}
#: The menu: address, word, what one has to be allowed.
_MENU: Final = (
    ("/", "worklist", Permission.WORKLIST),
    ("/funnel", "funnel", Permission.FUNNEL),
    ("/log", "log", Permission.LOG),
    ("/runs", "runs", Permission.RUNS),
    ("/conflicts", "conflicts", Permission.CONFLICTS),
    ("/audit", "audit", Permission.AUDIT),
)

static_router = APIRouter(include_in_schema=False)


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
    viewer = viewer_of(request)
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
                "sheets": _SHEETS,
                "style": _style_version(),
                "trial": None,
                "viewer": viewer,
                "menu": [(address, name) for address, name, asked in _MENU if viewer and viewer.may_anywhere(asked)],
                "form_token": form_token(request),
                "form_field": FORM_FIELD,
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


def stage_of(request: Request) -> Stage:
    """The stage of the trial that a page is asked for.

    Raises:
        HTTPException: 422, there is no such stage.
    """
    try:
        return Stage(request.query_params.get("stage", Stage.REGISTRATION))
    except ValueError:
        raise HTTPException(422) from None


def today_of(request: Request) -> date:
    """The service's day."""
    today: Callable[[], date] = request.app.state.today
    return today()


def _say(language: Any, key: str, **values: object) -> str:
    return load_words().say(key, language, **values)


def _with(request: Request, **changed: str) -> str:
    """This page's address with a parameter changed, to be opened by a link; a token is never carried along."""
    path = _PAGE_OF.get(request.url.path, request.url.path)
    kept = {name: value for name, value in request.query_params.items() if name in ("lang", "stage", "site")}
    return f"{path}?{urlencode({**kept, **changed})}"


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
    environment.filters["shown"] = shown
    return environment


def _capital(text: str) -> str:
    # Unlike str.capitalize: "ALT" stays "ALT", and the beta of hCG is not made a letter that reads B.
    first = text[:1]
    return first.upper() + text[1:] if first and unicodedata.name(first, "").startswith("LATIN") else text


@cache
def _static(name: str) -> bytes:
    return files("adapter.service").joinpath("static", name).read_bytes()


@cache
def _style_version() -> str:
    return hashlib.sha256(b"".join(_static(name) for name in sorted(_STATIC))).hexdigest()[:8]
