"""In: a site's settings and address. Out: findings: what works of its connection, what to ask whom for, and a sample of its records."""

from __future__ import annotations

from adapter.jobs.check.findings import Finding, Group, Status, TypeLine, exit_code_of
from adapter.jobs.check.here import check_here
from adapter.jobs.check.reach import check_reach
from adapter.jobs.check.sample import sampled_store
from adapter.jobs.check.site import SiteCheck, SiteToCheck, check_site

__all__ = [
    "Finding",
    "Group",
    "SiteCheck",
    "SiteToCheck",
    "Status",
    "TypeLine",
    "check_here",
    "check_reach",
    "check_site",
    "exit_code_of",
    "sampled_store",
]
