"""In: the store. Out: the small segments of its sites merged, and how many there were and are."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from adapter.cli.opening import opened
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.errors import BusyError

__all__ = ["compact"]

#: Whatever can be merged is.
_ALL = 2


def compact(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None,
) -> None:
    """Merge the many small files that small pulls leave; a pull does it by itself as they come."""
    options: Options = ctx.obj
    found: dict[str, dict[str, int]] = {}
    busy: list[BusyError] = []
    with opened(options) as room:
        lake = room.store.lake
        for name in room.sites(site):
            try:
                with room.store.begin_run(name, "compact") as run:
                    before = len(lake.index_files(name))
                    lake.compact(run, fan=_ALL)
                    after = len(lake.index_files(name))
                    counts = {"before": before, "after": after}
                    run.commit([], summary=json.dumps({"site": name, "run": run.name, "segments": counts}))
            except BusyError as error:
                # The other sites are merged all the same.
                busy.append(error)
                continue
            found[name] = counts
    if options.json:
        data({"sites": found})
    for name, counts in found.items():
        note(options, f"site {name}: {counts['before']} segments before, {counts['after']} now")
    if busy:
        raise busy[0]
