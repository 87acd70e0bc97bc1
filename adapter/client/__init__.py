"""In: the address of a FHIR server. Out: what it can do, its resources' bytes, and our writes' outcomes.

Nobody else speaks HTTP outward.
"""

from __future__ import annotations

from adapter.client.capability import Capability, Lack, TypeCapability
from adapter.client.errors import (
    ForeignHost,
    Issue,
    LoopingPages,
    NotFound,
    Refused,
    Unavailable,
    Uncertain,
    UnusableAnswer,
)
from adapter.client.found import Found, identifier_query
from adapter.client.retry import Clock, RetryPolicy
from adapter.client.search import SearchEntry, SearchPage
from adapter.client.site import SiteClient
from adapter.client.transaction import EntryOutcome, TransactionEntry, transaction_bundle
from adapter.client.transport import BasicAuth, BearerAuth, SiteAddress, tls_context

__all__ = [
    "BasicAuth",
    "BearerAuth",
    "Capability",
    "Clock",
    "EntryOutcome",
    "ForeignHost",
    "Found",
    "Issue",
    "Lack",
    "LoopingPages",
    "NotFound",
    "Refused",
    "RetryPolicy",
    "SearchEntry",
    "SearchPage",
    "SiteAddress",
    "SiteClient",
    "TransactionEntry",
    "TypeCapability",
    "Unavailable",
    "Uncertain",
    "UnusableAnswer",
    "identifier_query",
    "tls_context",
    "transaction_bundle",
]
