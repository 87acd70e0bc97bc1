"""In: an expression of a domain document. Out: a closure over a row's frame, and which columns of the view it reads.

The forms are few and closed (mappings/sdtm/README.md describes each); a form or a name that is not known is a fault of the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Final

from adapter.datasets.sdtm.documents import Read, Table, ViewColumns
from adapter.datasets.sdtm.frame import Fn, Frame
from adapter.datasets.sdtm.notes import Place
from adapter.terminology import Node

__all__ = ["Compiled", "Scope", "compile_several", "compile_value", "place_of"]

_FIRST: Final = ("convert", "needed", "wanted")


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression ready to be run.

    Attributes:
        fn: gives its value.
        reads: columns of the view that the value depends on.
        deferred: it needs numbers that are given after all rows are there.
        rows: for a table row: place of each column in it; None for a value.
    """

    fn: Fn
    reads: frozenset[Read] = frozenset()
    deferred: bool = False
    rows: Mapping[str, int] | None = None


@dataclass(slots=True)
class Scope:
    """What an expression may name, and where it stands.

    Attributes:
        domain: two letters.
        base: place of the subject in a frame; the resource and the run follow.
        slots: place of each name.
        reads: columns that a name depends on.
        deferred: names that have no value before numbers are given.
        rows: names that hold a row of a table, with the places of its columns.
        tables: by id.
        facts: names of facts of a subject that may be asked for.
        study: names of facts of the study.
        variable: which variable is being set, for findings.
        leaves_out: a row may still be left out.
        numbered: what the expressions of a source want numbered: name, value, order.
        views: whose rows may be asked for by their key.
        foreign_views: those that are.
    """

    domain: str
    base: int
    slots: dict[str, int]
    tables: Mapping[str, Table]
    facts: frozenset[str]
    study: frozenset[str]
    reads: dict[str, frozenset[Read]] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    rows: dict[str, Mapping[str, int]] = field(default_factory=dict)
    variable: str | None = None
    leaves_out: bool = True
    numbered: list[tuple[str, Fn, Fn | None]] = field(default_factory=list)
    views: Mapping[str, ViewColumns] = field(default_factory=dict)
    foreign_views: set[str] = field(default_factory=set)

    def of(self, variable: str | None) -> Scope:
        """The same scope while a variable is being set."""
        return replace(self, variable=variable)


def place_of(frame: Frame, base: int, domain: str) -> Place:
    """Where a finding of a row points to."""
    facts = frame[base]
    return Place(domain, facts.usubjid if facts is not None else None, frame[base + 1])


def compile_value(node: Node, scope: Scope) -> Compiled:
    """An expression.

    Raises:
        DocumentError: it is none, or names what is not there.
    """
    if isinstance(node.value, dict):
        forms = _forms()
        # Some forms have a key that is the name of another one: `unit` of convert, `text` of wanted.
        form = next((key for key in (*_FIRST, *node.value) if key in node.value and key in forms), None)
        if form is None:
            raise node.fault(f"expected one of {', '.join(sorted(forms))}")
        found = forms[form](node, scope)
        node.close()
        return found
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        number = Decimal(node.value)
        return Compiled(lambda _: number)
    text = node.text()
    if text.startswith("="):
        constant = text[1:]
        return Compiled(lambda _: constant)
    return _named(node, text, scope)


@lru_cache(maxsize=1)
def _forms() -> Mapping[str, Callable[[Node, Scope], Compiled]]:
    from adapter.datasets.sdtm.forms import FORMS  # noqa: PLC0415 - forms hold expressions, and expressions are forms

    return FORMS


def _named(node: Node, name: str, scope: Scope) -> Compiled:
    head, dot, column = name.partition(".")
    if dot and head == "subject":
        return Compiled(_fact(node, column, scope))
    if dot and head == "study":
        if column not in scope.study:
            raise node.fault(f"the study has no {column}: there is {', '.join(sorted(scope.study))}")
        run = scope.base + 2
        return Compiled(lambda frame: frame[run].study.get(column))
    if head not in scope.slots:
        raise node.fault(f"nothing has the name {head}")
    slot, reads, deferred = scope.slots[head], scope.reads.get(head, frozenset()), head in scope.deferred
    if head in scope.rows:
        if not dot:
            raise node.fault(f"{head} is a row of a table: say which column, {head}.<column>")
        if column not in scope.rows[head]:
            raise node.fault(f"the table of {head} has no column {column}")
        at = scope.rows[head][column]
        return Compiled(lambda frame: None if frame[slot] is None else frame[slot][at], reads, deferred)
    if dot:
        raise node.fault(f"{head} is no row of a table")
    return Compiled(lambda frame: frame[slot], reads, deferred)


def _fact(node: Node, name: str, scope: Scope) -> Fn:
    if name not in scope.facts:
        raise node.fault(f"a subject has no {name} here: there is {', '.join(sorted(scope.facts))}")
    slot = scope.base
    return lambda frame: frame[slot].values.get(name) if frame[slot] is not None else None


def compile_several(node: Node, scope: Scope) -> tuple[list[Fn], frozenset[Read], bool]:
    """The expressions of a list, with what they read."""
    found = [compile_value(element, scope) for element in node.elements()]
    if not found:
        raise node.fault("expected at least one expression")
    reads = frozenset[Read]().union(*(one.reads for one in found))
    return [one.fn for one in found], reads, any(one.deferred for one in found)
