"""In: a browser without a session. Out: a session, and away from the address that opened it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from adapter.service.access import SESSION_COOKIE, SESSION_SECONDS, Access
from adapter.service.rendering import refusal_page

__all__ = ["door_pages"]

door_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@door_pages.get("/login")
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
