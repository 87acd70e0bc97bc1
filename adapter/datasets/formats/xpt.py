"""In: a dataset, a date for its header. Out: a SAS transport file, version 5; and the other way, read by pyreadstat.

pyreadstat writes from pandas or polars only, cuts labels at 40 bytes and puts the time of writing into the header. The format is fixed
and short (SAS technical support TS-140, "The record layout of a data set in SAS transport (XPORT) format"), so it is written here, and
pyreadstat's ReadStat, which knows nothing of this writer, reads it back.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyreadstat

from adapter.datasets.formats.preparing import LONGEST_LABEL, LONGEST_NAME, LONGEST_TEXT
from adapter.datasets.formats.readback import ReadBack, ReadVariable, exact_number
from adapter.datasets.model import Cell, Dataset, Variable
from adapter.errors import DefectError, UsageError

__all__ = ["ibm_bytes", "read_xpt", "write_xpt"]

_CARD = 80
_BUFFER = 1 << 20
_NUMBER = 8
_MISSING = b"." + b"\0" * 7
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_SYSTEM = b"SAS     SAS     SASLIB  9.4     X64     "


def write_xpt(dataset: Dataset, path: Path, *, created: date) -> None:
    """Write a dataset as a transport file.

    Args:
        dataset: as ``prepared`` gives it.
        path: of the file.
        created: the day in the header, at midnight: the same data give the same bytes.

    Raises:
        DefectError: a name, label, text or number that the format cannot hold. Nothing is cut.
    """
    columns = [
        _column(dataset, variable, cells) for variable, cells in zip(dataset.variables, dataset.columns(), strict=True)
    ]
    if any(all(cell is None for cell in row.cells) for row in dataset.rows):
        raise DefectError(f"{dataset.name}: a record without any cell cannot be told from the blanks that end the file")
    head = _header(dataset, created) + _namestrs(dataset) + _card(b"OBS     ")
    with path.open("wb", _BUFFER) as file:
        file.write(head)
        file.writelines(map(b"".join, zip(*columns, strict=True)))
        file.write(_blanks(sum(map(_width, dataset.variables)) * len(dataset.rows)))


def read_xpt(path: Path) -> ReadBack:
    """Read a transport file.

    Args:
        path: of the file.

    Returns:
        Its cells; a missing number and a blank text are None.

    Raises:
        UsageError: it is no transport file, or broken.
    """
    try:
        columns, meta = pyreadstat.read_xport(str(path), output_format="dict", disable_datetime_conversion=True)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError):
        raise UsageError(f"{path.name}: no SAS transport file that can be read") from None
    names = list(meta.column_names)
    numeric = [meta.readstat_variable_types[name] != "string" for name in names]
    cells = [
        list(map(_number_read if is_number else _text_read, columns[name]))
        for name, is_number in zip(names, numeric, strict=True)
    ]
    variables = tuple(
        ReadVariable(name=name, label=label or "", numeric=is_number)
        for name, label, is_number in zip(names, meta.column_labels, numeric, strict=True)
    )
    rows: list[tuple[Cell, ...]] = list(zip(*cells, strict=True))
    return ReadBack(name=meta.table_name or "", label=meta.file_label or "", variables=variables, rows=rows)


def _number_read(value: float | None) -> Cell:
    return None if value is None or math.isnan(value) else exact_number(Decimal(repr(float(value))))


def _text_read(value: Any) -> Cell:
    return str(value).rstrip(" ") or None if value is not None else None


def ibm_bytes(value: float) -> bytes:
    """A double as an IBM System/360 number of 8 bytes: sign, exponent of 16 (excess 64), 56 bits of fraction.

    A double has 53 bits, of which at most 3 shift to meet a power of 16: nothing is lost.

    Raises:
        DefectError: beyond the range of the format.

    >>> ibm_bytes(1.0).hex(), ibm_bytes(-118.625).hex(), ibm_bytes(0.0).hex()
    ('4110000000000000', 'c276a00000000000', '0000000000000000')
    """
    if value == 0:
        return b"\0" * _NUMBER
    fraction, exponent = math.frexp(abs(value))
    sixteens = -(-exponent // 4)
    if not -64 <= sixteens <= 63:
        raise DefectError("a number beyond the range of the transport format was to be written")
    bits = int(fraction * 2**53) << 3 >> (4 * sixteens - exponent)
    return struct.pack(">Q", (0x80 if value < 0 else 0) << 56 | (sixteens + 64) << 56 | bits)


def _column(dataset: Dataset, variable: Variable, cells: tuple[Cell, ...]) -> list[bytes]:
    """The cells of a variable as they stand in the file; equal cells are turned once."""
    width = _width(variable)
    turn: Callable[[Any], bytes] = _number if variable.numeric else lambda text: _text(text, width)
    known: dict[Cell, bytes] = {None: _MISSING if variable.numeric else b" " * width}
    try:
        for cell in dict.fromkeys(cells):
            if cell is not None:
                known[cell] = turn(cell)
    except (AttributeError, TypeError, ValueError):
        raise DefectError(
            f"{dataset.name}.{variable.name}: a cell that a transport file cannot hold; prepare the package first"
        ) from None
    return [known[cell] for cell in cells]


def _width(variable: Variable) -> int:
    return _NUMBER if variable.numeric else min(max(variable.length, 1), LONGEST_TEXT)


def _number(cell: Decimal) -> bytes:
    if exact_number(cell) != cell:
        raise ValueError
    return ibm_bytes(float(cell))


def _text(cell: str, width: int) -> bytes:
    done = cell.encode("ascii")
    if len(done) > width or not cell or cell != cell.strip(" "):
        raise ValueError
    return done.ljust(width)


def _field(text: str, width: int, what: str) -> bytes:
    if not text.isascii() or len(text) > width:
        raise DefectError(f"{what}: a name or label that a transport file cannot hold; prepare the package first")
    return text.encode("ascii").ljust(width)


def _card(kind: bytes, numbers: bytes = b"0" * 30) -> bytes:
    return b"HEADER RECORD*******" + kind + b"HEADER RECORD!!!!!!!" + numbers + b"  "


def _blanks(size: int) -> bytes:
    """What fills up the last card after so many bytes."""
    return b" " * (-size % _CARD)


def _header(dataset: Dataset, created: date) -> bytes:
    day = f"{created.day:02}{_MONTHS[created.month - 1]}{created.year % 100:02}:00:00:00".encode("ascii")
    name = _field(dataset.name, LONGEST_NAME, dataset.name)
    label = _field(dataset.label, LONGEST_LABEL, dataset.name)
    return b"".join(
        (
            _card(b"LIBRARY "),
            _SYSTEM + b" " * 24 + day,
            day.ljust(_CARD),
            _card(b"MEMBER  ", b"000000000000000001600000000140"),
            _card(b"DSCRPTR "),
            b"SAS     " + name + b"SASDATA 9.4     X64     " + b" " * 24 + day,
            day + b" " * 16 + label + b" " * 8,
        )
    )


def _namestrs(dataset: Dataset) -> bytes:
    found = []
    position = 0
    for number, variable in enumerate(dataset.variables, start=1):
        width = _width(variable)
        where = f"{dataset.name}.{variable.name}"
        kind = (1 if variable.numeric else 2, 0, width, number)
        name = _field(variable.name, LONGEST_NAME, where)
        label = _field(variable.label, LONGEST_LABEL, where)
        found.append(
            struct.pack(">4h8s40s8s3h2s8s2hl52x", *kind, name, label, b" " * 8, 0, 0, 0, b"", b" " * 8, 0, 0, position)
        )
        position += width
    count = f"000000{len(dataset.variables):04}00000000000000000000".encode("ascii")
    told = b"".join(found)
    return _card(b"NAMESTR ", count) + told + _blanks(len(told))
