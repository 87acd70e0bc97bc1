"""In: what a verb found. Out: data on stdout, all else on stderr; tables and progress for people, JSON for machines."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from adapter.cli.options import Options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["console", "data", "line", "megabytes", "note", "plain", "progress_bars", "say", "say_unreadable"]

#: Where stdout is no terminal, lines are not to be folded at 80 columns.
_PIPE_WIDTH = 140
_SHOWN = 20


def data(found: Any) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(msgspec.json.encode(found).decode())
    sys.stdout.write("\n")


def plain(text: str, *, mark: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Nothing that a terminal would obey: what comes from a hospital or a file may hold anything.

    Args:
        text: as it is.
        mark: in the place of each sign that is left out.

    >>> plain("13\\x1b[2J\\u00a0g/L")
    '13\ufffd[2J\\xa0g/L'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_shown(one) else mark for one in text)


def line(text: str) -> None:
    """One line of stdout."""
    sys.stdout.write(f"{plain(text)}\n")


def say(sentence: str) -> None:
    """Tell a person something that is no data, on stderr, quiet or not."""
    sys.stderr.write(f"{plain(sentence)}\n")
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
    from adapter.cli.plain_console import PlainConsole

    terminal = sys.stdout.isatty()
    # No markup: a name in brackets is a name.
    return PlainConsole(
        file=sys.stdout,
        width=None if terminal else _PIPE_WIDTH,
        markup=False,
        highlight=False,
        soft_wrap=not terminal,
    )


@contextmanager
def progress_bars(options: Options) -> Iterator[Progress]:
    """Progress bars on stderr, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = sys.stderr.isatty() and not options.quiet
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bars:
        yield bars


def _is_shown(sign: str) -> bool:
    # The blanks that French puts before a colon and into numbers are not printable to Python.
    return sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs"


def megabytes(size: int) -> str:
    """A number of bytes, for people.

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    return f"{size / 1e6:.1f} MB"
