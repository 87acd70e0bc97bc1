"""In: truths ("T", "F", "U") and intervals of exact decimals. Out: their Kleene combination, and comparisons of an
interval with a limit.

Only the story side uses this: the simulator weighs what it has decided to write, never what stands in the written
JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Truth = Literal["T", "F", "U"]


def every(*truths: Truth) -> Truth:
    """F dominates, then U."""
    if "F" in truths:
        return "F"
    return "U" if "U" in truths else "T"


def some(*truths: Truth) -> Truth:
    """T dominates, then U."""
    if "T" in truths:
        return "T"
    return "U" if "U" in truths else "F"


def negate(truth: Truth) -> Truth:
    """T and F change places."""
    return {"T": "F", "F": "T", "U": "U"}[truth]  # type: ignore[return-value]


def settle(coded: Truth, attested: Truth) -> Truth:
    """What coded data and an attestation give together: the attestation decides a U and contradicts nothing
    (clarification 26).
    """
    if attested in ("U", coded):
        return coded
    return attested if coded == "U" else "U"


@dataclass(frozen=True, slots=True)
class Span:
    """What a result says of a quantity: between low and high; None is unbounded; an open end does not belong."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    def scaled(self, factor: Decimal) -> Span:
        """The same quantity in another unit (factor above 0)."""
        return Span(
            None if self.low is None else self.low * factor,
            None if self.high is None else self.high * factor,
            self.low_open,
            self.high_open,
        )

    def above(self, limit: Decimal) -> Truth:
        """Is every point above the limit (T), none (F), or some (U)?"""
        if self.low is not None and (self.low > limit or (self.low == limit and self.low_open)):
            return "T"
        return "F" if self.high is not None and self.high <= limit else "U"

    def below(self, limit: Decimal) -> Truth:
        """Is every point below the limit (T), none (F), or some (U)?"""
        if self.high is not None and (self.high < limit or (self.high == limit and self.high_open)):
            return "T"
        return "F" if self.low is not None and self.low >= limit else "U"


def exactly(value: Decimal) -> Span:
    """The span of one number."""
    return Span(value, value)
