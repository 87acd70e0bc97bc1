"""In: the tree of a FHIRPath expression and what it starts from. Out: the value it stands for; what it names is declared."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from adapter.views.comparing import compared, number, truth
from adapter.views.conversions import DECIMAL, INTEGERS, kind
from adapter.views.functions import FUNCTIONS
from adapter.views.lexer import PathFaultError
from adapter.views.navigation import member, of_type, place
from adapter.views.syntax import Binary, Call, Constant, Index, Literal, Member, Negative, Path, This
from adapter.views.values import Scope, Value, is_there

__all__ = ["Place", "constant_value", "resolve"]

_REASONING = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


@dataclass(frozen=True)
class Place:
    """Where an expression stands.

    Attributes:
        this: what it starts from.
        resource: the resource.
        row: number of the row of the ``forEach`` or ``repeat`` around, from 0.
        constants: of the view.
        path: FHIRPath from the resource to what it starts from.
    """

    this: Value
    resource: Value
    row: Value
    constants: Mapping[str, Value]
    path: str = ""

    def at(self, this: Value) -> Place:
        """The same, starting from something else."""
        return replace(self, this=this)


def constant_value(type_name: str, value: str | bool | int | Decimal | None) -> Value:
    """A value that is known.

    Raises:
        PathFaultError: it is no primitive type.
    """
    held = kind(type_name)
    if value is None:
        return Value(type_name, many=False, build=lambda _: ibis.null("string"), fixed=None)
    if held == "decimal":
        exact = Decimal(value)
        return Value(type_name, many=False, build=lambda _: ibis.literal(exact, type=DECIMAL), fixed=exact)
    fits = {"boolean": bool, "integer": int, "string": str}[held]
    if not isinstance(value, fits) or (held == "integer" and isinstance(value, bool)):
        raise PathFaultError(f"the value is not {type_name}")
    written: dt.DataType = {"boolean": dt.boolean, "integer": dt.int64, "string": dt.string}[held]
    return Value(type_name, many=False, build=lambda _: ibis.literal(value, type=written), fixed=value)


def resolve(tree: Path, at: Place) -> Value:
    """What an expression stands for.

    Raises:
        PathFaultError: it names what is not there, or does what cannot be done here.
    """
    return _WAYS[type(tree)](tree, at)


def _this(_: This, at: Place) -> Value:
    return at.this


def _literal(tree: Literal, _: Place) -> Value:
    return constant_value(tree.type, tree.value)


def _constant(tree: Constant, at: Place) -> Value:
    if tree.name == "rowIndex":
        return at.row
    if tree.name in ("resource", "rootResource", "context"):
        return at.resource
    if tree.name not in at.constants:
        raise PathFaultError(f"character {tree.position + 1}: the view has no constant {tree.name}")
    return at.constants[tree.name]


def _member(tree: Member, at: Place) -> Value:
    if isinstance(tree.source, This) and at.this.resource and tree.name == at.this.type:
        return at.this
    return member(resolve(tree.source, at), tree.name)


def _index(tree: Index, at: Place) -> Value:
    index = resolve(tree.index, at)
    if index.type not in INTEGERS or index.fixed is None:
        raise PathFaultError(
            f"character {tree.position + 1}: an index must be a whole number or a constant that is one"
        )
    return place(resolve(tree.source, at), index.fixed)


def _call(tree: Call, at: Place) -> Value:
    source = resolve(tree.source, at)
    if tree.name in ("ofType", "as", "is", "getReferenceKey"):
        return _typed(tree, source)
    function = FUNCTIONS.get(tree.name)
    if function is None:
        raise PathFaultError(f"character {tree.position + 1}: the function {tree.name}() is not known here")
    if not function.least <= len(tree.arguments) <= function.most:
        raise PathFaultError(f"character {tree.position + 1}: {tree.name}() takes other arguments")
    # What a function does for each of a list starts from that one; all else starts from where the expression stands.
    return function.apply(
        source, tree.arguments, lambda argument, this=None: resolve(argument, at if this is None else at.at(this))
    )


def _typed(tree: Call, source: Value) -> Value:
    names = [_type_name(argument) for argument in tree.arguments]
    if tree.name == "getReferenceKey":
        return FUNCTIONS["getReferenceKey"].apply(source, tuple(names), lambda *_: source)
    if len(names) != 1:
        raise PathFaultError(f"character {tree.position + 1}: {tree.name}() takes one type")
    if tree.name == "is":
        there = is_there(of_type(source, names[0]))
        return Value("boolean", many=False, build=there)
    return of_type(source, names[0])


def _type_name(tree: Path) -> str:
    # FHIR.Patient and System.String name the same as Patient and string.
    if isinstance(tree, Member) and isinstance(tree.source, This):
        return tree.name
    if isinstance(tree, Member) and tree.source == Member(This(), "FHIR", getattr(tree.source, "position", 0)):
        return tree.name
    raise PathFaultError("expected the name of a type")


def _negative(tree: Negative, at: Place) -> Value:
    value = resolve(tree.operand, at)
    if value.fixed is not None:
        return constant_value(value.type, -value.fixed)
    build = number(value)
    return Value("decimal", many=False, build=lambda scope: -build(scope))


def _binary(tree: Binary, at: Place) -> Value:
    try:
        return _OPERATIONS[tree.operator](tree.operator, resolve(tree.left, at), resolve(tree.right, at))
    except KeyError:
        raise PathFaultError(f"character {tree.position + 1}: the operator {tree.operator} is not known here") from None


def _logic(sign: str, left: Value, right: Value) -> Value:
    one, other = truth(left), truth(right)
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "and": operator.and_,
        "or": operator.or_,
        "xor": operator.ne,
        "implies": lambda ours, theirs: ~ours | theirs,
    }
    return Value("boolean", many=False, build=lambda scope: ways[sign](one(scope), other(scope)))


def _reckoned(sign: str, left: Value, right: Value) -> Value:
    if sign == "+" and kind(left.type) == "string" and kind(right.type) == "string":
        if left.many or right.many:
            raise PathFaultError("+ needs single values: add first()")
        return Value("string", many=False, build=lambda scope: left.build(scope) + right.build(scope))
    one, other = number(left), number(right)

    def build(scope: Scope) -> Any:
        ours, theirs = one(scope), other(scope)
        if sign == "/":
            theirs = theirs.nullif(0)  # FHIRPath: a division by zero is empty
        return _REASONING[sign](ours, theirs).cast(DECIMAL)

    return Value("decimal", many=False, build=build)


def _appended(_: str, left: Value, right: Value) -> Value:
    if left.many or right.many or {kind(left.type), kind(right.type)} != {"string"}:
        raise PathFaultError("& needs single texts")
    return Value(
        "string",
        many=False,
        build=lambda scope: ibis.coalesce(left.build(scope), "") + ibis.coalesce(right.build(scope), ""),
    )


_WAYS: dict[type[Any], Callable[[Any, Place], Value]] = {
    This: _this,
    Literal: _literal,
    Constant: _constant,
    Member: _member,
    Index: _index,
    Call: _call,
    Negative: _negative,
    Binary: _binary,
}
_OPERATIONS: dict[str, Callable[[str, Value, Value], Value]] = {
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), compared),
    **dict.fromkeys(("and", "or", "xor", "implies"), _logic),
    **dict.fromkeys(_REASONING, _reckoned),
    "&": _appended,
}
