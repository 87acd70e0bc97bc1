"""In: the bytes of a CSV file. Out: its rows by column, each with the line on which it begins; or why it is no such file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapter.loading.cells import Row
from adapter.loading.columns import COLUMNS
from adapter.loading.report import UnusableFileError

__all__ = ["Table", "decoded", "read_table"]

#: In the order in which they win where a header could be read by several.
_SEPARATORS: Final = (";", ",", "\t")
_IDENTIFIER = re.compile(r"[a-z_]{1,30}")
#: Longer than any file that is read: `csv` would give up at 131,072 characters a cell, before the row can be named.
_LONGEST_CELL: Final = 2**31 - 1
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Table:
    """A file with a header that is understood.

    Attributes:
        file: its name.
        separator: between the columns.
        header: the columns by position.
    """

    file: str
    separator: str
    header: tuple[str, ...]
    _records: Iterator[tuple[int, list[str]]]

    def rows(self) -> Iterator[Row]:
        """Each row; lines without a cell that says anything are passed over.

        Raises:
            UnusableFileError: quotation marks that do not close: where rows begin and end is not known any more.
        """
        width = len(self.header)
        # French Excel writes `12,1` in a file that it separates by semicolons.
        comma = self.separator == ";"
        for line, record in self._records:
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            problem = None
            if len(cells) < width:
                problem = f"has {len(cells)} cells, the header has {width}"
            elif any(cells[width:]):
                problem = f"has more cells than the header, which has {width}"
            named = {name: cell for name, cell in zip(self.header, cells, strict=False) if cell}
            yield Row(line, named, comma=comma, problem=problem)


def decoded(data: bytes, *, file: str) -> str:
    """The text of a file.

    Raises:
        UnusableFileError: it is empty or not UTF-8.
    """
    if data.startswith(_UTF16):
        raise UnusableFileError(file, "is UTF-16: save it as UTF-8 (Excel: `CSV UTF-8`)")
    data = data.removeprefix(_BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnusableFileError(file, f"line {line} is not UTF-8: save it as UTF-8 (Excel: `CSV UTF-8`)") from None
    if not text.strip():
        raise UnusableFileError(file, "is empty")
    return text


def read_table(data: bytes, *, kind: str, file: str) -> Table:
    """Read the header of a CSV file; its rows are read as they are asked for.

    Args:
        data: UTF-8, with or without byte order mark; any line ends.
        kind: ``subjects``, ``labs`` or ``infusions``: which columns it may have.
        file: its name, for errors.

    Raises:
        UnusableFileError: it is no text, or its header lacks a column, has one twice or one that is not known.
    """
    text = decoded(data, file=file)
    known = {column.name for column in COLUMNS[kind]}

    def names(separator: str) -> int:
        try:
            _, record = next(_records(text, separator, file))
        except UnusableFileError:
            # `"id";"unit"` has a misplaced quotation mark for who takes it to be separated by commas.
            return -1
        return len(known.intersection(_named(record)))

    separator = max(_SEPARATORS, key=names)
    records = _records(text, separator, file)
    line, record = next(records)
    header = _named(record)
    _check_header(header, record, kind=kind, file=file, line=line)
    return Table(file, separator, tuple(header), records)


def _records(text: str, separator: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not wholly empty, each with the line on which it begins."""
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)
    # Line ends as they are: a cell may hold one, and an editor counts CR, LF and CR LF alike.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise UnusableFileError(
                file, f"line {line}: a quotation mark is not closed, or not doubled within a cell; nothing was loaded"
            ) from None
        if record:
            yield line, record


def _named(record: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in record]
    # Spreadsheets write separators for empty columns at the end.
    while names and not names[-1]:
        names.pop()
    return names


def _check_header(header: Sequence[str], written: Sequence[str], *, kind: str, file: str, line: int) -> None:
    columns = COLUMNS[kind]
    known = {column.name for column in columns}
    found = [name for name in header if name in known]
    template = f"`reluth load {kind} --template` shows one"
    if not found:
        raise UnusableFileError(file, f"line {line} is no header: none of its cells names a column; {template}")
    problems = [
        f"column {at} {_shown(cell, trusted=2 * len(found) >= len(header))}is not known"
        for at, (name, cell) in enumerate(zip(header, written, strict=False), 1)
        if name not in known
    ]
    problems += [f"column `{name}` stands twice" for name in sorted(set(found)) if found.count(name) > 1]
    problems += [
        f"column `{column.name}` is missing" for column in columns if column.needed and column.name not in found
    ]
    if problems:
        raise UnusableFileError(file, f"line {line}: {'; '.join(problems)}; {template}")


def _shown(cell: str, *, trusted: bool) -> str:
    # A file without its header begins with a patient: what hardly looks like a header is not repeated.
    return f"`{cell.strip()}` " if trusted and _IDENTIFIER.fullmatch(cell.strip()) else ""
