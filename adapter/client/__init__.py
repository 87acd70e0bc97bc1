"""In: the address of a FHIR server. Out: what it can do and its resources' bytes. Nobody else speaks HTTP outward."""

from __future__ import annotations

from adapter.client.capability import Capability, Lack, TypeCapability
from adapter.client.errors import (
    ForeignHost,
    Issue,
    LoopingPages,
    NotFound,
    Refused,
    Unavailable,
    UnusableAnswer,
)
from adapter.client.retry import Clock, RetryPolicy
from adapter.client.search import SearchEntry, SearchPage
from adapter.client.site import Found, SiteClient
from adapter.client.transport import BasicAuth, BearerAuth, SiteAddress, tls_context

__all__ = [
    "BasicAuth",
    "BearerAuth",
    "Capability",
    "Clock",
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
    "TypeCapability",
    "Unavailable",
    "UnusableAnswer",
    "tls_context",
]
