"""In: a name and a password, or a session. Out: a session, or its end; one's own account."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["accounts_pages"]

accounts_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
