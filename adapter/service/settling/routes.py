"""In: an authorised request. Out: what a person has to settle, as a page with forms and as JSON; and the settling."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from adapter.service.api import desk_of, problem, problems_of
from adapter.service.desk import Desk
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.language import LANGUAGES, Language, choose_language, load_words
from adapter.service.rendering import page
from adapter.service.settling.listing import list_unsettled
from adapter.service.settling.settlement import CHOICES, Keep, Settled, SettlementKind, SettleRequest
from adapter.service.settling.unsettled import Unsettled

__all__ = ["conflicts_api", "conflicts_pages"]

_HOME = "/conflicts"
_NOTED = 100
_TOLD = frozenset({SettlementKind.DONE, SettlementKind.GONE, SettlementKind.CHANGED, SettlementKind.IMPOSSIBLE})
_NUMBER = Path(ge=1, description="Number of a conflict.")

AnyDesk = Annotated[Desk, Depends(desk_of)]
Number = Annotated[int, _NUMBER]


conflicts_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
conflicts_api = APIRouter(prefix="/api", tags=["settling"])


@conflicts_pages.get(_HOME)
def conflicts_page(request: Request, desk: AnyDesk, number: int = 0, told: str = "") -> Response:
    """Conflicts with both sides, what is held or refused, proposals; and what became of the last choice."""
    language = choose_language(request)
    found = desk.unsettled()
    _note_view(desk, found)
    return page(
        request,
        "conflicts.html",
        trial=desk.trial,
        listing=list_unsettled(found, desk.trial, language),
        notice=_notice(desk, number, told, language),
    )


@conflicts_pages.get("/conflicts/{number}")
def back_to_conflicts(request: Request, number: Number) -> Response:
    """A form's address, opened as a page: by the language switch of a refusal, or from a history."""
    language = request.query_params.get("lang")
    return RedirectResponse(f"{_HOME}?lang={language}" if language in LANGUAGES else _HOME, status_code=303)


@conflicts_pages.post("/conflicts/{number}", dependencies=[Depends(from_here)])
def settle_by_form(
    request: Request,
    desk: AnyDesk,
    number: Number,
    keep: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
    token: Annotated[str, Form(alias=FORM_FIELD)] = "",
) -> Response:
    """Settle, then back to the page, which says what became of it."""
    if not token_holds(request, token):
        raise ForeignRequest
    chosen = _chosen(keep)
    if chosen is None:
        raise HTTPException(422)
    made = desk.settle(number, keep=chosen, seen=seen)
    if made.kind is SettlementKind.UNKNOWN:
        raise HTTPException(404)
    return RedirectResponse(f"{_HOME}?{urlencode({'number': number, 'told': made.kind})}", status_code=303)


def _note_view(desk: Desk, found: Unsettled) -> None:
    groups = (
        [one.site for one in found.conflicts],
        [one.site for one in found.waiting],
        [one.site for one in found.proposals],
    )
    sites = sorted({site for group in groups for site in group})
    if sites:
        numbers = " ".join(str(one.number) for one in found.conflicts[:_NOTED])
        desk.audit("view-conflicts", subject=" ".join(sites), detail=numbers)


def _chosen(keep: str) -> Keep | None:
    return next((choice for choice in CHOICES if choice == keep), None)


def _notice(desk: Desk, number: int, told: str, language: Language) -> tuple[str, str] | None:
    """Mark and sentence about the last choice, as the store tells it: an address alone can claim nothing."""
    conflict = desk.conflict(number) if told in _TOLD else None
    if conflict is None:
        return None
    key = told
    if told in (SettlementKind.DONE, SettlementKind.GONE):
        if conflict.closed_at is None:
            return None
        gone = told == SettlementKind.GONE or conflict.kept is None
        key = "-".join(part for part in ("gone" if gone else "", conflict.kept or "") if part)
    elif conflict.closed_at is not None:
        return None
    said = load_words().say(f"conflicts.told-{key}", language, n=number, by=conflict.closed_by or "")
    return "pass" if told == SettlementKind.DONE else "open", said


# JSON ---------------------------------------------------------------------------------------------------------------


def _json_only(request: Request) -> None:
    # A form of somebody else's page can send text without asking first, and no JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)


@conflicts_api.get(
    "/conflicts", summary="What a person has to settle", operation_id="conflicts", responses=problems_of(401, 422)
)
def conflicts(desk: AnyDesk, site: Annotated[str | None, Query(description="Of one site only.")] = None) -> Unsettled:
    """Open conflicts with what both sides say, entries held or refused, proposals of a re-screen."""
    found = desk.unsettled(site=site)
    _note_view(desk, found)
    return found


@conflicts_api.post(
    "/conflicts/{number}",
    summary="Settle a conflict",
    operation_id="settle_conflict",
    dependencies=[Depends(from_here), Depends(_json_only)],
    response_model=Settled,
    responses=problems_of(401, 403, 404, 409, 415, 422),
)
def settle_conflict(desk: AnyDesk, number: Number, wish: SettleRequest) -> Settled | JSONResponse:
    """Choose the side that holds; the next push carries it out."""
    made = desk.settle(number, keep=wish.keep, seen=wish.seen)
    if made.kind is SettlementKind.DONE and made.conflict is not None:
        one = made.conflict
        return Settled(number=number, site=one.site, kind=one.kind, key=one.key, kept=wish.keep, by=desk.viewer.actor)
    return problem(404 if made.kind is SettlementKind.UNKNOWN else 409, made.problem)
