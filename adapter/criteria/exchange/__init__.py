"""In: a trial. Out: its criteria in the words of others (FHIR Group, EvidenceVariable, CQL); what differs between two versions."""

from __future__ import annotations

from adapter.criteria.exchange.cql import cql_library
from adapter.criteria.exchange.difference import Difference, differences
from adapter.criteria.exchange.evidence_variable import evidence_variable
from adapter.criteria.exchange.group import eligibility_group, group_bundle, logic_library

__all__ = [
    "Difference",
    "cql_library",
    "differences",
    "eligibility_group",
    "evidence_variable",
    "group_bundle",
    "logic_library",
]
