"""In: an authorised request under /api. Out: a patient's file; a decision or an attestation kept."""

from __future__ import annotations

from fastapi import APIRouter

__all__ = ["patient_api"]

patient_api = APIRouter(prefix="/api", tags=["screening"])
