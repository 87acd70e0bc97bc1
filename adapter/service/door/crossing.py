"""In: a request that changes something. Out: whether a page of ours, or a program, sent it; and a token that ties a form to its session.

The session's cookie is SameSite=strict, but a cookie knows no ports: whatever else this machine serves on loopback is the
same site. A browser tells where a request comes from (Fetch Metadata), and no script can change what it tells.
"""

from __future__ import annotations

import hashlib
import hmac

from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = [
    "FOREIGN_DETAIL",
    "FORM_FIELD",
    "ForeignRequest",
    "form_token",
    "from_here",
    "same_origin",
    "token_holds",
]

#: Name of the hidden field that carries `form_token`.
FORM_FIELD = "csrf"
FOREIGN_DETAIL = "The request was not sent by a page of this service; nothing was changed."
_FORBIDDEN = 403
_PORTS = {"http": "80", "https": "443"}
_PURPOSE = b"reluth form"


class ForeignRequest(HTTPException):
    """Something else than a page of ours, or a form that is not of this session, asks for a change."""

    def __init__(self) -> None:
        super().__init__(_FORBIDDEN)


def same_origin(request: Request) -> bool:
    """Whether a page of this service sent a request, or a program that is no browser.

    - ``Sec-Fetch-Site`` where it is sent: ``same-origin`` only. ``same-site`` is another port of this machine.
    - ``Origin`` where it names one: it has to be ours. Our pages send ``null`` (their Referrer-Policy is no-referrer): that
      is believed only beside ``Sec-Fetch-Site: same-origin``.
    - Neither of them: no browser, which has no cookies but those that it was given on purpose.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if origin == "null":
        return site is not None
    scheme, _, host = origin.lower().partition("://")
    own = request.headers.get("host", "").lower()
    return _with_port(host, scheme) == _with_port(own, scheme)


def from_here(request: Request) -> None:
    """FastAPI dependency of every route that changes something.

    Raises:
        ForeignRequest: it was sent by a page of somebody else.
    """
    if not same_origin(request):
        raise ForeignRequest


def form_token(request: Request) -> str:
    """What a form of this session carries in its field `FORM_FIELD`; it does not give the session away.

    The guard has told which session that is; before one has signed in it is the form's own (see `pages`).
    """
    session = request.scope.get("state", {}).get("session", "")
    return hmac.new(session.encode("utf-8", "surrogatepass"), _PURPOSE, hashlib.sha256).hexdigest()


def token_holds(request: Request, offered: str) -> bool:
    """Whether a form was made for this session; without one it is nobody's."""
    has_session = bool(request.scope.get("state", {}).get("session"))
    return has_session and hmac.compare_digest(form_token(request).encode(), offered.encode("utf-8", "surrogatepass"))


def _with_port(host: str, scheme: str) -> str:
    # "[::1]" holds colons and no port.
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:{_PORTS.get(scheme, '')}"
