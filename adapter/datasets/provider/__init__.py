"""In: what the sponsor's clients ask for. Out: exports of the pseudonymised feed, what changed since the last one, published packages."""

from __future__ import annotations

from adapter.datasets.provider.exports import Export, Exports
from adapter.datasets.provider.files import PACKED, ExportedFile
from adapter.datasets.provider.making import Stage, StagedFiles
from adapter.datasets.provider.packages import PackageFile, PublishedPackage, package, packages, publish
from adapter.datasets.provider.searching import SEARCH_PARAMETERS
from adapter.datasets.provider.wanted import FORMATS, NotSupported, Wanted, parse_wanted

__all__ = [
    "FORMATS",
    "PACKED",
    "SEARCH_PARAMETERS",
    "Export",
    "ExportedFile",
    "Exports",
    "NotSupported",
    "PackageFile",
    "PublishedPackage",
    "Stage",
    "StagedFiles",
    "Wanted",
    "package",
    "packages",
    "parse_wanted",
    "publish",
]
