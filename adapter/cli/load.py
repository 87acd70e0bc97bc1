"""In: a file of trial entities. Out: the good ones in the store, the report of the others; or a template to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, opened, settings_of
from adapter.cli.options import Options
from adapter.cli.output import data, line, note, say
from adapter.cli.patients import actor
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.loading import LoadReport

__all__ = ["load"]

_STDIN = "-"
_SHOWN = 20


def load(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="study, subjects, labs or infusions.")],
    file: Annotated[str | None, typer.Argument(help="CSV, JSON or NDJSON; - reads stdin.")] = None,
    site: Annotated[str | None, typer.Option(help="Whose they are; needed where there are several sites.")] = None,
    trial: Annotated[
        str | None, typer.Option(help="Trial of subjects; with `study` and no FILE: load the document shipped for it.")
    ] = None,
    template: Annotated[bool, typer.Option("--template", help="Print a synthetic file that can be loaded.")] = False,
    correct: Annotated[
        bool, typer.Option("--correct", help="Replace what is stored, even where events of a subject are lost.")
    ] = False,
) -> None:
    """Bring a study, subjects, laboratory results or infusions into the store; rows that are not right are named."""
    options: Options = ctx.obj
    if template:
        _print_template(options, kind, site)
        return
    if file is None and (kind != "study" or trial is None):
        raise UsageError("load KIND FILE; `--template` shows one; `load study --trial T` takes the document shipped")
    if file is not None and kind == "study" and trial is not None:
        raise UsageError("load study: a FILE, or --trial T for the document shipped for it; not both")
    content = None if file is None else _read(file)
    with opened(options, make=True) as room:
        report = _load(room, kind, file=file, content=content, asked=(site, trial), correct=correct)
    _tell(report, options)
    raise typer.Exit(report.exit_code)


def _load(
    room: Opened,
    kind: str,
    *,
    file: str | None,
    content: bytes | None,
    asked: tuple[str | None, str | None],
    correct: bool,
) -> LoadReport:
    from adapter.loading import Content, load_shipped_study, target_of
    from adapter.loading import load as run_load

    site, trial = asked
    target = target_of(room.settings, room.store, site=site, trial=trial)
    if file is None or content is None:
        return load_shipped_study(room.store, target=target, by=actor(), correct=correct)
    name = file if file == _STDIN else Path(file).name
    return run_load(room.store, Content(kind, content, name), target=target, by=actor(), correct=correct)


def _read(file: str) -> bytes:
    if file == _STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None


def _print_template(options: Options, kind: str, site: str | None) -> None:
    from adapter.loading import template

    sites = settings_of(options).sites
    only = next(iter(sites)) if len(sites) == 1 else None
    told = sites.get(site or only or "")
    line(template(kind, site_code=None if told is None else told.site_code).rstrip("\n"))


def _tell(report: LoadReport, options: Options) -> None:
    """The report: one object, or sentences on stderr; what was refused is always named."""
    if options.json:
        data(report)
    note(
        options,
        f"site {report.site}: {report.kind}: {report.read} read, {report.new} new, {report.changed} changed, "
        f"{report.unchanged} unchanged, {len(report.refused)} rows refused",
    )
    for refused in report.refused[:_SHOWN]:
        say(f"reluth: {refused}")
    if len(report.refused) > _SHOWN:
        say(f"reluth: and {len(report.refused) - _SHOWN} more rows refused; --json lists them all")
