"""In: arguments. Out: the verb that runs, and the exit code of the contract for whatever happens in it.

Exit codes (design 4.1): 0 done, 1 a defect of ours, 2 usage or configuration, 3 a mapping document, 4 the other side
refused, 5 done in part, 75 try again later; and 130 for Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from adapter.cli import verbs
from adapter.cli.options import Options, hoist
from adapter.cli.output import say
from adapter.cli.streams import unbroken_streams
from adapter.errors import ReluthError, StorageError
from adapter.observe import configure

__all__ = ["app", "main"]

_DEFECT = 1
_USAGE = 2
_INTERRUPTED = 130
_DEBUG = "RELUTH_DEBUG"
_GLOBAL = "Options of `reluth` itself (--config, --store, --json, --quiet) may stand before or after the verb."


class _Root(TyperGroup):
    """Takes the global options wherever they stand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Global options first, then the verb with its own."""
        return super().parse_args(ctx, hoist(args))


app = typer.Typer(
    name="reluth",
    cls=_Root,
    help="From a hospital's FHIR server to the few patients who may fit a clinical trial; first ReLUTH (NCT04954820).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=_GLOBAL,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def _root(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(envvar="RELUTH_CONFIG", help="Settings file; ./adapter.toml where there is one.")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of the store, instead of the settings' one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable: one object, or one a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr but errors.")] = False,
) -> None:
    ctx.obj = Options(config=config, store=store, json=json, quiet=quiet)
    configure(quiet=quiet)


verbs.register(app, epilog=_GLOBAL)

#: Typer keeps its own copy of click: this is the root of its usage errors, by way of a public name.
_UsageProblem = typer.BadParameter.__mro__[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `reluth`.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        the exit code of the contract.
    """
    # Whatever is written holds personal data, or may.
    mask = os.umask(0o077)
    try:
        with unbroken_streams():
            return _run(list(sys.argv[1:] if arguments is None else arguments))
    except StorageError as error:
        say(f"reluth: {error}")
        return error.exit_code
    finally:
        os.umask(mask)


def _run(given: list[str]) -> int:
    # Taken out of the environment: `RELUTH_*` are settings, and this is none.
    debug = bool(os.environ.pop(_DEBUG, ""))
    try:
        code = app(args=given, prog_name="reluth", standalone_mode=False)
    except ReluthError as error:
        say(f"reluth: {error}")
        _trace(debug)
        return error.exit_code
    except PermissionError as error:
        # Commands by hand, run as another user than the service: the name says which file, and nothing of a patient.
        name = Path(str(error.filename)).name if error.filename is not None else "a file"
        say(f"reluth: {name}: {error.strerror}: run it as the user whose it is, or give the right")
        _trace(debug)
        return _USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else _DEFECT
    except Exception as error:  # noqa: BLE001 - the last stop: whatever it is, its text must not get out
        if isinstance(error, _UsageProblem):
            return _usage(error)
        from adapter.store.space import no_room

        problem = no_room(error)
        if problem is not None:
            # Reading needs a file, too: where none can be opened, nothing of ours is broken.
            storage = StorageError("the store", problem)
            say(f"reluth: {storage}")
            _trace(debug)
            return storage.exit_code
        # The exception's text may hold patient content: only its kind is told.
        say(f"reluth: a defect of ours ({type(error).__name__}); {_DEBUG}=1 shows where")
        _trace(debug)
        return _DEFECT
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        say(context.get_help())
    else:
        path = context.command_path if context is not None else "reluth"
        say(f"reluth: {error.format_message()} Try `{path} --help`.")
    return int(error.exit_code)


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()
