"""In: an authorised request under /api. Out: the worklist a page at a time; a patient found or added by number."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["worklist_api"]

worklist_api = APIRouter(prefix="/api", tags=["screening"])
