"""In: an authorised GET under /api. Out: the desk's objects as JSON; refusals as problem details (RFC 9457)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from adapter.criteria import Stage
from adapter.service.desk import Desk
from adapter.service.door.permissions import viewer_of
from adapter.service.shapes import Health, Problem, TrialTexts
from adapter.service.trial_texts import trial_shape

__all__ = ["KEY_PATTERN", "PROBLEM_JSON", "api_router", "desk_of", "health_router", "problem", "problems_of"]

PROBLEM_JSON = "application/problem+json"
KEY_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
_TITLES = {
    400: ("Bad Request", "The Host header does not name this service."),
    401: (
        "Unauthorized",
        "There is no session: sign in, or open the one-time link that the service printed when it started.",
    ),
    403: ("Forbidden", "The roles of this account do not allow it."),
    404: ("Not Found", "There is nothing at this address."),
    405: ("Method Not Allowed", "This address does not answer to this method."),
    409: ("Conflict", "It has changed meanwhile, or cannot be done this way."),
    413: ("Content Too Large", "The body is longer than what is taken at once."),
    415: ("Unsupported Media Type", "This address does not take content of that type."),
    422: ("Unprocessable Content", "A parameter of the request is not valid."),
    500: ("Internal Server Error", "A defect of the service; its log says where."),
    503: ("Service Unavailable", "The store does not answer."),
}


def problem(status: int, detail: str | None = None) -> JSONResponse:
    """A refusal as problem details (RFC 9457).

    Args:
        status: of HTTP.
        detail: a sentence that holds no patient content; else the usual one of the status, which holds nothing of the request.
    """
    title, usual = _TITLES.get(status, ("Error", "The request was refused."))
    content = Problem(title=title, status=status, detail=detail or usual).model_dump()
    return JSONResponse(content, status_code=status, media_type=PROBLEM_JSON)


def desk_of(request: Request) -> Desk:
    """The desk of whoever asks.

    Raises:
        HTTPException: 401, nobody is known.
    """
    desk: Desk = request.app.state.desk
    viewer = viewer_of(request)
    if viewer is None:
        raise HTTPException(401)
    return desk.seen_by(viewer)


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may refuse with, for its OpenAPI document."""
    return {status: {"model": Problem, "description": _TITLES[status][0]} for status in statuses}


AnyDesk = Annotated[Desk, Depends(desk_of)]
AtStage = Annotated[Stage, Query(description="Stage of the trial.")]

health_router = APIRouter(tags=["health"])
api_router = APIRouter(prefix="/api", tags=["screening"], responses=problems_of(401, 422))


@health_router.get("/healthz", summary="Whether the service lives", operation_id="health")
def health() -> Health:
    """Answers without looking at anything."""
    return Health(status="ok")


@api_router.get(
    "/trials/{trial_id}", summary="A trial's criteria and words", operation_id="trial", responses=problems_of(404)
)
def trial(desk: AnyDesk, trial_id: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]) -> TrialTexts:
    """The trial as its document tells it."""
    found = trial_shape(desk.trial, trial_id)
    if found is None:
        raise HTTPException(404)
    return found
