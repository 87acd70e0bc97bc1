"""In: an authorised GET from a browser. Out: the screening log and the audit trail, as pages and as CSV."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["log_pages"]

log_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
