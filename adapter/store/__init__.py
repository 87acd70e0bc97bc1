"""In: resources as they came, verdicts, decisions. Out: the same, kept, found again and told apart by version.

The lake holds resources in Parquet, append-only; the state holds what changes in a database. `Store` opens both.
"""

from __future__ import annotations

from adapter.store.decisions import AuditEntry, Decision, StaleDecisionError
from adapter.store.lake import Lake, PatientResources
from adapter.store.quarantine import QuarantinedItem
from adapter.store.runs import Run, RunInfo
from adapter.store.segments import Origin
from adapter.store.store import Store
from adapter.store.verdicts import StoredVerdict
from adapter.store.writer import LakeWriter, TypeCounts

__all__ = [
    "AuditEntry",
    "Decision",
    "Lake",
    "LakeWriter",
    "Origin",
    "PatientResources",
    "QuarantinedItem",
    "Run",
    "RunInfo",
    "StaleDecisionError",
    "Store",
    "StoredVerdict",
    "TypeCounts",
]
