"""In: tables of the views over a site's pseudonymised feed, and documents of domains. Out: the SDTM package of a trial."""

from __future__ import annotations

from adapter.datasets.sdtm.documents import Documents
from adapter.datasets.sdtm.loading import load_domains, parse_documents, view_columns
from adapter.datasets.sdtm.package import Staged, build_package, views_needed

__all__ = ["Documents", "Staged", "build_package", "load_domains", "parse_documents", "view_columns", "views_needed"]
