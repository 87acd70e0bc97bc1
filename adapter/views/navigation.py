"""In: a value and the name of an element, a type or an index. Out: the value there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ibis

from adapter.fhir.structure import ANY_RESOURCE, Element
from adapter.views.lexer import PathFaultError
from adapter.views.shape import Shape
from adapter.views.values import Build, Scope, Value, each

__all__ = ["filtered", "first", "member", "of_type", "place"]

# FHIR datatypes.html: primitives that are specialisations of another one.
_ANCESTORS = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "uuid", "oid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}


def member(source: Value, name: str) -> Value:
    """An element of a value.

    Raises:
        PathFaultError: there is none of that name.
    """
    shape = source.shape
    if source.type == "nothing":
        return source
    if source.choices is not None:
        raise PathFaultError(f"say which type is meant: ofType(...).{name}")
    if shape is None:
        raise PathFaultError(f"{source.type} has no element {name}")
    if shape.element(name) is None and (choices := shape.choices(name)):
        return replace(source, type=f"{name}[x]", choices=choices)
    if shape.lenient and shape.element(name) is None:
        return Value("nothing", many=False, build=lambda _: ibis.null("string"), raw=True)
    declared = shape.child(name)
    element = shape.element(name) or Element(declared.type)
    if element.choice is not None:
        raise PathFaultError(f"write {element.choice}.ofType({element.type}) for {name}")
    return _under(source, name, declared)


def _under(source: Value, name: str, declared: Shape) -> Value:
    primitive = not declared.type[0].isupper()
    chain = None
    if source.many and not declared.is_list:
        start, names = source.chain or (source.build, ())
        chain = (start, (*names, name))
    return Value(
        type=declared.type,
        many=source.many or declared.is_list,
        build=_member(source, name, declared, primitive=primitive) if chain is None else _chained(*chain),
        shape=declared,
        raw=primitive,
        chain=chain,
    )


def _chained(start: Build, names: tuple[str, ...]) -> Build:
    def taken(item: Any) -> Any:
        for name in names:
            item = item[name]
        return item

    return lambda scope: scope.dialect.filter(scope.dialect.map(start(scope), taken), lambda one: one.notnull())


def _member(source: Value, name: str, declared: Shape, *, primitive: bool) -> Build:
    def of_resource(scope: Scope) -> Any:
        found = scope.table[name]
        if source.guard is not None:
            found = source.guard(scope).fill_null(False).ifelse(found, ibis.null(found.type()))
        return without_null(scope, found)

    def without_null(scope: Scope, found: Any) -> Any:
        # A null in a list of primitives stands for a value of which only extensions are there (FHIR json.html#primitive).
        return scope.dialect.filter(found, lambda one: one.notnull()) if declared.is_list and primitive else found

    def of_one(scope: Scope) -> Any:
        return without_null(scope, source.build(scope)[name])

    def of_many(scope: Scope) -> Any:
        found = scope.dialect.map(source.build(scope), lambda one: one[name])
        return without_null(scope, scope.dialect.flatten(found))

    if source.resource:
        return of_resource
    return of_many if source.many else of_one


def of_type(source: Value, name: str) -> Value:
    """What of a value is of a type.

    Raises:
        PathFaultError: it never is.
    """
    if source.type == "nothing":
        return source
    if source.choices is not None:
        if name not in source.choices or source.shape is None:
            raise PathFaultError(f"{source.type} is never {name}: it is one of {', '.join(sorted(source.choices))}")
        element = source.choices[name]
        return _under(replace(source, choices=None), element, source.shape.child(element))
    if source.type == ANY_RESOURCE and source.shape is not None:
        seen = replace(source, type=name, shape=source.shape.as_resource(name))
        one, variable = each(seen)
        kind = _under(one, "resourceType", seen.shape.child("resourceType")) if seen.shape else one
        return filtered(seen, lambda scope: kind.build(scope) == name, variable)
    if name not in (source.type, _ANCESTORS.get(source.type)):
        raise PathFaultError(f"{source.type} is never {name}")
    return source


def filtered(source: Value, condition: Build, variable: Any) -> Value:
    """Those of a value for which a condition over the variable holds."""

    def of_many(scope: Scope) -> Any:
        return scope.dialect.filter(source.build(scope), lambda one: condition(scope.having({variable: one})))

    def of_one(scope: Scope) -> Any:
        one = source.build(scope)
        return condition(scope.having({variable: one})).fill_null(False).ifelse(one, ibis.null(one.type()))

    def of_resource(scope: Scope) -> Any:
        holds = condition(scope).fill_null(False)
        return holds if source.guard is None else source.guard(scope).fill_null(False) & holds

    if source.resource:
        return replace(source, guard=of_resource)
    return replace(source, build=of_many if source.many else of_one, fixed=None, chain=None)


def first(source: Value) -> Value:
    """The first of a value."""
    if not source.many:
        return source
    return replace(source, many=False, chain=None, build=lambda scope: scope.dialect.at(source.build(scope), 0))


def place(source: Value, index: int) -> Value:
    """The n-th of a value, from 0."""
    if source.many and source.choices is None:
        return replace(source, many=False, chain=None, build=lambda scope: scope.dialect.at(source.build(scope), index))
    if index == 0:
        return source
    return filtered(source, lambda _: ibis.literal(False), None)
