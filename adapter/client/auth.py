"""In: the credentials of a site. Out: the Authorization header of a request, and a new one where the server refuses it.

Used by every way in which a request leaves: httpx asks through `HttpxAuth`, the downloads of files ask by themselves.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Protocol

import httpx

__all__ = ["BasicAuth", "BearerAuth", "HttpxAuth", "SiteAuth"]

_UNAUTHORIZED = 401


class SiteAuth(Protocol):
    """What shows a server who we are; shared by all workers of a site, so its methods may be called from any thread."""

    def authorization(self) -> str:
        """The value of the Authorization header for a request made now.

        Raises:
            RemoteError: there is none to be had.
        """

    def renew(self, refused: str) -> bool:
        """A value that `authorization` gave was answered 401: whether there is another to try.

        Called by several workers with the same value, it asks for one new token.
        """


class BearerAuth:
    """A fixed bearer token on every request."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def authorization(self) -> str:
        """The token."""
        return self._value

    def renew(self, refused: str) -> bool:
        """No: there is but this token."""
        return False


class BasicAuth:
    """HTTP Basic (RFC 7617, UTF-8)."""

    def __init__(self, username: str, password: str) -> None:
        self._value = f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"

    def authorization(self) -> str:
        """Name and password, encoded."""
        return self._value

    def renew(self, refused: str) -> bool:
        """No: there is but this password."""
        return False


class HttpxAuth(httpx.Auth):
    """The same for httpx: a request that is answered 401 is sent once more, where there is something new to send it with.

    That the server refused it says that nothing was done: this holds for writes too.
    """

    def __init__(self, auth: SiteAuth) -> None:
        self._auth = auth

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the value into the Authorization header."""
        value = request.headers["Authorization"] = self._auth.authorization()
        answer = yield request
        if answer.status_code == _UNAUTHORIZED and self._auth.renew(value):
            request.headers["Authorization"] = self._auth.authorization()
            yield request
