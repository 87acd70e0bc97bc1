"""In: single fields of an entity. Out: the same, checked, or an `EntityError` that names the field; never the value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from adapter.fhir import When, parse_when

__all__ = [
    "CONTROL",
    "DAY",
    "URI",
    "EntityError",
    "Values",
    "check_amount",
    "check_code",
    "check_order",
    "check_text",
    "check_time",
    "check_unique",
]


class EntityError(ValueError):
    """An entity cannot be as it is told.

    Args:
        field: path to the field, e.g. ``batch.expires`` or ``events[2].on``.
        problem: what is wrong and what would be right; never the value, which may be a patient's.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class Values(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Root of all: frozen, by keyword only, and strict about what it does not know."""


# R4 datatypes.html#dateTime: a time of day needs seconds and an offset.
_FHIR_DATE = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
    r"(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d))?)?)?"
)
DAY: Final = 10
# R4 datatypes.html#string forbids white space at the ends; #code forbids it doubled.
_UNTRIMMED = re.compile(r"^\s|\s$|^$")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CODE = re.compile(r"[^\s]+( [^\s]+)*")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def check_time(field: str, text: str | None, *, day: bool = False, moment: bool = False) -> When | None:
    """Check a point in time; ``day``: to the day at least; ``moment``: with its time of day."""
    if text is None:
        return None
    when = parse_when(text) if _FHIR_DATE.fullmatch(text) else None
    if when is None:
        raise EntityError(field, "a date (YYYY-MM-DD) or a time with its offset (YYYY-MM-DDThh:mm:ss+02:00) is wanted")
    if moment and len(text) <= DAY:
        raise EntityError(field, "a time of day with its offset is wanted (YYYY-MM-DDThh:mm:ss+02:00)")
    if day and len(text) < DAY:
        raise EntityError(field, "a whole date is wanted (YYYY-MM-DD)")
    return when


def check_text(field: str, text: str | None, *, longest: int = 4000) -> None:
    """Neither empty nor untrimmed, without control characters, and not longer than ``longest`` characters."""
    if text is None:
        return
    if _UNTRIMMED.search(text):
        raise EntityError(field, "is empty, or begins or ends with white space")
    if CONTROL.search(text) or len(text) > longest:
        raise EntityError(field, f"has control characters, or more than {longest} characters")


def check_code(field: str, text: str) -> None:
    """A code as FHIR knows it: single blanks at most, and none at the ends."""
    if not _CODE.fullmatch(text) or CONTROL.search(text):
        raise EntityError(field, "a code is wanted: not empty, no white space but single blanks within")


def check_amount(field: str, amount: Decimal | None, *, above_zero: bool = True) -> None:
    """A finite amount, above 0 (or not below it)."""
    if amount is None:
        return
    if not amount.is_finite():
        raise EntityError(field, "a finite number is wanted")
    if amount < 0 or (above_zero and amount == 0):
        raise EntityError(field, "has to be above 0" if above_zero else "may not be below 0")


def check_order(field: str, first: When | None, second: When | None) -> None:
    """``second`` may not surely lie before ``first``; partial dates are given the benefit of the doubt."""
    if first is not None and second is not None and first.start >= second.end:
        raise EntityError(field, "lies before the beginning")


def check_unique(field: str, keys: Iterable[object]) -> None:
    """No key stands twice."""
    seen: set[object] = set()
    for at, key in enumerate(keys):
        if key in seen:
            raise EntityError(f"{field}[{at}]", "stands twice")
        seen.add(key)
