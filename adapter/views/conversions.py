"""In: a text as it stands in the JSON, or a value of a known type. Out: a truth, an exact number or a text of a FHIR type; null where it is none.

What a column cannot hold is null and counted by whoever writes the column: no value is rounded, guessed or cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from adapter.views.dialects import Dialect
from adapter.views.lexer import PathFaultError

__all__ = ["CHECKED_TYPES", "DATES", "DECIMAL", "INTEGERS", "convert", "data_type", "kind", "to_boolean", "to_number"]

INTEGERS = frozenset({"integer", "integer64", "positiveInt", "unsignedInt"})
DATES = frozenset({"date", "dateTime", "instant"})
_TEXTS = frozenset(
    {"base64Binary", "canonical", "code", "id", "markdown", "nothing", "oid", "string", "uri", "url", "uuid", "xhtml"}
)
#: Types of a column that a text of the JSON need not fit.
CHECKED_TYPES = INTEGERS | DATES | {"boolean", "decimal", "time"}
#: What numbers are compared and reckoned in: 26 digits before the point and 12 after it, exactly.
DECIMAL = dt.Decimal(38, 12)

_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_WHOLE = r"^-?(0|[1-9][0-9]*)$"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_PARTIAL = r"[0-9]{4}(-(0[1-9]|1[0-2]))?"
_PATTERNS = {
    "date": f"^({_PARTIAL}|{_DAY})$",
    # Hospitals send times without a zone and without seconds; both are kept as they are.
    "dateTime": rf"^({_PARTIAL}|{_DAY}(T([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?{_ZONE}?)?)$",
    "instant": f"^{_DAY}T{_CLOCK}{_ZONE}$",
    "time": f"^{_CLOCK}$",
}


def kind(type_name: str) -> str:
    """``boolean``, ``integer``, ``decimal`` or ``string``: how values of a FHIR type are held.

    Raises:
        PathFaultError: it is no primitive type.
    """
    if type_name in INTEGERS:
        return "integer"
    if type_name in ("boolean", "decimal"):
        return type_name
    if type_name in _TEXTS or type_name in _PATTERNS:
        return "string"
    raise PathFaultError(f"{type_name} is not a primitive type")


def data_type(type_name: str) -> dt.DataType:
    """Data type of a column: a decimal is a text, exactly as received, because an engine's numbers lose its digits."""
    return {"boolean": dt.boolean, "integer": dt.int64}.get(kind(type_name), dt.string)


def to_boolean(text: Any) -> Any:
    """Truth of a text of the JSON."""
    return ibis.cases((text == "true", True), (text == "false", False), else_=ibis.null("boolean"))


def to_number(text: Any) -> Any:
    """Exact number of a text of the JSON."""
    return text.try_cast(DECIMAL)


def convert(given: Any, *, source: str, raw: bool, target: str, dialect: Dialect) -> Any:
    """A value as a column of a type holds it.

    Args:
        given: the value.
        source: its FHIR type.
        raw: it is a text of the JSON.
        target: FHIR type of the column.
        dialect: of the engine.

    Raises:
        PathFaultError: values of the one type are never of the other.
    """
    held, wanted = kind(source), kind(target)
    if raw or held == "string":
        return _text(given, target) if wanted == "string" else _FROM_TEXT[wanted](given)
    if held == wanted and held != "decimal":
        return given
    if wanted == "string" or (held, wanted) in (("integer", "decimal"), ("decimal", "decimal")):
        return _written(given, held, dialect)
    raise PathFaultError(f"{source} is never {target}")


def _text(text: Any, target: str) -> Any:
    pattern = _PATTERNS.get(target)
    if pattern is None:
        return text
    fits = text.re_search(pattern)
    if target != "time":  # the 31st of February
        fits &= (text.length() < 10) | text.left(10).try_cast("date").notnull()
    return fits.ifelse(text, ibis.null("string"))


def _written(given: Any, held: str, dialect: Dialect) -> Any:
    text = given.cast("string")
    if held != "decimal":
        return text
    zeros = text.re_replace(r"(\.[0-9]*?)0+$", r"\1").re_replace(r"\.$", "")
    return zeros if dialect.name == "duckdb" else text.re_replace(r"(\.[0-9]*?)0+$", "$1").re_replace(r"\.$", "")


_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    "boolean": to_boolean,
    "integer": lambda text: text.re_search(_WHOLE).ifelse(text.try_cast("int64"), ibis.null("int64")),
    "decimal": lambda text: text.re_search(_NUMBER).ifelse(text, ibis.null("string")),
}
