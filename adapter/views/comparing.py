"""In: two values and an operator. Out: the truth of their comparison, null where FHIRPath leaves it open.

Numbers are compared exactly. Dates of unequal precision are compared as far as both go, and what is equal so far is open
(FHIRPath 2.0, "Date/Time Comparison"); two with a time of day are compared as instants.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import ibis

from adapter.views.conversions import DATES, kind, to_boolean, to_number
from adapter.views.lexer import PathFaultError
from adapter.views.values import Build, Scope, Value, as_list

__all__ = ["compared", "number", "truth"]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def truth(value: Value) -> Build:
    """A single value as a truth.

    Raises:
        PathFaultError: it is no boolean.
    """
    if value.type != "boolean" or value.many or value.choices is not None:
        what = f"a list of {value.type}" if value.many else value.type
        raise PathFaultError(f"expected a truth, found {what}")
    return (lambda scope: to_boolean(value.build(scope))) if value.raw else value.build


def number(value: Value) -> Build:
    """A single value as an exact number.

    Raises:
        PathFaultError: it is none.
    """
    if value.many or value.choices is not None or kind(value.type) not in ("integer", "decimal"):
        raise PathFaultError(f"expected a number, found {value.type}")
    return (lambda scope: to_number(value.build(scope))) if value.raw else value.build


def compared(sign: str, left: Value, right: Value) -> Value:
    """``left sign right``.

    Raises:
        PathFaultError: values of the two types cannot be compared.
    """
    for side in (left, right):
        if not side.plain:
            raise PathFaultError(f"{side.type} cannot be compared: compare what is in it")
    way = _way(left, right)
    if not (left.many or right.many):
        return Value("boolean", many=False, build=lambda scope: way(sign, left.build(scope), right.build(scope)))
    if sign not in ("=", "!="):
        raise PathFaultError(f"{sign} needs single values: add first()")
    return Value("boolean", many=False, build=_lists(sign, left, right, way))


def _way(left: Value, right: Value) -> Callable[[str, Any, Any], Any]:
    sides = (left, right)
    kinds = {kind(side.type) for side in sides}
    if kinds <= {"integer", "decimal"}:
        return _by(tuple(_reader(side, to_number) for side in sides))
    if kinds == {"boolean"}:
        return _by(tuple(_reader(side, to_boolean) for side in sides))
    if kinds == {"string"}:
        dated = {side.type in DATES for side in sides}
        # A date may be compared with a string that holds one: constants of both kinds are in use.
        return _dates if dated == {True} else _by((_same, _same))
    raise PathFaultError(f"{left.type} and {right.type} cannot be compared")


def _same(one: Any) -> Any:
    return one


def _reader(side: Value, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return read if side.raw else _same


def _by(readers: tuple[Callable[[Any], Any], ...]) -> Callable[[str, Any, Any], Any]:
    return lambda sign, one, other: _OPERATORS[sign](readers[0](one), readers[1](other))


def _dates(sign: str, one: Any, other: Any) -> Any:
    with_time = (one.length() > 10) & (other.length() > 10)
    shared = ibis.least(one.length(), other.length(), 10)
    first, second = one.substr(0, shared), other.substr(0, shared)
    open_ = ibis.null("boolean")
    settled = _OPERATORS[sign](first, second)
    return ibis.cases(
        (with_time, _OPERATORS[sign](one.try_cast("timestamp('UTC')"), other.try_cast("timestamp('UTC')"))),
        (first != second, settled),
        (one.length() == other.length(), settled),
        else_=open_,
    )


def _lists(sign: str, left: Value, right: Value, way: Callable[[str, Any, Any], Any]) -> Build:
    one, other = as_list(left), as_list(right)

    def build(scope: Scope) -> Any:
        ours, theirs = one(scope), other(scope)
        here, there = ibis.coalesce(ours.length(), 0), ibis.coalesce(theirs.length(), 0)
        # Lists of more than one are equal where each is; the places of the shorter one suffice, as the lengths are.
        differing = scope.dialect.filter(
            scope.dialect.map_with_place(
                ours, lambda each, place: ~way("=", each, theirs[place] if left.many and right.many else each)
            ),
            lambda each: each,
        )
        single = way("=", scope.dialect.at(ours, 0), scope.dialect.at(theirs, 0))
        both = differing.length() == 0 if left.many and right.many else ibis.literal(False)
        equal = ibis.cases(
            ((here == 0) | (there == 0), ibis.null("boolean")),
            (here != there, False),
            (here == 1, single),
            else_=both,
        )
        return equal if sign == "=" else ~equal

    return build
