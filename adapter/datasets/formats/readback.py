"""In: a dataset that a file gave back. Out: its variables and cells, as the model has them, and the first place where two differ."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from adapter.datasets.model import Cell, Dataset

__all__ = ["ReadBack", "ReadVariable", "exact_number", "first_difference"]

#: Below and above, a number of the SAS transport format (IBM System/360, base 16) does not exist.
_SMALLEST, _LARGEST = Decimal("5.4e-79"), Decimal("7.2e75")


class ReadVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A column as its file describes it.

    Attributes:
        name: of the variable.
        label: of the variable.
        numeric: its cells are numbers.
    """

    name: str
    label: str
    numeric: bool


class ReadBack(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as its file gives it back.

    Attributes:
        name: of the dataset.
        label: of the dataset.
        variables: in the order of the file.
        rows: in the order of the file.
    """

    name: str
    label: str
    variables: tuple[ReadVariable, ...]
    rows: list[tuple[Cell, ...]]

    @classmethod
    def of(cls, dataset: Dataset) -> ReadBack:
        """What a file of a dataset must give back."""
        variables = tuple(
            ReadVariable(name=one.name, label=one.label, numeric=one.numeric) for one in dataset.variables
        )
        return cls(
            name=dataset.name, label=dataset.label, variables=variables, rows=[row.cells for row in dataset.rows]
        )


def exact_number(value: Decimal) -> Decimal | None:
    """The decimal that a SAS number (a double) gives back, written one way.

    Numbers compare by value: trailing zeros are no part of one (7.40 is 7.4), what was received stands in ``--ORRES``,
    which is a text.

    Args:
        value: any decimal.

    Returns:
        The shortest decimal that reads as the same double; equal to ``value`` where a double holds it. None for what is
        no number, or out of the range of the transport format.

    >>> exact_number(Decimal("7.40"))
    Decimal('7.4')
    >>> exact_number(Decimal("1E+2"))
    Decimal('100')
    >>> exact_number(Decimal("0.1234567890123456789"))
    Decimal('0.12345678901234568')
    >>> exact_number(Decimal("NaN")) is None
    True
    """
    if not value.is_finite():
        return None
    if not value:
        return Decimal(0)
    if not _SMALLEST < abs(value) < _LARGEST:
        return None
    found = Decimal(repr(float(value)))
    return Decimal(int(found)) if found == found.to_integral_value() else found.normalize()


def first_difference(left: ReadBack, right: ReadBack) -> str | None:
    """Where two datasets first differ, in words without a value of either.

    Args:
        left: one.
        right: the other.

    Returns:
        ``TS record 3, TSVAL``, or None where they are equal cell for cell.
    """
    if (left.name, left.label) != (right.name, right.label):
        return f"{left.name}: its name or label"
    if left.variables != right.variables:
        return f"{left.name}: its variables"
    for number, (mine, yours) in enumerate(zip(left.rows, right.rows, strict=False), start=1):
        if mine != yours:
            return f"{left.name} record {number}, {_first(left.variables, mine, yours)}"
    if len(left.rows) != len(right.rows):
        return f"{left.name} record {min(len(left.rows), len(right.rows)) + 1}: only one of them has it"
    return None


def _first(variables: Iterable[ReadVariable], mine: tuple[Cell, ...], yours: tuple[Cell, ...]) -> str:
    for variable, one, other in zip(variables, mine, yours, strict=False):
        if one != other:
            return variable.name
    return "its number of cells"
