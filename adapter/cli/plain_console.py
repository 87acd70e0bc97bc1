"""In: what rich prints for people. Out: the same, with its own colours, and nothing else that a terminal would obey.

A file of its own: rich is imported by those verbs only that print a table.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from adapter.cli.output import plain

__all__ = ["PlainConsole"]


class PlainConsole(Console):
    """A console to which a text is a text, whatever stands in it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those by which rich itself steers the terminal stay."""
        for segment in super().render(renderable, options):
            # Without a mark: rich has counted such signs as nothing, and a cell that grows is cut.
            yield segment if segment.control else segment._replace(text=plain(segment.text, mark=""))
