"""In: the cells of one row as text. Out: its values, or a `CellError` that names column and kind of value; never the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from mappings.entity.fields import CONTROL

__all__ = ["AMOUNT", "CellError", "Row", "told", "value_class"]

#: An amount written out: `Decimal` alone would also take ``1_0``, ``1e5`` and the digits of other scripts.
AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WITH_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
_LONGEST_AMOUNT = 60
_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[<>≤≥=+\-−]*\s*[0-9](?:[0-9.,'\s]*[0-9])?(?:[eE][+-]?[0-9]+)?\s*%?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}.*)?|[0-9]{1,2}([/.\-])[0-9]{1,2}\1[0-9]{2,4}.*|[0-9]{4}/[0-9]{1,2}.*", re.DOTALL
)
_CODE = re.compile(r"[^\s]{1,64}")
_ANSWERS: Final[Mapping[str, bool]] = {"yes": True, "oui": True, "no": False, "non": False}


class CellError(Exception):
    """A row cannot be loaded.

    Args:
        column: where, None for the row as a whole.
        kind: what stands there, see `value_class`; None for the row as a whole.
        reason: what is wrong, and what would be right; never the value.
    """

    def __init__(self, column: str | None, kind: str | None, reason: str) -> None:
        self.column = column
        self.kind = kind
        self.reason = reason
        super().__init__(f"{column}: {reason}")


def value_class(value: Any) -> str:
    """What kind of value stands somewhere, for a report that may not show it.

    >>> [value_class(value) for value in (None, "7,4", "20/05/2025", "g/dL", "two words", True, [])]
    ['empty', 'number', 'date-like', 'code-like', 'text', 'true-or-false', 'list']
    """
    match value:
        case None | "":
            return "empty"
        case bool():
            return "true-or-false"
        case int() | float() | Decimal():
            return "number"
        case str():
            return _text_class(value)
        case list() | tuple():
            return "list"
    return "object"


def _text_class(text: str) -> str:
    # What is longer than any number or date need not be looked at by an expression.
    if len(text) > _LONGEST_AMOUNT:
        return "code-like" if _CODE.fullmatch(text) else "text"
    if _DATE.fullmatch(text):
        return "date-like"
    if _NUMBER.fullmatch(text):
        return "number"
    return "code-like" if _CODE.fullmatch(text) else "text"


def told(**fields: Any) -> dict[str, Any] | None:
    """The fields that are told; None where none is."""
    return {name: value for name, value in fields.items() if value is not None} or None


class Row:
    """One row of a table.

    Args:
        line: number of the line on which it begins.
        cells: by column, trimmed; those that are empty are left out.
        comma: a decimal comma is read: the columns are separated by something else.
        problem: what is wrong with the row as a whole; it is told by `check`.
    """

    __slots__ = ("_cells", "_comma", "_problem", "line")

    def __init__(self, line: int, cells: Mapping[str, str], *, comma: bool, problem: str | None = None) -> None:
        self.line = line
        self._cells = cells
        self._comma = comma
        self._problem = problem

    def check(self) -> None:
        """Refuse what no cell of this row can be trusted for.

        Raises:
            CellError: it has too many or too few cells, or one with control characters.
        """
        if self._problem is not None:
            raise CellError(None, None, self._problem)
        if CONTROL.search("".join(self._cells.values())):
            bad = next(name for name, cell in self._cells.items() if CONTROL.search(cell))
            raise self.fault(bad, "has control characters")

    def fault(self, column: str | None, reason: str) -> CellError:
        """An error that points to a cell of this row."""
        return CellError(column, None if column is None else value_class(self._cells.get(column)), reason)

    @property
    def content(self) -> frozenset[tuple[str, str]]:
        """What it says, to tell rows that say the same."""
        return frozenset(self._cells.items())

    def text(self, column: str, default: str | None = None) -> str | None:
        """A text, or the default where the cell is empty."""
        return self._cells.get(column, default)

    def needed(self, column: str, default: str | None = None, *, otherwise: str = "is missing") -> str:
        """A text that has to be there."""
        found = self._cells.get(column, default)
        if found is None:
            raise self.fault(column, otherwise)
        return found

    def words(self, column: str) -> tuple[str, ...] | None:
        """Codes with blanks between them."""
        found = self._cells.get(column)
        return None if found is None else tuple(found.split())

    def amount(self, column: str) -> Decimal | None:
        """An exact number."""
        text = self._cells.get(column)
        if text is None:
            return None
        if len(text) <= _LONGEST_AMOUNT:
            if AMOUNT.fullmatch(text):
                return Decimal(text)
            if _WITH_COMMA.fullmatch(text):
                if self._comma:
                    return Decimal(text.replace(",", "."))
                raise self.fault(column, "a decimal comma is read only where the columns are separated by semicolons")
        raise self.fault(column, _no_amount(text))

    def count(self, column: str) -> int | None:
        """A whole number from 0."""
        text = self._cells.get(column)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text):
            raise self.fault(column, "a whole number is wanted")
        return int(text)

    def answer(self, column: str) -> bool | None:
        """Yes or no."""
        text = self._cells.get(column)
        if text is None:
            return None
        found = _ANSWERS.get(text.casefold())
        if found is None:
            raise self.fault(column, "yes or no is wanted")
        return found


def _no_amount(text: str) -> str:
    if text[0] in "<>≤≥":
        return "a number alone is wanted: a comparator has a column of its own"
    if re.search(r"[0-9][eE][+-]?[0-9]", text):
        return "a number written out is wanted: a spreadsheet has shortened it, and digits are lost"
    if re.search(r"[0-9][\s'.,][0-9]", text):
        return "a number without marks between the thousands is wanted"
    return "a number is wanted"
