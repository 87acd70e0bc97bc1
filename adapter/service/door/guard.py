"""In: every request. Out: the app's answer with security headers, or a refusal.

Refused are a wrong Host (400), a missing session (401), a body that is too long (413), a store that cannot be written or does not
answer (503) and a defect of ours (500).
It stands around the whole app, so that no route, static file or error page can be reached, or sent, without it.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapter.errors import StorageError
from adapter.observe import logger
from adapter.service.bodies import says_more
from adapter.service.door.access import Access, host_allowed
from adapter.service.door.heads import as_get
from adapter.service.door.permissions import is_open
from adapter.service.notifications import NOTIFY_PREFIX

__all__ = ["SECURITY_HEADERS", "Guard"]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
#: RFC 6797: for a year. Of other names below ours nothing is known here, so they are not spoken for.
_ONLY_HTTPS = "max-age=31536000"
_DOOR = "/sign-in"
_FORM_BYTES = 16 * 1024
#: Of who has a session, too: a form with all its notes is some ten kilobytes.
_BODY_BYTES = 2**20
#: Routes that take more, or less, and count for themselves.
_BOUNDED_THERE = ("/api/load/", "/cds-services/", "/fhir/", NOTIFY_PREFIX)
Refuse = Callable[[Request, int], Response]


class Guard:
    """ASGI middleware: Host check, session check, headers, and a shield that keeps content out of logs.

    Args:
        app: what is guarded.
        access: tokens and sessions.
        refuse: makes the refusal for a request and a status, as page or problem.
        hosts: further Host names that are ours.
    """

    def __init__(self, app: ASGIApp, *, access: Access, refuse: Refuse, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._access = access
        self._refuse = refuse
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # No WebSocket is offered; leaving it unanswered would skip the checks.
            await send({"type": "websocket.close", "code": 1008})
            return
        scope, send = as_get(scope, send)
        request = Request(scope)
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    # A picture has a policy of its own (`pictures.SVG_POLICY`).
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if self._access.is_by_https(request.headers.get("host", "")):
                    headers["Strict-Transport-Security"] = _ONLY_HTTPS
            await send(message)

        try:
            await (await self._refusal(request) or self._app)(scope, _bounded(request, receive), send_guarded)
        except Exception as error:  # noqa: BLE001 - outside it is only the server, which would log the message
            # Its message, and the values in its frames, may quote a resource; its class and place never do.
            logger("service").error("request failed", error=type(error).__name__, place=_place(error))
            if not started:
                status = 503 if isinstance(error, StorageError) else 500
                await self._last_word(request, status)(scope, receive, send_guarded)

    async def _refusal(self, request: Request) -> Callable[[Scope, Receive, Send], Awaitable[None]] | None:
        path = request.url.path
        if path.startswith(NOTIFY_PREFIX):
            # A hospital's server comes through a proxy with a name of its own; each request shows the site's secret.
            return None
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not host_allowed(hosts[0], extra=self._hosts):
            return self._refuse(request, 400)
        if path.startswith("/static/"):
            return None
        # Sessions may be kept in a database: no other request waits for it.
        session = request.cookies.get(self._access.cookie)
        viewer = await run_in_threadpool(self._access.viewer, session)
        state = request.scope.setdefault("state", {})
        if viewer is not None:
            state.update(viewer=viewer, session=session)
            return self._refuse(request, 413) if _says_too_much(request) else None
        state["session"] = request.cookies.get(self._access.form_cookie, "")
        if not is_open(path):
            # Here a page may be sent to the door, and the store be asked for it.
            return await run_in_threadpool(self._refuse, request, 401)
        return self._refuse(request, 413) if _is_too_long(request) else None

    def _last_word(self, request: Request, status: int) -> Response:
        try:
            return self._refuse(request, status)
        except Exception:  # noqa: BLE001 - nothing stands behind the last word
            # What broke may be what the refusal is made of.
            return PlainTextResponse(HTTPStatus(status).phrase, status_code=status)


def _is_too_long(request: Request) -> bool:
    """Whether a stranger sends the door more than a name and a password: it would be read whole before it is refused."""
    if request.method != "POST" or request.url.path != _DOOR:
        return False
    return not request.headers.get("content-length") or says_more(request, _FORM_BYTES)


def _says_too_much(request: Request) -> bool:
    """Whether a body that is announced is longer than any that is meant."""
    return says_more(request, _BODY_BYTES) and not request.url.path.startswith(_BOUNDED_THERE)


def _bounded(request: Request, receive: Receive) -> Receive:
    """The same, and no more of a body than is taken: one that is not announced is counted as it comes."""
    if request.url.path.startswith(_BOUNDED_THERE):
        return receive
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > _BODY_BYTES:
            raise HTTPException(413)
        return message

    return receive_bounded


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
