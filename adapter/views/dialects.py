"""In: an engine's name. Out: the few things that Ibis has no word for, or that it words wrongly for that engine.

One compiler writes one expression for both; this is the seam. Each member says which gap it closes, so that it can go when
Ibis closes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

import ibis
import ibis.expr.datatypes as dt
from ibis.expr import types as ir

__all__ = ["DUCKDB", "SPARK", "Dialect"]

_NUMBERS = count()


@cache
def _function(name: str, arguments: tuple[dt.DataType, ...], result: dt.DataType) -> Callable[..., Any]:
    """A function that the engine has, with the types that it has here."""

    def stub() -> None: ...

    names = [f"a{place}" for place in range(len(arguments))]
    stub.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in names]
    )
    found: Callable[..., Any] = ibis.udf.scalar.builtin(stub, name=name, signature=(arguments, result))
    return found


class Dialect:
    """What one engine calls things.

    Args:
        name: in the way of ``ibis.to_sql``.
        at: function for the n-th of a list (null where there is none), and the number of the first.
        fail: function that ends the query with a message.
        flatten_skips_null: ``flatten`` passes over a list that is null, else it gives null.
    """

    def __init__(self, name: str, *, at: tuple[str, int], fail: str, flatten_skips_null: bool) -> None:
        self.name = name
        self._at, self._first = at
        self._fail = fail
        self._flatten_skips_null = flatten_skips_null

    def call(self, name: str, *arguments: ir.Value, result: str | dt.DataType) -> Any:
        """A function that both engines know by the same name."""
        return _function(name, tuple(each.type() for each in arguments), dt.dtype(result))(*arguments)

    def at(self, items: Any, place: int) -> Any:
        """The n-th of a list, from 0. Ibis writes ELEMENT_AT for Spark, which fails where there is none (ANSI mode)."""
        number = ibis.literal(place + self._first, type="int32")
        return self.call(self._at, items, number, result=items.type().value_type)

    def fail(self, message: Any, result: dt.DataType) -> Any:
        """End the query. Ibis has no word for it."""
        return self.call(self._fail, message, result=result)

    def flatten(self, lists: Any) -> Any:
        """One list of several. Spark gives null as soon as one of them is null."""
        return (lists if self._flatten_skips_null else self.filter(lists, lambda each: each.notnull())).flatten()

    def map(self, items: Any, change: Callable[[Any], Any]) -> Any:
        """Each of a list, changed. Ibis names a lambda's parameter as Python does; nested ones need names of their own."""
        return items.map(_named(change, 1))

    def map_with_place(self, items: Any, change: Callable[[Any, Any], Any]) -> Any:
        """Likewise, with its place from 0."""
        return items.map(_named(change, 2))

    def filter(self, items: Any, keep: Callable[[Any], Any]) -> Any:
        """Those of a list that are kept."""
        return items.filter(_named(keep, 1))

    def concat(self, lists: list[Any]) -> Any:
        """One list after the other; one that is null is passed over."""
        found, *others = [ibis.coalesce(each, self.empty(each.type())) for each in lists]
        for each in others:
            found = self.call("concat", found, each, result=found.type())
        return found

    def empty(self, kind: dt.DataType) -> Any:
        """An empty list. Ibis writes it without a type, which DuckDB takes for a list of integers."""
        return ibis.literal([], type=kind).cast(kind) if self.name == "duckdb" else ibis.literal([], type=kind)

    def sql(self, expression: ir.Table) -> str:
        """The query as text."""
        return str(ibis.to_sql(expression, dialect=self.name))


def _named(body: Callable[..., Any], parameters: int) -> Callable[..., Any]:
    def called(**arguments: Any) -> Any:
        return body(*arguments.values())

    number = next(_NUMBERS)
    called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(f"{'xi'[place]}{number}", inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for place in range(parameters)
        ]
    )
    return called


DUCKDB = Dialect("duckdb", at=("list_extract", 1), fail="error", flatten_skips_null=True)
SPARK = Dialect("pyspark", at=("get", 0), fail="raise_error", flatten_skips_null=False)
