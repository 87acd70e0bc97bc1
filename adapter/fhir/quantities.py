"""In: a Quantity, an integer, a Range or the text of a result as a laboratory prints it. Out: `NumberInterval`, exact decimals.

A comparator or a printed range leaves an interval: ``<5`` is everything below 5. Nothing is guessed: a text that could
be read in two ways is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

import msgspec

__all__ = [
    "EXACT",
    "NO_RESULT",
    "NumberInterval",
    "PrintedNumber",
    "is_no_result",
    "is_usable",
    "plain",
    "read_printed_number",
]

_INFINITY = Decimal("Infinity")

#: No product of two numbers that `is_usable` passes is rounded in it.
EXACT = Context(prec=200)
_MOST_DIGITS, _LARGEST_EXPONENT = 60, 30


def is_usable(value: Decimal) -> bool:
    """A number that a laboratory can have meant: finite, of a size and length that exact arithmetic holds."""
    if not value.is_finite():
        return False
    if abs(value.adjusted()) > _LARGEST_EXPONENT:
        return False
    # Written out it is at least as long as its digits: the digits themselves are dear to ask for.
    return len(str(value)) <= _MOST_DIGITS or len(value.as_tuple().digits) <= _MOST_DIGITS


class NumberInterval(msgspec.Struct, frozen=True, gc=False):
    """All numbers from ``low`` to ``high``; an end may be open (not included) or infinite."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def exactly(cls, value: Decimal) -> NumberInterval:
        """One number."""
        return cls(value, value)

    @classmethod
    def from_comparator(cls, comparator: str | None, value: Decimal) -> NumberInterval | None:
        """The interval of a FHIR quantity comparator (R4 valueset-quantity-comparator); None for one that is not known."""
        match comparator:
            case None | "":
                return cls.exactly(value)
            case "<":
                return cls(-_INFINITY, value, low_open=True, high_open=True)
            case "<=":
                return cls(-_INFINITY, value, low_open=True)
            case ">":
                return cls(value, _INFINITY, low_open=True, high_open=True)
            case ">=":
                return cls(value, _INFINITY, high_open=True)
        return None

    @property
    def is_point(self) -> bool:
        """It is one number."""
        return self.low == self.high

    def times(self, factor: Decimal) -> NumberInterval:
        """Every number times a factor above 0."""
        low = EXACT.multiply(self.low, factor)
        high = low if self.high is self.low else EXACT.multiply(self.high, factor)
        return NumberInterval(low, high, self.low_open, self.high_open)

    def scaled_between(self, low: Decimal, high: Decimal) -> NumberInterval:
        """Every number, which is not below 0, times every factor from ``low`` to ``high``, both above 0."""
        return NumberInterval(
            EXACT.multiply(self.low, low), EXACT.multiply(self.high, high), self.low_open, self.high_open
        )

    def surely_above(self, limit: Decimal) -> bool:
        """Every number in it is > limit."""
        return self.low > limit or (self.low == limit and self.low_open)

    def surely_below(self, limit: Decimal) -> bool:
        """Every number in it is < limit."""
        return self.high < limit or (self.high == limit and self.high_open)

    def surely_at_least(self, limit: Decimal) -> bool:
        """Every number in it is >= limit."""
        return self.low >= limit

    def surely_at_most(self, limit: Decimal) -> bool:
        """Every number in it is <= limit."""
        return self.high <= limit

    def text(self) -> str:
        """``12.1``, ``<5``, ``3-5``."""
        if self.is_point:
            return plain(self.low)
        if not self.low.is_finite():
            return f"<{'' if self.high_open else '='}{plain(self.high)}"
        if not self.high.is_finite():
            return f">{'' if self.low_open else '='}{plain(self.low)}"
        return f"{plain(self.low)}-{plain(self.high)}"


def plain(value: Decimal) -> str:
    """A decimal without exponent, as many digits as it has."""
    return format(value, "f")


#: What laboratories print where there is no result (clinical-spec.md section 9). ``traces`` and ``voir CR`` are not here:
#: there the result exists and we cannot read it, so it must not be passed over for an older one.
NO_RESULT: frozenset[str] = frozenset(
    {
        "annulé",
        "annule",
        "coagulé",
        "coagule",
        "en cours",
        "hémolysé",
        "hemolyse",
        "nd",
        "non déterminé",
        "non determine",
        "non fait",
        "prélèvement coagulé",
        "prelevement coagule",
        "prélèvement hémolysé",
        "prelevement hemolyse",
        "échantillon coagulé",
        "échantillon hémolysé",
    }
)


def is_no_result(text: str) -> bool:
    """The text says that there is no result, so an earlier one is still the latest."""
    return " ".join(text.split()).strip(" .").casefold() in NO_RESULT


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A number as printed, and the unit printed behind it."""

    interval: NumberInterval
    unit: str | None


_SPACES = " \u00a0\u2009\u202f"
_NUMBER = rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
#: Of a text without blanks at its ends. Blanks that are taken are not given back: a padded text would be tried for minutes.
_PRINTED = re.compile(
    rf"(?P<comparator><=|>=|≤|≥|<|>)?+\s*+(?P<first>{_NUMBER})"
    rf"(?:\s*+(?:-|–|à|a)\s*+(?P<second>{_NUMBER}))?(?![\d.,])\s*+(?P<unit>.*)"
)


def read_printed_number(text: str) -> PrintedNumber | None:
    """Read a result as French laboratories print it.

    Args:
        text: e.g. ``12,1 g/dL``, ``80 000 /mm3`` (also with U+00A0 or U+202F), ``< 5``, ``3-5 %``.

    Returns:
        None when it is no number, or when the mark before exactly three digits may be a decimal or a thousands mark
        (``1,500``): reading it wrongly would be wrong by a factor of a thousand.

    >>> read_printed_number("80\u202f000 /mm3")
    PrintedNumber(interval=NumberInterval(low=Decimal('80000'), high=Decimal('80000'), low_open=False, high_open=False), unit='/mm3')
    >>> read_printed_number("1,500 /mm3") is None
    True
    """
    found = _PRINTED.fullmatch(text.strip())
    if found is None:
        return None
    first = _number(found["first"])
    second = _number(found["second"]) if found["second"] else None
    if first is None or (found["second"] and second is None):
        return None
    if second is not None:
        if found["comparator"] or second < first:
            return None
        return PrintedNumber(NumberInterval(first, second), found["unit"] or None)
    comparator = (found["comparator"] or "").replace("≤", "<=").replace("≥", ">=")
    interval = NumberInterval.from_comparator(comparator, first)
    return None if interval is None else PrintedNumber(interval, found["unit"] or None)


def _number(text: str) -> Decimal | None:
    digits = re.sub(rf"[{_SPACES}]", "", text)
    whole, mark, fraction = re.fullmatch(r"(\d+)([.,]?)(\d*)", digits).groups()  # type: ignore[union-attr]
    if mark and len(fraction) == 3 and whole != "0" and digits == text:
        return None
    try:
        return Decimal(f"{whole}.{fraction}" if mark else whole)
    except InvalidOperation:  # pragma: no cover - the pattern admits digits only
        return None
