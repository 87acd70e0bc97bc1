"""In: a compiled view. Out: what an engine needs of it as bytes; and the other way, the compiled view without its expression.

Compiling takes longer than running a view over a centre's feed: who exports again and again need not compile again.
"""

from __future__ import annotations

import msgspec

from adapter.fhir.versions import FhirVersion
from adapter.views.compiling import CompiledView
from adapter.views.definition import ViewColumn, ViewDefinition
from adapter.views.dialects import Dialect
from adapter.views.shape import Shape

__all__ = ["packed", "unpacked"]


class _Element(msgspec.Struct, frozen=True):
    type: str
    is_list: bool
    children: dict[str, _Element]


class _Packed(msgspec.Struct, frozen=True):
    query: str
    columns: tuple[ViewColumn, ...]
    checked: tuple[str, ...]
    depth: int
    shape: _Element


def packed(compiled: CompiledView) -> bytes:
    """What an engine needs of a view, as JSON."""
    return msgspec.json.encode(
        _Packed(compiled.sql, compiled.columns, compiled.checked, compiled.depth, _element(compiled.shape))
    )


def unpacked(view: ViewDefinition, content: bytes, *, version: FhirVersion, dialect: Dialect) -> CompiledView:
    """The compiled view that was packed.

    Args:
        view: that was compiled, for its faults.
        content: as `packed` gives it.
        version: of FHIR that it was compiled for.
        dialect: likewise.

    Raises:
        msgspec.DecodeError: it is none.
    """
    told = msgspec.json.decode(content, type=_Packed)
    return CompiledView(
        view=view,
        version=version,
        expression=None,
        shape=_shape(told.shape, version),
        columns=told.columns,
        checked=told.checked,
        dialect=dialect,
        depth=told.depth,
        query=told.query,
    )


def _element(shape: Shape) -> _Element:
    children = {name: _element(child) for name, child in sorted(shape.children.items())}
    return _Element(shape.type, shape.is_list, children)


def _shape(element: _Element, version: FhirVersion) -> Shape:
    found = Shape(element.type, version, is_list=element.is_list)
    found.children = {name: _shape(child, version) for name, child in element.children.items()}
    return found
