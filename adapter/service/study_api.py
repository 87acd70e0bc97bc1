"""In: an authorised GET under /api. Out: screening log and audit trail as JSON."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["study_api"]

study_api = APIRouter(prefix="/api", tags=["screening"])
