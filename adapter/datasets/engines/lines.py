"""In: a file of resources, one a line, and what a view declares of them. Out: the lines that an engine cannot be given, with their numbers.

An engine's own reader stops at the first bad line, or reads it as a row of nulls. This reads line by line and is slow: it runs
where an engine stopped, and names every bad line of the file.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from adapter.datasets.engines.tables import BadLine
from adapter.views import Shape

__all__ = ["bad_lines", "copy_good_lines"]


class _TwiceError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def bad_lines(file: Path, shape: Shape) -> list[BadLine]:
    """The lines that hold no resource, or one whose elements are not as FHIR says.

    Args:
        file: of resources, one a line; compressed where its name ends in ``.gz``.
        shape: what the view declares.
    """
    return [BadLine(file.name, number, reason) for number, _, reason in _checked(file, shape) if reason is not None]


def copy_good_lines(file: Path, shape: Shape, copy: Path) -> list[BadLine]:
    """Copy a file without its bad lines, and without resources of other types.

    Returns:
        the lines left out because they are bad.
    """
    left_out = []
    with copy.open("wb") as out:
        for number, line, reason in _checked(file, shape):
            if reason is not None:
                left_out.append(BadLine(file.name, number, reason))
            elif line:
                out.write(line + b"\n")
    return left_out


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _checked(file: Path, shape: Shape) -> Iterator[tuple[int, bytes, str | None]]:
    with _opened(file) as lines:
        for number, line in enumerate(lines, start=1):
            stripped = line.strip()
            if not stripped:
                continue
            reason, wanted = _reason(stripped, shape)
            yield number, stripped if wanted else b"", reason


def _reason(line: bytes, shape: Shape) -> tuple[str | None, bool]:
    if line.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark", False
    try:
        resource = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_float=str, parse_int=str)
    except UnicodeDecodeError:
        return "it is not UTF-8", False
    except _TwiceError:
        return "an element is there twice", False
    except RecursionError:
        return "it is nested too deep", False
    except ValueError:
        return "it is not JSON, or not whole", False
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return "it is not a resource", False
    if resource["resourceType"] != shape.type:
        return None, False
    return _misfit(resource, shape, shape.type), True


def _misfit(value: dict[str, Any], shape: Shape, path: str) -> str | None:
    for name, child in shape.children.items():
        found = value.get(name)
        if found is None:
            continue
        where = f"{path}.{name}"
        if child.is_list != isinstance(found, list):
            return f"{where} is {'not ' if child.is_list else ''}a list"
        for one in found if child.is_list else [found]:
            if child.children and not isinstance(one, dict) and one is not None:
                return f"{where} has no elements"
            if child.children and isinstance(one, dict) and (deeper := _misfit(one, child, where)):
                return deeper
    return None
