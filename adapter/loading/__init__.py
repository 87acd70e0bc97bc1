"""In: CSV or JSON files of a study, subjects, laboratory results or infusions. Out: entities in the store, and a report.

Rows that are not right are named and left out; the good ones of a file are kept in one transaction, or none of them.
"""

from __future__ import annotations

from adapter.loading.columns import COLUMNS, Column
from adapter.loading.load import load, load_shipped_study
from adapter.loading.reading import Content, Form
from adapter.loading.report import LoadReport, Refused, UnusableFileError
from adapter.loading.target import Target, target_of
from adapter.loading.template import template

__all__ = [
    "COLUMNS",
    "Column",
    "Content",
    "Form",
    "LoadReport",
    "Refused",
    "Target",
    "UnusableFileError",
    "load",
    "load_shipped_study",
    "target_of",
    "template",
]
