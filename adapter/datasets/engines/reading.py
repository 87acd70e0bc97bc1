"""In: what compiled views declare, and a file of resources. Out: how DuckDB is told to read it, for one view or for several at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from adapter.views import CompiledView, Shape

__all__ = ["KeptFile", "declared", "reader", "together"]

#: Bytes of the longest line that is read at first, and at all: each thread holds buffers of twice that.
USUAL_LINE, LONGEST_LINE = 16_777_216, 400_000_000


class KeptFile(NamedTuple):
    """What was read of a file for several views, and the table that it is in."""

    file: Path
    shape: Shape
    name: str

    def serves(self, compiled: CompiledView, source: Path) -> bool:
        """A view over that file finds in it what it declares, of the same types."""
        return source == self.file and _shared(compiled) and self.shape.agrees_with(compiled.shape, whole=True)


def together(views: Iterable[CompiledView]) -> list[tuple[Shape, int]]:
    """What views of a type of resource declare, taken together where they agree, each with the number of views that it is for."""
    found: list[tuple[Shape, int]] = []
    for compiled in views:
        if not _shared(compiled):
            continue
        for at, (shape, count) in enumerate(found):
            if shape.agrees_with(compiled.shape):
                shape.absorb(compiled.shape)
                found[at] = (shape, count + 1)
                break
        else:
            shape = Shape(compiled.view.resource, compiled.version)
            shape.absorb(compiled.shape)
            found.append((shape, 1))
    return found


def _shared(compiled: CompiledView) -> bool:
    """A query that writes the type of an element with parts out wants these parts and no more."""
    return not compiled.shape.lenient and "STRUCT(" not in compiled.sql


def reader(file: Path, shape: Shape, *, long_lines: bool = False) -> str:
    """The table function over a file.

    Args:
        file: of resources, one a line.
        shape: what is declared.
        long_lines: a line is longer than usual.
    """
    longest = LONGEST_LINE if long_lines else USUAL_LINE
    return (
        f"read_json({_quoted(str(file), chr(39))}, format='newline_delimited', columns={declared(shape)}, "
        f"maximum_object_size={longest})"
    )


def declared(shape: Shape) -> str:
    """What DuckDB's reader is told of a resource's elements: ``{'id': 'VARCHAR', ...}``."""
    fields = (f"{_quoted(name, chr(39))}: {_quoted(_type(child), chr(39))}" for name, child in _children(shape))
    return f"{{{', '.join(fields)}}}"


def _children(shape: Shape) -> list[tuple[str, Shape]]:
    return sorted(shape.children.items())


def _type(shape: Shape) -> str:
    inner = ", ".join(f"{_quoted(name, chr(34))} {_type(child)}" for name, child in _children(shape))
    return (f"STRUCT({inner})" if inner else "VARCHAR") + ("[]" if shape.is_list else "")


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark
