"""In: a browser sent to, or back from, the hospital's OpenID provider. Out: a session."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["oidc_pages"]

oidc_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
