"""In: a HEAD request. Out: the GET that it stands for, whose answer goes out without its body (RFC 9110 9.3.2).

Permission, audit and headers are so those of GET by themselves: a HEAD tells that something is there, which is to be known, too.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import Message, Scope, Send

from adapter.service.door.permissions import does_something

__all__ = ["as_get", "wants_no_body"]

_MARK: Final = "wants_no_body"


def as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """A HEAD request and its answer's way out as those of GET; any other request as it is.

    Where a GET does something, a HEAD stays one and is refused (405): what only looks at a link, as mail filters do, must not use it up.
    """
    if scope["method"] != "HEAD" or does_something(scope["path"]):
        return scope, send

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    # RFC 9110 14.2: a range is asked for by GET only.
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"range"]
    state = {**scope.get("state", {}), _MARK: True}
    return {**scope, "method": "GET", "headers": headers, "state": state}, send_head


def wants_no_body(request: Request) -> bool:
    """Whether only the headers of an answer go out: what is long need not be read."""
    return _MARK in request.scope.get("state", {})
