"""In: truths of statements. Out: the truth of their combination, by Kleene's strong three-valued logic."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["Truth", "all_of", "any_of", "negate"]


class Truth(StrEnum):
    """What is known of a statement: proven, refuted, or not decidable from what there is."""

    T = "T"
    F = "F"
    U = "U"

    # A truth that is used as a bool would turn U into a pass or a fail.
    def __bool__(self) -> bool:
        raise TypeError("a Truth is not a bool: compare it with Truth.T, Truth.F or Truth.U")


def all_of(truths: Iterable[Truth]) -> Truth:
    """F if any is F, else U if any is U, else T.

    >>> all_of([Truth.T, Truth.U, Truth.F])
    <Truth.F: 'F'>
    """
    found = set(truths)
    if Truth.F in found:
        return Truth.F
    return Truth.U if Truth.U in found else Truth.T


def any_of(truths: Iterable[Truth]) -> Truth:
    """T if any is T, else U if any is U, else F."""
    found = set(truths)
    if Truth.T in found:
        return Truth.T
    return Truth.U if Truth.U in found else Truth.F


def negate(truth: Truth) -> Truth:
    """T and F change places, U stays."""
    return _NEGATION[truth]


_NEGATION = {Truth.T: Truth.F, Truth.F: Truth.T, Truth.U: Truth.U}
