"""In: what a verb found. Out: data on stdout, all else on stderr; tables and progress for people, JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from adapter.cli.options import Options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["console", "data", "line", "note", "progress_bars", "say", "say_unreadable"]

#: Where stdout is no terminal, lines are not to be folded at 80 columns.
_PIPE_WIDTH = 140
_SHOWN = 20


def data(found: Any) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(msgspec.json.encode(found).decode())
    sys.stdout.write("\n")


def line(text: str) -> None:
    """One line of stdout."""
    sys.stdout.write(f"{text}\n")


def say(sentence: str) -> None:
    """Tell a person something that is no data, on stderr, quiet or not."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def note(options: Options, sentence: str) -> None:
    """Tell a person something that is no data, on stderr, unless they asked for quiet."""
    if not options.quiet:
        say(sentence)


def say_unreadable(references: tuple[str, ...]) -> None:
    """Name the resources that could not be read, quiet or not: they are why the exit code is not 0."""
    for reference in references[:_SHOWN]:
        say(f"reluth: {reference}: could not be read, and is left out")
    if len(references) > _SHOWN:
        say(f"reluth: and {len(references) - _SHOWN} more")


def console() -> Console:
    """Where tables are printed: stdout, in colour on a terminal only."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, width=None if terminal else _PIPE_WIDTH, highlight=False, soft_wrap=not terminal)


@contextmanager
def progress_bars(options: Options) -> Iterator[Progress]:
    """Progress bars on stderr, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = sys.stderr.isatty() and not options.quiet
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bars:
        yield bars
