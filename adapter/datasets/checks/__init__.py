"""In: a package. Out: findings: what a reviewer or CDISC CORE would stumble over, before anything is written; and what CORE itself finds in what was."""

from __future__ import annotations

from adapter.datasets.checks.dates import check_dates
from adapter.datasets.checks.metadata import check_cells, check_metadata
from adapter.datasets.checks.records import check_records
from adapter.datasets.checks.relations import check_relations
from adapter.datasets.checks.results import check_results
from adapter.datasets.checks.telling import CHECKS, Checking, Rule
from adapter.datasets.model import Finding, Package

__all__ = ["CHECKS", "Rule", "check"]


def check(package: Package) -> list[Finding]:
    """Check a package before it is written.

    Args:
        package: as ``formats.prepared`` gives it.

    Returns:
        Findings, errors first; each code stands in ``CHECKS``. Equal ones are counted. Those that the package brings are not repeated.
    """
    checking = Checking()
    check_metadata(package, checking)
    check_cells(package, checking)
    if all(len(row.cells) == len(one.variables) for one in package.datasets for row in one.rows):
        check_records(package, checking)
        check_dates(package, checking)
        check_results(package, checking)
        check_relations(package, checking)
    return checking.findings()
