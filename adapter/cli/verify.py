"""In: a package and the store that it was made from. Out: each cell that is not what its source says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.export import tell_changes
from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, note

__all__ = ["verify"]

_PARTLY = 5


def verify(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder of the package.")],
) -> None:
    """Make a package again from its source, and name each cell that differs: tampered with, or changed at the source."""
    from adapter.datasets.package.verifying import verify as verified

    options: Options = ctx.obj
    with opened(options) as room:
        found = verified(room.store, room.settings, directory)
    for problem in found.files:
        if options.json:
            data({"file": problem.partition(":")[0], "problem": problem.partition(": ")[2]})
        else:
            line(f"manifest: {problem}")
    for resource, fate in found.sources.items():
        if options.json:
            data({"source": resource, "problem": fate})
        else:
            line(f"source: {resource} {fate}")
    cells = tell_changes(options, found.cells, names=("package", "source"))
    if found.sound:
        note(options, f"{directory}: every cell is what its source says")
        return
    note(
        options,
        f"{directory}: {cells} cells differ from the source, {len(found.files)} files from the manifest, "
        f"{len(found.sources)} resources are no longer as they were read",
    )
    raise typer.Exit(_PARTLY)
