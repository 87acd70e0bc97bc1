"""In: a parsed ViewDefinition and decoded resources. Out: its rows, worked out one by one, slowly, with lists and loops only.

A second opinion to the compiler: it shares the parser with it and nothing else. A collection is a list; empty is the empty
list; a row's column is null where its path gives nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from adapter.views import Select, ViewDefinition
from adapter.views.syntax import Binary, Call, Constant, Index, Literal, Member, Negative, Path, This

__all__ = ["rows"]

Items = list[Any]
_LITERAL = re.compile(r"(?:^|.*/)([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]+)(?:/_history/[A-Za-z0-9.\-]+)?$")


@dataclass(frozen=True)
class _At:
    this: Any
    resource: dict[str, Any]
    row: int
    constants: Mapping[str, Any]

    def at(self, this: Any, row: int | None = None) -> _At:
        return _At(this, self.resource, self.row if row is None else row, self.constants)


def rows(view: ViewDefinition, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a view, in the order of the resources."""
    constants = {constant.name: constant.value for constant in view.constants}
    found = []
    for resource in resources:
        at = _At(resource, resource, 0, constants)
        if resource["resourceType"] != view.resource:
            continue
        if all(_walk(condition.tree, at) == [True] for condition in view.where):
            found += list(_beside(view.selects, at))
    return found


def _beside(selects: tuple[Select, ...], at: _At) -> Iterator[dict[str, Any]]:
    for parts in product(*(_select(select, at) for select in selects)):
        yield {name: value for part in parts for name, value in part.items()}


def _select(select: Select, at: _At) -> list[dict[str, Any]]:
    if select.repeat:
        return _for_each(select, list(_repeated(select, at)), at)
    if select.for_each is not None:
        return _for_each(select, _walk(select.for_each.tree, at), at)
    if select.for_each_or_null is not None:
        return _for_each(select, _walk(select.for_each_or_null.tree, at) or [{}], at)
    return list(_inner(select, at))


def _for_each(select: Select, items: Items, at: _At) -> list[dict[str, Any]]:
    return [row for number, item in enumerate(items) for row in _inner(select, at.at(item, number))]


def _repeated(select: Select, at: _At) -> Iterator[Any]:
    for expression in select.repeat:
        for item in _walk(expression.tree, at):
            yield item
            yield from _repeated(select, at.at(item))


def _inner(select: Select, at: _At) -> Iterator[dict[str, Any]]:
    own: dict[str, Any] = {}
    for column in select.columns:
        found = _walk(column.path.tree, at)
        if not column.collection and len(found) > 1:
            raise ValueError(f"{column.name} has more than one value")
        own[column.name] = found if column.collection else next(iter(found), None)
    union = [row for part in select.union_all for row in _select(part, at)] if select.union_all else [{}]
    for beside, last in product(list(_beside(select.selects, at)), union):
        yield {**own, **beside, **last}


def _walk(tree: Path, at: _At) -> Items:
    match tree:
        case This():
            return [at.this]
        case Literal(value=value):
            return [] if value is None else [value]
        case Constant(name="rowIndex"):
            return [at.row]
        case Constant(name=name):
            return [at.constants[name]]
        case Member(source=source, name=name):
            return [part for item in _walk(source, at) for part in _part(item, name)]
        case Index(source=source, index=index):
            [place] = _walk(index, at)
            return _walk(source, at)[place : place + 1]
        case Negative(operand=operand):
            return [-value for value in _walk(operand, at)]
        case Binary():
            return _binary(tree, at)
        case Call():
            return _call(tree, at)


def _part(item: Any, name: str) -> Items:
    found = item.get(name) if isinstance(item, dict) else None
    if isinstance(found, list):
        return [one for one in found if one is not None]
    return [] if found is None else [found]


def _call(tree: Call, at: _At) -> Items:
    if tree.name in ("ofType", "as") and isinstance(tree.source, Member):
        kind = _type_names(tree)[0]
        name = f"{tree.source.name}{kind[0].upper()}{kind[1:]}"
        return [part for item in _walk(tree.source.source, at) for part in _part(item, name)]
    items = _walk(tree.source, at)
    if tree.name in _CRITERIA and tree.arguments:
        holds = [_walk(tree.arguments[0], at.at(item)) == [True] for item in items]
        return _CRITERIA[tree.name](items, holds)
    if tree.name == "getReferenceKey":
        return [key for item in items for key in _key(item, _type_names(tree))]
    return _PLAIN[tree.name](items, [_walk(argument, at) for argument in tree.arguments])


def _type_names(tree: Call) -> list[str]:
    return [argument.name for argument in tree.arguments if isinstance(argument, Member)]


_CRITERIA: dict[str, Callable[[Items, list[bool]], Items]] = {
    "where": lambda items, holds: [item for item, kept in zip(items, holds, strict=True) if kept],
    "exists": lambda _, holds: [any(holds)],
    "all": lambda _, holds: [all(holds)],
}
_PLAIN: dict[str, Callable[[Items, list[Items]], Items]] = {
    "exists": lambda items, _: [bool(items)],
    "empty": lambda items, _: [not items],
    "not": lambda items, _: [not item for item in items],
    "first": lambda items, _: items[:1],
    "last": lambda items, _: items[-1:],
    "count": lambda items, _: [len(items)],
    "join": lambda items, given: [(given[0][0] if given else "").join(items)],
    "extension": lambda items, given: [
        one for item in items for one in _part(item, "extension") if [one.get("url")] == given[0]
    ],
    "getResourceKey": lambda items, _: [item["id"] for item in items],
}
_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


def _key(reference: dict[str, Any], kinds: list[str]) -> Items:
    match = _LITERAL.match(reference.get("reference", ""))
    return [match.group(2)] if match and (not kinds or match.group(1) in kinds) else []


def _binary(tree: Binary, at: _At) -> Items:
    left, right = _walk(tree.left, at), _walk(tree.right, at)
    if tree.operator in ("and", "or", "xor", "implies"):
        return _logic(tree.operator, left, right)
    if not left or not right:
        return []
    if tree.operator in ("=", "!="):
        return [(left == right) is (tree.operator == "=")]
    [one], [other] = left, right
    if tree.operator == "/":
        return [Decimal(one) / other] if other else []
    return [_COMPARED[tree.operator](one, other)]


def _logic(sign: str, left: Items, right: Items) -> Items:
    one, other = (side[0] if side else None for side in (left, right))
    if sign == "implies":
        one, sign = (None if one is None else not one), "or"
    if sign == "xor":
        return [] if one is None or other is None else [one != other]
    decisive = sign == "or"
    if decisive in (one, other):
        return [decisive]
    return [] if None in (one, other) else [not decisive]
