"""In: the last screening and the decisions. Out: the screening log (ICH E6), by pseudonymous number."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adapter.cli.opening import opened, stage_of
from adapter.cli.options import Options
from adapter.cli.output import console, data

__all__ = ["log"]


def log(
    ctx: typer.Context,
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    stage: Annotated[str, typer.Option(help="registration or randomisation.")] = "registration",
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV with a heading line.")] = False,
) -> None:
    """Print the screening log: who was looked at, with what outcome, and why they were not enrolled."""
    from rich import box
    from rich.table import Table

    from adapter.screening import read_log, write_log

    options: Options = ctx.obj
    with opened(options) as room:
        document = room.trial(trial)
        rows = read_log(room.store, document, stage_of(stage), site=room.known_site(site))
    if as_csv:
        write_log(rows, sys.stdout)
    elif options.json:
        data({"trial": document.id, "stage": stage, "rows": [row.to_json() for row in rows]})
    else:
        table = Table(box=box.SIMPLE_HEAD, title=f"{document.acronym} screening log", title_justify="left")
        for heading in ("number", "screened on", "eligible", "failed criteria", "state", "reason not enrolled"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            failed = " ".join(row.failed)
            table.add_row(
                row.number, str(row.screened_on), row.eligible, failed, row.state, row.reason_not_enrolled or ""
            )
        console().print(table)
