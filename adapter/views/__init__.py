"""In: SQL-on-FHIR v2 ViewDefinitions and the element schema of FHIR. Out: expressions that an engine can run. No I/O.

Views are read by every command that reads documents; Ibis, which takes half a second to import, is needed where one is
compiled only. So what needs it is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adapter.views.definition import Column, Expression, Select, ViewColumn, ViewConstant, ViewDefinition
from adapter.views.parsing import parse_view

if TYPE_CHECKING:
    from adapter.views.compiling import (
        DEEPER,
        NO_TYPE,
        SOURCE,
        CompiledView,
        compile_view,
        deeper,
        uncast_name,
    )
    from adapter.views.conversions import data_type
    from adapter.views.dialects import DUCKDB, SPARK, Dialect
    from adapter.views.keeping import packed, unpacked
    from adapter.views.shape import Shape

__all__ = [
    "DEEPER",
    "DUCKDB",
    "NO_TYPE",
    "SOURCE",
    "SPARK",
    "Column",
    "CompiledView",
    "Dialect",
    "Expression",
    "Select",
    "Shape",
    "ViewColumn",
    "ViewConstant",
    "ViewDefinition",
    "compile_view",
    "data_type",
    "deeper",
    "packed",
    "parse_view",
    "uncast_name",
    "unpacked",
]

_LATE = {
    **dict.fromkeys(
        ("DEEPER", "NO_TYPE", "SOURCE", "CompiledView", "compile_view", "deeper", "uncast_name"), "compiling"
    ),
    **dict.fromkeys(("DUCKDB", "SPARK", "Dialect"), "dialects"),
    **dict.fromkeys(("packed", "unpacked"), "keeping"),
    "Shape": "shape",
    "data_type": "conversions",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
