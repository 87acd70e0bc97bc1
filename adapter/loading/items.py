"""In: the bytes of a JSON file, or of one with an object a line. Out: its objects, each with the line on which it begins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from adapter.loading.cells import CellError
from adapter.loading.report import UnusableFileError
from adapter.loading.tables import decoded

__all__ = ["Twice", "read_items", "read_lines"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_LONGEST_INT: Final = 18


class Twice(dict[str, Any]):
    """An object in which a key stands twice: which value is meant is not known."""


class _NoNumberError(ValueError):
    """``NaN`` or ``Infinity``, which Python would read and JSON does not know."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Twice(found)


def _whole(text: str) -> int | Decimal:
    # int() refuses more than 4,300 digits with an error that is not JSON's own.
    return int(text) if len(text) <= _LONGEST_INT else Decimal(text)


def _no_number(_text: str) -> None:
    raise _NoNumberError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Decimal, parse_int=_whole, parse_constant=_no_number
)


def read_items(data: bytes, *, file: str) -> Iterator[tuple[int, Any]]:
    """The elements of an array, or the one object that there is.

    Args:
        data: UTF-8; numbers are read as exact decimals.
        file: its name, for errors.

    Raises:
        UnusableFileError: it is no JSON, or neither an array nor an object.
    """
    text = decoded(data, file=file)
    lines = _Lines(text)
    at = _skip(text, 0)
    if text[at] != "[":
        value, end = _value(text, at, lines, file)
        if not isinstance(value, dict):
            raise UnusableFileError(file, "is neither a JSON array nor a JSON object")
        _end(text, end, lines, file)
        yield lines.at(at), value
        return
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        _end(text, at + 1, lines, file)
        return
    while True:
        value, end = _value(text, at, lines, file)
        yield lines.at(at), value
        at = _skip(text, end)
        mark = text[at : at + 1]
        if mark == "]":
            _end(text, at + 1, lines, file)
            return
        if mark != ",":
            raise UnusableFileError(file, f"line {lines.at(at)}: is not JSON: a comma or a closing bracket is wanted")
        at = _skip(text, at + 1)


def read_lines(data: bytes, *, file: str) -> Iterator[tuple[int, Any]]:
    """The objects of a file with one a line; for a line that is no JSON, a `CellError` stands in its place.

    Raises:
        UnusableFileError: it is no text.
    """
    text = decoded(data, file=file)
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        at = _skip(line, 0)
        try:
            value, end = _DECODER.raw_decode(line, at)
        except (ValueError, RecursionError):
            yield number, CellError(None, None, "is not JSON")
            continue
        yield number, value if _skip(line, end) == len(line) else CellError(None, None, "is more than one JSON value")


class _Lines:
    """Numbers of lines, for places that come in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._line = 1

    def at(self, place: int) -> int:
        """The line of a place, which is not before the one asked for last."""
        self._line += self._text.count("\n", self._place, place)
        self._place = max(self._place, place)
        return self._line


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, lines: _Lines, file: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        # Its message names what was expected, never what stands there.
        raise UnusableFileError(file, f"line {lines.at(error.pos)}: is not JSON: {error.msg}") from None
    except _NoNumberError:
        raise UnusableFileError(file, f"line {lines.at(at)}: is not JSON: NaN or Infinity in it") from None
    except RecursionError:
        raise UnusableFileError(file, f"line {lines.at(at)}: is nested too deeply") from None


def _end(text: str, at: int, lines: _Lines, file: str) -> None:
    at = _skip(text, at)
    if at != len(text):
        raise UnusableFileError(
            file, f"line {lines.at(at)}: goes on after the end; one object a line is a file that ends in .ndjson"
        )
