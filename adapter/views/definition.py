"""In: nothing. Out: what a ViewDefinition consists of, parsed (SQL-on-FHIR v2, StructureDefinition-ViewDefinition)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.views.syntax import Path

__all__ = ["Column", "Expression", "Select", "ViewColumn", "ViewConstant", "ViewDefinition"]


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """A FHIRPath expression of a view: its text, its tree, and the JSON pointer to where it stands."""

    text: str
    tree: Path
    pointer: str


class ViewConstant(msgspec.Struct, frozen=True, kw_only=True):
    """A constant of a view: name, FHIR type of its value, value (a date or a time is a text)."""

    name: str
    type: str
    value: str | bool | int | Decimal


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column: name, expression, FHIR type as declared, and whether it holds a list."""

    name: str
    path: Expression
    type: str | None = None
    collection: bool = False
    description: str | None = None


class Select(msgspec.Struct, frozen=True, kw_only=True):
    """Columns over what an expression gives, further selects beside them, and a union of selects.

    At most one of ``for_each``, ``for_each_or_null`` and ``repeat`` is given.
    """

    columns: tuple[Column, ...] = ()
    selects: tuple[Select, ...] = ()
    union_all: tuple[Select, ...] = ()
    for_each: Expression | None = None
    for_each_or_null: Expression | None = None
    repeat: tuple[Expression, ...] = ()
    pointer: str = ""


class ViewDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A view over the resources of one type.

    Attributes:
        file: name of the document, for faults.
        name: name of the table; the file's where the document gives none.
        resource: type of resource.
        title: in words.
        description: in words.
        version: of the document.
        constants: by name.
        where: conditions, all of which hold for a resource that is shown.
        selects: what is shown.
    """

    file: str
    name: str
    resource: str
    selects: tuple[Select, ...]
    title: str | None = None
    description: str | None = None
    version: str | None = None
    constants: tuple[ViewConstant, ...] = ()
    where: tuple[Expression, ...] = ()


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view's table.

    Attributes:
        name: of the column.
        type: FHIR type.
        path: FHIRPath from the resource, with that of the ``forEach`` around; several, with a bar between, where the parts
            of a union differ.
        collection: it holds a list.
        description: in words.
    """

    name: str
    type: str
    path: str
    collection: bool = False
    description: str | None = None
