"""In: a call of CDS Hooks 2.0. Out: the services (to anybody), cards and the receipt of feedback (to configured clients).

No answer has CORS headers: clients are servers, and a page of another origin has nothing to ask here.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from adapter.errors import ConfigurationError, DocumentError
from adapter.observe import logger
from adapter.service.bodies import bounded_body
from adapter.service.cards import PATH, Caller, CardRoom, MalformedCall, NotAtHand, TokenRefused, room_of
from adapter.service.cards.shapes import Cards, Discovery, FeedbackRequest, FeedbackTaken, HookRequest, body_of
from adapter.service.language import preferred_language
from adapter.service.shapes import Problem

__all__ = ["cards_api"]

#: What a patient's prefetch comes to is a few hundred kilobytes.
MOST_BYTES: Final = 5 * 2**20
_READ_SECONDS: Final = 10.0
_PROBLEM_JSON: Final = "application/problem+json"
_PROBLEMS: Final = {
    400: ("Bad Request", "The body is not what the hook asks for."),
    401: (
        "Unauthorized",
        "A signed token of a configured client is wanted, each for one call; our log says what was wrong.",
    ),
    404: ("Not Found", "There is no such service."),
    408: ("Request Timeout", "The body did not come in time."),
    412: ("Precondition Failed", "The data that an answer needs are not there and cannot be fetched."),
    413: ("Content Too Large", "The body is longer than what is taken at once."),
    415: ("Unsupported Media Type", "JSON is wanted."),
    422: ("Unprocessable Content", "A parameter of the request is not valid."),
    503: ("Service Unavailable", "The settings or the site's documents are wrong; our log says where."),
}

cards_api = APIRouter(prefix=PATH, tags=["CDS Hooks"])
ServiceId = Annotated[str, Path(description="Id of a service, from the discovery.")]
_UNAUTHORIZED: Final = 401


def _problem(status: int, detail: str = "") -> JSONResponse:
    title, usual = _PROBLEMS[status]
    content = Problem(title=title, status=status, detail=detail or usual).model_dump()
    # RFC 6750 3.
    headers = {"WWW-Authenticate": "Bearer"} if status == _UNAUTHORIZED else None
    return JSONResponse(content, status_code=status, media_type=_PROBLEM_JSON, headers=headers)


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": _PROBLEMS[status][0]} for status in statuses}


@cards_api.get(
    "",
    summary="The services of CDS Hooks",
    operation_id="cds_discovery",
    response_model=Discovery,
    responses=_refusals(503),
)
def discovery(request: Request) -> Response:
    """Answers to anybody: it says nothing of a patient."""
    room = _room(request)
    return JSONResponse(room.discovery()) if room is not None else _problem(503)


@cards_api.post(
    "/{service}",
    summary="Cards about a patient",
    operation_id="cds_call",
    response_model=Cards,
    responses=_refusals(400, 401, 404, 408, 412, 413, 415, 422, 503),
    openapi_extra={"requestBody": body_of(HookRequest), "security": [{"cds": []}]},
)
async def call(request: Request, service: ServiceId) -> Response:
    """One card, or none: of whom may be a candidate, and of nobody on whom a person has decided for good."""
    taken = await _taken(request, service, f"{PATH}/{service}")
    if isinstance(taken, Response):
        return taken
    room, caller, body = taken
    lang = preferred_language(request.headers.get("accept-language", ""))
    try:
        cards = await run_in_threadpool(room.answer, room.services[service], caller, body, lang=lang)
    except MalformedCall as error:
        return _problem(400, str(error))
    except NotAtHand as error:
        return _problem(412, str(error))
    except DocumentError as error:
        logger("cards").error("documents", problem=str(error))
        return _problem(503)
    return JSONResponse({"cards": cards})


@cards_api.post(
    "/{service}/feedback",
    summary="What was done with cards",
    operation_id="cds_feedback",
    response_model=FeedbackTaken,
    responses=_refusals(400, 401, 404, 408, 413, 415, 422, 503),
    openapi_extra={"requestBody": body_of(FeedbackRequest), "security": [{"cds": []}]},
)
async def feedback(request: Request, service: ServiceId) -> Response:
    """A suggestion taken, or a card put away with its reason. Entries of cards never shown to this client are passed over."""
    taken = await _taken(request, service, f"{PATH}/{service}/feedback", f"{PATH}/{service}")
    if isinstance(taken, Response):
        return taken
    room, caller, body = taken
    try:
        kept, unknown = await run_in_threadpool(room.take_feedback, room.services[service], caller, body)
    except MalformedCall as error:
        return _problem(400, str(error))
    return JSONResponse({"taken": kept, "unknown": unknown})


def _room(request: Request) -> CardRoom | None:
    try:
        return room_of(request)
    except ConfigurationError as error:
        logger("cards").error("settings", problem=str(error))
        return None


async def _taken(request: Request, service: str, *paths: str) -> tuple[CardRoom, Caller, bytes] | Response:
    """Who calls, and the body, which is read only once it is known that they may."""
    room = await run_in_threadpool(_room, request)
    if room is None:
        return _problem(503)
    if service not in room.services:
        return _problem(404)
    headers = request.headers.getlist("authorization")
    try:
        caller = await run_in_threadpool(room.callers.caller, headers[0] if len(headers) == 1 else None, *paths)
    except TokenRefused as error:
        logger("cards").info("refused", service=service, reason=error.reason)
        return _problem(401)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _problem(415)
    try:
        async with asyncio.timeout(_READ_SECONDS):
            body = await bounded_body(request, MOST_BYTES)
    except TimeoutError:
        return _problem(408)
    except ClientDisconnect:
        return _problem(400)
    return (room, caller, body) if body is not None else _problem(413)
