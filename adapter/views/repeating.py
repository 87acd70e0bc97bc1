"""In: the expressions of a ``repeat``. Out: all that they lead to, again and again, in the document's order.

The tree is unrolled to a depth, since neither engine's reader can declare a type that holds itself. What lies deeper is
told by `Repeated.deeper`, so that the runner can unroll further; it is never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from adapter.views.lexer import PathFaultError
from adapter.views.shape import Shape
from adapter.views.values import Build, Scope, Value, as_list, each

__all__ = ["Repeated", "repeated"]

#: Each of several expressions may follow each other on every level: two of them are four on the second one.
_MOST_LEVELS = 300


@dataclass(frozen=True)
class Repeated:
    """What a ``repeat`` leads to.

    Attributes:
        items: all elements, each as far as the select names what is in it.
        deeper: list of the elements that lie deeper than was unrolled, as text.
        settle: to be called when the select is resolved, and all levels can be declared.
    """

    items: Value
    deeper: Build
    settle: Callable[[], None]


class _Unrolling:
    def __init__(self, steps: list[Callable[[Value], Value]]) -> None:
        self.steps = steps
        self.levels: list[Shape] = []
        self.type: str | None = None
        self.tail: Shape | None = None
        self.led: set[int] = set()
        self.faults: dict[int, PathFaultError] = {}

    def step(self, number: int, at: Value) -> Value | None:
        """Where one of the expressions leads; None where there is nothing: `answer.item` is in an item, not at the start."""
        try:
            found = self.steps[number](at)
        except PathFaultError as fault:
            self.faults.setdefault(number, fault)
            return None
        if found.type == "nothing":
            return None
        if found.choices is not None or found.resource or found.shape is None:
            raise PathFaultError("repeat needs elements of one type that hold others of it")
        if self.tail is None:
            self.type = found.type
            self.tail = Shape(found.type, found.shape.version, lenient=found.shape.lenient)
        if found.type != self.type:
            raise PathFaultError(f"repeat leads to {self.type} and to {found.type}")
        self.led.add(number)
        return found

    def level(self, at: Value, depth: int) -> tuple[Build, Build]:
        """All elements below a value, and those deeper than the depth."""
        items, deeper = [], []
        for number in range(len(self.steps)):
            found = self.step(number, at)
            if found is None:
                continue
            if depth == 0:
                deeper.append(as_list(found))
                continue
            if found.shape is not None:
                self.levels.append(found.shape)
            if len(self.levels) > _MOST_LEVELS:
                raise PathFaultError("a repeat leads too deep, in too many ways, to be unrolled")
            one, variable = each(found)
            below, further = self.level(one, depth - 1)
            items.append(self._elements(found, one, variable, below if depth > 1 else None))
            deeper.append(_each_of(as_list(found), variable, further))
        return self._all(items), _joined(deeper)

    def _all(self, lists: list[Build]) -> Build:
        def build(scope: Scope) -> Any:
            if lists:
                return _joined(lists)(scope)
            assert self.tail is not None
            return ibis.null(dt.Array(self.tail.one))

        return build

    def _elements(self, found: Value, one: Value, variable: Any, below: Build | None) -> Build:
        listed = as_list(found)

        def build(scope: Scope) -> Any:
            def fitted(item: Any) -> Any:
                assert found.shape is not None
                assert self.tail is not None
                return conformed(item, found.shape, self.tail, scope)

            def with_below(item: Any) -> Any:
                assert below is not None
                there = scope.having({variable: item})
                return scope.dialect.concat([ibis.array([fitted(one.build(there))]), below(there)])

            if below is None:
                return scope.dialect.map(listed(scope), fitted)
            return scope.dialect.flatten(scope.dialect.map(listed(scope), with_below))

        return build


def repeated(steps: list[Callable[[Value], Value]], start: Value, depth: int) -> Repeated:
    """Unroll a ``repeat``.

    Args:
        steps: resolves each of its expressions from a value.
        start: where it starts.
        depth: levels to unroll, from 1.

    Raises:
        PathFaultError: the expressions do not lead to elements of one type, or not from these on.
    """
    unrolling = _Unrolling(steps)
    items, deeper = unrolling.level(start, depth)
    for number, fault in unrolling.faults.items():
        if number not in unrolling.led:
            raise fault
    tail = unrolling.tail
    if tail is None or unrolling.type is None:
        return Repeated(
            Value("nothing", many=True, build=_nothing, raw=True),
            _nothing,
            lambda: None,
        )

    def settle() -> None:
        for shape in unrolling.levels:
            shape.absorb(tail)

    return Repeated(Value(unrolling.type, many=True, build=items, shape=tail), deeper, settle)


def _nothing(_: Scope) -> Any:
    return ibis.null("array<string>")


def _joined(builds: list[Build]) -> Build:
    return (lambda scope: scope.dialect.concat([build(scope) for build in builds])) if builds else _nothing


def _each_of(items: Build, variable: Any, inner: Build) -> Build:
    return lambda scope: scope.dialect.flatten(
        scope.dialect.map(items(scope), lambda item: inner(scope.having({variable: item})))
    )


def conformed(item: Any, given: Shape, wanted: Shape, scope: Scope) -> Any:
    """An element with no more in it than is wanted: on each level another part of the tree is declared beside that."""
    if given.one == wanted.one:
        return item
    if not wanted.children:
        return ibis.literal("") if isinstance(given.one, dt.Struct) else item
    fields = {}
    for name, child in sorted(wanted.children.items()):
        fields[name] = _part(item[name], given.children[name], child, scope)
    return ibis.struct(fields)


def _part(found: Any, given: Shape, wanted: Shape, scope: Scope) -> Any:
    if given.all == wanted.all:
        return found
    if given.is_list:
        return scope.dialect.map(found, lambda one: conformed(one, given, wanted, scope))
    return found.isnull().ifelse(ibis.null(wanted.one), conformed(found, given, wanted, scope))
