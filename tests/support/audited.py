"""In: nothing. Out: runs of every kind and end, as a store gives them back, and the AuditEvents of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.fhir import Json
from adapter.store import RunInfo
from adapter.store.models import RunRow
from adapter.sync.audit import Audited, Mode, audit_event

__all__ = ["BEGUN", "SERVER", "audited", "event", "run_info", "sample_events"]

BEGUN = datetime(2025, 6, 2, 20, 0, tzinfo=UTC)
SERVER = "https://fhir.example.org/r4"
TYPES = {
    "MedicationAdministration": {"read": 3, "new": 2, "changed": 0, "deleted": 1, "quarantined": 0},
    "Observation": {"read": 0, "new": 0, "changed": 0, "deleted": 0, "quarantined": 0},
}


def run_info(
    kind: str = "pull", *, state: str = "committed", complete: bool | None = True, summary: dict[str, Any] | None = None
) -> RunInfo:
    """A run of the site ``icm`` that took 90 seconds; an open one has not ended."""
    return RunInfo(
        RunRow(
            number=7,
            name="20250602T200000Z-000007",
            site="icm",
            kind=kind,
            state=state,
            complete=complete,
            summary=None if summary is None else json.dumps(summary),
            started_at=BEGUN,
            ended_at=None if state == "open" else BEGUN + timedelta(seconds=90),
        )
    )


def audited(*, server: str | None = SERVER, mode: Mode = "search") -> Audited:
    """What the store does not keep with a run."""
    return Audited(software="reluth-fhir-adapter 0.1.0", machine="reluth.example.org", server=server, mode=mode)


def pull_summary(**more: Any) -> dict[str, Any]:
    """The summary of a pull."""
    return {"site": "icm", "transaction_time": "2025-06-02T20:00:00Z", "types": TYPES, "quarantine": [], **more}


def event(run: RunInfo, **more: Any) -> Json:
    """The AuditEvent of a run that has one."""
    found = audit_event(run, audited(**more))
    assert found is not None
    return found


def sample_events() -> Iterator[Json]:
    """One AuditEvent of each kind, way and end."""
    for mode in ("search", "bulk"):
        yield event(run_info(summary=pull_summary()), mode=mode)
    yield event(run_info(summary=pull_summary(transaction_time=None)), server=None)
    yield event(run_info(complete=False, summary=pull_summary(missing=[{"type": "Goal", "reason": "404"}])))
    yield event(run_info(state="failed", complete=None))
    failure = {"begun": False, "exit_code": 75, "problem": "no answer"}
    yield event(run_info(state="failed", complete=None, summary=failure))
    yield event(run_info("push", summary={"types": {"Observation": {"created": 2, "updated": 0, "deleted": 0}}}))
    yield event(run_info("push", complete=False, summary={"types": {}, "held": [{"kind": "subject"}]}))
