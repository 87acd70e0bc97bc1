"""In: a folder, a number and a seed. Out: a synthetic cancer centre as NDJSON, and what it supports (truth.ndjson)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adapter.cli.opening import a_day
from adapter.cli.options import Options
from adapter.cli.output import data, note, progress_bars
from adapter.errors import UsageError

__all__ = ["SIMULATED_DAY", "simulate"]

#: The simulated centre's records are written around this day; screen them as of it.
SIMULATED_DAY = date(2025, 6, 1)


def simulate(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder to write to; made where there is none.")],
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")],
    enrolled: Annotated[
        int, typer.Option(min=0, help="How many of them are subjects of the trial, followed up for twelve months.")
    ] = 0,
    on: Annotated[str | None, typer.Option(help=f"Day the records are written around ({SIMULATED_DAY}).")] = None,
) -> None:
    """Write the feed of a synthetic cancer centre, and truth.ndjson."""
    from adapter.simulate import simulate as write_centre

    options: Options = ctx.obj
    if enrolled > patients:
        raise UsageError("--enrolled: no more patients can be enrolled than there are (--patients)")
    if _holds_a_feed(directory):
        raise UsageError(
            f"{directory}: holds a feed that is not simulated (no truth.ndjson): its files would be replaced"
        )
    day = a_day(on, option="--on") or SIMULATED_DAY
    with progress_bars(options) as bars:
        bar = bars.add_task("simulate", total=patients)
        made = write_centre(
            directory,
            patients=patients,
            seed=seed,
            on=day,
            enrolled=enrolled,
            progress=lambda done: bars.update(bar, completed=done),
        )
    if options.json:
        data(
            {
                "directory": str(directory),
                "patients": made.patients,
                "enrolled": made.enrolled,
                "truths": made.truths,
                "resources": dict(made.resources),
                "stories": dict(made.stories),
            }
        )
        return
    note(options, f"{made.patients} patients, {sum(made.resources.values())} resources in {directory}")
    if made.enrolled:
        note(options, f"{made.enrolled} of them are subjects of the trial")
    note(options, f"next: reluth --store var pull --from {directory}; reluth --store var screen --on {day}")


def _holds_a_feed(directory: Path) -> bool:
    """Whether somebody else's NDJSON is there, a hospital's export say: what is simulated lies beside its truth."""
    return any(directory.glob("*.ndjson")) and not (directory / "truth.ndjson").exists()
