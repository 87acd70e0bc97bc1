"""In: a text or an exact number. Out: the other of the two; no float in between."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

__all__ = ["number_of", "plain", "shortened"]

_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?")
#: A double of SAS holds 15 digits; a converted value says no more than 12 of them.
_DIGITS: Final = Context(prec=12, rounding=ROUND_HALF_EVEN)


def number_of(value: Any) -> Decimal | None:
    """The exact number that a text writes; None for what is none.

    >>> number_of("12.10"), number_of("traces")
    (Decimal('12.10'), None)
    """
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(value) if _NUMBER.fullmatch(value) else None


def plain(value: Any) -> str | None:
    """The text of a value; a number without exponent.

    >>> plain(Decimal("1E+2")), plain(Decimal("12.10")), plain("12.10")
    ('100', '12.10', '12.10')
    """
    return value if value.__class__ is str or value is None else format(value, "f")


def shortened(value: Decimal) -> Decimal:
    """At most 12 digits, without zeros at the end and without exponent.

    >>> shortened(Decimal("121.000")), shortened(Decimal(200)), shortened(Decimal(1) / 3)
    (Decimal('121'), Decimal('200'), Decimal('0.333333333333'))
    """
    found = _DIGITS.plus(value).normalize()
    return found.quantize(Decimal(1)) if int(found.as_tuple().exponent) > 0 else found
