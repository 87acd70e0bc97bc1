"""In: where a browser says that it wanted to go. Out: the same, where it is an address of ours; else the first page.

It comes out of an address, so anybody can write it: it must lead to no other host, run nothing, and sign nobody out.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode, urlsplit

__all__ = ["FIRST_PAGE", "door_address", "safe_next"]

FIRST_PAGE: Final = "/"
_LONGEST = 1_000
# The signs of a path and a query that need no care; a browser reads "\" as "/", and drops tabs and ends of lines.
_PATH = re.compile(r"/[A-Za-z0-9._~%@+=,:/-]*(?:\?[A-Za-z0-9._~%@+=,:;&/*-]*)?")
#: Doors, and what is no page.
_NOT_THERE = ("/sign-in", "/sign-out", "/login", "/oidc", "/static", "/api", "/notify", "/cds-services")


def safe_next(wanted: str) -> str:
    """A path of ours to go to after signing in.

    >>> safe_next("/patients/abc?stage=registration"), safe_next("//evil.example/"), safe_next("https://evil.example")
    ('/patients/abc?stage=registration', '/', '/')
    """
    if len(wanted) > _LONGEST or not _PATH.fullmatch(wanted):
        return FIRST_PAGE
    path = urlsplit(wanted).path
    within = any(path == door or path.startswith(f"{door}/") for door in _NOT_THERE)
    return FIRST_PAGE if within or wanted.startswith("//") or ".." in path.split("/") else wanted


def door_address(wanted: str, *, told: str = "") -> str:
    """The sign-in page, which leads on to where one wanted to go.

    >>> door_address("/runs"), door_address("/")
    ('/sign-in?next=%2Fruns', '/sign-in')
    """
    target = safe_next(wanted)
    query = {"next": "" if target == FIRST_PAGE else target, "told": told}
    written = urlencode({name: value for name, value in query.items() if value})
    return f"/sign-in?{written}" if written else "/sign-in"
