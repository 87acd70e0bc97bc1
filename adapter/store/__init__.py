"""In: resources as they came, verdicts, decisions. Out: the same, kept, found again and told apart by version.

The lake holds resources in Parquet, append-only; the state holds what changes in a database. `Store` opens both.
"""

from __future__ import annotations

from adapter.store.account_sessions import SignInFlow
from adapter.store.accounts import Account, KeptPassword, fold_name
from adapter.store.audit import AuditLine, AuditTrail, AuditWanted
from adapter.store.backup import Backup
from adapter.store.backup_manifest import BackupManifest, check_backup
from adapter.store.decisions import Decision, StaleDecisionError
from adapter.store.entities import PutCounts, StoredEntity
from adapter.store.finding import CodeSearch
from adapter.store.forgetting import Forgotten, Whom
from adapter.store.kept_off import KeptOff
from adapter.store.lake import Lake, OriginInfo, PatientResources
from adapter.store.outbox import Conflict, Counterpart, FieldChange, OutboxEntry, OutboxState
from adapter.store.pseudonym_key import pseudonym_key
from adapter.store.purged import Purged, Wanted
from adapter.store.purging import Purgeable
from adapter.store.quarantine import QuarantinedItem
from adapter.store.restoring import restore
from adapter.store.run_history import RunInfo
from adapter.store.runs import Run, run_of, seqs_after
from adapter.store.segments import Origin
from adapter.store.shelf import LakeMark
from adapter.store.signs import Signs
from adapter.store.space import writing
from adapter.store.state import private_file, private_folder
from adapter.store.store import BookmarkInfo, Store
from adapter.store.subjects import Pseudonym, Sequences
from adapter.store.thinning import Lasting
from adapter.store.verdicts import KeptVerdict, StoredVerdict
from adapter.store.versions import Tombstone
from adapter.store.writer import LakeWriter, TypeCounts

__all__ = [
    "Account",
    "AuditLine",
    "AuditTrail",
    "AuditWanted",
    "Backup",
    "BackupManifest",
    "BookmarkInfo",
    "CodeSearch",
    "Conflict",
    "Counterpart",
    "Decision",
    "FieldChange",
    "Forgotten",
    "KeptOff",
    "KeptPassword",
    "KeptVerdict",
    "Lake",
    "LakeMark",
    "LakeWriter",
    "Lasting",
    "Origin",
    "OriginInfo",
    "OutboxEntry",
    "OutboxState",
    "PatientResources",
    "Pseudonym",
    "Purgeable",
    "Purged",
    "PutCounts",
    "QuarantinedItem",
    "Run",
    "RunInfo",
    "Sequences",
    "SignInFlow",
    "Signs",
    "StaleDecisionError",
    "Store",
    "StoredEntity",
    "StoredVerdict",
    "Tombstone",
    "TypeCounts",
    "Wanted",
    "Whom",
    "check_backup",
    "fold_name",
    "private_file",
    "private_folder",
    "pseudonym_key",
    "restore",
    "run_of",
    "seqs_after",
    "writing",
]
