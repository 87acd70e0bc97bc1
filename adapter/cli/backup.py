"""In: the store, and a folder for its backups. Out: a new backup in it, read back; exit 5 where something was lost in the store already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, megabytes, note, say
from adapter.cli.patients import actor

__all__ = ["backup"]

_IN_PART = 5


def backup(
    ctx: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of backups; each is a folder in it, named by its time.")
    ],
) -> None:
    """Copy the whole store as it is at one moment, while everything goes on; `reluth restore` puts it back."""
    options: Options = ctx.obj
    with opened(options) as room:
        unknown = room.store.lake.unknown_files()
        done = room.store.back_up(directory)
        problems = done.manifest.problems
        # Monitoring looks for the last whole one.
        action = "backup-in-part" if problems else "backup"
        room.store.audit(actor(), action, subject="store", detail=done.folder.name)
    if options.json:
        data(
            {
                "backup": str(done.folder),
                "made_at": done.manifest.made_at,
                "files": len(done.manifest.files),
                "bytes": done.manifest.size,
                "linked": done.linked,
                "left_out": len(unknown),
                "problems": problems,
            }
        )
    else:
        line(str(done.folder))
    note(
        options,
        f"{len(done.manifest.files)} files, {megabytes(done.manifest.size)}; {done.linked} of them are links to the backup before",
    )
    if unknown:
        note(
            options,
            f"{len(unknown)} files that no run of this state wrote are left out: `reluth store check` names them",
        )
    for problem in problems:
        say(f"reluth: {problem}")
    if problems:
        raise typer.Exit(_IN_PART)
