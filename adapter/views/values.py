"""In: nothing. Out: what an expression of a view stands for while it is compiled: its FHIR type, whether it is a list, how to write it.

A value is resolved first, which declares the elements that it names, and written after, when all that the view names is
known. Null is FHIRPath's empty collection, for a list too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import ibis

from adapter.views.dialects import Dialect
from adapter.views.lexer import PathFaultError
from adapter.views.shape import Shape

__all__ = ["Build", "Scope", "Value", "Variable", "as_list", "each", "is_there", "length"]


class Variable:
    """Something that stands for one of a list, in a lambda."""

    __slots__ = ()


@dataclass(frozen=True)
class Scope:
    """What a value is written with.

    Attributes:
        table: the resources.
        dialect: of the engine.
        bound: what the variables of the lambdas around are.
    """

    table: Any
    dialect: Dialect
    bound: Mapping[Variable, Any] = field(default_factory=dict)

    def having(self, bound: Mapping[Variable, Any]) -> Scope:
        """The scope in a lambda."""
        return replace(self, bound={**self.bound, **bound})


Build: TypeAlias = Callable[[Scope], Any]


@dataclass(frozen=True)
class Value:
    """What an expression stands for.

    Attributes:
        type: its FHIR type.
        many: it is a list.
        build: writes it.
        shape: where the elements of it are declared; None for a value without any.
        raw: a text as it stands in the JSON, which need not be of its type.
        choices: for ``value[x]``: names of elements by type.
        resource: it is the resource itself, of which an engine has the elements only.
        guard: condition under which it is there, of the resource itself.
        fixed: the value, where it is known.
        chain: of a list of what single elements hold: how the list is written that they are taken from, and their names.
            A further element is taken in the same pass over the list.
    """

    type: str
    many: bool
    build: Build
    shape: Shape | None = None
    raw: bool = False
    choices: Mapping[str, str] | None = None
    resource: bool = False
    guard: Build | None = None
    fixed: Any = None
    chain: tuple[Build, tuple[str, ...]] | None = None

    @property
    def plain(self) -> bool:
        """It is a single value of a primitive type, not an element with parts."""
        return self.choices is None and not self.resource and not self.type[:1].isupper()


def length(value: Value) -> Build:
    """How many there are."""

    def build(scope: Scope) -> Any:
        return ibis.coalesce(value.build(scope).length(), 0)

    def single(scope: Scope) -> Any:
        return value.build(scope).notnull().ifelse(1, 0)

    return build if value.many else single


def is_there(value: Value) -> Build:
    """Whether there is any; never null."""
    if value.resource:
        guard = value.guard
        return lambda scope: ibis.literal(True) if guard is None else guard(scope).fill_null(False)
    if value.many:
        return lambda scope: ibis.coalesce(value.build(scope).length() > 0, False)
    return lambda scope: value.build(scope).notnull()


def as_list(value: Value) -> Build:
    """The value as a list; null or empty where there is nothing."""
    if value.resource:
        raise PathFaultError("the resource itself cannot be listed")
    if value.many:
        return value.build

    def build(scope: Scope) -> Any:
        one = value.build(scope)
        return one.isnull().ifelse(ibis.null(f"array<{one.type()}>"), ibis.array([one]))

    return build


def each(value: Value) -> tuple[Value, Variable]:
    """One of a list, and the variable that stands for it."""
    variable = Variable()
    return replace(value, many=False, chain=None, build=lambda scope: scope.bound[variable]), variable
