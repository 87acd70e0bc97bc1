"""In: one verb's function, arguments, the settings file. Out: its stdout, stderr and exit code, at a terminal or without."""

from __future__ import annotations

import contextlib
import getpass
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from adapter.cli.options import Options
from adapter.errors import ReluthError
from tests.support.cli import Ran

__all__ = ["run_verb"]


class _Keyboard(io.StringIO):
    """What is typed at a terminal, or stdin that is none."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


def run_verb(
    verb: Callable[..., Any],
    *arguments: str | Path,
    config: Path,
    json: bool = False,
    typed: Sequence[str] | None = None,
    secret: str = "",
) -> Ran:
    """Run one verb in this process.

    Args:
        verb: its function.
        arguments: of the verb.
        config: the settings file.
        json: machine-readable output.
        typed: lines typed at a terminal; None is no terminal.
        secret: what is typed unseen.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(verb)
    out, err = io.StringIO(), io.StringIO()
    keyboard = _Keyboard("".join(f"{line}\n" for line in typed or ()))
    keyboard.terminal = typed is not None
    code = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", keyboard),
        mock.patch.object(getpass, "getpass", return_value=secret),
    ):
        try:
            app(args=[str(one) for one in arguments], standalone_mode=False, obj=Options(config=config, json=json))
        except ReluthError as error:
            err.write(f"reluth: {error}\n")
            code = error.exit_code
    return Ran(code, out.getvalue(), err.getvalue())
