"""In: compiled views and files of resources, one a line. Out: tables, on an embedded engine or on a cluster."""

from adapter.datasets.engines.tables import BadLine, ViewTable, Written

__all__ = ["BadLine", "ViewTable", "Written"]
