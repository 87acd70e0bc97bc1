"""In: a session. Out: one's own account: name, roles at each site, a new password in exchange for the old one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from adapter.accounts import ALL_SITES, Viewer, password_problem
from adapter.accounts.passwords import MINIMUM
from adapter.errors import BusyError
from adapter.service.door.crossing import FORM_FIELD, ForeignRequest, from_here, token_holds
from adapter.service.door.pages import access_of, enter
from adapter.service.door.permissions import viewer_of
from adapter.service.rendering import page
from adapter.store import Account, Store

__all__ = ["accounts_pages"]

_HOME = "/account"

accounts_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@accounts_pages.get(_HOME)
def account_page(request: Request) -> Response:
    """Who one is here."""
    return _account_page(request, _viewer(request))


@accounts_pages.post(_HOME, dependencies=[Depends(from_here)])
def change_password(
    request: Request,
    old: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    token: Annotated[str, Form(alias=FORM_FIELD)] = "",
) -> Response:
    """Change the password; all sessions end, and this browser gets a new one."""
    if not token_holds(request, token):
        raise ForeignRequest
    viewer = _viewer(request)
    account = _account(request, viewer)
    if account is None or not account.has_password:
        raise HTTPException(404)
    access = access_of(request)
    problem = password_problem(new, name=account.name)
    errors = {
        "new": "" if problem is None else str(problem),
        "again": "" if new == again else "differs",
        "old": "same" if new == old and old else "",
    }
    try:
        # The old one is compared last: what else is wrong costs no attempt.
        if not any(errors.values()) and not access.signing_in.confirm(account, old):
            errors["old"] = "wrong"
        if not any(errors.values()):
            access.signing_in.change(account, new)
            return enter(request, access.begin(account), wanted=_HOME)
    except BusyError:
        return _account_page(request, viewer, errors={"busy": "busy"}, status=503)
    return _account_page(request, viewer, errors={field: error for field, error in errors.items() if error}, status=422)


def _account_page(
    request: Request, viewer: Viewer, *, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    account = _account(request, viewer)
    # A one-time password leaves the viewer without roles until it is changed: the account knows them.
    roles = viewer.roles if account is None else account.roles
    return page(
        request,
        "account.html",
        status=status,
        account=account,
        roles=[(site, sorted(map(str, given))) for site, given in sorted(roles.items())],
        all_sites=ALL_SITES,
        errors=errors or {},
        minimum=MINIMUM,
    )


def _viewer(request: Request) -> Viewer:
    viewer = viewer_of(request)
    if viewer is None:
        raise HTTPException(401)
    return viewer


def _account(request: Request, viewer: Viewer) -> Account | None:
    store: Store = request.app.state.desk.store
    return None if viewer.account is None else store.accounts.by_number(viewer.account)
