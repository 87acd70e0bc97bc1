"""In: a call of CDS Hooks. Out: cards."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["cards_api"]

cards_api = APIRouter(prefix="/cds-services", tags=["CDS Hooks"])
