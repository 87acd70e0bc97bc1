"""In: nothing. Out: what a select of a view gives of one resource: single columns, and lists of rows to be crossed with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis

from adapter.views.conversions import kind
from adapter.views.definition import Column
from adapter.views.values import Build, Scope, Value

__all__ = ["Carried", "Part", "Rows", "crossed", "unified"]


@dataclass(frozen=True)
class Carried:
    """A column on its way: not yet of the column's type, a list where the path gives one.

    Attributes:
        column: as the view defines it.
        value: what the path gives; None for a column of a list of rows, which is read from the row.
        type: FHIR type of what is carried.
        many: it is a list.
        raw: it is a text of the JSON.
    """

    column: Column
    type: str
    many: bool
    raw: bool
    value: Value | None = None

    @property
    def name(self) -> str:
        """Of the column."""
        return self.column.name


@dataclass(frozen=True)
class Rows:
    """A list of rows."""

    columns: tuple[Carried, ...]
    build: Build


@dataclass(frozen=True)
class Part:
    """What a select gives: columns in their order, of which some are single and the others come of lists."""

    single: tuple[Carried, ...] = ()
    lists: tuple[Rows, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Carried, ...]:
        """All of them, in their order."""
        known = {one.name: one for one in (*self.single, *(one for rows in self.lists for one in rows.columns))}
        return tuple(known[name] for name in self.order)


def crossed(part: Part) -> Callable[[Scope], Any]:
    """The rows of a part, as a list: its single columns with each row of its first list with each row of the next."""

    def build(scope: Scope) -> Any:
        given = {one.name: one.value.build(scope) for one in part.single if one.value is not None}
        return _level(scope, given, part.lists) if part.lists else ibis.array([ibis.struct(given)])

    def _level(scope: Scope, given: dict[str, Any], lists: tuple[Rows, ...]) -> Any:
        rows, *others = lists

        def one(row: Any) -> Any:
            known = {**given, **{each.name: row[each.name] for each in rows.columns}}
            if others:
                return _level(scope, known, tuple(others))
            return ibis.struct({name: known[name] for name in part.order})

        items = scope.dialect.map(rows.build(scope), one)
        return scope.dialect.flatten(items) if others else items

    return build


def unified(parts: tuple[Part, ...]) -> tuple[tuple[Carried, ...], Callable[[Scope], Any]]:
    """The rows of all parts of a union, one after the other; the parts have the same columns.

    A column that is carried in different ways by them is carried as a text, and as a list where one of them has a list.
    """
    ours = [part.columns for part in parts]
    shared = tuple(_shared(same) for same in zip(*ours, strict=True))
    builds = [crossed(part) for part in parts]

    def build(scope: Scope) -> Any:
        return scope.dialect.concat(
            [_all_fitted(rows(scope), columns, shared, scope) for columns, rows in zip(ours, builds, strict=True)]
        )

    return shared, build


def _shared(same: tuple[Carried, ...]) -> Carried:
    first = same[0]
    many = any(one.many for one in same)
    alike = len({kind(one.type) for one in same}) == 1 and len({one.raw for one in same}) == 1
    if alike:
        return Carried(first.column, first.type, many=many, raw=first.raw)
    return Carried(first.column, "string", many=many, raw=True)


def _all_fitted(rows: Any, columns: tuple[Carried, ...], shared: tuple[Carried, ...], scope: Scope) -> Any:
    if all((one.many, one.raw) == (wanted.many, wanted.raw) for one, wanted in zip(columns, shared, strict=True)):
        return rows
    return scope.dialect.map(rows, lambda row: _fitted(row, columns, shared))


def _fitted(row: Any, columns: tuple[Carried, ...], shared: tuple[Carried, ...]) -> Any:
    fields = {}
    for one, wanted in zip(columns, shared, strict=True):
        found = row[one.name]
        if wanted.raw and not one.raw:
            found = found.cast("array<string>" if one.many else "string")
        if wanted.many and not one.many:
            found = found.isnull().ifelse(ibis.null(f"array<{found.type()}>"), ibis.array([found]))
        fields[one.name] = found
    return ibis.struct(fields)
