"""In: the selects of a view. Out: what they give of one resource; what they name is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import ibis

from adapter.errors import DocumentError
from adapter.views.conversions import kind
from adapter.views.definition import Column, Expression, Select
from adapter.views.lexer import PathFaultError
from adapter.views.parts import Carried, Part, Rows, crossed, unified
from adapter.views.repeating import repeated
from adapter.views.resolving import Place, constant_value, resolve
from adapter.views.values import Build, Scope, Value, Variable, as_list, each

__all__ = ["Selecting", "pointed"]


@contextmanager
def pointed(file: str, pointer: str) -> Iterator[None]:
    """A fault of an expression, as one of the document that it stands in."""
    try:
        yield
    except PathFaultError as fault:
        raise DocumentError(file, pointer, str(fault)) from fault


@dataclass
class Selecting:
    """Compiles the selects of one view.

    Attributes:
        file: name of the view's document.
        depth: how deep ``repeat`` looks.
        deeper: of each ``repeat`` of the view, what lies deeper in a resource.
        paths: FHIRPath from the resource, by column; several where the parts of a union differ.
    """

    file: str
    depth: int
    deeper: list[Build] = field(default_factory=list)
    paths: dict[str, list[str]] = field(default_factory=dict)

    def all(self, selects: tuple[Select, ...], at: Place) -> Part:
        """Several selects side by side."""
        found = Part()
        for select in selects:
            part = self.select(select, at)
            found = Part((*found.single, *part.single), (*found.lists, *part.lists), (*found.order, *part.order))
        return found

    def select(self, select: Select, at: Place) -> Part:
        """One select."""
        expression = select.for_each or select.for_each_or_null
        if select.repeat:
            return self._repeat(select, at)
        if expression is None:
            return self._inner(select, at)
        with pointed(self.file, expression.pointer):
            value = resolve(expression.tree, at)
            items, one, variable = self._items(value)
        inside = replace(at, this=one, path=_joined(at.path, expression.text))
        return self._iterated(select, inside, items=items, variable=variable, many=value.many)

    def _items(self, value: Value) -> tuple[Build, Value, Variable]:
        if value.choices is not None:
            raise PathFaultError("say which type is meant: ofType(...)")
        items = as_list(value)
        one, variable = each(value)
        return items, one, variable

    def _inner(self, select: Select, at: Place) -> Part:
        columns = tuple(self._column(column, at) for column in select.columns)
        found = Part(columns, (), tuple(column.name for column in columns))
        nested = self.all(select.selects, at)
        found = Part((*found.single, *nested.single), (*found.lists, *nested.lists), (*found.order, *nested.order))
        if not select.union_all:
            return found
        shared, build = unified(tuple(self.select(part, at) for part in select.union_all))
        rows = Rows(shared, build)
        return Part(found.single, (*found.lists, rows), (*found.order, *(one.name for one in shared)))

    def _column(self, column: Column, at: Place) -> Carried:
        with pointed(self.file, column.path.pointer):
            value = resolve(column.path.tree, at)
            if value.choices is not None:
                raise PathFaultError("say which type is meant: ofType(...)")
            if not value.plain:
                raise PathFaultError(f"a column holds a primitive type, not {value.type}: name what is in it")
            if column.type is not None:
                kind(column.type)
        known = self.paths.setdefault(column.name, [])
        if (path := _joined(at.path, column.path.text)) not in known:
            known.append(path)
        return Carried(column, value.type, many=value.many, raw=value.raw, value=value)

    def _iterated(self, select: Select, at: Place, *, items: Build, variable: Variable, many: bool) -> Part:
        row, before = Variable(), len(self.deeper)
        number = Value("integer", many=False, build=lambda scope: scope.bound[row])
        inner = self._inner(select, replace(at, row=number if many else constant_value("integer", 0)))
        rows = crossed(inner)
        self.deeper[before:] = [_over(items, (variable, row), further) for further in self.deeper[before:]]

        def found(scope: Scope) -> Any:
            given = items(scope)
            if select.for_each_or_null is None:
                return given
            nothing = ibis.array([ibis.null(given.type().value_type)])
            return (ibis.coalesce(given.length(), 0) == 0).ifelse(nothing, given)

        def build(scope: Scope) -> Any:
            lists = scope.dialect.map_with_place(
                found(scope), lambda item, place: rows(scope.having({variable: item, row: place}))
            )
            return scope.dialect.flatten(lists)

        def build_single(scope: Scope) -> Any:
            def one_row(item: Any, place: Any) -> Any:
                there = scope.having({variable: item, row: place})
                return ibis.struct({c.name: c.value.build(there) for c in inner.columns if c.value is not None})

            return scope.dialect.map_with_place(found(scope), one_row)

        columns = tuple(replace(column, value=None) for column in inner.columns)
        return Part((), (Rows(columns, build if inner.lists else build_single),), inner.order)

    def _repeat(self, select: Select, at: Place) -> Part:
        with pointed(self.file, select.repeat[0].pointer):
            found = repeated([_step(expression, at) for expression in select.repeat], at.this, self.depth)
        one, variable = each(found.items)
        texts = ", ".join(expression.text for expression in select.repeat)
        inside = replace(at, this=one, path=_joined(at.path, f"repeat({texts})"))
        part = self._iterated(select, inside, items=found.items.build, variable=variable, many=True)
        self.deeper.append(found.deeper)
        found.settle()
        return part


def _over(items: Build, bound: tuple[Variable, Variable], inner: Build) -> Build:
    """Of each of a list, all that is in it."""
    variable, row = bound

    def build(scope: Scope) -> Any:
        return scope.dialect.flatten(
            scope.dialect.map_with_place(
                items(scope), lambda item, place: inner(scope.having({variable: item, row: place}))
            )
        )

    return build


def _step(expression: Expression, at: Place) -> Callable[[Value], Value]:
    return lambda value: resolve(expression.tree, at.at(value))


def _joined(before: str, path: str) -> str:
    if not before or path[:1] in "'%@" or path[:1].isdigit():
        return path
    return before if path == "$this" else f"{before}.{path.removeprefix('$this.')}"
