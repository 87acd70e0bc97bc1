"""In: a request. Out: its body, as long as it is no longer than what is taken; whether it says beforehand that it is."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

__all__ = ["bounded_body", "says_more"]

_MOST_DIGITS: Final = 9


def says_more(request: Request, most: int) -> bool:
    """Whether a body is announced that is longer than ``most`` bytes, or of no length; without an announcement nothing is said."""
    told = request.headers.get("content-length", "")
    # Python refuses to read a number of thousands of digits.
    is_read = told.isascii() and told.isdecimal() and len(told) <= _MOST_DIGITS
    return bool(told) and not (is_read and int(told) <= most)


async def bounded_body(request: Request, most: int) -> bytes | None:
    """The body of a request, or None as soon as it is known to be longer than ``most`` bytes.

    Raises:
        ClientDisconnect: it breaks off.
    """
    if says_more(request, most):
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return bytes(body)
