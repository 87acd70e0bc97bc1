"""In: nothing. Out: one subject's events, its Patient's row and an infusion, as the views tell them."""

from __future__ import annotations

from typing import Any

ONE = "RELUTH-05-0001"
CONSENTED: dict[str, Any] = {"kind": "consented", "on": "2024-01-02"}
REGISTERED: dict[str, Any] = {"kind": "registered", "on": "2024-01-10"}
CYCLES: list[dict[str, Any]] = [
    {"kind": "cycle", "on": "2024-01-20", "cycle": 1},
    {"kind": "cycle", "on": "2024-03-16", "cycle": 2},
]
TREATED: dict[str, Any] = {"kind": "randomised", "on": "2024-05-20", "arm": "experimental"}
WATCHED: dict[str, Any] = {"kind": "randomised", "on": "2024-05-20", "arm": "control"}
PATIENT: dict[str, Any] = {"id": ONE, "usubjid": ONE, "gender": "female", "age": 62, "site_code": "05"}


def infusion(key: str, day: str) -> dict[str, Any]:
    return {
        "id": key,
        "usubjid": ONE,
        "status": "completed",
        "atc": "V10XX04",
        "start": f"{day}T10:30:00+02:00",
        "end": f"{day}T11:00:00+02:00",
        "dose": "7392",
        "dose_unit": "MBq",
        "dose_code": "MBq",
    }
