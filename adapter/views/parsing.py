"""In: a ViewDefinition as decoded JSON. Out: `ViewDefinition`, its expressions parsed; a fault points to ``file#json-pointer``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from adapter.fhir import RESOURCE_TYPES
from adapter.terminology import Node
from adapter.views.definition import Column, Expression, Select, ViewConstant, ViewDefinition
from adapter.views.grammar import parse_path
from adapter.views.lexer import PathFaultError

__all__ = ["parse_view"]

# SQL-on-FHIR v2, database-name: what every engine takes as the name of a table or a column.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_METADATA = (
    *("resourceType", "id", "meta", "url", "identifier", "status", "experimental", "date", "publisher", "contact"),
    *("useContext", "jurisdiction", "purpose", "copyright", "copyrightLabel", "profile", "fhirVersion", "text"),
    *("implicitRules", "language", "extension", "contained"),
)


def parse_view(node: Node) -> ViewDefinition:
    """Read a view.

    Args:
        node: the document.

    Raises:
        DocumentError: with the place of the fault.
    """
    for key in _METADATA:
        node.get(key)
    resource = node["resource"].text()
    if resource not in RESOURCE_TYPES:
        raise node["resource"].fault(f"{resource} is not a type of resource")
    selects = tuple(_select(child) for child in node["select"].elements())
    if not selects:
        raise node["select"].fault("a view needs a select")
    view = ViewDefinition(
        file=node.file,
        name=_name(node),
        resource=resource,
        selects=selects,
        title=_optional(node, "title"),
        description=_optional(node, "description"),
        version=_optional(node, "version"),
        constants=tuple(_constants(node)),
        where=tuple(_where(child) for child in _elements(node, "where")),
    )
    node.close()
    _check_columns(node, view.selects)
    return view


def _name(node: Node) -> str:
    given = node.get("name")
    if given is None:
        stem = re.sub(r"[^A-Za-z0-9_]", "_", node.file.rsplit("/", 1)[-1].removesuffix(".json"))
        return stem if _NAME.fullmatch(stem) else f"view_{stem}"
    if not _NAME.fullmatch(given.text()):
        raise given.fault("expected letters, digits and underscores, a letter first")
    return given.text()


def _optional(node: Node, key: str) -> str | None:
    given = node.get(key)
    return None if given is None else given.text()


def _elements(node: Node, key: str) -> Iterator[Node]:
    given = node.get(key)
    return iter(()) if given is None else given.elements()


def _expression(node: Node) -> Expression:
    text = node.text()
    try:
        return Expression(text=text, tree=parse_path(text), pointer=node.pointer)
    except PathFaultError as fault:
        raise node.fault(str(fault)) from fault


def _where(node: Node) -> Expression:
    node.get("description")
    found = _expression(node["path"])
    node.close()
    return found


def _select(node: Node) -> Select:
    node.mapping()
    given = [key for key in _ITERATIONS if key in node]
    if len(given) > 1:
        raise node.fault(f"{' and '.join(given)} cannot stand together")
    for_each, or_null, repeat = (node.get(key) for key in _ITERATIONS)
    found = Select(
        columns=tuple(_column(child) for child in _elements(node, "column")),
        selects=tuple(_select(child) for child in _elements(node, "select")),
        union_all=tuple(_select(child) for child in _elements(node, "unionAll")),
        for_each=None if for_each is None else _expression(for_each),
        for_each_or_null=None if or_null is None else _expression(or_null),
        repeat=() if repeat is None else tuple(_expression(child) for child in repeat.elements()),
        pointer=node.pointer,
    )
    if repeat is not None and not found.repeat:
        raise repeat.fault("expected at least one expression")
    if not (found.columns or found.selects or found.union_all):
        raise node.fault("expected column, select or unionAll")
    node.close()
    return found


def _column(node: Node) -> Column:
    name = node["name"].text()
    if not _NAME.fullmatch(name):
        raise node["name"].fault("expected letters, digits and underscores, a letter first")
    collection = node.get("collection")
    node.get("tag")
    found = Column(
        name=name,
        path=_expression(node["path"]),
        type=None if (kind := _optional(node, "type")) is None else kind.rpartition("/")[2],
        collection=collection is not None and collection.flag(),
        description=_optional(node, "description"),
    )
    node.close()
    return found


def _constants(node: Node) -> Iterator[ViewConstant]:
    seen = set()
    for child in _elements(node, "constant"):
        name = child["name"].text()
        values = [key for key in child.mapping() if key.startswith("value")]
        if len(values) != 1:
            raise child.fault("expected one value[x]")
        if name in seen:
            raise child["name"].fault("the name is taken")
        seen.add(name)
        kind = values[0].removeprefix("value")
        value = child[values[0]]
        if not isinstance(value.value, str | bool | int | float | Decimal):
            raise value.fault("expected a plain value")
        # A decimal of a document comes as a float where its reader made one; its shortest text is what was written.
        plain = Decimal(repr(value.value)) if isinstance(value.value, float) else value.value
        yield ViewConstant(name=name, type=f"{kind[0].lower()}{kind[1:]}" if kind else "", value=plain)
        child.close()


def _columns(select: Select, node: Node) -> list[str]:
    found = [column.name for column in select.columns]
    for part in select.selects:
        found += _columns(part, node)
    unions = [_columns(part, node) for part in select.union_all]
    if any(names != unions[0] for names in unions):
        raise Node(None, node.file, f"{select.pointer}/unionAll").fault("the parts must have the same columns in order")
    return found + (unions[0] if unions else [])


def _check_columns(node: Node, selects: tuple[Select, ...]) -> None:
    names = [name for select in selects for name in _columns(select, node)]
    if not names:
        raise node.fault("a view needs a column")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise node["select"].fault(f"the column {twice[0]} is there more than once")
