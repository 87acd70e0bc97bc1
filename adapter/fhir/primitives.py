"""In: the type of a FHIR primitive and a decoded JSON value. Out: what is wrong with the value, without the value.

Nothing is converted on the way: a decimal stays the Decimal that it is, and a date the text that was written.
Source: R4 datatypes.html#primitive and json.html#primitive; R5 the same pages, for integer64.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

__all__ = ["Fault", "primitive_fault"]


class Fault(NamedTuple):
    """What is wrong with a value: ``code`` is one of the codes of a Problem."""

    code: str
    message: str


_YEAR_TO_DAY = r"(?!0000)[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?"
_DAY = r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TEXT = r"(?=[\s\S]*\S)[\s\S]+"

_SHAPES = {
    name: re.compile(shape, re.ASCII)
    for name, shape in {
        "base64Binary": r"(\s*[0-9a-zA-Z+/]){2,}(\s*=){0,2}\s*",
        "canonical": r"\S+",
        "code": r"\S+( \S+)*",
        "date": _YEAR_TO_DAY,
        "dateTime": f"{_YEAR_TO_DAY}|{_DAY}T{_CLOCK}{_ZONE}",
        "id": r"[A-Za-z0-9\-.]{1,64}",
        "instant": f"{_DAY}T{_CLOCK}{_ZONE}",
        "integer64": r"0|[-+]?[1-9][0-9]*",
        "markdown": _TEXT,
        "oid": r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+",
        "string": _TEXT,
        "time": _CLOCK,
        "uri": r"\S+",
        "url": r"\S+",
        "uuid": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "xhtml": r"\s*<div[\s>/][\s\S]*",
    }.items()
}
_WITH_DAY = frozenset({"date", "dateTime", "instant"})
_LOWEST = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
_HIGHEST = 2**31 - 1
_LONGEST = 1024 * 1024
# R4 datatypes.html#string; a lone surrogate cannot be written as UTF-8 at all.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def primitive_fault(type_name: str, value: Any) -> Fault | None:
    """First thing that is wrong with the value of a primitive element, None where it is a value of its type.

    >>> primitive_fault("date", "2025-02-30")
    Fault(code='value', message='is no date of FHIR')
    >>> primitive_fault("decimal", Decimal("7400")) is None
    True
    """
    if isinstance(value, float):
        return Fault("inexact", "is a binary float, which has lost the decimals as written: read numbers as Decimal")
    if type_name == "boolean":
        return None if isinstance(value, bool) else Fault("type", "is no JSON boolean")
    if type_name == "decimal" or type_name in _LOWEST:
        return _number_fault(type_name, value)
    return _text_fault(type_name, value)


def _number_fault(type_name: str, value: Any) -> Fault | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return Fault("type", "is no JSON number")
    if type_name == "decimal":
        return None if Decimal(value).is_finite() else Fault("value", "is no decimal of FHIR")
    if not isinstance(value, int) or not _LOWEST[type_name] <= value <= _HIGHEST:
        return Fault("value", f"is no {type_name} of FHIR")
    return None


def _text_fault(type_name: str, value: Any) -> Fault | None:
    if not isinstance(value, str):
        return Fault("type", "is no JSON string")
    if not value.strip():
        return Fault("empty", "is empty")
    well_formed = (
        len(value) <= _LONGEST
        and _FORBIDDEN.search(value) is None
        and _SHAPES[type_name].fullmatch(value) is not None
        and (type_name not in _WITH_DAY or _is_in_calendar(value))
    )
    return None if well_formed else Fault("value", f"is no {type_name} of FHIR")


def _is_in_calendar(value: str) -> bool:
    day = value.partition("T")[0]
    if day.count("-") < 2:
        return True
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
