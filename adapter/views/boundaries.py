"""In: a number or a date as precise as it was written. Out: the lowest or highest value that it may stand for.

FHIRPath 3.0 (STU), lowBoundary and highBoundary. Where a time has no zone, the day is the one that begins first (+14:00) or
ends last (-12:00) on earth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis

from adapter.views.conversions import DECIMAL, kind, to_number
from adapter.views.lexer import PathFaultError
from adapter.views.values import Scope, Value

__all__ = ["boundary"]


def boundary(source: Value, *, low: bool) -> Value:
    """Lowest or highest value that a single value may stand for.

    Raises:
        PathFaultError: its type has no such bound.
    """
    ways: dict[str, Callable[..., Any]] = {"date": _day, "dateTime": _moment, "instant": _moment, "time": _time}
    if source.many or not source.plain:
        raise PathFaultError("a boundary is of a single value: add first()")
    if kind(source.type) in ("decimal", "integer") and source.raw:
        return Value("decimal", many=False, build=lambda scope: _number(scope, source.build(scope), low=low))
    if source.type not in ways:
        raise PathFaultError(f"{source.type} has no boundary")
    way = ways[source.type]
    return Value(source.type, many=False, build=lambda scope: way(scope, source.build(scope), low=low))


def _number(_: Scope, text: Any, *, low: bool) -> Any:
    point = text.find(".")
    decimals = (point < 0).ifelse(0, text.length() - point - 1)
    # Half of the last digit, from a table: a power would be a double.
    half = ibis.cases(
        *((decimals == count, ibis.literal(f"0.{'0' * count}5").cast(DECIMAL)) for count in range(DECIMAL.scale or 0)),
        else_=ibis.null(DECIMAL),
    )
    exact = to_number(text)
    return (exact - half if low else exact + half).cast(DECIMAL)


def _day(_: Scope, text: Any, *, low: bool) -> Any:
    month = (text.length() == 4).ifelse("01" if low else "12", text.substr(5, 2))
    year = text.left(4)
    number = year.try_cast("int64")
    leap = (number % 4 == 0) & ((number % 100 != 0) | (number % 400 == 0))
    last = ibis.cases(
        (month.isin(["04", "06", "09", "11"]), "30"),
        (month == "02", leap.ifelse("29", "28")),
        else_="31",
    )
    ends = ibis.literal("01") if low else last
    return (text.length() >= 10).ifelse(text.left(10), year + "-" + month + "-" + ends)


def _time(_: Scope, text: Any, *, low: bool) -> Any:
    seconds, thousandths = ("00", "000") if low else ("59", "999")
    return ibis.cases(
        (text.length() == 5, text + f":{seconds}.{thousandths}"),
        (text.length() == 8, text + f".{thousandths}"),
        else_=text,
    )


def _moment(scope: Scope, text: Any, *, low: bool) -> Any:
    clock, zone = ("00:00:00.000", "+14:00") if low else ("23:59:59.999", "-12:00")
    after = text.substr(11)
    own = after.re_extract("(Z|[+-][0-9]{2}:[0-9]{2})$", 1)
    bare = after.re_replace("(Z|[+-][0-9]{2}:[0-9]{2})$", "")
    exact = text.left(10) + "T" + _time(scope, bare, low=low) + (own == "").ifelse(zone, own)
    return (text.length() <= 10).ifelse(_day(scope, text, low=low) + f"T{clock}{zone}", exact)
