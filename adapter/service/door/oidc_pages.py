"""In: a browser sent to, or back from, the hospital's OpenID provider. Out: a session, or a page that says why there is none.

Links and pages only: a form's redirect to the provider would be stopped by ``form-action 'self'``; and in a chain of redirects that
began at the provider a browser leaves out the session's cookie, which is SameSite=strict. So the browser is sent on by a page.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from adapter.accounts.at_provider import FLOW_LASTS, AtProvider, ProviderRefusal, Returned, SignInRefused
from adapter.accounts.oidc import Grants
from adapter.client.oidc import OidcClient, OidcProvider
from adapter.config import Settings
from adapter.errors import RemoteError
from adapter.observe import logger
from adapter.service.desk import Desk
from adapter.service.door.access import Access
from adapter.service.door.next_path import safe_next
from adapter.service.door.permissions import viewer_of
from adapter.service.rendering import page

__all__ = ["oidc_pages", "open_provider", "provider_sign_out"]

oidc_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_COOKIE: Final = "reluth_sign_in"
_CALLBACK: Final = "/oidc/callback"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ANSWER: Final = ("state", "code", "error", "iss")
#: Of what a provider may put into its answer's address.
_LONGEST: Final = 4096
_NOT_FOUND = 404
_STATUS: Final = {
    ProviderRefusal.DENIED: 403,
    ProviderRefusal.FAILED: 502,
    ProviderRefusal.LATE: 400,
    ProviderRefusal.NO_ROLE: 403,
    ProviderRefusal.DISABLED: 403,
}


def open_provider(settings: Settings) -> AtProvider | None:
    """Sign-in at the provider of the settings, None without one. It is asked for nothing until somebody signs in.

    Raises:
        ConfigurationError: the issuer is no https address, the scopes lack openid, ``ca_file`` cannot be read, or a group is
            granted a role or a site that there is not.
    """
    told = settings.oidc
    if told is None:
        return None
    client = OidcClient(
        issuer=str(told.issuer),
        client_id=told.client_id,
        client_secret=None if told.client_secret is None else told.client_secret.get_secret_value(),
        scopes=tuple(told.scopes),
        ca_file=None if told.ca_file is None else str(told.ca_file),
    )
    grants = Grants.read(told.grants, sites=settings.sites)
    return AtProvider(OidcProvider(client), grants=grants, groups_claim=told.groups_claim)


@oidc_pages.get("/oidc/start")
def start(request: Request) -> Response:
    """Send a browser to the provider."""
    door = _door(request)
    browser = request.cookies.get(_cookie(request), "")
    if not _SECRET.fullmatch(browser):
        browser = secrets.token_urlsafe(32)
    try:
        url = door.begin(
            _desk(request).store,
            state=_state(browser, secrets.token_urlsafe(32)),
            redirect_uri=_own(request, _CALLBACK),
            onward=safe_next(request.query_params.get("next", "/")),
        )
    except RemoteError as error:
        return _failed(request, error)
    response = RedirectResponse(url, status_code=303)
    # Lax: it has to come back with the browser. It opens nothing by itself.
    response.set_cookie(
        _cookie(request),
        browser,
        max_age=int(FLOW_LASTS.total_seconds()),
        path="/",
        secure=_access(request).is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


@oidc_pages.get(_CALLBACK)
def callback(request: Request) -> Response:
    """Take a browser that comes back from the provider."""
    door = _door(request)
    told = _returned(request)
    if told is None or not _is_of(request.cookies.get(_cookie(request), ""), told.state):
        # Before the state is used up: another browser cannot take it from the one that it was given to.
        return _refusal(request, ProviderRefusal.LATE)
    try:
        account, onward = door.finish(_desk(request).store, told, redirect_uri=_own(request, _CALLBACK))
    except SignInRefused as refused:
        return _refusal(request, refused.refusal)
    except RemoteError as error:
        return _failed(request, error)
    access = _access(request)
    response = page(request, "provider.html", kind="entered", onward=onward)
    # As <meta http-equiv="refresh">: the page itself asks for the next one, so that the strict cookie goes with it.
    response.headers["Refresh"] = f"0;url={onward}"
    access.give(response, access.begin(account))
    return response


def provider_sign_out(request: Request) -> Response | None:
    """What leads a browser on to end its session at the provider too; None where that is not to be had.

    The session here has ended already. The page goes there by itself, and says what happens where it does not.

    Args:
        request: of somebody who signs out; None for whoever did not sign in at the provider.
    """
    door: AtProvider | None = request.app.state.oidc
    viewer = viewer_of(request)
    if door is None or viewer is None or viewer.account is None:
        return None
    account = _desk(request).store.accounts.by_number(viewer.account)
    if account is None or account.issuer is None:
        return None
    try:
        url = door.provider.end_session_url(return_to=_own(request, "/sign-in"))
    except RemoteError as error:
        logger("accounts").warning("sign-out at the provider", problem=str(error))
        return None
    if url is None:
        return None
    response = page(request, "provider.html", kind="left", onward=url)
    response.headers["Refresh"] = f"0;url={url}"
    return response


def _refusal(request: Request, refusal: ProviderRefusal) -> Response:
    return page(request, "provider.html", kind=refusal.value, status=_STATUS[refusal])


def _failed(request: Request, error: RemoteError) -> Response:
    # The text is ours: no word of the provider's is in it.
    logger("accounts").warning("sign-in refused", reason="provider", problem=str(error))
    return _refusal(request, ProviderRefusal.FAILED)


def _returned(request: Request) -> Returned | None:
    """What the address holds; None where something stands in it twice, is missing, or is longer than it can be."""
    asked = request.query_params
    if any(len(asked.getlist(name)) > 1 or len(asked.get(name, "")) > _LONGEST for name in _ANSWER):
        return None
    return Returned(
        state=asked.get("state", ""),
        code=asked.get("code", ""),
        error=asked.get("error", ""),
        issuer=asked.get("iss"),
    )


def _state(browser: str, salt: str) -> str:
    """A state that no other browser can show: it is tied to a secret in this one's cookie."""
    return f"{salt}.{hmac.new(browser.encode(), salt.encode(), hashlib.sha256).hexdigest()}"


def _is_of(browser: str, state: str) -> bool:
    if not _SECRET.fullmatch(browser):
        return False
    expected = _state(browser, state.partition(".")[0])
    return hmac.compare_digest(expected.encode(), state.encode("utf-8", "surrogatepass"))


def _own(request: Request, path: str) -> str:
    """An address of this service as the browser knows it, and as the provider has it registered."""
    settings: Settings = request.app.state.settings
    public = settings.service.public_url
    # The Host header names this machine, or a configured host: the guard has looked.
    origin = str(public).rstrip("/") if public is not None else f"{request.url.scheme}://{request.headers['host']}"
    return f"{origin}{path}"


def _door(request: Request) -> AtProvider:
    door: AtProvider | None = request.app.state.oidc
    if door is None:
        raise HTTPException(_NOT_FOUND)
    return door


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _cookie(request: Request) -> str:
    return f"__Host-{_COOKIE}" if _access(request).is_secure else _COOKIE
