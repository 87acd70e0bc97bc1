"""In: the name of a FHIRPath function and what it is called on. Out: the value that it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import ibis
import msgspec

from adapter.views.boundaries import boundary
from adapter.views.comparing import compared, truth
from adapter.views.conversions import kind
from adapter.views.lexer import PathFaultError
from adapter.views.navigation import filtered, first, member, of_type
from adapter.views.references import reference_key
from adapter.views.values import Scope, Value, each, is_there, length

__all__ = ["FUNCTIONS", "Function"]

# Resolves an argument, from where the expression stands or from the value given.
Resolve: TypeAlias = Callable[..., Value]


class Function(msgspec.Struct, frozen=True):
    """A function of FHIRPath: how it is compiled, and how many arguments it takes."""

    apply: Callable[[Value, tuple[Any, ...], Resolve], Value]
    least: int = 0
    most: int = 0


def _where(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
    if source.resource:
        return filtered(source, truth(resolve(arguments[0], source)), None)
    one, variable = each(source)
    return filtered(source, truth(resolve(arguments[0], one)), variable)


def _exists(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
    found = _where(source, arguments, resolve) if arguments else source
    return Value("boolean", many=False, build=_there(found))


def _empty(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    there = _there(source)
    return Value("boolean", many=False, build=lambda scope: ~there(scope))


def _there(source: Value) -> Callable[[Scope], Any]:
    if source.choices is None:
        return is_there(source)
    parts = [is_there(of_type(source, name)) for name in source.choices]

    def build(scope: Scope) -> Any:
        found = parts[0](scope)
        for part in parts[1:]:
            found |= part(scope)
        return found

    return build


def _all(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
    one, variable = each(source)
    holds = truth(resolve(arguments[0], one))
    against = is_there(filtered(source, lambda scope: ~holds(scope).fill_null(False), variable))
    return Value("boolean", many=False, build=lambda scope: ~against(scope))


def _not(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    holds = truth(source)
    return Value("boolean", many=False, build=lambda scope: ~holds(scope))


def _first(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    if source.choices is not None:
        raise PathFaultError("say which type is meant: ofType(...).first()")
    return first(source)


def _last(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    if not source.many:
        return source

    def build(scope: Scope) -> Any:
        items = source.build(scope)
        return items[items.length() - 1] if scope.dialect.name == "duckdb" else _spark_last(scope, items)

    return Value(source.type, many=False, build=build, shape=source.shape, raw=source.raw)


def _spark_last(scope: Scope, items: Any) -> Any:
    return scope.dialect.at(scope.dialect.call("reverse", items, result=items.type()), 0)


def _count(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    build = length(source)
    return Value("integer", many=False, build=lambda scope: build(scope).cast("int64"))


def _extension(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
    found = member(source, "extension")
    one, variable = each(found)
    same = compared("=", member(one, "url"), resolve(arguments[0]))
    return filtered(found, same.build, variable)


def _join(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
    separator = resolve(arguments[0]).fixed if arguments else ""
    if not isinstance(separator, str) or kind(source.type) != "string":
        raise PathFaultError("join() joins texts, with a text between them")

    def build(scope: Scope) -> Any:
        items = source.build(scope)
        return ibis.coalesce(items.join(separator) if source.many else items, "")

    return Value("string", many=False, build=build)


def _resource_key(source: Value, _: tuple[Any, ...], __: Resolve) -> Value:
    if not source.resource:
        raise PathFaultError("getResourceKey() is a key of the resource itself")
    return member(source, "id")


def _reference_key(source: Value, arguments: tuple[Any, ...], _: Resolve) -> Value:
    return reference_key(source, arguments[0] if arguments else None)


def _text(source: Value, name: str) -> None:
    if source.many or not source.plain or kind(source.type) != "string":
        raise PathFaultError(f"{name}() needs a single text: add first()")


def _of_text(name: str, result: str, change: Callable[..., Any]) -> Callable[[Value, tuple[Any, ...], Resolve], Value]:
    def apply(source: Value, arguments: tuple[Any, ...], resolve: Resolve) -> Value:
        _text(source, name)
        given = [resolve(argument) for argument in arguments]
        if any(each.fixed is None for each in given):
            raise PathFaultError(f"{name}() takes values that are known: write them, or name a constant")
        return Value(
            result, many=False, build=lambda scope: change(source.build(scope), *(each.fixed for each in given))
        )

    return apply


def _boundary(*, low: bool) -> Callable[[Value, tuple[Any, ...], Resolve], Value]:
    return lambda source, _, __: boundary(source, low=low)


FUNCTIONS: dict[str, Function] = {
    "where": Function(_where, 1, 1),
    "exists": Function(_exists, 0, 1),
    "empty": Function(_empty),
    "hasValue": Function(_exists),
    "all": Function(_all, 1, 1),
    "not": Function(_not),
    "first": Function(_first),
    "last": Function(_last),
    "count": Function(_count),
    "extension": Function(_extension, 1, 1),
    "join": Function(_join, 0, 1),
    "getResourceKey": Function(_resource_key),
    "getReferenceKey": Function(_reference_key, 0, 1),
    "lowBoundary": Function(_boundary(low=True)),
    "highBoundary": Function(_boundary(low=False)),
    "startsWith": Function(_of_text("startsWith", "boolean", lambda text, start: text.startswith(start)), 1, 1),
    "endsWith": Function(_of_text("endsWith", "boolean", lambda text, end: text.endswith(end)), 1, 1),
    "contains": Function(_of_text("contains", "boolean", lambda text, part: text.contains(part)), 1, 1),
    "matches": Function(_of_text("matches", "boolean", lambda text, pattern: text.re_search(pattern)), 1, 1),
    "replace": Function(_of_text("replace", "string", lambda text, old, new: text.replace(old, new)), 2, 2),
    "substring": Function(_of_text("substring", "string", lambda text, *part: text.substr(*part)), 1, 2),
    "upper": Function(_of_text("upper", "string", lambda text: text.upper())),
    "lower": Function(_of_text("lower", "string", lambda text: text.lower())),
    "length": Function(_of_text("length", "integer", lambda text: text.length().cast("int64"))),
}
