"""In: what became of the rows of a file. Out: the report of a load, and its exit code."""

from __future__ import annotations

import msgspec

from adapter.errors import QuarantinedError, UsageError

__all__ = ["LoadReport", "Refused", "UnusableFileError"]


class UnusableFileError(UsageError):
    """A file cannot be read as a whole: nothing of it was loaded.

    Args:
        file: its name.
        problem: what is wrong, by line and column; never what stands there.
    """

    def __init__(self, file: str, problem: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(f"{file}: {problem}")


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One row that was not loaded.

    Attributes:
        file: its name.
        row: number of the line on which it begins, as an editor counts.
        column: name of the column (JSON: path of the field); None for the row as a whole.
        value_class: what kind of value stands there, never the value; None for the row as a whole.
        reason: what is wrong, and what would be right.
    """

    file: str
    row: int
    column: str | None
    value_class: str | None
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}"
        return f"{place}: {self.reason}" if self.column is None else f"{place}: {self.column}: {self.reason}"


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a load did.

    Attributes:
        kind: ``study``, ``subjects``, ``labs`` or ``infusions``.
        site: whose they are.
        read: rows of the table, or objects of the JSON.
        new: entities that were not there.
        changed: entities that have a new version.
        unchanged: entities that were there, the same.
        refused: rows that were not loaded, by line.
    """

    kind: str
    site: str
    read: int
    new: int
    changed: int
    unchanged: int
    refused: tuple[Refused, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of something named being put aside."""
        return QuarantinedError.exit_code if self.refused else 0
