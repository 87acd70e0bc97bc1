"""In: a condition of a domain document. Out: a closure over a row's frame that says whether it holds.

An empty operand makes a comparison false; a partial date decides only where every day that it may be decides alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from adapter.datasets.sdtm.dates import certainly_before
from adapter.datasets.sdtm.documents import Read
from adapter.datasets.sdtm.expressions import Compiled, Scope, compile_value
from adapter.datasets.sdtm.frame import Frame
from adapter.datasets.sdtm.numbers import number_of, plain
from adapter.terminology import Node

__all__ = ["compile_condition"]


def compile_condition(node: Node, scope: Scope) -> Compiled:
    """A condition.

    Raises:
        DocumentError: it is none, or names what is not there.
    """
    form = next((key for key in node.mapping() if key in _FORMS), None)
    if form is None:
        raise node.fault(f"expected one of {', '.join(sorted(_FORMS))}")
    found = _FORMS[form](node[form], scope)
    node.close()
    return found


def _has(node: Node, scope: Scope) -> Compiled:
    part = compile_value(node, scope)
    fn = part.fn
    return Compiled(lambda frame: fn(frame) is not None, part.reads, part.deferred)


def _in(node: Node, scope: Scope) -> Compiled:
    elements = list(node.elements())
    if len(elements) != 2:
        raise node.fault("expected an expression and a list of words")
    part, words = compile_value(elements[0], scope), frozenset(str(one.value) for one in elements[1].elements())
    fn = part.fn
    return Compiled(lambda frame: plain(fn(frame)) in words, part.reads, part.deferred)


def _two(holds: Callable[[Any, Any], bool]) -> Callable[[Node, Scope], Compiled]:
    def compiled(node: Node, scope: Scope) -> Compiled:
        parts = [compile_value(one, scope) for one in node.elements()]
        if len(parts) != 2:
            raise node.fault("expected two expressions")
        first, second = parts[0].fn, parts[1].fn

        def told(frame: Frame) -> bool:
            left, right = first(frame), second(frame)
            return left is not None and right is not None and holds(left, right)

        return Compiled(told, parts[0].reads | parts[1].reads, parts[0].deferred or parts[1].deferred)

    return compiled


def _less(left: Any, right: Any) -> bool:
    low, high = number_of(left), number_of(right)
    return low is not None and high is not None and low < high


def _at_most(left: Any, right: Any) -> bool:
    low, high = number_of(left), number_of(right)
    return low is not None and high is not None and low <= high


def _not_before(left: str, right: str) -> bool:
    """On that day or later: sure only where the earliest day that the first may be is not before the latest of the second."""
    if len(left) >= 10 and len(right) >= 10:
        return left[:10] >= right[:10]
    return certainly_before(right, left)


def _several(joined: Callable[[Any], bool]) -> Callable[[Node, Scope], Compiled]:
    def compiled(node: Node, scope: Scope) -> Compiled:
        parts = [compile_condition(one, scope) for one in node.elements()]
        fns = [part.fn for part in parts]
        return Compiled(
            lambda frame: joined(fn(frame) for fn in fns),
            frozenset[Read]().union(*(part.reads for part in parts)),
            any(part.deferred for part in parts),
        )

    return compiled


def _not(node: Node, scope: Scope) -> Compiled:
    part = compile_condition(node, scope)
    fn = part.fn
    return Compiled(lambda frame: not fn(frame), part.reads, part.deferred)


#: The closed list of conditions.
_FORMS: Final[Mapping[str, Callable[[Node, Scope], Compiled]]] = {
    "all": _several(all),
    "any": _several(any),
    "at_most": _two(_at_most),
    "before": _two(certainly_before),
    "equal": _two(lambda left, right: plain(left) == plain(right)),
    "has": _has,
    "in": _in,
    "less": _two(_less),
    "not": _not,
    "not_before": _two(_not_before),
}
