"""In: a package of datasets. Out: its files (XPT, Dataset-JSON, Parquet, Define-XML and their companions), and packages read back."""

from __future__ import annotations

from adapter.datasets.formats.datapackage import Field, Resource, field_type, write_datapackage
from adapter.datasets.formats.dataset_json import read_dataset_json, write_dataset_json
from adapter.datasets.formats.define_xml import define_errors, define_xml
from adapter.datasets.formats.findings_table import finding_order, read_findings, write_findings
from adapter.datasets.formats.manifest import (
    MANIFEST,
    REPORT,
    listed_files,
    manifest_problems,
    sha256_of,
    write_manifest,
)
from adapter.datasets.formats.merging import merged, sort_key, sorted_rows
from adapter.datasets.formats.package_files import data_date, read_back, read_package, unequal_files, write_sdtm
from adapter.datasets.formats.parquet import read_parquet, write_parquet
from adapter.datasets.formats.preparing import PREPARING, prepared
from adapter.datasets.formats.readback import ReadBack, ReadVariable, exact_number, first_difference
from adapter.datasets.formats.reviewers_guide import GuideNotes, reviewers_guide
from adapter.datasets.formats.xpt import read_xpt, write_xpt

__all__ = [
    "MANIFEST",
    "PREPARING",
    "REPORT",
    "Field",
    "GuideNotes",
    "ReadBack",
    "ReadVariable",
    "Resource",
    "data_date",
    "define_errors",
    "define_xml",
    "exact_number",
    "field_type",
    "finding_order",
    "first_difference",
    "listed_files",
    "manifest_problems",
    "merged",
    "prepared",
    "read_back",
    "read_dataset_json",
    "read_findings",
    "read_package",
    "read_parquet",
    "read_xpt",
    "reviewers_guide",
    "sha256_of",
    "sort_key",
    "sorted_rows",
    "unequal_files",
    "write_datapackage",
    "write_dataset_json",
    "write_findings",
    "write_manifest",
    "write_parquet",
    "write_sdtm",
    "write_xpt",
]
