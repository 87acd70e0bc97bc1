"""In: a record of a package. Out: which hospital's resource each of its cells came from, by which mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, line, note

__all__ = ["trace"]


def trace(
    ctx: typer.Context,
    domain: Annotated[str, typer.Argument(help="LB, AE, SUPPAE, ...")],
    usubjid: Annotated[str, typer.Argument(help="The subject's number.")],
    seq: Annotated[int | None, typer.Argument(help="The record's --SEQ; none for DM, SE and SV.")] = None,
    trial: Annotated[str | None, typer.Option(help="Trial; the first of the settings.")] = None,
    package: Annotated[Path | None, typer.Option(help="Folder of the package; the newest that was made here.")] = None,
) -> None:
    """Tell where the cells of a record came from: resource, version, FHIRPath, mapping, and the run that brought it."""
    from adapter.datasets.formats import MANIFEST, sha256_of
    from adapter.datasets.package.tracing import trace as traced
    from adapter.errors import UsageError

    options: Options = ctx.obj
    if package is not None and not (package / MANIFEST).is_file():
        raise UsageError(f"{package}: no package there (no {MANIFEST})")
    with opened(options) as room:
        found = traced(
            room.store,
            trial or room.settings.trials[0],
            (domain.upper(), usubjid, seq),
            package_id=None if package is None else sha256_of(package / MANIFEST),
        )
    for one in found:
        if options.json:
            data(one)
            continue
        line(", ".join(one.variables))
        line(f"  {one.path}")
        version = f", version {one.version}" if one.version is not None else ""
        line(f"  {one.site}/{one.reference}{version}" if one.reference is not None else f"  {one.resource}, made here")
        if one.sha256 is not None:
            line(f"  sha256 {one.sha256}")
        if one.origin is not None:
            held = "holds" if one.origin.live else "has been replaced since"
            at = f", line {one.origin.line}" if one.origin.line is not None else ""
            line(f"  run {one.origin.run}, {one.origin.source}{at}; {held}")
        line(f"  by {one.mapping}")
    note(options, "what is not named is derived or assigned: define.xml tells how")
