"""In: the address of a FHIR server. Out: what it can do, its resources' bytes, and our writes' outcomes.

Nobody else speaks HTTP outward.
"""

from __future__ import annotations

from adapter.client.address import SiteAddress, tls_context, without_query
from adapter.client.auth import BasicAuth, BearerAuth, SiteAuth
from adapter.client.capability import Capability, Lack, TypeCapability
from adapter.client.download import Downloader, Received
from adapter.client.errors import (
    ForeignHost,
    Issue,
    LoopingPages,
    NotFound,
    Refused,
    Unavailable,
    Uncertain,
    UnusableAnswer,
    issues_of,
)
from adapter.client.export_request import ExportRequest
from adapter.client.found import Found, identifier_query
from adapter.client.manifest import ExportFile, Manifest
from adapter.client.retry import Clock, RetryPolicy, RunBudget
from adapter.client.search import SearchEntry, SearchPage
from adapter.client.site import SiteClient
from adapter.client.transaction import EntryOutcome, TransactionEntry, transaction_bundle

__all__ = [
    "BasicAuth",
    "BearerAuth",
    "Capability",
    "Clock",
    "Downloader",
    "EntryOutcome",
    "ExportFile",
    "ExportRequest",
    "ForeignHost",
    "Found",
    "Issue",
    "Lack",
    "LoopingPages",
    "Manifest",
    "NotFound",
    "Received",
    "Refused",
    "RetryPolicy",
    "RunBudget",
    "SearchEntry",
    "SearchPage",
    "SiteAddress",
    "SiteAuth",
    "SiteClient",
    "TransactionEntry",
    "TypeCapability",
    "Unavailable",
    "Uncertain",
    "UnusableAnswer",
    "identifier_query",
    "issues_of",
    "tls_context",
    "transaction_bundle",
    "without_query",
]
