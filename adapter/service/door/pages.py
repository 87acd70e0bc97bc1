"""In: a browser without a session; the one-time token, or a name and a password. Out: a session, and back to where one wanted to go; its end."""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from adapter.accounts import Permission, Viewer
from adapter.errors import BusyError
from adapter.service.door.access import Access, service_actor
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.door.next_path import FIRST_PAGE, door_address, safe_next
from adapter.service.door.oidc_pages import provider_sign_out
from adapter.service.door.permissions import viewer_of
from adapter.service.language import LANGUAGES
from adapter.service.rendering import page, refusal_page
from adapter.store import Store

__all__ = ["access_of", "door_pages", "enter", "turned_away"]

_ACCOUNT: Final = "/account"
_FUNNEL: Final = "/funnel"
#: What the sign-in page may be asked by its address to say.
_TOLD: Final = frozenset({"ended", "out"})

door_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def access_of(request: Request) -> Access:
    """Who may enter this service."""
    access: Access = request.app.state.access
    return access


def turned_away(request: Request, status: int) -> Response:
    """The answer to a browser that may not have what it asks for: the door, a page that it may have, or why not."""
    if status == 401:
        return _to_the_door(request)
    viewer = viewer_of(request)
    if status == 403 and viewer is not None and request.method == "GET" and request.url.path == FIRST_PAGE:
        # The first page is the worklist, which is not for everybody; whoever has signed in is sent there.
        first = _FUNNEL if viewer.may_anywhere(Permission.FUNNEL) else _ACCOUNT
        return RedirectResponse(first, status_code=303)
    return refusal_page(request, status)


def _to_the_door(request: Request) -> Response:
    access = access_of(request)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    told = "ended" if request.cookies.get(access.cookie) else ""
    if request.method == "GET" and _comes_from_elsewhere(request):
        # Its session's cookie is SameSite=strict: a link in a mail, a hospital's record or a terminal in the browser comes
        # without it. Asked for by a page of ours, the same address comes with it.
        return page(request, "sign-in-step.html", wanted=safe_next(wanted))
    if not access.has_accounts:
        return refusal_page(request, 401)
    if request.method != "GET":
        return _sign_in_page(request, status=401, notice="ended")
    return RedirectResponse(door_address(wanted, told=told), status_code=303)


def enter(request: Request, session: str, *, wanted: str) -> Response:
    """Hand over a new session, which ends the one that this browser had, and go on.

    Args:
        request: of the browser.
        session: just begun.
        wanted: where to go, as the browser said.
    """
    access = access_of(request)
    standing = request.cookies.get(access.cookie)
    if standing:
        access.end(standing)
    response = RedirectResponse(safe_next(wanted), status_code=303)
    access.give(response, session)
    return response


@door_pages.get("/login")
def login(request: Request, token: str = "") -> Response:
    """Exchange the one-time token for a session, and leave the address that holds it at once."""
    access = access_of(request)
    if access.has_accounts:
        return RedirectResponse(door_address(FIRST_PAGE), status_code=303)
    if not token:
        return refusal_page(request, 401)
    session = access.redeem(token)
    if session is None:
        return page(request, "refusal.html", refusal="link", status=403)
    _store_of(request).audit(service_actor(), "sign-in", subject="session", detail="one-time")
    return enter(request, session, wanted=FIRST_PAGE)


@door_pages.get("/sign-in")
def sign_in_form(request: Request, next: str = "", told: str = "") -> Response:  # noqa: A002 - the address's word
    """The form, and the way to the provider."""
    if viewer_of(request) is not None:
        return RedirectResponse(safe_next(next), status_code=303)
    if not access_of(request).has_accounts:
        return refusal_page(request, 401)
    return _sign_in_page(request, wanted=next, notice=told if told in _TOLD else "")


@door_pages.post("/sign-in", dependencies=[Depends(from_here)])
def sign_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    wanted: Annotated[str, Form(alias="next")] = "",
    token: Annotated[str, Form(alias=FORM_FIELD)] = "",
) -> Response:
    """Check name and password; whatever is wrong is told the same way."""
    access = access_of(request)
    if not access.takes_passwords:
        raise HTTPException(404)
    if viewer_of(request) is not None:
        # In another tab, meanwhile.
        return RedirectResponse(safe_next(wanted), status_code=303)
    if not token_holds(request, token):
        return _sign_in_page(request, wanted=wanted, notice="stale", status=403)
    try:
        account = access.signing_in.enter(name, password)
    except BusyError:
        return _sign_in_page(request, wanted=wanted, notice="busy", name=name, status=503)
    if account is None:
        return _sign_in_page(request, wanted=wanted, notice="wrong", name=name, status=401)
    return enter(request, access.begin(account), wanted=_ACCOUNT if account.must_change_password else wanted)


@door_pages.post("/sign-out", dependencies=[Depends(from_here)])
def sign_out(request: Request, token: Annotated[str, Form(alias=FORM_FIELD)] = "") -> Response:
    """End the session, here and in the browser; at the provider too, where it was begun there."""
    if not token_holds(request, token):
        raise ForeignRequest
    access = access_of(request)
    viewer = viewer_of(request)
    access.end(request.cookies.get(access.cookie, ""))
    if viewer is not None:
        _store_of(request).audit(viewer.actor, "sign-out", subject=_subject(viewer))
    door = door_address(FIRST_PAGE, told="out" if access.has_accounts else "")
    response = provider_sign_out(request) or RedirectResponse(door, status_code=303)
    access.take(response)
    return response


def _sign_in_page(
    request: Request, *, wanted: str = "", notice: str = "", name: str = "", status: int = 200
) -> Response:
    access = access_of(request)
    target = safe_next(wanted)
    state = request.scope.setdefault("state", {})
    fresh = "" if state.get("session") else secrets.token_urlsafe(32)
    if fresh:
        state["session"] = fresh
    shown = {} if target == FIRST_PAGE else {"next": target}
    response = page(
        request,
        "sign-in.html",
        status=status,
        access=access,
        wanted=target,
        notice=notice,
        name=name[:64],
        provider=f"/oidc/start?{urlencode(shown)}" if shown else "/oidc/start",
        other_languages=[(language, f"/sign-in?{urlencode({**shown, 'lang': language})}") for language in LANGUAGES],
    )
    if fresh:
        access.give_form(response, fresh)
    return response


def _comes_from_elsewhere(request: Request) -> bool:
    told = {name: request.headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest")}
    return told == {"site": "cross-site", "mode": "navigate", "dest": "document"}


def _store_of(request: Request) -> Store:
    store: Store = request.app.state.desk.store
    return store


def _subject(viewer: Viewer) -> str:
    return "session" if viewer.account is None else f"account/{viewer.actor}"
